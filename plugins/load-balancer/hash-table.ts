import type { Endpoint } from '../../core/index.js'

/** A table from hashes to endpoints, built once of all endpoints of a service and not changed after. */
export interface HashTable {
  /** What it was built of. */
  readonly endpoints: readonly Endpoint[]
  /** The place of a key. @param hash 32 bits, unsigned */
  find(hash: number): number
  /** Where a key goes on when the endpoint at `place` cannot be had. @param step from 1 */
  next(place: number, hash: number, step: number): number
  /** The number in `endpoints` of the one at `place`. */
  owner(place: number): number
}

/** Builds one, pausing each few hundred steps. Undefined where there are no endpoints. */
export type TableBuilder = (endpoints: readonly Endpoint[]) => Generator<void, HashTable | undefined>

/** Weights as parts of the greatest. Where all are 0, all count the same. */
export function relativeWeights(endpoints: readonly Endpoint[]): Float64Array {
  const weights = Float64Array.from(endpoints, ({ weight }) => weight)
  const greatest = weights.reduce((most, weight) => Math.max(most, weight), 0)
  return greatest > 0 ? weights.map((weight) => weight / greatest) : weights.fill(1)
}
