import type { Clock, ClockTimer, CounterCell, Endpoint, ServiceHandle } from '../../core/index.js'
import { MAX_EJECTION, type OutlierConfig } from './config.js'
import { Room } from './room.js'
import { failsTooOften, isBelow, isPastChance, spreadOf, successRateOf } from './statistics.js'
import type { Tally } from './tally.js'

export type Reason = 'consecutive-errors' | 'success-rate' | 'failure-percentage'

export interface DetectorParts {
  readonly service: ServiceHandle
  readonly tallyOf: (endpoint: Endpoint) => Tally
  readonly clock: Clock
  readonly ejections: (reason: Reason) => CounterCell
  readonly refusals: (reason: Reason) => CounterCell
}

/** Whose interval is over. */
interface Measured {
  readonly endpoint: Endpoint
  readonly tally: Tally
  /** Its attempts. */
  readonly all: number
  /** Of them, those that succeeded: from 0 to 1. */
  readonly rate: number
}

let made = 0

/** Envoy's outlier detection, of one service. */
export class Detector {
  readonly #config: OutlierConfig
  readonly #parts: DetectorParts
  readonly #room: Room
  readonly #maxEjection: number
  readonly #timer: ClockTimer
  /** Of two, while a configuration retires, the later one ends the intervals. */
  readonly #number = ++made

  constructor(config: OutlierConfig, parts: DetectorParts) {
    this.#config = config
    this.#parts = parts
    this.#room = new Room(parts.service, parts.clock, config.maxEjectedPercent)
    this.#maxEjection = config.maxEjection ?? Math.max(MAX_EJECTION, config.baseEjection)
    this.#timer = parts.clock.setInterval(() => this.#endInterval(), config.interval)
  }

  close(): void {
    this.#timer.cancel()
    for (const endpoint of this.#parts.service.endpoints) {
      const tally = this.#parts.tallyOf(endpoint)
      if (tally.keeper === this.#number) tally.keeper = 0
    }
  }

  succeeded(endpoint: Endpoint): void {
    if (!this.#isOut(endpoint)) this.#parts.tallyOf(endpoint).succeeded()
  }

  /** @param what went wrong, as `/services` shows it */
  failed(endpoint: Endpoint, what: string): void {
    // What was under way when it was ejected is of the time before.
    if (this.#isOut(endpoint)) return
    const tally = this.#parts.tallyOf(endpoint)
    const errors = tally.failed()
    if (this.#config.consecutiveErrors === false || errors < this.#config.consecutiveErrors) return
    // As in Envoy, where there is no room it takes as many again.
    tally.errors = 0
    const words = errors === 1 ? `an error: ${what}` : `${errors} errors in a row, the last: ${what}`
    this.#eject(endpoint, tally, 'consecutive-errors', words)
  }

  #isOut({ ejectedUntil }: Endpoint): boolean {
    return ejectedUntil !== 0 && ejectedUntil > this.#parts.clock.now()
  }

  #eject(endpoint: Endpoint, tally: Tally, reason: Reason, words: string): void {
    const { service, ejections, refusals } = this.#parts
    if (!this.#room.hasFor(endpoint)) {
      refusals(reason).inc()
      return
    }
    const ms = Math.min(this.#maxEjection, this.#config.baseEjection * tally.ejected())
    this.#room.take()
    service.eject(endpoint, ms, words)
    ejections(reason).inc()
  }

  #endInterval(): void {
    const { service, tallyOf } = this.#parts
    const measured: Measured[] = []
    const kept: Measured[] = []
    for (const endpoint of service.endpoints) {
      const tally = tallyOf(endpoint)
      if (tally.keeper > this.#number) continue
      tally.keeper = this.#number
      const one = { endpoint, tally, all: tally.successes + tally.failures, rate: successRateOf(tally) }
      kept.push(one)
      if (!this.#isOut(endpoint)) measured.push(one)
    }
    this.#compare(measured)
    this.#judgeByItself(measured)
    for (const { endpoint, tally } of kept) tally.endInterval(this.#isOut(endpoint))
  }

  #compare(measured: readonly Measured[]): void {
    if (this.#config.successRate === false) return
    const { minEndpoints, minRequests, stdev } = this.#config.successRate
    const busy = measured.filter(({ all }) => all >= minRequests)
    if (busy.length < minEndpoints) return
    const spread = spreadOf(busy.map(({ rate }) => rate))
    const bound = `${percent(spread.mean)} less ${stdev} x ${percent(spread.deviation)}`
    for (const { endpoint, tally, rate } of worstFirst(busy)) {
      if (!isBelow(rate, spread, stdev)) break
      if (!isPastChance(tally, spread.mean)) continue
      this.#eject(endpoint, tally, 'success-rate', `${percent(rate)} succeeded, expected ${bound}`)
    }
  }

  #judgeByItself(measured: readonly Measured[]): void {
    if (this.#config.failurePercentage === false) return
    const { threshold, minRequests, minEndpoints } = this.#config.failurePercentage
    const busy = measured.filter(({ all }) => all >= minRequests)
    if (busy.length < minEndpoints) return
    for (const { endpoint, tally, all, rate } of worstFirst(busy)) {
      if (!failsTooOften(rate, threshold)) break
      if (this.#isOut(endpoint)) continue
      this.#eject(endpoint, tally, 'failure-percentage', `${percent(1 - rate)} of ${all} attempts failed`)
    }
  }
}

/** Where there is not room for all, it is for those that are worst. */
function worstFirst(measured: readonly Measured[]): Measured[] {
  return [...measured].sort((one, other) => one.rate - other.rate)
}

function percent(part: number): string {
  return `${Math.round(part * 1000) / 10}%`
}
