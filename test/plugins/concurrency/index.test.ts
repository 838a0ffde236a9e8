import t from 'tap'
import { definePlugin, type Plugin } from '../../../core/index.js'
import { type PluginRun, type RunOptions, type RunResult, runPlugin } from '../../../core/testing/index.js'
import { config } from '../../../plugins/concurrency/config.js'
import concurrency from '../../../plugins/concurrency/index.js'
import retry from '../../../plugins/retry/index.js'

interface Closing {
  teardown(close: () => unknown): unknown
}

interface Bench {
  readonly run: PluginRun
  /** Requests that the endpoints hold, in the order they came: their paths. */
  held(): string[]
  /** The one that has waited longest is answered. */
  answer(status?: number): Promise<void>
  /** Sends one and lets it get as far as it does. */
  send(path: string, headers?: Record<string, string>): Promise<Sent>
  metric(name: string): Promise<number | undefined>
}

interface Sent {
  readonly end: Promise<string | number>
  /** Undefined while it has not ended. */
  result: RunResult | undefined
}

function bench(t: Closing, config: object, options: RunOptions = {}, plugin: Plugin = concurrency): Bench {
  const waiting: { path: string; answer: (status: number) => void }[] = []
  const run = runPlugin(plugin, config, {
    endpoints: ['http://one.test'],
    autoAdvance: false,
    upstream: ({ path }) =>
      new Promise((resolve) => {
        waiting.push({ path, answer: (status) => resolve({ status }) })
      }),
    ...options
  })
  t.teardown(() => run.close())
  return {
    run,
    held: () => waiting.map(({ path }) => path),
    async answer(status = 200) {
      waiting.shift()?.answer(status)
      await run.clock.advance(1)
    },
    async send(path, headers = {}) {
      const sent: { result: RunResult | undefined; end: Promise<string | number> } = {
        result: undefined,
        end: run.request({ url: path, headers }).then((result) => {
          sent.result = result
          return result.error ?? result.status
        })
      }
      await run.clock.advance(1)
      return sent
    },
    async metric(name) {
      const line = (await run.metrics()).split('\n').find((one) => one.startsWith(`${name}{`))
      return line === undefined ? undefined : Number(line.split(' ').at(-1))
    }
  }
}

const PLACES = ['service', 'route', 'top'] as const

t.test('what is wrong is told at load, by key', async (t) => {
  t.match(config.parse({}), { limit: 'adaptive', queue: undefined, queueTimeout: 1_000 })
  t.match(config.parse({ limit: 'adaptive', adaptive: { max: 200 } }).adaptive, {
    min: 3,
    max: 200,
    buffer: 0.25
  })
  const wrong: [given: object, path: string[], message: RegExp][] = [
    [{ limit: 0 }, ['limit'], /./],
    [{ limit: 'auto' }, ['limit'], /expected adaptive or a whole number from 1 to 1000000, not "auto"/],
    [{ queue: -1 }, ['queue'], /./],
    [{ queueTimeout: '5s' }, ['queueTimeout'], /at most 4s, not "5s"/],
    [
      { priority: { header: 'x priority' } },
      ['priority', 'header'],
      /the name of a header.*not "x priority"/
    ],
    [{ limit: 5, adaptive: {} }, ['adaptive'], /expected limit: adaptive beside it, not limit: 5/],
    [{ adaptive: { min: 10, max: 5 } }, ['adaptive', 'min'], /expected no more than max, which is 5, not 10/]
  ]
  for (const [given, path, message] of wrong)
    t.match(config.safeParse(given).error?.issues, [{ path, message }], JSON.stringify(given))
})

for (const place of PLACES) {
  t.test(`on a ${place}: so many at once, so many wait, the rest are refused`, async (t) => {
    const { run, held, answer, send, metric } = bench(t, { limit: 2, queue: 2 }, { place })
    const sent: Sent[] = []
    for (const path of ['/1', '/2', '/3', '/4', '/5']) sent.push(await send(path))
    t.same(held(), ['/1', '/2'])
    t.equal(await sent[4]?.end, 'OVERLOADED')
    t.equal(sent[4]?.result?.status, 503)
    t.equal(sent[4]?.result?.headers.get('retry-after'), '1')
    t.same([await metric('outrigger_limit'), await metric('outrigger_limit_used')], [2, 2])
    t.equal(await metric('outrigger_limit_waiting'), 2)
    t.equal(await metric('outrigger_limit_refused_total'), 1)
    await answer()
    t.same(held(), ['/2', '/3'], 'who has waited longest goes next')
    for (let i = 0; i < 3; i++) await answer()
    t.same(await Promise.all(sent.slice(0, 4).map(({ end }) => end)), [200, 200, 200, 200])
    t.same([await metric('outrigger_limit_used'), await metric('outrigger_limit_waiting')], [0, 0])
    t.equal(run.seen.length, 4)
  })
}

t.test('nobody waits longer than queueTimeout', async (t) => {
  const { run, answer, send, metric } = bench(t, { limit: 1, queueTimeout: '300ms' })
  const first = await send('/1')
  const second = await send('/2')
  await run.clock.advance(298)
  t.equal(second.result, undefined)
  await run.clock.advance(1)
  t.equal(await second.end, 'OVERLOADED')
  await answer()
  t.equal(await first.end, 200)
  t.equal(run.seen.length, 1)
  t.equal(await metric('outrigger_limit_used'), 0)
})

t.test('queue: 0 lets nobody wait', async (t) => {
  const { answer, send } = bench(t, { limit: 1, queue: 0 })
  const first = await send('/1')
  t.equal(await (await send('/2')).end, 'OVERLOADED')
  await answer()
  t.equal(await first.end, 200)
})

t.test('who is more urgent goes first, and takes the place of the last of the least urgent', async (t) => {
  const { held, answer, send } = bench(t, { limit: 1, queue: 3, priority: { header: 'X-Priority' } })
  const at = (path: string, priority?: string) => send(path, priority ? { 'x-priority': priority } : {})
  const sent = [await at('/1'), await at('/low', '0'), await at('/normal'), await at('/low-too', '0')]
  const high = await at('/high', 'high')
  t.equal(await sent[3]?.end, 'OVERLOADED', 'the last of the least urgent')
  t.equal(await (await at('/low-three', '0')).end, 'OVERLOADED', 'none is less urgent than this one')
  const order: string[] = []
  while (held().length > 0) {
    order.push(...held())
    await answer()
  }
  t.same(order, ['/1', '/high', '/normal', '/low'])
  t.equal(await high.end, 200)
})

t.test('an exchange whose time is over leaves the line', async (t) => {
  for (const place of PLACES) {
    const { run, held, answer, send, metric } = bench(
      t,
      { limit: 1, queueTimeout: '4s' },
      { place, timeout: 1_000, upstream: () => new Promise(() => {}) }
    )
    const first = await send('/1')
    await run.clock.advance(500)
    const second = await send('/2')
    const third = await send('/3')
    await run.clock.advance(530)
    t.equal(await first.end, 'DEADLINE_EXCEEDED')
    t.equal(await metric('outrigger_limit_waiting'), 1, place)
    await run.clock.advance(530)
    t.same([await second.end, await third.end], ['DEADLINE_EXCEEDED', 'DEADLINE_EXCEEDED'])
    t.same([await metric('outrigger_limit_used'), await metric('outrigger_limit_waiting')], [0, 0])
    await answer()
    t.same(held(), [])
  }
})

t.test("who waits past the plugin's own time is out of the line, and gives nothing back", async (t) => {
  const config = { limit: 1, queueTimeout: '4s', priority: { header: 'x-priority' } }
  const { run, held, answer, send, metric } = bench(t, config, { hookTimeout: 200, place: 'service' })
  const first = await send('/1')
  const low = await send('/low', { 'x-priority': 'low' })
  await run.clock.advance(150)
  const high = await send('/high', { 'x-priority': 'high' })
  await run.clock.advance(100)
  t.equal(await low.end, 'PLUGIN_TIMEOUT')
  t.same([await metric('outrigger_limit_used'), await metric('outrigger_limit_waiting')], [1, 1])
  t.same(held(), ['/1'])
  await answer()
  await answer()
  t.same([await first.end, await high.end], [200, 200])
  t.equal(await metric('outrigger_limit_used'), 0)
})

t.test('a wait is no part of the endpoint’s latency', async (t) => {
  const { run, answer, send } = bench(t, { limit: 1 }, { place: 'service' })
  await send('/1')
  const second = await send('/2')
  await run.clock.advance(500)
  await answer()
  await run.clock.advance(10)
  await answer()
  await second.end
  const [attempt] = second.result?.exchange.attempts ?? []
  t.ok((attempt?.latency ?? 0) < 20, `${attempt?.latency} ms`)
  t.ok((second.result?.result.duration ?? 0) > 500)
})

t.test('a retry waits for a place of its own, and the attempt before has given its place back', async (t) => {
  const { run, held, answer, send, metric } = bench(
    t,
    { on: [503], backoff: { base: 0, max: 0 } },
    { onService: [[concurrency, { limit: 1, queue: 5 }]] },
    retry
  )
  const first = await send('/1')
  const second = await send('/2')
  await answer(503)
  t.same(held(), ['/2'], 'the one that waits is before the retry')
  await answer()
  t.equal(await second.end, 200)
  t.same(held(), ['/1'])
  await answer()
  t.equal(await first.end, 200)
  t.equal(first.result?.attempts.length, 2)
  t.same([await metric('outrigger_limit_used'), run.seen.length], [0, 3])
})

t.test('with one place and no queue, a retry still finds it free', async (t) => {
  const { answer, send } = bench(
    t,
    { on: [503], backoff: { base: 0, max: 0 } },
    { onService: [[concurrency, { limit: 1, queue: 0 }]] },
    retry
  )
  const only = await send('/1')
  await answer(503)
  await answer(200)
  t.equal(await only.end, 200)
})

t.test('what another plugin refuses gives its place back', async (t) => {
  const refusing = definePlugin({
    name: 'refusing',
    setup: () => ({
      attempt() {
        throw new Error('it failed')
      }
    })
  })
  const { send, metric } = bench(t, { limit: 1, queue: 0 }, { place: 'service', after: [refusing] })
  for (let i = 0; i < 3; i++) t.equal(await (await send('/1')).end, 'PLUGIN_FAILED')
  t.equal(await metric('outrigger_limit_used'), 0)
})

t.test('an adaptive limit is shown as it moves', async (t) => {
  for (const place of PLACES) {
    const { run, answer, held, send, metric } = bench(
      t,
      { limit: 'adaptive', adaptive: { min: 5, max: 50 } },
      { place }
    )
    const sent: Sent[] = []
    for (let i = 0; i < 60; i++) sent.push(await send(`/${i}`))
    t.equal(await metric('outrigger_limit'), 20, place)
    t.equal(await metric('outrigger_limit_waiting'), 10, 'half as many as may go wait')
    for (let i = 0; i < 200 && held().length > 0; i++) {
      await run.clock.advance(5)
      await answer()
    }
    await Promise.all(sent.map(({ end }) => end))
    t.not(await metric('outrigger_limit'), 20)
    t.equal(await metric('outrigger_limit_used'), 0)
  }
})
