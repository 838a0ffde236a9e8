import type { Endpoint } from '../../hooks/types.js'

/** Children of a node: a flatter heap takes fewer steps to set right, and they stand beside each other in memory. */
const ARITY = 4

/**
 * Weighted round robin of a long list that stays: earliest deadline first, in a heap, so that a pick looks at a few endpoints
 * and not at all. Virtual time goes on by `1 / total` with each pick; an endpoint of weight w is due every `1 / w` of it. Of
 * whole weights every `total` picks are exactly the weights, as with smooth weighted round robin, in another order.
 */
export class Schedule {
  readonly #endpoints: readonly Endpoint[]
  readonly #weights: Float64Array
  /** When each endpoint is due next, by its place in the list. */
  readonly #due: Float64Array
  /** Places in the list, the one that is due first at the top. */
  readonly #heap: Int32Array
  readonly #tick: number
  #now = 0

  /**
   * @param endpoints one of them of a weight above 0; those of weight 0 are never due
   * @param creditOf what each is owed from before, in picks
   */
  constructor(endpoints: readonly Endpoint[], creditOf: (endpoint: Endpoint) => number) {
    this.#endpoints = endpoints
    this.#weights = Float64Array.from(endpoints, ({ weight }) => weight)
    this.#tick = 1 / this.#weights.reduce((sum, weight) => sum + weight, 0)
    this.#due = this.#weights.map((weight, at) =>
      weight > 0 ? (1 - creditOf(endpoints[at] as Endpoint)) / weight : Number.POSITIVE_INFINITY
    )
    this.#heap = Int32Array.from(endpoints.keys())
    for (let node = Math.floor((endpoints.length - 2) / ARITY); node >= 0; node--) this.#sink(node)
  }

  pick(): Endpoint | undefined {
    const at = this.#heap[0] as number
    this.#due[at] = (this.#due[at] as number) + 1 / (this.#weights[at] as number)
    this.#now += this.#tick
    this.#sink(0)
    return this.#endpoints[at]
  }

  /** What the endpoint at this place in the list is owed by now, in picks. */
  credit(at: number): number {
    const weight = this.#weights[at] as number
    return weight > 0 ? 1 - ((this.#due[at] as number) - this.#now) * weight : 0
  }

  #sink(from: number): void {
    const heap = this.#heap
    const due = this.#due
    const { length } = heap
    const sinking = heap[from] as number
    const dueAt = due[sinking] as number
    let node = from
    for (;;) {
      const first = node * ARITY + 1
      if (first >= length) break
      const end = Math.min(first + ARITY, length)
      let least = first
      let leastDue = due[heap[first] as number] as number
      for (let child = first + 1; child < end; child++) {
        const childDue = due[heap[child] as number] as number
        if (childDue < leastDue) {
          least = child
          leastDue = childDue
        }
      }
      if (leastDue >= dueAt) break
      heap[node] = heap[least] as number
      node = least
    }
    heap[node] = sinking
  }
}
