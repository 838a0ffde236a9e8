import type { CounterCell, GaugeCell, Limit, MetricFamily, Place } from '../hooks/plugin.js'
import type { MetricsRegistry } from '../metrics/registry.js'

/** Where a bound stands. */
export interface LimitPlace {
  readonly kind: Place
  readonly name: string
}

/** A bound in one place: a plugin's, or one that the core keeps for it. */
export class NamedLimit implements Limit {
  readonly name: string
  waiting = 0
  refused = 0
  readonly #refusals: CounterCell
  /** What is used, where that is counted elsewhere: nothing is taken then. */
  measure: (() => number) | undefined = undefined
  #max: number
  #used = 0

  constructor(name: string, max: number, refusals: CounterCell) {
    this.name = name
    this.#max = max
    this.#refusals = refusals
  }

  get max(): number {
    return this.#max
  }

  set max(max: number) {
    if (!(max >= 0)) throw new RangeError(`a limit is 0 or more, not ${max}`)
    this.#max = max
  }

  get used(): number {
    return this.measure?.() ?? this.#used
  }

  take(): boolean {
    if (this.#used >= this.#max) {
      this.refuse()
      return false
    }
    this.#used++
    return true
  }

  release(): void {
    if (this.#used > 0) this.#used--
  }

  refuse(): void {
    this.refused++
    this.#refusals.inc()
  }
}

interface Held {
  readonly limit: NamedLimit
  readonly labels: readonly [kind: string, name: string, limit: string]
  /** What was asked for last: another `max` may have been learnt since, and holds until something else is asked for. */
  asked: number
  holders: number
}

/** All bounds of the process. One of a place that stays keeps what it has given out, over a reload. */
export class LimitStore {
  readonly #held = new Map<string, Held>()
  readonly #max: MetricFamily<GaugeCell>
  readonly #used: MetricFamily<GaugeCell>
  readonly #waiting: MetricFamily<GaugeCell>
  readonly #refused: MetricFamily<CounterCell>

  constructor(metrics: MetricsRegistry) {
    const labels = ['place', 'on', 'limit']
    const gauge = (name: string, help: string) => metrics.gauge({ name, help, labels })
    this.#max = gauge('outrigger_limit', 'What may be under way at once')
    this.#used = gauge('outrigger_limit_used', 'Of a limit, what is under way')
    this.#waiting = gauge('outrigger_limit_waiting', 'What waits for a place within a limit')
    this.#refused = metrics.counter({
      name: 'outrigger_limit_refused_total',
      help: 'What a limit had no place for',
      labels
    })
    metrics.collect(() => this.#collect())
  }

  /** @param measure of one that only counts what it refuses */
  hold(place: LimitPlace, name: string, max: number, measure?: () => number): NamedLimit {
    const labels = [place.kind, place.name, name] as const
    const key = JSON.stringify(labels)
    let held = this.#held.get(key)
    if (held === undefined) {
      const limit = new NamedLimit(name, max, this.#refused.labels(...labels))
      this.#held.set(key, (held = { limit, labels, asked: max, holders: 0 }))
    }
    if (held.asked !== max) held.limit.max = held.asked = max
    if (measure !== undefined) held.limit.measure = measure
    held.holders++
    return held.limit
  }

  release(place: LimitPlace, name: string): void {
    const key = JSON.stringify([place.kind, place.name, name])
    const held = this.#held.get(key)
    if (held === undefined || --held.holders > 0) return
    this.#held.delete(key)
    for (const family of [this.#max, this.#used, this.#waiting, this.#refused]) family.remove(...held.labels)
  }

  /** At each scrape, and not as they change. */
  #collect(): void {
    for (const { limit, labels } of this.#held.values()) {
      this.#max.labels(...labels).set(limit.max)
      this.#used.labels(...labels).set(limit.used)
      this.#waiting.labels(...labels).set(limit.waiting)
    }
  }
}
