import type { Endpoint } from '../../core/index.js'

/** A list of endpoints, divided. */
interface Parts {
  readonly canary: readonly Endpoint[]
  readonly others: readonly Endpoint[]
}

const NONE: readonly Endpoint[] = Object.freeze([])

/** Divides lists by tags. The same list gives the same parts: what a balancer has worked out of one holds. */
export class Divider {
  readonly #tags: readonly (readonly [string, string])[]
  readonly #known = new WeakMap<readonly Endpoint[], Parts>()

  constructor(tags: readonly (readonly [string, string])[]) {
    this.#tags = tags
  }

  of(endpoints: readonly Endpoint[]): Parts {
    let parts = this.#known.get(endpoints)
    if (parts === undefined) this.#known.set(endpoints, (parts = this.#divide(endpoints)))
    return parts
  }

  #divide(endpoints: readonly Endpoint[]): Parts {
    const canary = endpoints.filter(({ tags }) => this.#tags.every(([tag, value]) => tags[tag] === value))
    if (canary.length === endpoints.length) return { canary: endpoints, others: NONE }
    if (canary.length === 0) return { canary: NONE, others: endpoints }
    const chosen = new Set(canary)
    return {
      canary: Object.freeze(canary),
      others: Object.freeze(endpoints.filter((endpoint) => !chosen.has(endpoint)))
    }
  }
}
