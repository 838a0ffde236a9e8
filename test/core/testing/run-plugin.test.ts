// The harness that authors test with says what the proxy would do.
import { readFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { ConfigError, definePlugin, ProxyError, Reply, Retry, z } from '../../../core/index.js'
import { runPlugin, VirtualClock } from '../../../core/testing/index.js'

t.test('the reply, the attempts, what endpoints got, the log and the result', async (t) => {
  const plugin = definePlugin({
    name: 'mine',
    setup: ({ log }) => ({
      request({ request }) {
        log.info({ path: request.path }, 'saw it')
        request.headers.set('x-added', 'yes')
      },
      outcome: ({ status }) => (status === 503 ? new Retry({ reason: 'busy' }) : undefined),
      response: ({ headers }) => headers.set('x-back', '1')
    })
  })
  const run = runPlugin(
    plugin,
    {},
    { upstream: ({ index }) => ({ status: index === 0 ? 503 : 201, body: { a: 1 } }) }
  )
  const answer = await run.request({ url: '/x?y=1', headers: { 'X-A': ['1', '2'] } })
  t.equal(answer.status, 201)
  t.same(answer.json(), { a: 1 })
  t.equal(answer.headers.get('x-back'), '1')
  t.match(answer.attempts, [
    { status: 503, reason: undefined },
    { status: 201, reason: 'busy' }
  ])
  t.not(answer.attempts[0]?.endpoint, answer.attempts[1]?.endpoint)
  t.equal(answer.attempts[0]?.headers.get('x-added'), 'yes')
  t.same(run.seen[0]?.headers.getAll('x-a'), ['1', '2'])
  t.match(answer.log, [{ level: 'info', message: 'saw it', fields: { plugin: 'mine', path: '/x' } }])
  t.match(answer.result, { status: 201, local: false, bytesOut: 7 })
  t.match(await run.metrics(), /outrigger_plugin_duration_seconds/)
  await run.close()
})

t.test('configuration is checked, defaults filled in', async (t) => {
  const plugin = definePlugin({
    name: 'mine',
    config: z.object({ limit: z.number().default(3) }),
    setup: ({ config }) => ({ request: () => new Reply(200, String(config.limit)) })
  })
  t.equal((await runPlugin(plugin).request()).body, '3')
  t.equal((await runPlugin(plugin, { limit: 5 }).request()).body, '5')
  t.throws(() => runPlugin(plugin, { limit: 'many' }), ConfigError)
  t.throws(() => runPlugin(plugin, { limits: 1 }), ConfigError)
})

t.test('a setup that throws is told by the request', async (t) => {
  const plugin = definePlugin({
    name: 'mine',
    setup() {
      throw new Error('no licence')
    }
  })
  const run = runPlugin(plugin)
  await t.rejects(run.request(), /no licence/)
  await run.close()
})

t.test('the clock moves by itself to what is slept for, or by hand', async (t) => {
  const plugin = definePlugin({
    name: 'mine',
    setup: ({ clock }) => ({
      async request() {
        const before = clock.now()
        await clock.sleep(3_000)
        return new Reply(200, String(clock.now() - before))
      }
    })
  })
  t.equal((await runPlugin(plugin).request()).body, '3000')
  const run = runPlugin(plugin, {}, { autoAdvance: false })
  const asked = run.request()
  await run.clock.advance(2_999)
  await run.clock.advance(1)
  t.equal((await asked).body, '3000')
  await run.close()
})

t.test('a hook that never resolves ends by its hookTimeout, on the clock', async (t) => {
  const plugin = definePlugin({
    name: 'mine',
    setup: () => ({ request: () => new Promise<undefined>(() => {}) })
  })
  const run = runPlugin(plugin, {}, { hookTimeout: 200 })
  const asked = run.request()
  await run.clock.advance(0)
  await run.clock.advance(300)
  t.equal((await asked).error, 'PLUGIN_TIMEOUT')
  await run.close()
})

t.test('autoAdvance: a hook or an endpoint that never answers ends by itself too', async (t) => {
  const hangs = definePlugin({
    name: 'hangs',
    setup: () => ({ request: () => new Promise<undefined>(() => {}) })
  })
  const passes = definePlugin({ name: 'passes', setup: () => ({}) })
  for (const [plugin, options, error] of [
    [hangs, {}, 'PLUGIN_TIMEOUT'],
    [hangs, { hookTimeout: 200 }, 'PLUGIN_TIMEOUT'],
    [passes, { upstream: () => new Promise<never>(() => {}) }, 'DEADLINE_EXCEEDED']
  ] as const) {
    const run = runPlugin(plugin, {}, options)
    const asked = run.request()
    const late = new AbortController()
    const answer = await Promise.race([asked, setTimeout(10_000, undefined, { signal: late.signal })])
    late.abort()
    t.equal(answer?.error, error)
    // Let it go, so that the file ends.
    if (answer === undefined) await run.clock.advance(20_000)
    await run.close()
  }
})

t.test('autoAdvance: work that takes real time is not overtaken', async (t) => {
  const works = definePlugin({
    name: 'works',
    setup: ({ clock, worker }) => {
      const file = new URL('./fixtures/slow.worker.ts', import.meta.url)
      const double = worker<(n: number) => number>(file, 'double')
      return {
        async request({ request }) {
          const read = async () => (await readFile(new URL(import.meta.url))).length > 0
          const result = request.path === '/file' ? await read() : await double(21)
          return new Reply(200, { result, after: clock.now() })
        }
      }
    }
  })
  for (const [url, result] of [
    ['/file', true],
    ['/thread', 42]
  ] as const) {
    const run = runPlugin(works)
    t.same((await run.request({ url })).json(), { result, after: 0 })
    await run.close()
  }
})

t.test('HEAD has no body', async (t) => {
  const run = runPlugin(definePlugin({ name: 'mine', setup: () => ({}) }))
  const { body, headers, result } = await run.request({ method: 'HEAD' })
  t.equal(body, '')
  t.equal(headers.get('content-length'), '2')
  t.equal(result.bytesOut, 0)
  await run.close()
  const replies = runPlugin(
    definePlugin({ name: 'mine', setup: () => ({ request: () => new Reply(200, 'x') }) })
  )
  t.equal((await replies.request({ method: 'HEAD' })).body, '')
  t.equal((await replies.request()).body, 'x')
  await replies.close()
})

t.test('what an endpoint may do: fail, throw, answer late', async (t) => {
  const plugin = definePlugin({ name: 'mine', setup: () => ({}) })
  for (const [upstream, error] of [
    [() => ({ error: 'CONNECT_FAILED' as const }), 'CONNECT_FAILED'],
    [
      () => {
        throw new Error('x')
      },
      'UPSTREAM_RESET'
    ],
    [async () => ({ status: 200 }), undefined]
  ] as const) {
    const run = runPlugin(plugin, {}, { upstream })
    const answer = await run.request()
    t.equal(answer.error, error)
    await run.close()
  }
})

t.test('onFailure, place, before and after', async (t) => {
  const trace: string[] = []
  const named = (name: string) =>
    definePlugin({ name, setup: () => ({ attempt: () => void trace.push(name) }) })
  const fails = definePlugin({
    name: 'fails',
    setup: () => ({
      attempt() {
        trace.push('fails')
        throw new ProxyError('OVERLOADED', 'busy')
      }
    })
  })
  const run = runPlugin(
    fails,
    {},
    { place: 'service', before: [named('a')], after: [named('b')], onFailure: 'skip' }
  )
  const { error } = await run.request()
  t.equal(error, 'OVERLOADED')
  t.same(trace, ['a', 'fails'])
  await run.close()
})

t.test('VirtualClock: order, intervals, cancelling, aborting', async (t) => {
  const clock = new VirtualClock()
  const ran: string[] = []
  clock.setTimeout(() => ran.push(`b${clock.now()}`), 20)
  clock.setTimeout(() => ran.push(`a${clock.now()}`), 10)
  const every = clock.setInterval(() => ran.push(`i${clock.now()}`), 15)
  clock.setTimeout(() => ran.push('never'), 12).cancel()
  await clock.advance(30)
  every.cancel()
  await clock.advance(100)
  t.same(ran, ['a10', 'i15', 'b20', 'i30'])
  t.equal(clock.now(), 130)
  const controller = new AbortController()
  const slept = clock.sleep(50, controller.signal)
  controller.abort(new Error('woken'))
  await t.rejects(slept, /woken/)
  t.equal(clock.nextTimeout, undefined)
})
