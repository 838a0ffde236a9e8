import t from 'tap'
import { mostEjected } from '../../../plugins/outlier-detection/room.js'
import {
  failsTooOften,
  isBelow,
  isPastChance,
  spreadOf,
  successRateOf
} from '../../../plugins/outlier-detection/statistics.js'
import { Tally } from '../../../plugins/outlier-detection/tally.js'

t.test('success rates', async (t) => {
  t.equal(successRateOf({ successes: 3, failures: 1 }), 0.75)
  t.equal(successRateOf({ successes: 0, failures: 4 }), 0)
  t.equal(successRateOf({ successes: 0, failures: 0 }), 1)
})

t.test('mean and deviation, by hand', async (t) => {
  // Four at 1 and one at 0.5: mean 0.9, squares 4 x 0.01 + 0.16 = 0.2, a fifth of it 0.04.
  const { mean, deviation } = spreadOf([1, 1, 1, 1, 0.5])
  t.ok(Math.abs(mean - 0.9) < 1e-12)
  t.ok(Math.abs(deviation - 0.2) < 1e-12)
  t.equal(isBelow(0.5, { mean, deviation }, 1.9), true, '0.5 < 0.9 - 0.38')
  t.equal(isBelow(0.5, { mean, deviation }, 2), false, '0.5 = 0.9 - 0.4')
  t.equal(isBelow(1, { mean, deviation }, 1.9), false)
})

t.test('of rates that are all the same none is below, however they round', async (t) => {
  for (const rate of [0, 0.1, 0.7, 0.933, 1 / 3, 0.999, 1]) {
    for (const endpoints of [5, 7, 100, 3_333]) {
      const spread = spreadOf(Array.from({ length: endpoints }, () => rate))
      t.equal(isBelow(rate, spread, 0), false, `${endpoints} at ${rate}`)
    }
  }
})

t.test('how many failures are more than chance', async (t) => {
  const of = (failures: number, all: number, mean: number) =>
    isPastChance({ failures, successes: all - failures }, mean)
  t.equal(of(5, 100, 0.99), true, '1 is expected, 4 deviations are 3.98')
  t.equal(of(4, 100, 0.992), false, 'fewer than five say nothing')
  t.equal(of(13, 200, 0.97), false, '6 are expected, 4 deviations are 9.6')
  t.equal(of(16, 200, 0.97), true)
  t.equal(of(5, 100, 1), true)
})

/** The same numbers in each run, from 0 to less than 1. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

t.test(
  'of endpoints that are all alike, as good as never is one an outlier; one that is not is found',
  async (t) => {
    const random = seeded(7)
    const sampled = (requests: number, failing: number) => {
      let failures = 0
      for (let i = 0; i < requests; i++) if (random() < failing) failures++
      return { failures, successes: requests - failures }
    }
    const outliers = (samples: { failures: number; successes: number }[]) => {
      const spread = spreadOf(samples.map(successRateOf))
      const below = samples.map((sample) => isBelow(successRateOf(sample), spread, 1.9))
      return {
        below,
        out: samples.map((sample, i) => below[i] === true && isPastChance(sample, spread.mean))
      }
    }
    for (const [endpoints, requests, failing] of [
      [5, 200, 0.001],
      [20, 200, 0.001],
      [20, 200, 0.01],
      [20, 1_000, 0.05]
    ] as const) {
      let byDeviation = 0
      let found = 0
      let missed = 0
      for (let interval = 0; interval < 200; interval++) {
        const alike = outliers(Array.from({ length: endpoints }, () => sampled(requests, failing)))
        if (alike.below.includes(true)) byDeviation++
        if (alike.out.includes(true)) found++
        const rest = Array.from({ length: endpoints - 1 }, () => sampled(requests, failing))
        if (outliers([sampled(requests, 0.25), ...rest]).out[0] !== true) missed++
      }
      const what = `${endpoints} endpoints, ${requests} requests, ${failing * 100}% failing`
      t.comment(
        `${what}: ${byDeviation} of 200 by the deviation alone, ${found} with chance, ${missed} missed`
      )
      t.ok(found <= 8, `${what}: an outlier in ${found} of 200 intervals`)
      t.equal(missed, 0, `${what}: one that fails a quarter is found each time`)
    }
  }
)

t.test('the failure percentage counts what is at it', async (t) => {
  t.equal(failsTooOften(0.15, 85), true)
  t.equal(failsTooOften(0.16, 85), false)
  t.equal(failsTooOften(0.9, 10), true)
  t.equal(failsTooOften(0, 100), true)
})

t.test('how many may be out', async (t) => {
  const cases: [endpoints: number, percent: number, most: number][] = [
    [1, 10, 1],
    [3, 10, 1],
    [19, 10, 1],
    [20, 10, 2],
    [100, 29, 29],
    [10_000, 10, 1_000],
    [3, 50, 1],
    [3, 67, 2],
    [3, 100, 3],
    [3, 0, 0],
    [3, 0.1, 1]
  ]
  for (const [endpoints, percent, most] of cases) {
    t.equal(mostEjected(endpoints, percent), most, `${percent}% of ${endpoints}`)
  }
})

t.test('ejections in a row are forgotten one by one, for each whole interval that it is in', async (t) => {
  const tally = new Tally()
  t.same([tally.ejected(), tally.ejected(), tally.ejected()], [1, 2, 3])
  const after = [true, false, false, true, false, false, false, false].map((out) => {
    tally.endInterval(out)
    return tally.times
  })
  t.same(after, [3, 3, 2, 2, 2, 1, 0, 0])
})
