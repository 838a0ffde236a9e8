import t from 'tap'
import type { Endpoint } from '../../../core/index.js'
import { Shares } from '../../../plugins/split/draw.js'
import { Subsets } from '../../../plugins/split/subsets.js'

/** Marsaglia's xorshift, 32 bits: the same numbers in each run. */
function seeded(seed: number): () => number {
  let x = seed
  return () => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return (x >>> 0) / 2 ** 32
  }
}

/** What is passed by one in a thousand honest draws, by degrees of freedom. */
const CRITICAL = [0, 10.83, 13.82, 16.27]

t.test('draws follow the weights', async (t) => {
  for (const weights of [
    { v1: 95, v2: 5 },
    { a: 1, b: 2, c: 3 },
    { a: 0.5, off: 0, b: 0.2, c: 0.1, d: 0.2 }
  ]) {
    const shares = new Shares(weights)
    const random = seeded(20_260_101)
    const counts = new Map<string, number>()
    const n = 100_000
    for (let i = 0; i < n; i++) {
      const { value } = shares.draw(random())
      counts.set(value, (counts.get(value) ?? 0) + 1)
    }
    let statistic = 0
    const parts = shares.all.filter(({ part }) => part > 0)
    for (const { value, part } of parts) statistic += ((counts.get(value) ?? 0) - n * part) ** 2 / (n * part)
    t.ok(statistic < (CRITICAL[parts.length - 1] as number), `${JSON.stringify(weights)}: ${statistic}`)
    t.equal(counts.get('off'), undefined, 'of weight 0 none')
  }
})

t.test('where one share ends the next begins', async (t) => {
  const shares = new Shares({ none: 0, v1: 3, v2: 1, last: 0 })
  const drawn = (chance: number) => shares.draw(chance).value
  t.equal(drawn(0), 'v1')
  t.equal(drawn(0.749), 'v1')
  t.equal(drawn(0.75), 'v2')
  t.equal(drawn(1 - 2 ** -53), 'v2', 'never the one of weight 0 behind it')
  t.equal(new Shares({ a: 0.1, b: 0.2, c: 0.3 }).draw(1 - 2 ** -53).value, 'c', 'whatever rounding left')
  t.equal(shares.named('v2')?.value, 'v2')
  t.equal(shares.named('none'), undefined)
  t.equal(shares.named('constructor'), undefined)
})

const endpoint = (version: string | undefined) =>
  ({ tags: version === undefined ? {} : { version } }) as Endpoint

t.test('subsets', async (t) => {
  const shares = new Shares({ v1: 1, v2: 1, v3: 1 })
  const [v1, v2, v3] = shares.all as [never, never, never]
  const list = Object.freeze(['v1', 'v2', 'v1', undefined, 'other'].map(endpoint))
  const subsets = new Subsets('version', shares.all)
  t.same(subsets.of(list, v1), [list[0], list[2]])
  t.same(subsets.of(list, v2), [list[1]])
  t.equal(subsets.of(list, v3), undefined)
  t.ok(Object.isFrozen(subsets.of(list, v1)))

  const first = subsets.of(list, v1)
  const other = Object.freeze(['v1', 'v1'].map(endpoint))
  t.equal(subsets.of(other, v1), other, 'all of a list is the list itself')
  t.equal(subsets.of(list, v1), first, 'the same list, the same subset')
})
