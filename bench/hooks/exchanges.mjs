// What an exchange costs in the pipeline alone, on a compiled build: nothing is read from a socket and nothing written to
// one, so that what a plugin adds stands out. One set of plugins a process: what was compiled for another must not matter.
//
//   node exchanges.mjs DIST CASE LOG       CASE is JSON: { idle: { count, hooks, async } } or { plugins: [NAME, ...] }
//
// It says `ready`, and for each line COUNT that it reads then how many ns of processor time an exchange
// took, of COUNT.
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const [build, given, logFile] = process.argv.slice(2)
const { idle, plugins = [] } = JSON.parse(given)

const load = (file) => import(pathToFileURL(`${build}/${file}`).href)
const { host } = await load('plugins/host.js')
const { load: loadConfig } = await load('core/server/load.js')
const { accept } = await load('core/server/accept.js')
const { ModuleLoader } = await load('core/modules/load.js')
const { Generation } = await load('core/pipeline/generation.js')
const { MetricsRegistry } = await load('core/metrics/registry.js')
const { EndpointStore } = await load('core/service/endpoint-store.js')
const { WorkerPool } = await load('core/workers/pool.js')
const { Deadlines } = await load('core/hooks/deadlines.js')
const { systemClock } = await load('core/hooks/clock.js')
const { Http1Downstream } = await load('core/exchange/http1.js')
const { testEntry } = await load('core/testing/entry.js')
const { CapturedLog } = await load('core/testing/captured-log.js')
const { definePlugin } = await load('core/hooks/plugin.js')

/** Exchanges under way at once. */
const AT_ONCE = 50

/** As peers/five.yaml knows it. */
const KEY = 'bench'
const DIGEST = 'sha256:1b32c28cb38c05480eccc1bd60ff97029b57a05c96718b96dad7e9d84894f549'

const HOOKS = ['request', 'candidates', 'pick', 'attempt', 'outcome', 'settled', 'response', 'finish']
const ASYNC = ['request', 'attempt', 'outcome', 'response']

/** A plugin whose hooks do nothing. */
function idlePlugin(name) {
  const hooks = {}
  const every = idle.async ? ASYNC : HOOKS
  for (const hook of idle.hooks === 'every' ? every : [idle.hooks])
    hooks[hook] = idle.async ? async () => {} : () => {}
  return definePlugin({ name, setup: () => hooks })
}

/** As in peers/five.yaml. */
const LISTED = {
  logging: { at: 'top', config: { format: 'json', destination: logFile } },
  metrics: { at: 'top', config: {} },
  'load-balancer': { at: 'service', config: { policy: 'least-request' } },
  auth: { at: 'route', config: { apiKeys: { bench: DIGEST } } },
  retry: { at: 'route', config: { attempts: 3, on: ['connect-failure', 'reset', '5xx'] } }
}

const builtins = new Map(host.builtins)
const listed = plugins.map((name) => ({ ...LISTED[name], name }))
for (let i = 0; i < (idle?.count ?? 0); i++) {
  const name = `idle-${i + 1}`
  builtins.set(name, async () => idlePlugin(name))
  listed.push({ at: 'route', name, config: {} })
}
const at = (place) => listed.filter((one) => one.at === place).map(({ name, config }) => ({ [name]: config }))

const configuration = {
  listeners: { test: { address: '127.0.0.1:0' } },
  admin: false,
  plugins: at('top'),
  services: {
    app: { endpoints: ['http://127.0.0.1:9001', 'http://127.0.0.1:9002'], plugins: at('service') }
  },
  routes: [{ name: 'app', match: { path: '/*' }, service: 'app', plugins: at('route') }]
}

const entry = testEntry()
const peer = { address: '127.0.0.1', port: 40_000, trusted: false, requests: 0, distrusted: false }
const socket = { destroyed: false, cork() {}, uncork() {} }
const BODY = Buffer.alloc(128, 'x')
const NOTHING = []

/** Calls that wait for their answer, and answers that are out. */
let calls = []
let answered = []
let served = 0

class FakeConnection {
  send(_request, listener) {
    const call = new FakeCall(listener)
    calls.push(call)
    return call
  }
  resize() {}
  close() {}
  destroy() {}
}

class FakeCall {
  sent = true
  stale = false
  httpVersion = '1.1'
  #listener

  constructor(listener) {
    this.#listener = listener
  }

  answer() {
    const headers = ['content-type', 'text/plain', 'content-length', '128']
    if (this.#listener.responded(200, headers, 'OK', false)) this.resume()
  }

  resume() {
    this.#listener.data(BODY)
    this.#listener.ended(NOTHING)
  }

  cancel() {}
}

class FakeIncoming {
  method = 'GET'
  httpVersion = '1.1'
  httpVersionMajor = 1
  httpVersionMinor = 1
  rawTrailers = NOTHING
  errored = null
  socket = socket
  rawHeaders = ['Host', 'shop.example.com', 'User-Agent', 'bench/1.0', 'Accept', '*/*', 'X-Api-Key', KEY]
}

class FakeOutgoing {
  headersSent = false
  destroyed = false
  writableFinished = false
  writableLength = 0
  socket = socket
  status = 0
  #closed = undefined

  on(event, listener) {
    if (event === 'close') this.#closed = listener
  }

  writeHead(status) {
    this.status = status
    this.headersSent = true
  }

  write() {
    return true
  }

  end() {
    this.writableFinished = true
    answered.push(this)
  }

  close() {
    if (this.status !== 200) throw new Error(`an exchange was answered with ${this.status}`)
    served++
    this.#closed()
  }
}

const log = new CapturedLog()
const metrics = new MetricsRegistry()
const deadlines = new Deadlines(systemClock)
const store = new EndpointStore(metrics, { connect: () => new FakeConnection() })
const workers = new WorkerPool({ threads: 1, maxQueue: 64, maxHeap: 268_435_456, modules: {} })
const options = { env: {}, directory: process.cwd() }
const config = await loadConfig({ ...host, builtins }, configuration, options, new ModuleLoader(host.modules))
const parts = { clock: systemClock, deadlines, log, metrics, store, workers }
const generation = await Generation.build(config, parts)
generation.activate()

const shared = { clock: systemClock, deadlines, log }

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

async function run(count) {
  for (let begun = 0; begun < count; begun += AT_ONCE) {
    served = 0
    for (let i = 0; i < AT_ONCE; i++)
      accept(
        generation,
        shared,
        entry,
        new Http1Downstream(peer, new FakeIncoming(), new FakeOutgoing(), '/orders/1')
      )
    // Promises of plugins, timers and what a thread has to say have their turns, as they would between sockets' events.
    do {
      if (calls.length === 0 && answered.length === 0) await nextTurn()
      const called = calls
      calls = []
      for (const call of called) call.answer()
      const over = answered
      answered = []
      for (const outgoing of over) outgoing.close()
    } while (served < AT_ONCE)
    await nextTurn()
  }
}

/** ns of an exchange, those of other threads counted. */
async function measure(count) {
  const before = process.cpuUsage()
  await run(count)
  const { user, system } = process.cpuUsage(before)
  return ((user + system) * 1e3) / count
}

console.log('ready')
for await (const line of createInterface({ input: process.stdin })) console.log(await measure(Number(line)))
await generation.retire()
process.exit()
