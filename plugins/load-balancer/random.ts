import type { Endpoint } from '../../core/index.js'
import { byList } from './by-list.js'
import { Weights } from './weights.js'

/**
 * Each endpoint with probability `weight / total`, whatever was picked before.
 *
 * @param chance at least 0, less than 1
 */
export function random(chance: () => number): (endpoints: readonly Endpoint[]) => Endpoint | undefined {
  const weigh = byList((endpoints) => new Weights(endpoints))
  return (endpoints) => endpoints[weigh(endpoints).draw(chance)]
}
