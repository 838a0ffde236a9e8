// Samples into a table. Best is the round that was disturbed least; the median says what to expect.
import type { Sample } from './rounds.js'
import { median, ratioOfRounds } from './statistics.js'

export { median }

export interface Row {
  readonly name: string
  readonly label: string
  readonly samples: Sample[]
}

export interface Ratios {
  /** Requests a second, ours by theirs: best round by best round, and the median of the rounds' own ratios. */
  readonly throughput: { best: number; median: number }
  /** Processor time per request, theirs by ours, likewise; NaN where it is not known. */
  readonly cpu: { best: number; median: number }
}

/** Both at least 1 where the row is ahead of the baseline. */
export function ratios(row: Row, baseline: Row): Ratios {
  const rates = row.samples.map(rate)
  const theirs = baseline.samples.map(rate)
  const cpus = row.samples.map(({ cpu = Number.NaN }) => cpu)
  const theirCpus = baseline.samples.map(({ cpu = Number.NaN }) => cpu)
  return {
    throughput: {
      best: Math.max(...rates) / Math.max(...theirs),
      median: ratioOfRounds(rates, theirs)
    },
    cpu: {
      best: Math.min(...theirCpus) / Math.min(...cpus),
      median: ratioOfRounds(theirCpus, cpus)
    }
  }
}

export function failures(rows: readonly Row[]): number {
  return rows.reduce((sum, { samples }) => sum + samples.reduce((part, { failed }) => part + failed, 0), 0)
}

/** What a table counts, and what it holds each row against. */
export interface Wording {
  readonly unit: string
  readonly baseline: string
}

const REQUESTS: Wording = { unit: 'request', baseline: 'bare' }

/** In Markdown. The ratios are `best (median)`. */
export function table(
  rows: readonly Row[],
  baseline: Row | undefined,
  { unit, baseline: name }: Wording = REQUESTS
): string {
  // h2load tells no percentiles.
  const timed = rows.some(({ samples }) => samples.some(({ p99 }) => !Number.isNaN(p99)))
  const head = [
    'proxy',
    `CPU µs/${unit}, best`,
    'median',
    `${unit}s/s, best`,
    'median',
    ...(timed ? ['p99 ms'] : []),
    `CPU, times ${name}`,
    `throughput, times ${name}`,
    'its core: used',
    'disturbed',
    'failed'
  ]
  const lines = rows.map((row) => {
    const { samples } = row
    const cpus = samples.map(({ cpu = Number.NaN }) => cpu)
    const rates = samples.map(rate)
    const against = baseline === undefined ? undefined : ratios(row, baseline)
    return [
      row.label,
      figure(Math.min(...cpus), 1),
      figure(median(cpus), 1),
      figure(Math.max(...rates), 0),
      figure(median(rates), 0),
      ...(timed ? [figure(median(samples.map(({ p99 }) => p99)), 1)] : []),
      pair(against?.cpu),
      pair(against?.throughput),
      share(samples.map(({ busy }) => busy)),
      share(samples.map(({ disturbed }) => disturbed)),
      String(failures([row]))
    ]
  })
  return markdown(head, lines)
}

/** The first column is text, the others are figures. */
export function markdown(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [row(head), row(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...lines.map(row)].join('\n')
}

export function figure(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : '-'
}

/** Requests a second. */
export function rate({ requests, seconds }: Sample): number {
  return requests / seconds
}

function pair(ratio: { best: number; median: number } | undefined): string {
  return ratio === undefined ? '-' : `${figure(ratio.best, 2)} (${figure(ratio.median, 2)})`
}

function share(values: readonly (number | undefined)[]): string {
  const middle = median(values.map((value = Number.NaN) => value))
  return Number.isNaN(middle) ? '-' : `${Math.round(middle * 100)}%`
}
