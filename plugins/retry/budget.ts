import type { Attempt, Clock, Exchange } from '../../core/index.js'

/** Exchanges that may wait for a slot; more are refused one at once. */
const MAX_WAITING = 1_000

type Marked = Attempt & { [mark: symbol]: boolean }

interface Waiter {
  readonly attempt: Attempt
  readonly exchange: Exchange
  settle(granted: boolean): void
}

/**
 * Bounds the retries under way at once to `max(min, ratio x attempts under way)` (Envoy's retry budget; its attempts
 * under way too include the retries). An exchange holds one slot at most, however many retries it comes to.
 */
export class Budget {
  readonly #ratio: number
  readonly #min: number
  /** Attempts under way. */
  #active = 0
  /** Marks an attempt that is counted, so that an end without a beginning counts for nothing. A set of them would cost
   *  more in garbage collection than all else here. */
  readonly #counted = Symbol('counted')
  /** Exchanges that hold a slot, to the attempt that the slot was taken after. */
  readonly #retrying = new Map<Exchange, Attempt>()

  readonly #waiting = new Set<Waiter>()
  readonly #clock: Clock
  readonly #patience: number

  /** @param patience ms that an exchange may wait for a slot */
  constructor({ ratio, min }: { ratio: number; min: number }, clock: Clock, patience: number) {
    this.#ratio = ratio
    this.#min = min
    this.#clock = clock
    this.#patience = patience
  }

  began(attempt: Attempt): void {
    this.#active++
    ;(attempt as Marked)[this.#counted] = true
  }

  /** Also the end of the retry, when one that was cancelled or broken was never judged. */
  ended(attempt: Attempt, exchange: Exchange): void {
    if ((attempt as Marked)[this.#counted] === true) {
      ;(attempt as Marked)[this.#counted] = false
      this.#active--
    }
    if (this.#retrying.size === 0) return
    const after = this.#retrying.get(exchange)
    if (after !== undefined && attempt.number > after.number) this.#free(exchange)
  }

  /**
   * Takes a slot for one more attempt behind this one. Of a retry that failed the slot goes over to the next. When all
   * are taken it waits, with the answer at hand: a moment's burst of failures comes to an end, an outage does not.
   *
   * @returns false when the budget is spent
   */
  reserve(attempt: Attempt, exchange: Exchange): boolean | Promise<boolean> {
    if (this.#retrying.has(exchange)) {
      this.#retrying.set(exchange, attempt)
      return true
    }
    if (this.#waiting.size === 0 && this.#hasRoom()) {
      this.#take(attempt, exchange)
      return true
    }
    return this.#waiting.size >= MAX_WAITING || this.#patience === 0 ? false : this.#wait(attempt, exchange)
  }

  /** The retry is answered for: what streams on from here is no longer a second try. */
  release(exchange: Exchange): void {
    if (this.#retrying.size > 0) this.#free(exchange)
  }

  #hasRoom(): boolean {
    return this.#retrying.size + 1 <= Math.max(this.#min, this.#ratio * this.#active)
  }

  #take(attempt: Attempt, exchange: Exchange): void {
    this.#retrying.set(exchange, attempt)
    // The core may refuse the retry, and a failover's attempt is another service's to see: the exchange's end is
    // the one thing that is sure to come.
    exchange.signal.addEventListener('abort', () => this.#free(exchange), { once: true })
  }

  #free(exchange: Exchange): void {
    if (!this.#retrying.delete(exchange)) return
    for (const waiter of this.#waiting) {
      if (!this.#hasRoom()) return
      this.#take(waiter.attempt, waiter.exchange)
      waiter.settle(true)
    }
  }

  #wait(attempt: Attempt, exchange: Exchange): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (granted: boolean) => {
        this.#waiting.delete(waiter)
        timer.cancel()
        exchange.signal.removeEventListener('abort', giveUp)
        resolve(granted)
      }
      const giveUp = () => settle(false)
      const waiter: Waiter = { attempt, exchange, settle }
      const timer = this.#clock.setTimeout(giveUp, this.#patience)
      exchange.signal.addEventListener('abort', giveUp, { once: true })
      this.#waiting.add(waiter)
    })
  }
}
