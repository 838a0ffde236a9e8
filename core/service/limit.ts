import type { CounterCell, GaugeCell, Limit, MetricFamily, Metrics, Place } from '../hooks/plugin.js'

interface LimitCells {
  readonly max: GaugeCell
  readonly used: GaugeCell
  readonly waiting: GaugeCell
  readonly refused: CounterCell
}

/** A bound of one plugin in one place. */
export class NamedLimit implements Limit {
  readonly name: string
  refused = 0
  readonly #cells: LimitCells
  #max: number
  #used = 0
  #waiting = 0

  constructor(name: string, max: number, cells: LimitCells) {
    this.name = name
    this.#cells = cells
    this.#max = max
    cells.max.set(max)
  }

  get max(): number {
    return this.#max
  }

  set max(max: number) {
    if (!(max >= 0)) throw new RangeError(`a limit is 0 or more, not ${max}`)
    if (max === this.#max) return
    this.#max = max
    this.#cells.max.set(max)
  }

  get used(): number {
    return this.#used
  }

  get waiting(): number {
    return this.#waiting
  }

  set waiting(waiting: number) {
    this.#waiting = waiting
    this.#cells.waiting.set(waiting)
  }

  take(): boolean {
    if (this.#used >= this.#max) {
      this.refuse()
      return false
    }
    this.#cells.used.set(++this.#used)
    return true
  }

  release(): void {
    if (this.#used > 0) this.#cells.used.set(--this.#used)
  }

  refuse(): void {
    this.refused++
    this.#cells.refused.inc()
  }
}

interface Held {
  readonly limit: NamedLimit
  holders: number
}

/** Every plugin's bounds. One of a place that stays keeps what it has given out, over a reload. */
export class LimitStore {
  readonly #held = new Map<string, Held>()
  readonly #max: MetricFamily<GaugeCell>
  readonly #used: MetricFamily<GaugeCell>
  readonly #waiting: MetricFamily<GaugeCell>
  readonly #refused: MetricFamily<CounterCell>

  constructor(metrics: Metrics) {
    const labels = ['place', 'on', 'limit']
    this.#max = metrics.gauge({ name: 'outrigger_limit', help: 'What may be under way at once', labels })
    this.#used = metrics.gauge({
      name: 'outrigger_limit_used',
      help: 'Of a limit, what is under way',
      labels
    })
    this.#waiting = metrics.gauge({
      name: 'outrigger_limit_waiting',
      help: 'What waits for a place within a limit',
      labels
    })
    this.#refused = metrics.counter({
      name: 'outrigger_limit_refused_total',
      help: 'What a limit had no place for',
      labels
    })
  }

  /** @param max of a new one, and from now on of one that is held */
  hold(place: { kind: Place; name: string }, name: string, max: number): NamedLimit {
    const key = JSON.stringify([place.kind, place.name, name])
    let held = this.#held.get(key)
    if (held === undefined) {
      const labels = [place.kind, place.name, name] as const
      const cells: LimitCells = {
        max: this.#max.labels(...labels),
        used: this.#used.labels(...labels),
        waiting: this.#waiting.labels(...labels),
        refused: this.#refused.labels(...labels)
      }
      this.#held.set(key, (held = { limit: new NamedLimit(name, max, cells), holders: 0 }))
    }
    held.holders++
    return held.limit
  }

  release(place: { kind: Place; name: string }, name: string): void {
    const key = JSON.stringify([place.kind, place.name, name])
    const held = this.#held.get(key)
    if (held === undefined || --held.holders > 0) return
    this.#held.delete(key)
    for (const family of [this.#max, this.#used, this.#waiting, this.#refused])
      family.remove(place.kind, place.name, name)
  }
}
