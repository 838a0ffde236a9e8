import type { Endpoint } from '../../core/index.js'
import { finish, type Identity, identify, rehash } from './hash.js'
import { type HashTable, relativeWeights } from './hash-table.js'

/** Points of an endpoint of the greatest weight: enough for the share of one of three to be within 1% of a third. */
const POINTS_EACH = 2 ** 14
/** From 128 endpoints on each gets fewer, so that all of them together have two million... */
const POINTS = 2 ** 21
/** ...but no fewer than ketama's 160, until the ring is full at eight million. */
const FEWEST_EACH = 160
const MOST_POINTS = 2 ** 23
/** Steps between two pauses. */
const STEPS = 1024

/**
 * A ring of hashes (Karger et al., "Consistent hashing and random trees", 1997, as ketama made it common): each endpoint
 * has points on it in proportion to its weight, and a key belongs to the first point behind it. Points follow from an
 * endpoint's URL alone, so that every proxy has the same ring, whatever the order of its list.
 *
 * An endpoint's number of points does not depend on how many endpoints there are, up to 128 of them: else each one that
 * comes or goes would move keys between the others. Beyond, it changes by 1/N with each, which moves as many keys again.
 */
export class Ring implements HashTable {
  readonly endpoints: readonly Endpoint[]
  /** Of each its hash and its owner, beside each other: most of the time goes into fetching them from memory. */
  readonly #points: Uint32Array
  /** Where the points begin whose hashes begin with the same bits: finding a key's takes no search. */
  readonly #starts: Uint32Array
  readonly #shift: number

  private constructor(endpoints: readonly Endpoint[], { points, starts, shift }: Layout) {
    this.endpoints = endpoints
    this.#points = points
    this.#starts = starts
    this.#shift = shift
  }

  find(hash: number): number {
    const bucket = hash >>> this.#shift
    const end = this.#starts[bucket + 1] as number
    let place = this.#starts[bucket] as number
    while (place < end && (this.#points[place * 2] as number) < hash) place++
    return place * 2 === this.#points.length ? 0 : place
  }

  next(place: number): number {
    return (place + 1) * 2 === this.#points.length ? 0 : place + 1
  }

  owner(place: number): number {
    return this.#points[place * 2 + 1] as number
  }

  static *build(endpoints: readonly Endpoint[]): Generator<void, Ring | undefined> {
    if (endpoints.length === 0) return undefined
    const each = pointsOf(endpoints.length)
    const counts = Uint32Array.from(relativeWeights(endpoints), (weight) =>
      weight > 0 ? Math.max(1, Math.round(weight * each)) : 0
    )
    const total = counts.reduce((sum, count) => sum + count, 0)
    const layout = new Layout(
      endpoints.map(({ url }) => identify(url)),
      total
    )
    yield* inParts(counts, (owner, from, to) => layout.count(owner, from, to))
    for (let from = 0; from < layout.buckets; from += STEPS) {
      yield
      layout.sum(from, Math.min(from + STEPS, layout.buckets))
    }
    yield* inParts(counts, (owner, from, to) => layout.place(owner, from, to))
    for (let from = 0; from < layout.buckets; from += STEPS / 8) {
      yield
      layout.sort(from, Math.min(from + STEPS / 8, layout.buckets))
    }
    return new Ring(endpoints, layout)
  }
}

/** How many points an endpoint of the greatest weight gets. */
function pointsOf(count: number): number {
  const wanted = Math.min(POINTS_EACH, Math.max(FEWEST_EACH, Math.floor(POINTS / count)))
  return Math.max(1, Math.min(wanted, Math.floor(MOST_POINTS / count)))
}

function* inParts(
  counts: Uint32Array,
  work: (owner: number, from: number, to: number) => void
): Generator<void> {
  for (let owner = 0; owner < counts.length; owner++) {
    const count = counts[owner] as number
    for (let from = 0; from < count; from += STEPS) {
      yield
      work(owner, from, Math.min(from + STEPS, count))
    }
  }
}

/**
 * The points in the order of their hashes: laid into buckets by their first bits and then sorted bucket by bucket, each step
 * of which is as short as is wanted. A sort of all of them at once would hold up everything else.
 */
class Layout {
  readonly points: Uint32Array
  readonly buckets: number
  /** Where each bucket begins, and behind them where the last one ends. */
  readonly starts: Uint32Array
  readonly shift: number
  readonly #identities: readonly Identity[]
  #free = new Uint32Array()

  constructor(identities: readonly Identity[], total: number) {
    this.#identities = identities
    // Some eight points to a bucket.
    const bits = Math.max(1, Math.ceil(Math.log2(total)) - 3)
    this.shift = 32 - bits
    this.buckets = 2 ** bits
    this.starts = new Uint32Array(this.buckets + 1)
    this.points = new Uint32Array(total * 2)
  }

  /** How many points each bucket has, one place further on. */
  count(owner: number, from: number, to: number): void {
    const { starts, shift } = this
    const { one, two } = this.#identities[owner] as Identity
    for (let i = from; i < to; i++) {
      const behind = (pointOf(one, two, i) >>> shift) + 1
      starts[behind] = (starts[behind] as number) + 1
    }
  }

  sum(from: number, to: number): void {
    const { starts } = this
    for (let bucket = from; bucket < to; bucket++)
      starts[bucket + 1] = (starts[bucket + 1] as number) + (starts[bucket] as number)
    if (to === this.buckets) this.#free = starts.slice()
  }

  place(owner: number, from: number, to: number): void {
    const { points, shift } = this
    const free = this.#free
    const { one, two } = this.#identities[owner] as Identity
    for (let i = from; i < to; i++) {
      const hash = pointOf(one, two, i)
      const place = free[hash >>> shift] as number
      free[hash >>> shift] = place + 1
      points[place * 2] = hash
      points[place * 2 + 1] = owner
    }
  }

  /** Insertion sort of each bucket. Of points that are the same, the order follows from the URLs too. */
  sort(from: number, to: number): void {
    const { points, starts } = this
    for (let bucket = from; bucket < to; bucket++) {
      const start = starts[bucket] as number
      const end = starts[bucket + 1] as number
      for (let i = start + 1; i < end; i++) {
        const hash = points[i * 2] as number
        const owner = points[i * 2 + 1] as number
        let at = i
        for (; at > start && this.#isBehind(at - 1, hash, owner); at--) {
          points[at * 2] = points[at * 2 - 2] as number
          points[at * 2 + 1] = points[at * 2 - 1] as number
        }
        points[at * 2] = hash
        points[at * 2 + 1] = owner
      }
    }
  }

  #isBehind(at: number, hash: number, owner: number): boolean {
    const other = this.points[at * 2] as number
    if (other !== hash) return other > hash
    const identities = this.#identities
    const theirs = identities[this.points[at * 2 + 1] as number] as Identity
    return theirs.one > (identities[owner] as Identity).one
  }
}

function pointOf(one: number, two: number, i: number): number {
  return finish(rehash(one, i) ^ two)
}
