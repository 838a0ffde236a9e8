import type {
  CounterCell,
  GaugeCell,
  HistogramCell,
  MetricFamily,
  MetricOptions,
  Metrics
} from '../hooks/plugin.js'
import { bucketLayout, Counter, Gauge, Histogram, type Series } from './cells.js'
import { type Exposed, exposeText, loadExposition, nodeMetrics } from './exposition.js'
import { Family, type MetricKind } from './family.js'

const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const LABEL_NAME = /^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$/

const DEFAULT_MAX_SERIES = 1000

/** Seconds: 1 ms to 10 s, Prometheus' own steps with three more below them, since a sidecar's neighbour answers in milliseconds. */
export const DEFAULT_BUCKETS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10
]

/** Every metric of one proxy. It outlives configurations: a name asked for again gives the metric that is there. */
export class MetricsRegistry implements Metrics {
  readonly #families = new Map<string, { family: Family<Series>; buckets: string }>()
  readonly #collectors = new Set<() => void>()
  readonly #onError: (error: unknown) => void

  /** @param options `onError`: told what a callback of `collect` threw. */
  constructor(options: { onError?: (error: unknown) => void } = {}) {
    this.#onError = options.onError ?? (() => {})
  }

  counter(options: MetricOptions): MetricFamily<CounterCell> {
    return this.#family('counter', options, '', (labels) => new Counter(labels))
  }

  gauge(options: MetricOptions): MetricFamily<GaugeCell> {
    return this.#family('gauge', options, '', (labels) => new Gauge(labels))
  }

  /** @param options `buckets`: upper bounds, ascending. Default 1 ms to 10 s, in seconds. */
  histogram(options: MetricOptions & { buckets?: readonly number[] }): MetricFamily<HistogramCell> {
    if (options.labels?.includes('le')) throw new TypeError(`${options.name}: le is a histogram's own label`)
    const layout = bucketLayout(options.buckets ?? DEFAULT_BUCKETS)
    return this.#family(
      'histogram',
      options,
      layout.bounds.join(','),
      (labels) => new Histogram(labels, layout)
    )
  }

  /**
   * Runs `callback` before each scrape, to set what is computed only then. One that throws leaves its metrics as they were.
   *
   * @returns ends it
   */
  collect(callback: () => void): () => void {
    this.#collectors.add(callback)
    return () => {
      this.#collectors.delete(callback)
    }
  }

  /** Takes out, of every metric that has all of these labels, the series with these values: endpoints or a route are gone. One pass. */
  forget(labels: Readonly<Record<string, string | ReadonlySet<string>>>): void {
    for (const { family } of this.#families.values()) family.forget(labels)
  }

  /** Does what the first `text()` would have to do first. Worth a call once the proxy serves and somebody may scrape. */
  async load(): Promise<void> {
    await loadExposition()
  }

  /** Every metric in Prometheus' text format, with Node's own. */
  async text(): Promise<{ text: string; contentType: string }> {
    return exposeText(this.families())
  }

  /** What `text()` is made of, to be added up with that of other processes. */
  async exposed(): Promise<Exposed[]> {
    return [...this.families(), ...(await nodeMetrics())]
  }

  /** Every metric but Node's own, as of now. */
  families(): Exposed[] {
    for (const callback of this.#collectors) {
      try {
        callback()
      } catch (error) {
        // The rest of a scrape is worth more than one stale value.
        this.#onError(error)
      }
    }
    return [...this.#families.values()].map(({ family }) => family)
  }

  #family<Cell extends Series>(
    kind: MetricKind,
    options: MetricOptions,
    buckets: string,
    create: (labels: Readonly<Record<string, string>>) => Cell
  ): Family<Cell> {
    const { name, help, labels = [], maxSeries = DEFAULT_MAX_SERIES } = options
    const known = this.#families.get(name)
    if (known !== undefined) {
      const { family } = known
      if (family.kind !== kind || !sameNames(family.labelNames, labels)) {
        throw new Error(
          `metric ${name} is taken: it is a ${describe(family.kind, family.labelNames)}, not a ${describe(kind, labels)}`
        )
      }
      // Cells of the configuration that still runs count in the old buckets; only a restart ends all of them at once.
      if (known.buckets !== buckets) {
        throw new Error(
          `metric ${name} is taken with the buckets ${known.buckets}; other buckets need a restart`
        )
      }
      family.maxSeries = Math.max(family.maxSeries, maxSeries)
      // Made by the same method with the same kind, so of the same cells.
      return family as unknown as Family<Cell>
    }
    if (!METRIC_NAME.test(name)) throw new TypeError(`${JSON.stringify(name)} is no Prometheus metric name`)
    if (new Set(labels).size !== labels.length) throw new TypeError(`${name}: a label is named twice`)
    for (const label of labels) {
      if (!LABEL_NAME.test(label))
        throw new TypeError(`${name}: ${JSON.stringify(label)} is no Prometheus label name`)
    }
    const family = new Family({ kind, name, help, labels, maxSeries, create })
    this.#families.set(name, { family, buckets })
    return family
  }
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i])
}

function describe(kind: MetricKind, labels: readonly string[]): string {
  return labels.length === 0 ? `${kind} without labels` : `${kind} of ${labels.join(', ')}`
}
