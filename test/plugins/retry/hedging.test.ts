import t from 'tap'
import { type RunOptions, type RunResult, runPlugin, type VirtualClock } from '../../../core/testing/index.js'
import retry from '../../../plugins/retry/index.js'
import { startTestProxy } from '../../support/proxy.js'
import { startUpstream } from '../../support/upstream.js'

const FIVE = ['one', 'two', 'three', 'four', 'five'].map((name) => `http://${name}.test`)

/** Numbers from 0 to less than 1, the same for the same seed (a linear congruential generator's upper bits). */
function chanceOf(seed: number): () => number {
  let state = BigInt(seed)
  return () => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn
    return Number(state >> 11n) / 2 ** 53
  }
}

/** ms: most answers come soon, one in 25 takes up to a second. */
function twoHumps(chance: () => number): number {
  return chance() < 0.96 ? 10 - 5 * Math.log(1 - chance()) : 200 + 800 * chance()
}

/** ms: the median is 5, the p95 134 and the p99 524. */
function logNormal(chance: () => number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - chance())) * Math.cos(2 * Math.PI * chance())
  return 5 * Math.exp(2 * normal)
}

interface Load {
  /** ms, sorted. */
  durations: number[]
  sent: number
  results: RunResult[]
  run: ReturnType<typeof runPlugin>
}

/** So many requests, one every 10 ms, to endpoints that take as long as is drawn. */
async function load(
  config: object,
  count: number,
  latency: (chance: () => number) => number,
  seed: number
): Promise<Load> {
  const chance = chanceOf(seed)
  let clock: VirtualClock | undefined
  const run = runPlugin(retry, config, {
    endpoints: FIVE,
    autoAdvance: false,
    upstream: async () => {
      await clock?.sleep(latency(chance))
      return { body: 'ok' }
    }
  })
  clock = run.clock
  const pending: Promise<RunResult>[] = []
  for (let i = 0; i < count; i++) {
    pending.push(run.request())
    await run.clock.advance(10)
  }
  await run.clock.advance(60_000)
  const results = await Promise.all(pending)
  const durations = results.map(({ result }) => result.duration).sort((one, other) => one - other)
  t.teardown(() => run.close())
  return { durations, sent: run.seen.length, results, run }
}

const percentile = (sorted: readonly number[], part: number) =>
  sorted[Math.ceil(sorted.length * part) - 1] as number

t.test('after the p95, the p99 of a long tail is cut by half for 5% more requests', async (t) => {
  const COUNT = 3000
  for (const [name, latency] of Object.entries({ twoHumps, logNormal })) {
    for (const seed of [1, 2]) {
      const plain = await load({}, COUNT, latency, seed)
      const hedged = await load({ hedge: { after: 'p95' } }, COUNT, latency, seed)
      const before = percentile(plain.durations, 0.99)
      const after = percentile(hedged.durations, 0.99)
      const more = hedged.sent / COUNT - 1
      t.comment(
        `${name}: p99 ${before.toFixed(0)} -> ${after.toFixed(0)} ms, ${(more * 100).toFixed(2)}% more`
      )
      t.ok(after <= before / 2, `${name}: p99 ${before} -> ${after} ms`)
      t.ok(more <= 0.05, `${name}: ${more} more`)
      t.ok(more >= 0.035, `${name}: and the p95 is not guessed too high`)
      t.equal(plain.sent, COUNT)
      t.equal(
        hedged.run.service.endpoints.reduce((sum, { inFlight }) => sum + inFlight, 0),
        0
      )
      t.match(
        await hedged.run.metrics(),
        'outrigger_limit_used{place="route",on="route",limit="retry budget"} 0'
      )
    }
  }
})

/** Each endpoint answers as its first word says: what, and after how many ms. */
function start(
  config: object,
  script: Record<string, { after?: number; status?: number; error?: 'UPSTREAM_RESET'; headers?: object }>,
  options: RunOptions = {}
) {
  let clock: VirtualClock | undefined
  const run = runPlugin(retry, config, {
    endpoints: FIVE,
    upstream: async ({ endpoint }) => {
      const name = /\/\/(\w+)/.exec(endpoint)?.[1] as string
      const { after = 0, ...answer } = script[name] ?? {}
      await clock?.sleep(after)
      return { body: name, ...(answer as { status?: number }) }
    },
    ...options
  })
  clock = run.clock
  t.teardown(() => run.close())
  return run
}

const seen = (result: RunResult) =>
  result.exchange.attempts.map(({ endpoint, reason, end }) => [endpoint.url.slice(7, -5), reason, end])

t.test('an attempt that is late gets a second one beside it, and the first answer wins', async (t) => {
  const run = start({ hedge: { after: '50ms' } }, { one: { after: 500 }, two: { after: 20 } })
  const result = await run.request()
  t.match(result, { status: 200, body: 'two' })
  t.equal(result.result.duration, 70)
  t.same(seen(result), [
    ['one', undefined, 'cancelled'],
    ['two', 'hedge', 'complete']
  ])
  t.match(await run.metrics(), 'outrigger_limit_used{place="route",on="route",limit="retry budget"} 0')

  const slower = start({ hedge: { after: '50ms' } }, { one: { after: 60 }, two: { after: 500 } })
  const first = await slower.request()
  t.match(first, { status: 200, body: 'one' }, 'be it the first attempt’s')
  t.match(seen(first), [
    ['one', undefined, 'complete'],
    ['two', 'hedge', 'cancelled']
  ])
})

t.test('one that is in time gets none', async (t) => {
  const run = start({ hedge: { after: '50ms' } }, { one: { after: 45 } })
  t.equal((await run.request()).attempts.length, 1)
})

t.test('max', async (t) => {
  const script = { one: { after: 900 }, two: { after: 900 }, three: { after: 900 }, four: { after: 10 } }
  const two = start({ hedge: { after: '50ms', max: 2 } }, script)
  t.equal((await two.request()).attempts.length, 3)
  const three = start({ hedge: { after: '50ms', max: 3 } }, script)
  const result = await three.request()
  t.match(result, { body: 'four' })
  t.equal(result.result.duration, 160)
})

t.test('only what may be done twice', async (t) => {
  const script = { one: { after: 500 } }
  const asked = async (config: object, method: string) =>
    (await start({ hedge: { after: '50ms', ...config } }, script).request({ method })).attempts.length
  t.equal(await asked({}, 'POST'), 1)
  t.equal(await asked({}, 'PUT'), 2)
  const run = start({ hedge: { after: '50ms' }, nonIdempotent: true }, script)
  t.equal((await run.request({ method: 'POST', body: 'order' })).attempts.length, 2)
})

t.test('an answer that would be tried again does not win while there is another to wait for', async (t) => {
  const on = ['5xx']
  const hedge = { after: '50ms' }
  const bad = start({ on, hedge }, { one: { after: 500 }, two: { after: 10, status: 503 } })
  const waited = await bad.request()
  t.match(waited, { status: 200, body: 'one' })
  t.equal(waited.attempts.length, 2, 'and nothing more is sent')

  const once = start({ attempts: 1, on, hedge }, { one: { after: 500 }, two: { after: 10, status: 503 } })
  t.match(await once.request(), { status: 200, body: 'one' }, 'nor where there are no more tries')

  const reset = start(
    { on, hedge },
    { one: { after: 100, error: 'UPSTREAM_RESET' }, two: { after: 200, status: 500 }, three: {} }
  )
  const again = await reset.request()
  t.match(again, { status: 200, body: 'three' }, 'where both are bad, it is tried again')
  t.same(
    again.attempts.map(({ reason }) => reason),
    [undefined, 'hedge', '5xx']
  )
})

t.test('hedges take places of the budget', async (t) => {
  t.test('as many as there are', async (t) => {
    const run = start(
      { hedge: { after: '50ms' }, budget: { ratio: 0, min: 2 } },
      {
        one: { after: 500 },
        two: { after: 500 },
        three: { after: 500 },
        four: { after: 500 },
        five: { after: 500 }
      },
      { autoAdvance: false }
    )
    const all = Array.from({ length: 4 }, () => run.request())
    await run.clock.advance(60)
    t.match(run.seen.length, 6, 'two of four late ones')
    const metrics = await run.metrics()
    t.match(metrics, 'outrigger_limit_used{place="route",on="route",limit="retry budget"} 2')
    t.match(metrics, 'outrigger_limit_refused_total{place="route",on="route",limit="retry budget"} 2')
    t.match(metrics, 'outrigger_retry_budget_exhausted_total{route="route",reason="hedge"} 2')
    await run.clock.advance(1000)
    for (const { status } of await Promise.all(all)) t.equal(status, 200)
    t.match(
      await run.metrics(),
      'outrigger_limit_used{place="route",on="route",limit="retry budget"} 0',
      'and give them back'
    )
  })

  t.test('which retries then do not have', async (t) => {
    const run = start(
      { on: [503], hedge: { after: '50ms' }, budget: { ratio: 0, min: 1 }, backoff: { base: 0, max: 0 } },
      {},
      {
        autoAdvance: false,
        upstream: async ({ path }) => {
          if (path !== '/late') return { status: 503 }
          await run.clock.sleep(500)
          return {}
        }
      }
    )
    const late = run.request({ url: '/late' })
    await run.clock.advance(60)
    const failing = run.request()
    await run.clock.advance(10)
    t.match(await failing, { status: 503, attempts: [{ status: 503 }] })
    await run.clock.advance(1000)
    t.match(await late, { status: 200 })
  })

  t.test('none: no hedge', async (t) => {
    const run = start({ hedge: { after: '50ms' }, budget: { ratio: 0, min: 0 } }, { one: { after: 500 } })
    t.match(await run.request(), { body: 'one', attempts: { length: 1 } })
  })
})

t.test('with a percentile', async (t) => {
  const everywhere = (after: () => number): RunOptions => ({
    upstream: async () => {
      await clock?.sleep(after())
      return {}
    }
  })
  let clock: VirtualClock | undefined
  const begin = (after: () => number) => {
    const run = start({ hedge: { after: 'p95' } }, {}, everywhere(after))
    clock = run.clock
    return run
  }

  t.test('there is no hedge before twenty answers were seen', async (t) => {
    let index = 0
    const run = begin(() => (index++ % 4 === 3 ? 5000 : 10))
    for (let i = 0; i < 20; i++) await run.request()
    t.equal(run.seen.length, 20)
  })

  t.test('what is slow by its work is not hedged for it', async (t) => {
    const run = begin(() => 800)
    for (let i = 0; i < 100; i++) await run.request()
    t.ok(run.seen.length <= 105, `${run.seen.length} sent for 100`)
  })

  t.test('what gets slow altogether is not hedged more than its share', async (t) => {
    let latency = 10
    const run = begin(() => latency)
    for (let i = 0; i < 60; i++) await run.request()
    latency = 1000
    for (let i = 0; i < 40; i++) await run.request()
    t.ok(run.seen.length > 100, 'some are')
    t.ok(run.seen.length <= 105, `${run.seen.length} sent for 100`)
    latency = 10
    const before = run.seen.length
    for (let i = 0; i < 600; i++) await run.request()
    t.ok(run.seen.length <= before + 630)
    latency = 200
    let last: RunResult | undefined
    for (let i = 0; i < 5; i++) last = await run.request()
    t.equal(last?.attempts.length, 2, 'and when it is fast again, that is known again')
  })
})

t.test('over real sockets the late one is cut off', async (t) => {
  let cutOff: (() => void) | undefined
  const closed = new Promise<void>((resolve) => {
    cutOff = resolve
  })
  const slow = await startUpstream(t, (request) => void request.socket.once('close', () => cutOff?.()))
  const fast = await startUpstream(t, (_request, response) => response.end('fast'))
  const { url } = await startTestProxy(t, {
    endpoints: [slow.url, fast.url],
    plugins: [{ retry: { hedge: { after: '30ms' } } }]
  })
  const response = await fetch(`${url()}/stock/1`)
  t.equal(await response.text(), 'fast')
  await closed
  t.equal(slow.count, 1)
  t.equal(fast.count, 1)
})
