import type { CounterCell, GaugeCell, HistogramCell } from '../hooks/plugin.js'

// prom-client's own metrics hash their labels on every call, about 1 µs each. A cell is found once and then is one
// addition to a plain number; prom-client reads it only when somebody scrapes.

/** One line of what a scrape shows. `labels` are those that the series' siblings do not share, such as `le`. */
export interface Sample {
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string | number>>
  /** The same object at every scrape: prom-client keeps its escaped text by identity. */
  readonly sharedLabels: Readonly<Record<string, string>>
  readonly value: number
}

/** A cell as its family sees it. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>
  /** Appends what a scrape shows of this series. */
  collect(name: string, into: Sample[]): void
}

const NO_LABELS = Object.freeze({})

export class Counter implements CounterCell, Series {
  readonly labels: Readonly<Record<string, string>>
  value = 0

  constructor(labels: Readonly<Record<string, string>>) {
    this.labels = labels
  }

  /** @throws RangeError on what is negative or not finite: one NaN would stay in a counter for good. */
  inc(by = 1): void {
    if (!(by >= 0 && by < Infinity)) throw new RangeError(`a counter cannot go up by ${by}`)
    this.value += by
  }

  collect(_name: string, into: Sample[]): void {
    into.push({ labels: NO_LABELS, sharedLabels: this.labels, value: this.value })
  }
}

export class Gauge implements GaugeCell, Series {
  readonly labels: Readonly<Record<string, string>>
  value = 0

  constructor(labels: Readonly<Record<string, string>>) {
    this.labels = labels
  }

  set(value: number): void {
    this.value = value
  }

  inc(by = 1): void {
    this.value += by
  }

  dec(by = 1): void {
    this.value -= by
  }

  collect(_name: string, into: Sample[]): void {
    into.push({ labels: NO_LABELS, sharedLabels: this.labels, value: this.value })
  }
}

/** What the cells of one histogram share. */
export interface BucketLayout {
  readonly bounds: Float64Array
  /** The `le` of each bound, `+Inf` last. */
  readonly le: readonly Readonly<{ le: string | number }>[]
}

/** @throws TypeError unless the bounds are finite, ascending and at least one */
export function bucketLayout(bounds: readonly number[]): BucketLayout {
  const ascending = bounds.every(
    (bound, i) => Number.isFinite(bound) && (i === 0 || bound > (bounds[i - 1] as number))
  )
  if (bounds.length === 0 || !ascending) {
    throw new TypeError(
      `a histogram's buckets are finite numbers, each above the one before, not [${bounds.join(', ')}]`
    )
  }
  return {
    bounds: Float64Array.from(bounds),
    le: [...bounds, '+Inf'].map((le) => Object.freeze({ le }))
  }
}

export class Histogram implements HistogramCell, Series {
  readonly labels: Readonly<Record<string, string>>
  readonly #layout: BucketLayout
  readonly #bounds: Float64Array
  /** Not cumulative; the last one is what is above every bound. */
  readonly #counts: Float64Array
  #sum = 0

  constructor(labels: Readonly<Record<string, string>>, layout: BucketLayout) {
    this.labels = labels
    this.#layout = layout
    this.#bounds = layout.bounds
    this.#counts = new Float64Array(layout.bounds.length + 1)
  }

  /** @throws RangeError on what is not finite: one NaN would stay in the sum for good. */
  observe(value: number): void {
    if (!(value > -Infinity && value < Infinity)) throw new RangeError(`a histogram cannot observe ${value}`)
    const bounds = this.#bounds
    // Most of what is timed falls among the low bounds, where a scan beats halving.
    let at = 0
    while (at < bounds.length && value > (bounds[at] as number)) at++
    const counts = this.#counts
    counts[at] = (counts[at] as number) + 1
    this.#sum += value
  }

  collect(name: string, into: Sample[]): void {
    const bucket = `${name}_bucket`
    let count = 0
    for (let i = 0; i < this.#counts.length; i++) {
      count += this.#counts[i] as number
      into.push({
        metricName: bucket,
        labels: this.#layout.le[i] as { le: string | number },
        sharedLabels: this.labels,
        value: count
      })
    }
    into.push({ metricName: `${name}_sum`, labels: NO_LABELS, sharedLabels: this.labels, value: this.#sum })
    into.push({ metricName: `${name}_count`, labels: NO_LABELS, sharedLabels: this.labels, value: count })
  }
}
