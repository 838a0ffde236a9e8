import type { Endpoint } from '../../core/index.js'
import { byList } from './by-list.js'
import { Weights } from './weights.js'

/** Up to this many endpoints all are looked at: of two, two random choices pick the busier one a quarter of the time. */
export const SCANNED = 8

/**
 * The endpoint with the fewest attempts under way (Envoy's `least_request`).
 *
 * Equal weights: all are compared up to 8 endpoints, and beyond that two of them at random (Mitzenmacher's power of
 * two choices). Of those that tie each is as likely, so that an idle service is not always served by its first.
 *
 * Unequal weights, up to 8: the largest `weight / (active + e)` of all, with an `e` drawn anew for each from the exponential
 * distribution of mean 1. With 1 for `e` this is Envoy's formula at a bias of 1, which would leave the light
 * endpoints of an idle service without a request. The one with the least `e / weight` is any endpoint with
 * probability `weight / total`, so that an idle service is served as its weights say; under load `active` outweighs
 * `e`, and what is under way stands in proportion to the weights.
 *
 * Unequal weights, beyond: of two drawn by their weights, the one with the lesser `active / weight`, and where these are the
 * same the first: an idle service is served as its weights say here too.
 *
 * @param chance at least 0, less than 1
 */
export function leastRequest(chance: () => number): (endpoints: readonly Endpoint[]) => Endpoint | undefined {
  const weigh = byList((endpoints) => new Weights(endpoints))
  return (endpoints) => {
    const weights = weigh(endpoints)
    if (endpoints.length > SCANNED) return ofTwo(endpoints, weights, chance)
    return weights.equal ? ofAll(endpoints, chance) : byWeight(endpoints, chance)
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

function ofTwo(endpoints: readonly Endpoint[], weights: Weights, chance: () => number): Endpoint {
  const first = weights.draw(chance)
  const one = endpoints[first] as Endpoint
  const two = endpoints[weights.drawOther(first, chance)] as Endpoint
  if (weights.equal) return two.inFlight < one.inFlight ? two : one
  return two.inFlight * one.weight < one.inFlight * two.weight ? two : one
}
