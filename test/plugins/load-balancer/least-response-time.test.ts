import t from 'tap'
import type { Attempt, ProxyError } from '../../../core/index.js'
import { endpoint, fits, type Mutable, many, tally } from './drawing.js'
import { asked, attemptOn, type Stage, setStage } from './stage.js'

const config = { policy: 'least-response-time' }
const exchange = asked({})
const call = { ...exchange, grpc: true } as typeof exchange

type Outcome = Parameters<typeof attemptOn>[1]

/** An attempt from its beginning to its end, which takes no time on the clock. */
function answer({ hooks }: Stage, one: Mutable, outcome: Outcome, end: Outcome = {}, by = exchange): Attempt {
  const attempt = attemptOn(one, outcome)
  void hooks.attempt?.(attempt, by)
  void hooks.outcome?.(attempt, by)
  hooks.settled?.(Object.assign(attempt, end), by)
  return attempt
}

/** What an endpoint's cost comes to, by how many under way on a known one make up for it. */
async function costOf(stage: Stage, one: Mutable): Promise<number> {
  const rival = endpoint('rival')
  answer(stage, rival, { status: 200, latency: 40 })
  const list = Object.freeze([one, rival])
  for (rival.inFlight = 0; rival.inFlight < 100_000; rival.inFlight++)
    if (stage.pick(list) === one) return 40 * (rival.inFlight + 1)
  return Number.POSITIVE_INFINITY
}

t.test('the least rtt x (under way + 1) / weight, of up to eight', async (t) => {
  const stage = await setStage(config, [])
  const rtts = [50, 40, 90, 31, 200, 60, 45, 70]
  const list = rtts.map((_, at) => endpoint(`${at}`, 1 + (at % 3), (at * 3) % 5))
  for (const [at, latency] of rtts.entries()) answer(stage, list[at] as Mutable, { status: 200, latency })
  const costOfOne = ({ inFlight, weight }: Mutable, at: number) =>
    ((rtts[at] as number) * (inFlight + 1)) / weight
  for (let round = 0; round < 100; round++) {
    const picked = stage.pick(Object.freeze([...list])) as Mutable
    const cost = costOfOne(picked, list.indexOf(picked))
    const least = Math.min(...list.map(costOfOne))
    t.ok(Math.abs(cost - least) < 1e-9, `${picked.url} costs ${cost}, the least is ${least}`)
    picked.inFlight++
  }
})

t.test('those that tie share', async (t) => {
  const list = Object.freeze(many(4))
  const stage = await setStage(config, list)
  fits(
    t,
    tally(8000, list, (each) => stage.pick(each)),
    [1, 1, 1, 1],
    'nothing is known of any'
  )
})

t.test('beyond eight, the better of two', async (t) => {
  const list = Object.freeze(many(12))
  const stage = await setStage(config, list)
  for (const [at, one] of list.entries()) answer(stage, one, { status: 200, latency: 40 + at })
  const counts = tally(50_000, list, (each) => stage.pick(each))
  t.equal(counts.pop(), 0, 'the slowest of all never wins')
  fits(
    t,
    counts,
    counts.map((_, at) => 11 - at),
    'P(i) = (11 - i) / 66'
  )
})

t.test('beyond eight with unequal weights: an idle service is served as its weights say', async (t) => {
  const list = Object.freeze(many(12, (at) => at % 3))
  const stage = await setStage(config, list)
  const counts = tally(30_000, list, (each) => stage.pick(each))
  t.equal(counts[0], 0, 'weight 0 gets nothing')
  const drawn = list
    .map(({ weight }, at) => [weight, counts[at] as number])
    .filter(([weight]) => weight !== 0)
  fits(
    t,
    drawn.map(([, count]) => count as number),
    drawn.map(([weight]) => weight as number),
    'by weight'
  )
})

t.test('an empty list, and weight 0', async (t) => {
  const stage = await setStage(config, [])
  t.equal(stage.pick([]), undefined)
  const [a, b] = [endpoint('a', 0), endpoint('b', 1, 50)]
  t.equal(stage.pick([a, b]), b)
  t.equal(stage.pick([a]), a)
})

t.test('a refusal counts as 5 s or as its Retry-After', async (t) => {
  const headers = (value?: string) =>
    ({
      get: (name: string) => (name === 'retry-after' ? value : undefined)
    }) as unknown as Attempt['responseHeaders']
  const cases: [string, Outcome, Outcome, number][] = [
    ['429', { status: 429, latency: 1 }, {}, 5_000],
    ['429 with Retry-After', { status: 429, latency: 1, responseHeaders: headers('60') }, {}, 60_000],
    ['up to 300 s', { status: 429, latency: 1, responseHeaders: headers('86400') }, {}, 300_000],
    ['as a date', { status: 429, responseHeaders: headers('Wed, 01 Jan 2025 00:00:20 GMT') }, {}, 20_000],
    [
      'a date that has passed',
      { status: 429, responseHeaders: headers('Wed, 01 Jan 2020 00:00:20 GMT') },
      {},
      5_000
    ],
    ['one that says nothing', { status: 429, responseHeaders: headers('soon') }, {}, 5_000],
    ['RESOURCE_EXHAUSTED at once', { status: 200, latency: 1, grpcStatus: 8 }, {}, 5_000],
    ['RESOURCE_EXHAUSTED behind the messages', { status: 200, latency: 1 }, { grpcStatus: 8 }, 5_000]
  ]
  for (const [name, outcome, end, cost] of cases) {
    const stage = await setStage(config, [])
    const one = endpoint('a')
    answer(stage, one, outcome, end, call)
    t.equal(await costOf(stage, one), cost, name)
  }
})

t.test('a failure never looks fast', async (t) => {
  const stage = await setStage(config, [])
  const refusing = endpoint('refusing')
  answer(stage, refusing, { error: { code: 'CONNECT_FAILED' } as ProxyError, latency: 0.2 })
  t.ok((await costOf(stage, refusing)) >= 5_000, 'no connection: 5 s')

  const failing = endpoint('failing')
  for (let i = 0; i < 30; i++) answer(stage, failing, { status: 500, latency: 1 })
  t.ok(
    (await costOf(stage, failing)) > 30 / 0.9 ** 29,
    'a 500 at once: as slow as before, and ever less likely'
  )

  const broken = endpoint('broken')
  for (let i = 0; i < 30; i++) answer(stage, broken, { status: 200, latency: 30 }, { grpcStatus: 14 }, call)
  t.ok((await costOf(stage, broken)) > 50, 'UNAVAILABLE in the trailers')

  const missing = endpoint('missing')
  await stage.clock.advance(60_000)
  answer(stage, missing, { status: 404, latency: 1 })
  t.ok((await costOf(stage, missing)) <= 40, 'a 404 is an answer')
})

t.test('an attempt that is cancelled counts as it lasted, where that is more', async (t) => {
  const stage = await setStage(config, [])
  const one = endpoint('a')
  const attempt = attemptOn(one, { startedAt: 0 })
  void stage.hooks.attempt?.(attempt, exchange)
  await stage.clock.advance(400)
  stage.hooks.settled?.(attempt, exchange)
  t.equal(await costOf(stage, one), 400, 'more than the 30 ms that were expected')

  const quick = attemptOn(one, { startedAt: 400 })
  void stage.hooks.attempt?.(quick, exchange)
  await stage.clock.advance(10)
  stage.hooks.settled?.(quick, exchange)
  t.equal(await costOf(stage, one), 400, 'a short one says nothing')
})

t.test('a stalled endpoint is seen before its first answer', async (t) => {
  const list = Object.freeze(many(2))
  const [stalled, fast] = list as [Mutable, Mutable]
  const stage = await setStage(config, list)
  void stage.hooks.attempt?.(attemptOn(stalled, { startedAt: 0 }), exchange)
  await stage.clock.advance(100)
  // Nothing else speaks against it: its attempt might as well have left.
  t.same(
    tally(50, list, (each) => stage.pick(each)),
    [0, 50]
  )
  fast.inFlight = 5
  t.same(
    tally(50, list, (each) => stage.pick(each)),
    [50, 0],
    'its age is what counts, and no more'
  )
})

t.test('one of five that is 50 times slower gets hardly anything', async (t) => {
  const list = Object.freeze(many(5))
  const stage = await setStage(config, list)
  const counts = list.map(() => 0)
  const under: { attempt: ReturnType<typeof attemptOn>; until: number }[] = []
  for (let ms = 0; ms < 3000; ms++) {
    for (const { attempt, until } of under.filter(({ until }) => until === ms)) {
      Object.assign(attempt, { status: 200, latency: until - attempt.startedAt })
      void stage.hooks.outcome?.(attempt, exchange)
      ;(attempt.endpoint as Mutable).inFlight--
      stage.hooks.settled?.(attempt, exchange)
    }
    const picked = stage.pick(list) as Mutable
    const at = list.indexOf(picked)
    counts[at] = (counts[at] as number) + 1
    picked.inFlight++
    const attempt = attemptOn(picked, { startedAt: ms })
    void stage.hooks.attempt?.(attempt, exchange)
    under.push({ attempt, until: ms + (at === 0 ? 250 : 5) })
    await stage.clock.advance(1)
  }
  t.ok((counts[0] as number) < 30, `${counts}: less than 1%`)
})

t.test('what was learnt outlives a reload', async (t) => {
  const list = Object.freeze(many(2))
  const kept = new Map()
  const before = await setStage(config, list, { kept })
  answer(before, list[0] as Mutable, { status: 200, latency: 500 })
  const after = await setStage(config, list, { kept })
  t.same(
    tally(20, list, (each) => after.pick(each)),
    [0, 20]
  )
})
