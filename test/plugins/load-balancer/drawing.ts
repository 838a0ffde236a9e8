// Picks that are counted, and what counts are to be.
import type { Test } from 'tap'
import type { Endpoint } from '../../../core/index.js'

export type Mutable = { -readonly [K in keyof Endpoint]: Endpoint[K] }

export function endpoint(name: string, weight = 1, inFlight = 0): Mutable {
  return {
    url: `http://${name}`,
    service: 'shop',
    weight,
    zone: undefined,
    priority: 0,
    tags: {},
    healthy: true,
    ejectedUntil: 0,
    breaker: 'closed',
    availableSince: 0,
    inFlight,
    latency: undefined
  }
}

/** `count` endpoints of equal weight, named by their number. */
export function many(count: number, weight: (at: number) => number = () => 1): Mutable[] {
  return Array.from({ length: count }, (_, at) => endpoint(`10.0.${at >> 8}.${at & 255}:8080`, weight(at)))
}

/** mulberry32: the same numbers for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export type Pick = (endpoints: readonly Endpoint[]) => Endpoint | undefined

export function tally(count: number, list: readonly Endpoint[], pick: Pick): number[] {
  const places = new Map(list.map((one, at) => [one, at]))
  const counts = list.map(() => 0)
  for (let i = 0; i < count; i++) {
    const at = places.get(pick(list) as Endpoint) as number
    counts[at] = (counts[at] as number) + 1
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

/** Exceeded once in 1,000 by chance (Wilson and Hilferty). The seed is fixed, so here it is or it is not. */
function critical(freedom: number): number {
  const part = 2 / (9 * freedom)
  return freedom * (1 - part + 3.0902 * Math.sqrt(part)) ** 3
}

export function fits(t: Test, counts: readonly number[], shares: readonly number[], message: string): void {
  const statistic = chiSquared(counts, shares)
  const limit = critical(counts.length - 1)
  const shown = counts.length > 20 ? `${counts.length} of them` : counts
  t.ok(statistic < limit, `${message}: ${shown}, chi-squared ${statistic.toFixed(2)} of ${limit.toFixed(2)}`)
}

/** So many callers, each with one request under way at all times; how many requests each endpoint got. */
export function simulate(options: {
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
