import type { Endpoint } from '../../core/index.js'

interface Weights {
  /** All the same, so that none matters. */
  readonly equal: boolean
  readonly total: number
}

/**
 * What the weights of a list come to. A frozen list is taken to stay as it is, weights too, and is summed once for as
 * long as it comes in a row.
 */
export function weigher(): (endpoints: readonly Endpoint[]) => Weights {
  let last: readonly Endpoint[] | undefined
  let weights: Weights = { equal: true, total: 0 }
  return (endpoints) => {
    if (endpoints === last) return weights
    let equal = true
    let total = 0
    for (const { weight } of endpoints) {
      if (weight !== endpoints[0]?.weight) equal = false
      total += weight
    }
    weights = { equal, total }
    last = Object.isFrozen(endpoints) ? endpoints : undefined
    return weights
  }
}
