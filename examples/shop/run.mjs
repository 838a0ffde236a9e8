// The shop: its services, the sidecar in front of them, some customers, and a line a second of what is happening.
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { constants } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Children } from './runner/children.mjs'
import { options } from './runner/options.mjs'
import { read } from './runner/readings.mjs'
import { heading, Status } from './runner/status.mjs'
import { Traffic } from './runner/traffic.mjs'
import { farewell, welcome } from './runner/words.mjs'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const binary = here('../../dist/plugins/bin.js')
/** Each instance's port, less its beginning. */
const SERVICES = { catalogue: [11, 12, 13], orders: [21, 22], payment: [31, 32], stock: [41, 42] }

/** ms for all to be there. It takes a second or two; more where the machine is busy. */
const OPENING = 60_000
/** Status lines between two headings. */
const PAGE = 20

const { ports, quietTraffic } = options()
const ownLog = here('access.log')
const log = process.env.SHOP_LOG || ownLog
const addresses = new Map()

/** Aborts when the shop is to close, its reason being what went wrong, or undefined where somebody asked for it. */
const closing = new AbortController()
const closed = new Promise((resolve) => closing.signal.addEventListener('abort', resolve))
let wrong
function close(why) {
  if (closing.signal.aborted) return
  wrong = why
  closing.abort()
}

const children = new Children(close)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    // The second time is meant.
    if (closing.signal.aborted) process.exit(128 + constants.signals[signal])
    close()
  })
}
// Nobody reads what happens any more.
process.stdout.on('error', () => close())
process.stderr.on('error', () => {})

try {
  await open()
  if (!closing.signal.aborted) await serve()
} catch (error) {
  close(error.message)
}
children.expectTheEnd()
// The sidecar first: what is under way in it needs the services.
await children.stop(['sidecar'], 10_000)
await children.stop(Object.keys(SERVICES), 2000)
if (wrong !== undefined) {
  console.error(`the shop ${addresses.size > 0 ? 'has to close' : 'cannot open'}: ${wrong}`)
  if (addresses.size === 0)
    console.error('where its ports are taken, give it others: SHOP_PORTS=241 npm start')
}
process.exit(wrong === undefined ? 0 : 2)

/** Starts the services, then the sidecar. Returns when all are ready, or when the shop is to close. */
async function open() {
  if (!existsSync(binary)) throw new Error('dist/plugins/bin.js is missing: `npm run build` makes it')
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
  })
  const env = { SHOP_URL: `http://127.0.0.1:${ports}00`, SHOP_VERIFYING_KEY: publicKey }
  const services = Object.entries(SERVICES).map(([name, endings]) => {
    const args = [here(`services/${name}.mjs`), ...endings.map((ending) => `${ports}${ending}`)]
    return new Promise((resolve) => children.start(name, args, { env, onMessage: resolve }))
  })
  await inTime(Promise.all(services))
  if (closing.signal.aborted) return
  // The last shop's. Not before: it may be open still, and then its ports are taken.
  if (log === ownLog) rmSync(log, { force: true })
  const sidecar = new Promise((resolve) => {
    children.start('sidecar', [binary, 'run', here('sidecar.yaml')], {
      env: { SHOP_PORTS: ports, SHOP_LOG: log, SHOP_SIGNING_KEY: privateKey },
      onLine: (line) => {
        const [, name, address] = /^ready (\S+) (\S+)$/.exec(line) ?? []
        if (name !== undefined) addresses.set(name, address)
        // The last of its listeners.
        if (name === 'admin') resolve()
      }
    })
  })
  await inTime(sidecar)
}

async function inTime(ready) {
  const late = sleep(OPENING, 'late', { ref: false })
  if ((await Promise.race([ready, closed, late])) === 'late') {
    throw new Error(`it was not ready after ${OPENING / 1000} s`)
  }
}

async function serve() {
  console.log(welcome({ addresses, log }))
  const admin = addresses.get('admin')
  const traffic = new Traffic(addresses.get('shop'))
  if (!quietTraffic) traffic.start()
  const first = await read(admin)
  const last = await report(admin, first)
  await Promise.race([traffic.stop(), sleep(5000, undefined, { ref: false })])
  if (wrong === undefined) console.log(farewell(first, await read(admin).catch(() => last)))
}

/** @returns the last reading */
async function report(admin, first) {
  const status = new Status(first)
  let last = first
  for (let lines = 0; ; lines++) {
    const due = last.at + 1000 - performance.now()
    await sleep(Math.max(0, due), undefined, { signal: closing.signal }).catch(() => {})
    if (closing.signal.aborted) return last
    try {
      last = await read(admin)
    } catch (error) {
      if (closing.signal.aborted) return last
      throw new Error(`the sidecar's admin does not answer: ${error.cause?.message ?? error.message}`)
    }
    if (lines % PAGE === 0) console.log(heading)
    console.log(status.line(last))
  }
}
