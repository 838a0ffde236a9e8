import type { MetricFamily } from '../hooks/plugin.js'
import type { Sample, Series } from './cells.js'

export type MetricKind = 'counter' | 'gauge' | 'histogram'

/** One level of labels; the last one holds cells. */
type Level<Cell> = Map<string, Level<Cell> | Cell>

export const OTHER = 'other'

export interface FamilyOptions<Cell> {
  kind: MetricKind
  name: string
  help: string
  labels: readonly string[]
  maxSeries: number
  create(labels: Readonly<Record<string, string>>): Cell
}

/** One name, its label names and the cell of each set of label values. */
export class Family<Cell extends Series> implements MetricFamily<Cell> {
  readonly kind: MetricKind
  readonly name: string
  readonly help: string
  readonly labelNames: readonly string[]
  maxSeries: number
  readonly #create: (labels: Readonly<Record<string, string>>) => Cell
  readonly #root: Level<Cell> = new Map()
  readonly #cells = new Set<Cell>()

  constructor(options: FamilyOptions<Cell>) {
    this.kind = options.kind
    this.name = options.name
    this.help = options.help
    this.labelNames = [...options.labels]
    this.maxSeries = options.maxSeries
    this.#create = options.create
    // Without labels there is one series, and it is shown from the start: a rate needs the zero before the first event.
    if (this.labelNames.length === 0) this.#add([])
  }

  /** @throws TypeError on another number of values than there are labels */
  labels(...values: string[]): Cell {
    if (values.length !== this.labelNames.length) this.#refuse(values)
    return this.#find(values) ?? this.#cellFor(values)
  }

  /** Takes one series out. A cell of it that somebody kept still counts, but is shown no more. */
  remove(...values: string[]): boolean {
    if (values.length !== this.labelNames.length) this.#refuse(values)
    const path = keys(values)
    const levels: Level<Cell>[] = [this.#root]
    for (const value of path.slice(0, -1)) {
      const next = levels.at(-1)?.get(value)
      if (!(next instanceof Map)) return false
      levels.push(next)
    }
    const cell = levels.at(-1)?.get(path.at(-1) as string)
    if (cell === undefined || cell instanceof Map) return false
    this.#cells.delete(cell)
    for (let i = levels.length - 1; i >= 0; i--) {
      levels[i]?.delete(path[i] as string)
      if (levels[i]?.size !== 0) break
    }
    return true
  }

  /** Takes out each series that has all of these label values, any of several for one; none when a label is not this family's. */
  forget(match: Readonly<Record<string, string | ReadonlySet<string>>>): void {
    const wanted = Object.entries(match)
    if (!wanted.every(([label]) => this.labelNames.includes(label))) return
    if (this.labelNames.length === 0) return
    this.#prune(this.#root, 0, match)
  }

  /** What a label says is looked up, and not looked for among all: thousands of services may go one by one. */
  #prune(
    level: Level<Cell>,
    depth: number,
    match: Readonly<Record<string, string | ReadonlySet<string>>>
  ): void {
    const wanted = match[this.labelNames[depth] as string]
    const values = wanted === undefined ? level.keys() : typeof wanted === 'string' ? [wanted] : wanted
    for (const value of values) {
      const below = level.get(value)
      if (below === undefined) continue
      if (below instanceof Map) {
        this.#prune(below, depth + 1, match)
        if (below.size > 0) continue
      } else this.#cells.delete(below)
      level.delete(value)
    }
  }

  /** Every series as a scrape shows it. */
  samples(): Sample[] {
    const samples: Sample[] = []
    for (const cell of this.#cells) cell.collect(this.name, samples)
    return samples
  }

  #find(values: readonly string[]): Cell | undefined {
    if (values.length === 0) return this.#root.get('') as Cell
    let level: Level<Cell> | Cell | undefined = this.#root
    for (let i = 0; i < values.length; i++) {
      level = (level as Level<Cell>).get(values[i] as string)
      if (level === undefined) return undefined
    }
    return level as Cell
  }

  // The bound keeps what a client can choose (a method, a host) from filling the memory of proxy and scraper.
  #cellFor(values: readonly string[]): Cell {
    // An author's number or undefined is a label too, and must not become a second series of the same text.
    const texts = values.map(String)
    const known = this.#find(texts)
    if (known !== undefined) return known
    if (this.#cells.size < this.maxSeries) return this.#add(texts)
    const others = texts.map(() => OTHER)
    return this.#find(others) ?? this.#add(others)
  }

  #add(values: readonly string[]): Cell {
    const labels = Object.fromEntries(this.labelNames.map((label, i) => [label, values[i] as string]))
    const cell = this.#create(Object.freeze(labels))
    const path = keys(values)
    let level = this.#root
    for (const value of path.slice(0, -1)) {
      let next = level.get(value) as Level<Cell> | undefined
      if (next === undefined) level.set(value, (next = new Map()))
      level = next
    }
    level.set(path.at(-1) as string, cell)
    this.#cells.add(cell)
    return cell
  }

  #refuse(values: readonly string[]): never {
    throw new TypeError(
      `${this.name} has ${this.labelNames.length} labels (${this.labelNames.join(', ')}), not ${values.length}`
    )
  }
}

/** Where a set of values stands in the tree; the one series without labels stands under the empty text. */
function keys(values: readonly string[]): readonly string[] {
  return values.length === 0 ? [''] : values.map(String)
}
