import type { Attempt, Clock, Exchange, Limit } from '../../core/index.js'
import type { Allowance } from './allowance.js'

/** Exchanges that may wait for a place; more are refused one at once. */
const MAX_WAITING = 1_000

/**
 * Marks an attempt that is counted with whom it is counted by, so that an end without a beginning counts for nothing. A set of
 * them would cost more in garbage collection than all else here, and a mark of each budget's own would give the attempts of
 * thousands of routes as many shapes, which the engine has no short way to.
 */
const COUNTED = Symbol('counted')

type Marked = Attempt & { [mark: symbol]: boolean }
type Counted = Attempt & { [COUNTED]?: Budget | readonly Budget[] | undefined }

interface Waiter {
  readonly attempt: Attempt
  readonly exchange: Exchange
  settle(granted: boolean): void
}

/**
 * Gives out the places that an allowance has for retries and hedges. An exchange holds one place at most for its retries,
 * however many it comes to, and one for each hedge. The places themselves are the core's to show.
 */
export class Budget {
  readonly #limit: Limit
  readonly #allowance: Allowance
  /** Marks a hedge that has given its place back. */
  readonly #given = Symbol('given')
  /** Exchanges that hold a place, to the attempt that the place was taken after. */
  readonly #retrying = new Map<Exchange, Attempt>()
  /** Exchanges whose hedges hold places, to how many. */
  readonly #hedging = new Map<Exchange, number>()

  readonly #waiting = new Set<Waiter>()
  readonly #clock: Clock
  readonly #patience: number

  /** @param patience ms that an exchange may wait for a place */
  constructor(limit: Limit, allowance: Allowance, clock: Clock, patience: number) {
    this.#limit = limit
    this.#allowance = allowance
    this.#clock = clock
    this.#patience = patience
  }

  began(attempt: Attempt, exchange: Exchange): void {
    // Second tries are what is bounded, and not by themselves.
    if (attempt.reason === 'hedge' || this.#retrying.has(exchange)) return
    this.#allowance.began()
    const counted = attempt as Counted
    const others = counted[COUNTED]
    // Several retries may stand on a route.
    counted[COUNTED] = others === undefined ? this : [this, ...listed(others)]
  }

  /** Also the end of the retry, when one that was cancelled or broken was never judged. */
  ended(attempt: Attempt, exchange: Exchange): void {
    this.#uncount(attempt)
    if (attempt.reason === 'hedge') this.#give(attempt, exchange)
    if (this.#retrying.size === 0) return
    const after = this.#retrying.get(exchange)
    if (after !== undefined && attempt.number > after.number) this.#free(exchange)
  }

  #uncount(attempt: Attempt): void {
    const counted = attempt as Counted
    const by = counted[COUNTED]
    if (by === undefined) return
    if (by === this) counted[COUNTED] = undefined
    else {
      const others = listed(by)
      if (!others.includes(this)) return
      counted[COUNTED] = others.filter((budget) => budget !== this)
    }
    this.#allowance.ended()
  }

  /**
   * Takes a place for one more attempt behind this one. Of a retry that failed the place goes over to the next. When all
   * are taken it waits, with the answer at hand: a moment's burst of failures comes to an end, an outage does not.
   *
   * @returns false when the budget is spent
   */
  reserve(attempt: Attempt, exchange: Exchange): boolean | Promise<boolean> {
    if (this.#retrying.has(exchange)) {
      if (this.#allowance.again()) {
        this.#retrying.set(exchange, attempt)
        return true
      }
      this.#free(exchange)
      this.#limit.refuse()
      return false
    }
    if (this.#waiting.size === 0 && this.#take()) {
      this.#hold(attempt, exchange)
      return true
    }
    if (this.#waiting.size < MAX_WAITING && this.#patience > 0) return this.#wait(attempt, exchange)
    this.#limit.refuse()
    return false
  }

  /** The retry or the hedge is answered for: what streams on from here is no longer a second try. */
  release(attempt: Attempt, exchange: Exchange): void {
    if (attempt.reason === 'hedge') this.#give(attempt, exchange)
    if (this.#retrying.size > 0) this.#free(exchange)
  }

  /** A hedge's place, once. */
  #give(attempt: Attempt, exchange: Exchange): void {
    if ((attempt as Marked)[this.#given] === true) return
    ;(attempt as Marked)[this.#given] = true
    this.#unhedge(exchange, 1)
  }

  /** Takes a place for a hedge, until it has settled. @returns false, at once, when there is none */
  hedge(exchange: Exchange): boolean {
    if (this.#waiting.size > 0 || !this.#take()) {
      this.#limit.refuse()
      return false
    }
    const held = this.#hedging.get(exchange)
    this.#hedging.set(exchange, (held ?? 0) + 1)
    // The core may find nobody to send it to.
    if (held === undefined)
      exchange.signal.addEventListener('abort', () => this.#unhedge(exchange, Number.POSITIVE_INFINITY), {
        once: true
      })
    return true
  }

  #unhedge(exchange: Exchange, count: number): void {
    if (this.#hedging.size === 0) return
    const held = this.#hedging.get(exchange)
    if (held === undefined) return
    const given = Math.min(held, count)
    // An exchange with none keeps its entry, and with it its listener, until it ends.
    if (count === Number.POSITIVE_INFINITY) this.#hedging.delete(exchange)
    else this.#hedging.set(exchange, held - given)
    for (let i = 0; i < given; i++) this.#limit.release()
    if (given > 0) this.#admit()
  }

  /** A place, if there is one: without counting a refusal where the exchange may still wait. */
  #take(): boolean {
    const limit = this.#limit
    limit.max = this.#allowance.max(limit.used)
    if (limit.used >= limit.max || !limit.take()) return false
    this.#allowance.spend()
    return true
  }

  #hold(attempt: Attempt, exchange: Exchange): void {
    this.#retrying.set(exchange, attempt)
    // The core may refuse the retry, and a failover's attempt is another service's to see: the exchange's end is
    // the one thing that is sure to come.
    exchange.signal.addEventListener('abort', () => this.#free(exchange), { once: true })
  }

  #free(exchange: Exchange): void {
    if (!this.#retrying.delete(exchange)) return
    this.#limit.release()
    this.#admit()
  }

  #admit(): void {
    for (const waiter of this.#waiting) {
      // Two attempts of one exchange may wait: it has one place for both.
      if (this.#retrying.has(waiter.exchange)) {
        waiter.settle(true)
        continue
      }
      if (!this.#take()) return
      this.#hold(waiter.attempt, waiter.exchange)
      waiter.settle(true)
    }
  }

  #wait(attempt: Attempt, exchange: Exchange): Promise<boolean> {
    // It has been answered: one that failed at once, and waits here for a place, must not make room for more.
    this.#uncount(attempt)
    return new Promise((resolve) => {
      const settle = (granted: boolean) => {
        this.#waiting.delete(waiter)
        this.#limit.waiting = this.#waiting.size
        timer.cancel()
        exchange.signal.removeEventListener('abort', giveUp)
        if (!granted) this.#limit.refuse()
        resolve(granted)
      }
      const giveUp = () => settle(false)
      const waiter: Waiter = { attempt, exchange, settle }
      const timer = this.#clock.setTimeout(giveUp, this.#patience)
      exchange.signal.addEventListener('abort', giveUp, { once: true })
      this.#waiting.add(waiter)
      this.#limit.waiting = this.#waiting.size
    })
  }
}

function listed(budgets: Budget | readonly Budget[]): readonly Budget[] {
  return budgets instanceof Budget ? [budgets] : budgets
}
