import type { Endpoint } from '../../core/index.js'
import { weigher } from './weights.js'

/** Up to this many endpoints all are looked at: of two, two random choices pick the busier one a quarter of the time. */
const SCANNED = 8

/**
 * The endpoint with the fewest attempts under way (Envoy's `least_request`).
 *
 * Equal weights: all are compared up to 8 endpoints, and beyond that two of them at random (Mitzenmacher's power of
 * two choices). Of those that tie each is as likely, so that an idle service is not always served by its first.
 *
 * Unequal weights: the largest `weight / (active + e)` of all, with an `e` drawn anew for each from the exponential
 * distribution of mean 1. With 1 for `e` this is Envoy's formula at a bias of 1, which would leave the light
 * endpoints of an idle service without a request. The one with the least `e / weight` is any endpoint with
 * probability `weight / total`, so that an idle service is served as its weights say; under load `active` outweighs
 * `e`, and what is under way stands in proportion to the weights.
 *
 * @param chance at least 0, less than 1
 */
export function leastRequest(chance: () => number): (endpoints: readonly Endpoint[]) => Endpoint | undefined {
  const weigh = weigher()
  return (endpoints) => {
    if (!weigh(endpoints).equal) return byWeight(endpoints, chance)
    return endpoints.length > SCANNED ? ofTwo(endpoints, chance) : ofAll(endpoints, chance)
  }
}

function byWeight(endpoints: readonly Endpoint[], chance: () => number): Endpoint | undefined {
  let best: Endpoint | undefined
  let least = Number.POSITIVE_INFINITY
  for (const endpoint of endpoints) {
    if (endpoint.weight === 0) continue
    const load = (endpoint.inFlight - Math.log(1 - chance())) / endpoint.weight
    if (load < least) {
      best = endpoint
      least = load
    }
  }
  return best
}

function ofAll(endpoints: readonly Endpoint[], chance: () => number): Endpoint | undefined {
  let best: Endpoint | undefined
  let ties = 0
  for (const endpoint of endpoints) {
    if (best === undefined || endpoint.inFlight < best.inFlight) {
      best = endpoint
      ties = 1
    } else if (endpoint.inFlight === best.inFlight && chance() * ++ties < 1) {
      // The n-th that ties takes over with probability 1/n: each of them ends up as likely.
      best = endpoint
    }
  }
  return best
}

function ofTwo(endpoints: readonly Endpoint[], chance: () => number): Endpoint | undefined {
  const first = Math.floor(chance() * endpoints.length)
  const other = Math.floor(chance() * (endpoints.length - 1))
  const one = endpoints[first]
  const two = endpoints[other < first ? other : other + 1]
  return one !== undefined && two !== undefined && two.inFlight < one.inFlight ? two : one
}
