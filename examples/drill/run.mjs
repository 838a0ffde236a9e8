// The drill: breaks a small shop in eight ways while load runs, each once without the plugins that are there for it and
// once with them, and prints what clients saw.
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { breaks } from './breaks.mjs'
import { Children } from './runner/children.mjs'
import { figures } from './runner/figures.mjs'
import { Load } from './runner/load.mjs'
import { options } from './runner/options.mjs'
import { heading, row, title, verdict } from './runner/table.mjs'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const binary = here('../../dist/plugins/bin.js')
/** The endings of each service's ports. */
const PORTS = { catalogue: [11, 12, 13], stock: [21, 22, 23], orders: [31, 32, 33], payment: [41, 42, 43] }

const { ports, seconds, only } = options(breaks)
const address = `http://127.0.0.1:${ports}00`

let isLeaving = false
const children = new Children((message) => {
  const other = message.includes('is taken') ? 'other ports: DRILL_PORTS=246 node examples/drill/run.mjs' : ''
  void leave(2, `${message}${other}`)
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => void leave(128 + constants.signals[signal]))
}
// Nobody reads what happens any more.
process.stdout.on('error', () => void leave(2))

try {
  await build()
  await leave(await drill(only.map((number) => ({ number, ...breaks[number - 1] }))))
} catch (error) {
  await leave(2, error.message)
}

/** Once: what goes wrong afterwards does so because of it. */
async function leave(code, why) {
  if (isLeaving) return
  isLeaving = true
  if (why !== undefined) console.error(`the drill ends: ${why}`)
  await children.end()
  process.exit(code)
}

/** Where nobody has yet. */
async function build() {
  const { build, isBuilt } = await import('../../.ci/prepare.mjs')
  if (!existsSync(binary)) await build()
  else if (!isBuilt()) console.error('dist is older than the sources: `npm run build` makes it anew')
}

/** @returns the exit code */
async function drill(chosen) {
  const services = new Set(chosen.flatMap((one) => one.services))
  await Promise.all([...services].flatMap(instancesOf).map(start))
  console.log(heading)
  let notGood = 0
  for (const one of chosen) {
    console.log(title(one.number, one.what))
    const without = await rehearse(one, false)
    console.log(row('without', without.clients, one.also(without)))
    const withPlugins = await rehearse(one, true)
    console.log(row(one.plugins, withPlugins.clients, one.also(withPlugins)))
    const reasons = one.must(withPlugins, without).filter((reason) => reason !== false)
    if (reasons.length > 0) console.log(verdict(reasons))
    if (reasons.length > 0) notGood++
  }
  console.log(`\n${chosen.length - notGood} of ${chosen.length} are as much better as they must be`)
  return notGood === 0 ? 0 : 1
}

/**
 * Runs one break against a sidecar of its own.
 *
 * @param {import('./breaks.mjs').Break} one
 * @param {boolean} isProtected whether its plugins are on
 * @returns {Promise<import('./breaks.mjs').Seen>}
 */
async function rehearse(one, isProtected) {
  const instances = one.services.flatMap(instancesOf)
  await Promise.all(instances.map((instance) => children.tell(instance, one.usual ?? {})))
  const env = { DRILL_PORTS: ports, DRILL_WITHOUT: String(!isProtected) }
  await children.start('sidecar', [binary, 'run', here(`sidecars/${one.sidecar}`)], { env })

  const load = new Load(address, one.load)
  await load.warmUp()
  load.start()
  await sleep(one.before ?? 500)
  let flood
  const happening = one.happens({
    load,
    tell: (instance, mood) => children.tell(instance, mood),
    kill: (instance) => children.kill(instance),
    start,
    flood: (what) => {
      flood = new Load(address, what)
      flood.start()
    },
    pause: (part) => sleep(part * seconds * 1000)
  })
  await sleep(one.settles ?? 0)
  load.count()
  flood?.count()
  await Promise.all([happening, sleep(seconds * 1000)])
  const [answers, floodAnswers] = await Promise.all([load.stop(), flood?.stop()])
  const counts = await Promise.all(instances.map((instance) => children.tell(instance)))
  await children.kill('sidecar')
  return {
    clients: figures(answers),
    flood: floodAnswers && figures(floodAnswers),
    asked: Object.fromEntries(instances.map((instance, i) => [instance, counts[i]])),
    seconds
  }
}

function instancesOf(service) {
  return PORTS[service].map((_, i) => `${service}-${i + 1}`)
}

function start(instance) {
  const [service, number] = instance.split('-')
  const port = `${ports}${PORTS[service][number - 1]}`
  return children.start(instance, [here(`services/${service}.mjs`), port], {
    env: { SHOP_URL: address },
    listens: true
  })
}
