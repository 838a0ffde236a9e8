import t, { type Test } from 'tap'
import type { Endpoint, Exchange, PluginHooks, SetupContext } from '../../../core/index.js'
import standard, { createLoadBalancer } from '../../../plugins/load-balancer/index.js'

type Mutable = { -readonly [K in keyof Endpoint]: Endpoint[K] }

function endpoint(name: string, weight = 1, inFlight = 0): Mutable {
  return {
    url: `http://${name}`,
    service: 'shop',
    weight,
    zone: undefined,
    priority: 0,
    tags: {},
    healthy: true,
    ejectedUntil: 0,
    inFlight,
    latency: undefined
  }
}

/** mulberry32: the same numbers for the same seed. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const exchange = {} as Exchange

type Pick = (endpoints: readonly Endpoint[]) => Endpoint | undefined

function pickOf(policy: string, random = seeded(1)): Pick {
  const plugin = createLoadBalancer({ random })
  const config = plugin.config?.parse({ policy })
  const hooks = plugin.setup({ config } as SetupContext<NonNullable<typeof config>>) as PluginHooks
  const { pick } = hooks
  if (pick === undefined) throw new Error(`${policy} has no pick`)
  return (endpoints) => pick(endpoints, exchange) as Endpoint | undefined
}

function tally(count: number, list: readonly Endpoint[], pick: Pick): number[] {
  const counts = list.map(() => 0)
  for (let i = 0; i < count; i++) {
    const at = list.indexOf(pick(list) as Endpoint)
    counts[at] = (counts[at] ?? 0) + 1
  }
  return counts
}

/** Pearson's statistic: how far counts are from what was expected. */
function chiSquared(counts: readonly number[], shares: readonly number[]): number {
  const picks = counts.reduce((sum, count) => sum + count, 0)
  const total = shares.reduce((sum, share) => sum + share, 0)
  return counts.reduce((sum, count, at) => {
    const expected = (picks * (shares[at] as number)) / total
    return sum + (count - expected) ** 2 / expected
  }, 0)
}

/** Exceeded once in 1,000 by chance, for 1, 2, ... degrees of freedom. The seed is fixed, so here it is or it is not. */
const CRITICAL = [10.83, 13.82, 16.27, 18.47, 20.52, 22.46, 24.32, 26.12, 27.88, 29.59, 31.26]

function fits(t: Test, counts: readonly number[], shares: readonly number[], message: string): void {
  const statistic = chiSquared(counts, shares)
  t.ok(
    statistic < (CRITICAL[counts.length - 2] as number),
    `${message}: ${counts}, chi-squared ${statistic.toFixed(2)}`
  )
}

t.test('the configuration', async (t) => {
  const schema = standard.config
  t.same(schema?.parse({}), { policy: 'round-robin' }, 'round robin unless said otherwise')
  t.equal(schema?.safeParse({ policy: 'fastest' }).success, false)
  t.equal(schema?.safeParse({ polcy: 'random' }).success, false, 'unknown keys are errors')
  t.same(standard.places, ['service'])
})

t.test("round-robin is the core's own pick", async (t) => {
  t.same(standard.setup({ config: { policy: 'round-robin' } } as SetupContext<{ policy: 'round-robin' }>), {})
})

t.test('random and least-request: an empty list, and one alone', async (t) => {
  for (const policy of ['random', 'least-request']) {
    const pick = pickOf(policy)
    const alone = endpoint('a', 0)
    t.equal(pick([]), undefined, policy)
    t.equal(pick([alone]), alone, policy)
  }
})

t.test('random', async (t) => {
  t.test('equal weights', async (t) => {
    const list = Object.freeze(['a', 'b', 'c', 'd', 'e'].map((name) => endpoint(name)))
    fits(t, tally(20_000, list, pickOf('random')), [1, 1, 1, 1, 1], 'each as often')
  })

  t.test('unequal weights', async (t) => {
    const list = Object.freeze([endpoint('a', 1), endpoint('b', 3), endpoint('c', 0.5), endpoint('d', 0)])
    const counts = tally(20_000, list, pickOf('random'))
    t.equal(counts.pop(), 0, 'weight 0 is not picked while there are others')
    fits(t, counts, [1, 3, 0.5], 'as the weights say')
  })

  t.test('weight 0 is picked when nothing else is there', async (t) => {
    const list = Object.freeze([endpoint('a', 0), endpoint('b', 0)])
    fits(t, tally(10_000, list, pickOf('random')), [1, 1], 'as if they were equal')
  })

  t.test('the ends of chance', async (t) => {
    const list = [endpoint('a', 0.1), endpoint('b', 0.2), endpoint('z', 0)]
    t.equal(pickOf('random', () => 0)(list), list[0])
    t.equal(pickOf('random', () => 1 - 2 ** -53)(list), list[1])
  })

  t.test('a weight that changes counts from the next list on', async (t) => {
    const [a, b] = [endpoint('a'), endpoint('b')]
    const pick = pickOf('random')
    fits(t, tally(5000, Object.freeze([a, b]), pick), [1, 1], 'before')
    b.weight = 9
    fits(t, tally(5000, Object.freeze([a, b]), pick), [1, 9], 'after')
    const loose = [a, b]
    fits(t, tally(5000, loose, pick), [1, 9], 'a list that is not frozen')
    a.weight = 9
    fits(t, tally(5000, loose, pick), [1, 1], 'is looked at anew')
  })
})

t.test('least-request with equal weights', async (t) => {
  t.test('up to eight, the one with the fewest', async (t) => {
    const pick = pickOf('least-request')
    for (let idle = 0; idle < 8; idle++) {
      const list = Array.from({ length: 8 }, (_, at) => endpoint(`${at}`, 1, at === idle ? 4 : 5))
      t.same(tally(50, list, pick)[idle], 50)
    }
  })

  t.test('each of those that tie is as likely', async (t) => {
    const list = Object.freeze([0, 2, 0, 0, 7].map((inFlight, at) => endpoint(`${at}`, 1, inFlight)))
    const counts = tally(15_000, list, pickOf('least-request'))
    t.same([counts[1], counts[3 + 1]], [0, 0], 'the busy ones get none')
    fits(t, [counts[0], counts[2], counts[3]] as number[], [1, 1, 1], 'the idle ones share')
  })

  t.test('beyond eight, the better of two different ones', async (t) => {
    // Of 12, the one with i under way is picked when it is drawn with a busier one.
    const list = Object.freeze(
      Array.from({ length: 12 }, (_, at) => endpoint(`${at}`, 1, (at * 5 + 11) % 12))
    )
    const counts = tally(50_000, list, pickOf('least-request'))
    const ordered = list
      .map(({ inFlight }, at) => [inFlight, counts[at] as number])
      .sort(([a = 0], [b = 0]) => a - b)
    const byLoad = ordered.map(([, count]) => count as number)
    t.equal(byLoad.pop(), 0, 'the busiest of all never wins')
    const shares = byLoad.map((_, inFlight) => 11 - inFlight)
    fits(t, byLoad, shares, 'P(i) = (11 - i) / 66')
  })

  t.test('an idle service of many is served evenly', async (t) => {
    const list = Object.freeze(Array.from({ length: 12 }, (_, at) => endpoint(`${at}`)))
    fits(
      t,
      tally(50_000, list, pickOf('least-request')),
      list.map(() => 1),
      'each as often'
    )
  })

  t.test('a slow endpoint gets less than a third of what a fast one gets', async (t) => {
    for (const size of [3, 12]) {
      const counts = simulate({
        list: Array.from({ length: size }, (_, at) => endpoint(`${at}`)),
        pick: pickOf('least-request'),
        callers: size * 2,
        ticks: 4000,
        duration: (at) => (at === 0 ? 50 : 5)
      })
      const [slow, ...fast] = counts as [number, ...number[]]
      t.ok(slow * 3 < Math.min(...fast), `of ${size}: ${counts}`)
    }
  })
})

t.test('least-request with unequal weights', async (t) => {
  t.test('an idle service is served as its weights say', async (t) => {
    const list = Object.freeze([endpoint('a', 1), endpoint('b', 3), endpoint('c', 0)])
    const counts = tally(20_000, list, pickOf('least-request'))
    t.equal(counts.pop(), 0, 'weight 0 is not picked while there are others')
    fits(t, counts, [1, 3], '1:3')
  })

  t.test('what is under way takes from a weight', async (t) => {
    const list = Object.freeze([endpoint('a', 1, 0), endpoint('b', 3, 1)])
    // P(e < (1 + f) / 3) for two exponentials e and f of mean 1.
    const light = 1 - (Math.exp(-1 / 3) * 3) / 4
    fits(
      t,
      tally(20_000, list, pickOf('least-request')),
      [light, 1 - light],
      'an idle light one and a heavy one with one'
    )
    const busy = Object.freeze([endpoint('a', 1, 10), endpoint('b', 3, 10)])
    t.ok(
      (tally(1000, busy, pickOf('least-request'))[0] as number) < 5,
      'as many under way on both: the heavy one'
    )
  })

  t.test('weights hold under any load where all are as fast', async (t) => {
    for (const callers of [1, 4, 16, 100]) {
      const counts = simulate({
        list: [endpoint('a', 1), endpoint('b', 3)],
        pick: pickOf('least-request'),
        callers,
        ticks: 10_000,
        duration: () => 5
      })
      const share = (counts[1] as number) / (counts[0] as number)
      t.ok(share > 2.4 && share < 3.3, `${callers} callers: ${share.toFixed(2)} times as many`)
    }
  })

  t.test('a heavy endpoint that is slow gets less than its weight', async (t) => {
    const counts = simulate({
      list: [endpoint('slow', 3), endpoint('fast', 1)],
      pick: pickOf('least-request'),
      callers: 8,
      ticks: 20_000,
      duration: (at) => (at === 0 ? 50 : 5)
    })
    t.ok((counts[0] as number) * 2 < (counts[1] as number), `${counts}`)
  })
})

/** So many callers, each with one request under way at all times; how many requests each endpoint got. */
function simulate(options: {
  list: Mutable[]
  pick: Pick
  callers: number
  ticks: number
  duration: (at: number) => number
}): number[] {
  const { list, pick, callers, ticks, duration } = options
  const frozen = Object.freeze([...list])
  const counts = list.map(() => 0)
  const ends = new Map<number, Mutable[]>()
  const start = (tick: number) => {
    const picked = pick(frozen) as Mutable
    const at = list.indexOf(picked)
    counts[at] = (counts[at] as number) + 1
    picked.inFlight++
    const end = tick + duration(at)
    ends.set(end, [...(ends.get(end) ?? []), picked])
  }
  for (let caller = 0; caller < callers; caller++) start(0)
  for (let tick = 1; tick < ticks; tick++) {
    const ended = ends.get(tick) ?? []
    ends.delete(tick)
    for (const one of ended) one.inFlight--
    for (const _ of ended) start(tick)
  }
  return counts
}
