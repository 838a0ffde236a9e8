/** How many retries there may be. Places among them are given out by the budget. */
export interface Allowance {
  /** A request is sent for the first time: no retry, no hedge. */
  began(): void
  /** That attempt has ended. */
  ended(): void
  /** Retries that may be under way at once, when `used` are. */
  max(used: number): number
  /** One more is made by an exchange that had none. */
  spend(): void
  /** One more is made by an exchange whose last one has failed. @returns false when there is none left */
  again(): boolean
}

/**
 * Envoy's retry budget: retries under way are at most `max(min, ratio x attempts under way)`. Of these attempts retries do not
 * count, as they do in Envoy, where a ratio of 0.2 thus comes to a quarter more load, and here to a fifth.
 */
export class ShareOfAttempts implements Allowance {
  readonly #ratio: number
  readonly #min: number
  #active = 0

  constructor({ ratio, min }: { ratio: number; min: number }) {
    this.#ratio = ratio
    this.#min = min
  }

  began(): void {
    this.#active++
  }

  ended(): void {
    this.#active--
  }

  max(): number {
    // A whole retry to each attempt is meant as no bound, and not as one that falls with every attempt that has failed.
    if (this.#ratio === 1) return Number.POSITIVE_INFINITY
    return Math.floor(Math.max(this.#min, this.#ratio * this.#active))
  }

  spend(): void {}

  /** The place of the retry that failed is handed on: there is no more under way than before. */
  again(): boolean {
    return true
  }
}

/** Parts of `ttl` that requests and retries are counted by, as in Finagle. */
const SLICES = 10

/**
 * Finagle's and Linkerd's retry budget: each request pays in `ratio` of a retry, each retry takes one out, and both are
 * forgotten after `ttl`. On top of that there is a reserve of `perSecond x ttl`. Within a `ttl`, as fine as its tenths are,
 * there are thus at most `ratio x requests + perSecond x ttl` retries.
 */
export class PaidIn implements Allowance {
  readonly #ratio: number
  readonly #reserve: number
  readonly #slice: number
  readonly #now: () => number
  /** Requests and retries of each slice, kept apart: a sum of fractions would not come out even. */
  readonly #requests = new Float64Array(SLICES)
  readonly #retries = new Float64Array(SLICES)
  #allRequests = 0
  #allRetries = 0
  /** The number of the present slice since time began. */
  #present: number

  /** @param budget `ttl` in ms; @param now in ms */
  constructor(
    { ratio, perSecond, ttl }: { ratio: number; perSecond: number; ttl: number },
    now: () => number
  ) {
    this.#ratio = ratio
    this.#reserve = (perSecond * ttl) / 1000
    this.#slice = ttl / SLICES
    this.#now = now
    this.#present = Math.floor(now() / this.#slice)
  }

  began(): void {
    const at = this.#turn()
    this.#requests[at] = (this.#requests[at] as number) + 1
    this.#allRequests++
  }

  ended(): void {}

  max(used: number): number {
    this.#turn()
    // What a tenth loses ten times over is given back.
    return used + Math.max(0, Math.floor(this.#balance() + 1e-9))
  }

  spend(): void {
    const at = this.#turn()
    this.#retries[at] = (this.#retries[at] as number) + 1
    this.#allRetries++
  }

  again(): boolean {
    if (this.max(0) < 1) return false
    this.spend()
    return true
  }

  #balance(): number {
    return this.#reserve + this.#ratio * this.#allRequests - this.#allRetries
  }

  /** Forgets what is over. @returns where the present slice is kept */
  #turn(): number {
    const present = Math.floor(this.#now() / this.#slice)
    const passed = Math.min(SLICES, present - this.#present)
    for (let i = 0; i < passed; i++) {
      const at = (present - i) % SLICES
      this.#allRequests -= this.#requests[at] as number
      this.#allRetries -= this.#retries[at] as number
      this.#requests[at] = 0
      this.#retries[at] = 0
    }
    this.#present = present
    return present % SLICES
  }
}
