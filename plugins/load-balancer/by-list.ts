import type { Endpoint } from '../../core/index.js'

type Endpoints = readonly Endpoint[]

/**
 * What a list comes to, worked out once. A frozen list is taken to stay as it is, its endpoints' weights too: the core gives
 * another one when anything changes. Of one that is not frozen nothing is kept.
 */
export function byList<T extends object>(derive: (endpoints: Endpoints) => T): (endpoints: Endpoints) => T {
  const known = new WeakMap<Endpoints, T>()
  // Most picks are from the same list as the one before, and need no look into the map.
  let last: Endpoints | undefined
  let lastDerived: T | undefined
  return (endpoints) => {
    if (endpoints === last) return lastDerived as T
    let derived = known.get(endpoints)
    if (derived === undefined) {
      derived = derive(endpoints)
      if (!Object.isFrozen(endpoints)) return derived
      known.set(endpoints, derived)
    }
    last = endpoints
    lastDerived = derived
    return derived
  }
}
