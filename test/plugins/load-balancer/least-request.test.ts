import t from 'tap'
import { leastRequest } from '../../../plugins/load-balancer/least-request.js'
import { endpoint, fits, many, seeded, simulate, tally } from './drawing.js'

const pickOf = (chance = seeded(1)) => leastRequest(chance)

t.test('an empty list, and one alone', async (t) => {
  const alone = endpoint('a', 0)
  t.equal(pickOf()([]), undefined)
  t.equal(pickOf()([alone]), alone)
})

t.test('least-request with equal weights', async (t) => {
  t.test('up to eight, the one with the fewest', async (t) => {
    const pick = pickOf()
    for (let idle = 0; idle < 8; idle++) {
      const list = Array.from({ length: 8 }, (_, at) => endpoint(`${at}`, 1, at === idle ? 4 : 5))
      t.same(tally(50, list, pick)[idle], 50)
    }
  })

  t.test('each of those that tie is as likely', async (t) => {
    const list = Object.freeze([0, 2, 0, 0, 7].map((inFlight, at) => endpoint(`${at}`, 1, inFlight)))
    const counts = tally(15_000, list, pickOf())
    t.same([counts[1], counts[3 + 1]], [0, 0], 'the busy ones get none')
    fits(t, [counts[0], counts[2], counts[3]] as number[], [1, 1, 1], 'the idle ones share')
  })

  t.test('beyond eight, the better of two different ones', async (t) => {
    // Of 12, the one with i under way is picked when it is drawn with a busier one.
    const list = Object.freeze(
      Array.from({ length: 12 }, (_, at) => endpoint(`${at}`, 1, (at * 5 + 11) % 12))
    )
    const counts = tally(50_000, list, pickOf())
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
      tally(50_000, list, pickOf()),
      list.map(() => 1),
      'each as often'
    )
  })

  t.test('a slow endpoint gets less than a third of what a fast one gets', async (t) => {
    for (const size of [3, 12]) {
      const counts = simulate({
        list: Array.from({ length: size }, (_, at) => endpoint(`${at}`)),
        pick: pickOf(),
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
    const counts = tally(20_000, list, pickOf())
    t.equal(counts.pop(), 0, 'weight 0 is not picked while there are others')
    fits(t, counts, [1, 3], '1:3')
  })

  t.test('what is under way takes from a weight', async (t) => {
    const list = Object.freeze([endpoint('a', 1, 0), endpoint('b', 3, 1)])
    // P(e < (1 + f) / 3) for two exponentials e and f of mean 1.
    const light = 1 - (Math.exp(-1 / 3) * 3) / 4
    fits(t, tally(20_000, list, pickOf()), [light, 1 - light], 'an idle light one and a heavy one with one')
    const busy = Object.freeze([endpoint('a', 1, 10), endpoint('b', 3, 10)])
    t.ok((tally(1000, busy, pickOf())[0] as number) < 5, 'as many under way on both: the heavy one')
  })

  t.test('weights hold under any load where all are as fast', async (t) => {
    for (const callers of [1, 4, 16, 100]) {
      const counts = simulate({
        list: [endpoint('a', 1), endpoint('b', 3)],
        pick: pickOf(),
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
      pick: pickOf(),
      callers: 8,
      ticks: 20_000,
      duration: (at) => (at === 0 ? 50 : 5)
    })
    t.ok((counts[0] as number) * 2 < (counts[1] as number), `${counts}`)
  })
})

t.test('least-request with unequal weights, beyond eight', async (t) => {
  t.test('an idle service is served as its weights say', async (t) => {
    const list = Object.freeze(many(20, (at) => at % 4))
    const counts = tally(50_000, list, pickOf())
    t.ok(
      counts.every((count, at) => count > 0 || list[at]?.weight === 0),
      'weight 0 is not picked'
    )
    fits(
      t,
      counts.filter((_, at) => at % 4 > 0),
      list.map(({ weight }) => weight).filter((weight) => weight > 0),
      'by weight'
    )
  })

  t.test('of two drawn by weight, the one with less under way for its weight', async (t) => {
    // Nine idle ones of weight 1, one of weight 9 with 9 under way and so as busy as a 1 with 1: any of the nine beats it.
    const list = Object.freeze([...many(9), endpoint('heavy', 9, 9)])
    const counts = tally(40_000, list, pickOf())
    const heavy = counts.at(-1) as number
    // It wins when it is drawn each of the up to five times.
    const expected = 40_000 * 0.5 ** 5
    t.ok(Math.abs(heavy - expected) < 150, `${heavy}, expected ${expected}`)
  })

  t.test('weights hold under load where all are as fast', async (t) => {
    const list = many(20, (at) => (at < 10 ? 1 : 3))
    const counts = simulate({ list, pick: pickOf(), callers: 200, ticks: 3000, duration: () => 5 })
    const sum = (part: number[]) => part.reduce((total, count) => total + count, 0)
    const share = sum(counts.slice(10)) / sum(counts.slice(0, 10))
    t.ok(share > 2.7 && share < 3.3, `${share.toFixed(2)} times as many`)
  })

  t.test('a slow one gets less than its weight', async (t) => {
    const list = many(12, (at) => (at === 0 ? 3 : 1))
    const options = { list, pick: pickOf(), callers: 48, ticks: 3000 }
    const [slow, ...fast] = simulate({ ...options, duration: (at) => (at === 0 ? 50 : 5) }) as [
      number,
      ...number[]
    ]
    t.ok(slow < Math.min(...fast), `${slow} of weight 3, ${fast}`)
  })
})
