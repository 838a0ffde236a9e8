import t from 'tap'
import { AliasTable } from '../../../plugins/load-balancer/alias.js'
import { random } from '../../../plugins/load-balancer/random.js'
import { endpoint, fits, many, seeded, tally } from './drawing.js'

const pickOf = (chance = seeded(1)) => random(chance)

t.test('an empty list, and one alone', async (t) => {
  const alone = endpoint('a', 0)
  t.equal(pickOf()([]), undefined)
  t.equal(pickOf()(Object.freeze([])), undefined)
  t.equal(pickOf()([alone]), alone)
})

t.test('equal weights: each as often', async (t) => {
  for (const count of [5, 1000]) {
    const list = Object.freeze(many(count))
    fits(
      t,
      tally(count * 200, list, pickOf()),
      list.map(() => 1),
      `${count} endpoints`
    )
  }
})

t.test('P(x) = weight / total', async (t) => {
  for (const frozen of [true, false]) {
    const list = [endpoint('a', 1), endpoint('b', 3), endpoint('c', 0.5), endpoint('d', 0)]
    if (frozen) Object.freeze(list)
    const counts = tally(20_000, list, pickOf())
    t.equal(counts.pop(), 0, 'weight 0 is not picked while there are others')
    fits(t, counts, [1, 3, 0.5], frozen ? 'a list that stays' : 'one that does not')
  }
  const list = Object.freeze(many(1000, (at) => (at % 10) + (at % 3) / 7))
  const counts = tally(400_000, list, pickOf(seeded(3)))
  const drawn = list.filter(({ weight }) => weight > 0)
  t.equal(drawn.length, 966)
  fits(
    t,
    counts.filter((_, at) => list[at]?.weight !== 0),
    drawn.map(({ weight }) => weight),
    'a thousand of different weights'
  )
})

t.test('weight 0 is picked when nothing else is there', async (t) => {
  const list = Object.freeze([endpoint('a', 0), endpoint('b', 0)])
  fits(t, tally(10_000, list, pickOf()), [1, 1], 'as if they were equal')
})

t.test('the ends of chance', async (t) => {
  const list = [endpoint('z', 0), endpoint('a', 0.1), endpoint('b', 0.2), endpoint('y', 0)]
  const frozen = Object.freeze([...list])
  for (const chance of [0, 0.25, 0.5, 0.75, 1 - 2 ** -53]) {
    for (const each of [list, frozen]) t.ok((pickOf(() => chance)(each)?.weight ?? 0) > 0, `${chance}`)
  }
  t.equal(pickOf(() => 0)(list), list[1])
  t.equal(pickOf(() => 1 - 2 ** -53)(list), list[2])
})

t.test('the alias table is exact', async (t) => {
  const next = seeded(11)
  for (const count of [2, 3, 17, 400]) {
    const weights = Float64Array.from({ length: count }, (_, at) => (at % 5 === 4 ? 0 : next() ** 4))
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    const table = new AliasTable(weights)
    // A column is even within each of its two parts: a fine enough comb measures them.
    const counts = new Float64Array(count)
    const teeth = 2000
    for (let i = 0; i < count * teeth; i++) {
      const drawn = table.draw((i + 0.5) / (count * teeth))
      counts[drawn] = (counts[drawn] as number) + 1 / teeth
    }
    const worst = counts.reduce((most, counted, at) => {
      const due = ((weights[at] as number) * count) / total
      return Math.max(most, due === 0 ? counted * 1e6 : Math.abs(counted - due) / Math.max(1, due / 10))
    }, 0)
    t.ok(worst < 0.05, `${count} outcomes: none is off by more than ${worst}`)
  }
})

t.test('a weight that changes counts from the next list on', async (t) => {
  const [a, b] = [endpoint('a'), endpoint('b')]
  const pick = pickOf()
  fits(t, tally(5000, Object.freeze([a, b]), pick), [1, 1], 'before')
  b.weight = 9
  fits(t, tally(5000, Object.freeze([a, b]), pick), [1, 9], 'after')
  const loose = [a, b]
  fits(t, tally(5000, loose, pick), [1, 9], 'a list that is not frozen')
  a.weight = 9
  fits(t, tally(5000, loose, pick), [1, 1], 'is looked at anew')
})
