import type { Endpoint } from '../../core/index.js'
import type { Share } from './draw.js'

/** For each share its endpoints; undefined where there are none. */
type Parts = readonly (readonly Endpoint[] | undefined)[]

/**
 * A list's endpoints by the value of a tag. The lists that the core gives stay the same object until something changes,
 * and so do the parts of one: a balancer behind this plugin keeps what it has worked out of them.
 */
export class Subsets {
  readonly #tag: string
  readonly #shares: readonly Share[]
  readonly #known = new WeakMap<readonly Endpoint[], Parts>()
  #last: readonly Endpoint[] | undefined
  #lastParts: Parts = []

  constructor(tag: string, shares: readonly Share[]) {
    this.#tag = tag
    this.#shares = shares
  }

  /** @returns undefined where none of them has the value */
  of(endpoints: readonly Endpoint[], { index }: Share): readonly Endpoint[] | undefined {
    if (endpoints !== this.#last) {
      this.#lastParts = this.#partsOf(endpoints)
      this.#last = endpoints
    }
    return this.#lastParts[index]
  }

  #partsOf(endpoints: readonly Endpoint[]): Parts {
    const known = this.#known.get(endpoints)
    if (known !== undefined) return known
    const lists = new Map<string, Endpoint[]>(this.#shares.map(({ value }) => [value, []]))
    for (const endpoint of endpoints) lists.get(endpoint.tags[this.#tag] as string)?.push(endpoint)
    const parts = this.#shares.map(({ value }) => {
      const list = lists.get(value) as Endpoint[]
      if (list.length === 0) return undefined
      return list.length === endpoints.length ? endpoints : Object.freeze(list)
    })
    this.#known.set(endpoints, parts)
    return parts
  }
}
