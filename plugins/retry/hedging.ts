import { type Attempt, type Exchange, Hedge, type RouteInfo } from '../../core/index.js'
import type { Budget } from './budget.js'
import { LatencyQuantile } from './latency.js'

/** Past this an answer says that the service is in trouble, and not how long its work takes. */
const FAILED = 500

type Timed = Attempt & { [after: symbol]: number | undefined }

/**
 * Sends a request a second time where its answer is late (Dean and Barroso, "The Tail at Scale": after the 95th
 * percentile, so that about one request in twenty goes out twice).
 */
export class Hedging {
  readonly #after: number
  readonly #quantile: number | undefined
  readonly #max: number
  readonly #budget: Budget
  readonly #refused: (exchange: Exchange) => void
  /** By route and by the service tried: one that reads and one that reports are late at different times. */
  readonly #estimates = new WeakMap<RouteInfo, Map<string, LatencyQuantile>>()
  /** Marks an attempt with when it is late, in ms. */
  readonly #lateAfter = Symbol('lateAfter')

  /**
   * @param config `after` in ms, or the part of answers that are there by then
   * @param refused is told of a hedge that the budget had no place for
   */
  constructor(
    config: { after: number | { quantile: number }; max: number },
    budget: Budget,
    refused: (exchange: Exchange) => void
  ) {
    const { after, max } = config
    this.#after = typeof after === 'number' ? after : 0
    this.#quantile = typeof after === 'number' ? undefined : after.quantile
    this.#max = max
    this.#budget = budget
    this.#refused = refused
  }

  /** @returns undefined where it gets no hedge: there have been enough, or how long answers take is not known yet */
  of(attempt: Attempt, exchange: Exchange): Hedge | undefined {
    const last = attempt.number > 1 && hedgesOf(exchange) >= this.#max
    if (this.#quantile === undefined) {
      return last
        ? undefined
        : new Hedge({ after: this.#after, allow: () => this.#allow(exchange, undefined) })
    }
    const estimate = this.#estimate(attempt, exchange, this.#quantile)
    if (attempt.reason !== 'hedge') estimate.earn()
    const after = estimate.value
    if (after === undefined) return undefined
    ;(attempt as Timed)[this.#lateAfter] = after
    if (last) return undefined
    return new Hedge({ after: Math.ceil(after), allow: () => this.#allow(exchange, estimate) })
  }

  /**
   * There is an answer, or the end of an attempt that had none. Hedges do not count: they are cancelled when they are slow,
   * and would only tell of fast ones.
   *
   * @param elapsed ms since it was sent
   */
  learn(attempt: Attempt, exchange: Exchange, elapsed: number): void {
    if (this.#quantile === undefined || attempt.reason === 'hedge') return
    const after = (attempt as Timed)[this.#lateAfter]
    const { status, error } = attempt
    const answered = status !== undefined && status < FAILED
    if (after === undefined) {
      if (answered) this.#estimate(attempt, exchange, this.#quantile).start(elapsed)
      return
    }
    // Judged once: an answer is told of again when its body has ended.
    ;(attempt as Timed)[this.#lateAfter] = undefined
    const late = elapsed > after
    const cutOff = status === undefined && (error === undefined || error.code === 'RESPONSE_TIMEOUT')
    // What was cut off before it was late would perhaps have been in time, and perhaps not.
    if (answered || (cutOff && late)) this.#estimate(attempt, exchange, this.#quantile).judge(late)
  }

  #estimate({ service }: Attempt, { route }: Exchange, quantile: number): LatencyQuantile {
    let byService = this.#estimates.get(route)
    if (byService === undefined) this.#estimates.set(route, (byService = new Map()))
    let estimate = byService.get(service)
    if (estimate === undefined) byService.set(service, (estimate = new LatencyQuantile(quantile)))
    return estimate
  }

  #allow(exchange: Exchange, estimate: LatencyQuantile | undefined): boolean {
    if (estimate?.spend() === false) return false
    const allowed = this.#budget.hedge(exchange)
    if (!allowed) this.#refused(exchange)
    return allowed
  }
}

/** How many of its attempts were hedges: there are never more than 16. */
export function hedgesOf({ attempts }: Exchange): number {
  let count = 0
  for (const { reason } of attempts) if (reason === 'hedge') count++
  return count
}

/** Whether another attempt of the exchange is under way beside this one. */
export function hasRival(attempt: Attempt, { attempts }: Exchange): boolean {
  for (const other of attempts) {
    const ended = other.status !== undefined || other.error !== undefined || other.end !== undefined
    if (other !== attempt && !ended) return true
  }
  return false
}
