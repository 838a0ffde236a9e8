import type { Sample } from './cells.js'
import type { Exposed } from './exposition.js'
import { numberOf, type Place, type Reading } from './reading.js'

/** How the values of several processes become one. */
export type Merging = 'sum' | 'min' | 'max'

/**
 * What counts is added up, and so is what a gauge holds many of: requests in flight, limits, bytes, descriptors. A
 * state, a ratio or a delay shows the worst of all processes, and what tells whether something is well is 1 when it is
 * so in all of them. A time is the earliest.
 */
export function mergingOf(kind: string, name: string): Merging {
  if (kind !== 'gauge') return 'sum'
  if (name.startsWith('nodejs_eventloop_lag_'))
    return name === 'nodejs_eventloop_lag_min_seconds' ? 'min' : 'max'
  if (/_(healthy|up|ready|ok|start_time_seconds|max_fds)$/.test(name)) return 'min'
  if (/_(state|ratio|info|max|timestamp_seconds)$/.test(name)) return 'max'
  return 'sum'
}

/** Series of one metric that may be kept of processes that have ended. */
const MAX_KEPT = 100_000

interface Series {
  readonly labels: Readonly<Record<string, string>>
  readonly values: number[]
}

/** Series of one layout, by their labels as text. */
interface Group {
  readonly layout: readonly Place[]
  readonly series: Map<string, Series>
}

/** One metric of several processes. */
class Merged implements Exposed {
  readonly name: string
  readonly help: string
  readonly kind: string
  /** By the layout as text: all that a metric of ours has is one. */
  readonly #groups = new Map<string, Group>()
  readonly #merging: Merging
  #size = 0

  constructor({ name, help, kind }: Reading) {
    this.name = name
    this.help = help
    this.kind = kind
    this.#merging = mergingOf(kind, name)
  }

  /** @param max series; further ones are left out */
  add({ kind, layout, series }: Reading, max = Number.POSITIVE_INFINITY): void {
    // Another version of a plugin, perhaps; a sum of both would be of nothing.
    if (kind !== this.kind) return
    const key = JSON.stringify(layout)
    let group = this.#groups.get(key)
    if (group === undefined) this.#groups.set(key, (group = { layout, series: new Map() }))
    for (const [labels, values] of series) {
      const text = JSON.stringify(labels)
      const known = group.series.get(text)
      if (known !== undefined) {
        for (let i = 0; i < values.length; i++)
          known.values[i] = this.#merge(known.values[i] as number, numberOf(values[i] as number))
      } else if (this.#size < max) {
        group.series.set(text, { labels, values: values.map(numberOf) })
        this.#size++
      }
    }
  }

  /** As it was read from a process. */
  *readings(): Generator<Reading> {
    const { name, help, kind } = this
    for (const { layout, series } of this.#groups.values())
      yield {
        name,
        help,
        kind,
        layout,
        series: [...series.values()].map(({ labels, values }) => [labels, values] as const)
      }
  }

  samples(): Sample[] {
    const samples: Sample[] = []
    for (const { layout, series } of this.#groups.values()) {
      for (const { labels: sharedLabels, values } of series.values()) {
        for (const [i, [metricName, labels]] of layout.entries())
          samples.push({ metricName, labels, sharedLabels, value: values[i] as number })
      }
    }
    return samples
  }

  #merge(a: number, b: number): number {
    if (this.#merging === 'sum') return a + b
    // Nothing was measured there, which says nothing about the others.
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) ? b : a
    return this.#merging === 'min' ? Math.min(a, b) : Math.max(a, b)
  }
}

/** The metrics of a set of processes, of which some end and others take their places. */
export class MergedMetrics<Process> {
  readonly #last = new Map<Process, readonly Reading[]>()
  /** What processes had counted that are no more, so that no sum goes backwards. */
  readonly #ended = new Map<string, Merged>()

  /** Takes the place of what this process said before. */
  put(process: Process, readings: readonly Reading[]): void {
    this.#last.set(process, readings)
  }

  /** What was last heard of each. */
  get last(): ReadonlyMap<Process, readonly Reading[]> {
    return this.#last
  }

  /** Keeps what it had counted when it was last heard of; what it held, such as requests in flight, has gone with it. */
  end(process: Process): void {
    for (const reading of this.#last.get(process) ?? [])
      if (reading.kind !== 'gauge') addTo(this.#ended, reading, MAX_KEPT)
    this.#last.delete(process)
  }

  /**
   * All of them as one. The event loop is let go between processes.
   *
   * @param own of this process
   */
  async merged(own: readonly Reading[]): Promise<Exposed[]> {
    const sums = new Map<string, Merged>()
    for (const reading of own) addTo(sums, reading)
    // Both in one turn: what ends meanwhile must not be counted with the ended ones as well.
    const last = [...this.#last.values()]
    for (const ended of this.#ended.values()) for (const reading of ended.readings()) addTo(sums, reading)
    for (const readings of last) {
      for (const reading of readings) addTo(sums, reading)
      await new Promise((resolve) => setImmediate(resolve))
    }
    return [...sums.values()]
  }
}

function addTo(sums: Map<string, Merged>, reading: Reading, max?: number): void {
  let sum = sums.get(reading.name)
  if (sum === undefined) sums.set(reading.name, (sum = new Merged(reading)))
  sum.add(reading, max)
}
