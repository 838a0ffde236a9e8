import type { Attempt, Exchange } from '../../core/index.js'

/**
 * Bounds the retries under way at once to `max(min, ratio x attempts under way)` (Envoy's retry budget; its attempts
 * under way too include the retries). An exchange holds one slot at most, however many retries it comes to.
 */
export class Budget {
  readonly #ratio: number
  readonly #min: number
  /** Kept by attempt and not as a number, so that an end without a beginning counts for nothing. */
  readonly #active = new Set<Attempt>()
  /** Exchanges that hold a slot, to the attempt that the slot was taken after. */
  readonly #retrying = new Map<Exchange, Attempt>()

  constructor({ ratio, min }: { ratio: number; min: number }) {
    this.#ratio = ratio
    this.#min = min
  }

  began(attempt: Attempt): void {
    this.#active.add(attempt)
  }

  /** Also the end of the retry, when one that was cancelled or broken was never judged. */
  ended(attempt: Attempt, exchange: Exchange): void {
    this.#active.delete(attempt)
    if (this.#retrying.size === 0) return
    const after = this.#retrying.get(exchange)
    if (after !== undefined && attempt.number > after.number) this.#retrying.delete(exchange)
  }

  /**
   * Takes a slot for one more attempt behind this one. Of a retry that failed the slot goes over to the next.
   *
   * @returns false when the budget is spent
   */
  reserve(attempt: Attempt, exchange: Exchange): boolean {
    if (!this.#retrying.has(exchange)) {
      const limit = Math.max(this.#min, this.#ratio * this.#active.size)
      if (this.#retrying.size + 1 > limit) return false
      // The core may refuse the retry, and a failover's attempt is another service's to see: the exchange's end is
      // the one thing that is sure to come.
      exchange.signal.addEventListener('abort', () => this.#retrying.delete(exchange), { once: true })
    }
    this.#retrying.set(exchange, attempt)
    return true
  }

  /** The retry is answered for: what streams on from here is no longer a second try. */
  release(exchange: Exchange): void {
    if (this.#retrying.size > 0) this.#retrying.delete(exchange)
  }
}
