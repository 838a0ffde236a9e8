import type { Sample } from './cells.js'
import type { Exposed } from './exposition.js'

/**
 * A metric as one process sends it to another. A histogram's series names its labels once and its buckets nowhere: ten
 * thousand of them are a message of a megabyte and not of thirty.
 */
export interface Reading {
  readonly name: string
  readonly help: string
  readonly kind: string
  /** What each value of a series is: the name where it is not the metric's own, and the labels beside the series' own. */
  readonly layout: readonly Place[]
  readonly series: readonly ReadSeries[]
}

export type Place = readonly [name: string, labels: Readonly<Record<string, string | number>>]

export type ReadSeries = readonly [labels: Readonly<Record<string, string>>, values: readonly Value[]]

/** JSON has no word for NaN and the infinities: they go as text. */
type Value = number | 'NaN' | 'Infinity' | '-Infinity'

/** Series in one message: more would hold up the sender's requests by more than a few ms. */
const SLICE = 1000

/** @returns one reading, or several of the same name, each to be sent on its own; none of a metric without series */
export function* read(metric: Exposed): Generator<Reading> {
  const { name, help, kind } = metric
  const groups = grouped(metric.samples())
  let layout: readonly Place[] | undefined
  let series: ReadSeries[] = []
  for (const group of groups) {
    const own = group.map(({ metricName, labels }): Place => [metricName ?? name, labels])
    if (layout === undefined || series.length === SLICE || !sameLayout(layout, own)) {
      if (layout !== undefined) yield { name, help, kind, layout, series }
      layout = own
      series = []
    }
    series.push([(group[0] as Sample).sharedLabels, group.map(({ value }) => valueOf(value))])
  }
  yield { name, help, kind, layout: layout ?? [], series }
}

export function numberOf(value: Value): number {
  return Number(value)
}

/** Samples of one series follow each other and share one object of labels; where they share nothing each is its own. */
function* grouped(samples: readonly Sample[]): Generator<Sample[]> {
  let group: Sample[] = []
  for (const sample of samples) {
    const last = group.at(-1)
    if (last !== undefined && (last.sharedLabels !== sample.sharedLabels || isAlone(sample))) {
      yield group
      group = []
    }
    group.push(sample)
  }
  if (group.length > 0) yield group
}

/** Of Node's own metrics each sample has all of its labels itself. */
function isAlone({ sharedLabels }: Sample): boolean {
  return Object.keys(sharedLabels).length === 0
}

function sameLayout(a: readonly Place[], b: readonly Place[]): boolean {
  return (
    a.length === b.length &&
    a.every(([name, labels], i) => {
      const [other, others] = b[i] as Place
      return name === other && (labels === others || JSON.stringify(labels) === JSON.stringify(others))
    })
  )
}

function valueOf(value: number): Value {
  return Number.isFinite(value) ? value : (String(value) as Value)
}
