import type { Endpoint } from '../../core/index.js'
import { weigher } from './weights.js'

/**
 * Each endpoint with probability `weight / total`, whatever was picked before.
 *
 * @param chance at least 0, less than 1
 */
export function random(chance: () => number): (endpoints: readonly Endpoint[]) => Endpoint | undefined {
  const weigh = weigher()
  return (endpoints) => {
    const { equal, total } = weigh(endpoints)
    if (equal) return endpoints[Math.floor(chance() * endpoints.length)]
    let left = total * chance()
    let last: Endpoint | undefined
    for (const endpoint of endpoints) {
      if (endpoint.weight === 0) continue
      if (left < endpoint.weight) return endpoint
      left -= endpoint.weight
      last = endpoint
    }
    // Sums of fractions round: what is left over is the last one's.
    return last
  }
}
