import type { Condition, Subject } from './condition.js'

/** One route among those of the same host and path. */
export interface Alternative<T> {
  readonly target: T
  readonly order: number
  readonly conditions: readonly Condition[]
}

/** Routes that are looked through; of more, those that ask for a header's value are found by it. */
const FEW = 8

interface Ranked<T> {
  readonly rank: number
  readonly alternative: Alternative<T>
}

/** The routes of one host and one path: more conditions before fewer, and what is listed first among equals. */
export class Alternatives<T, A extends Alternative<T> = Alternative<T>> {
  readonly #all: A[] = []
  /** The only one, where it asks for nothing more: among thousands each step to it is one to memory that is not at hand. */
  #only: T | undefined
  /** By a header that they ask for, by its value; undefined where there are few. */
  #byHeader: Map<string, Map<string, Ranked<T>[]>> | undefined
  #others: Ranked<T>[] = []

  get all(): readonly A[] {
    return this.#all
  }

  add(alternative: A): void {
    this.#all.push(alternative)
  }

  /** All have been added. */
  sort(): void {
    const all = this.#all
    if (all.length === 1 && all[0]?.conditions.length === 0) this.#only = all[0].target
    if (all.length < 2) return
    all.sort((a, b) => b.conditions.length - a.conditions.length || a.order - b.order)
    if (all.length <= FEW) return
    this.#byHeader = new Map()
    for (const [rank, alternative] of all.entries()) {
      const header = alternative.conditions.find((condition) => condition.header !== undefined)?.header
      if (header === undefined) this.#others.push({ rank, alternative })
      else listIn(this.#byHeader, header.name, header.value).push({ rank, alternative })
    }
  }

  /** The first of which all conditions hold. */
  find(subject: Subject): T | undefined {
    if (this.#only !== undefined) return this.#only
    if (this.#byHeader === undefined) {
      for (const alternative of this.#all) if (holds(alternative, subject)) return alternative.target
      return undefined
    }
    let best = firstOf(this.#others, subject)
    for (const [name, byValue] of this.#byHeader) {
      const value = subject.headers.get(name)
      const ranked = value === undefined ? undefined : byValue.get(value)
      const found = ranked === undefined ? undefined : firstOf(ranked, subject)
      if (found !== undefined && (best === undefined || found.rank < best.rank)) best = found
    }
    return best?.alternative.target
  }
}

function firstOf<T>(ranked: readonly Ranked<T>[], subject: Subject): Ranked<T> | undefined {
  for (const each of ranked) if (holds(each.alternative, subject)) return each
  return undefined
}

function holds<T>({ conditions }: Alternative<T>, subject: Subject): boolean {
  for (const condition of conditions) if (!condition.holds(subject)) return false
  return true
}

function listIn<T>(index: Map<string, Map<string, T[]>>, name: string, value: string): T[] {
  let byValue = index.get(name)
  if (byValue === undefined) index.set(name, (byValue = new Map()))
  let list = byValue.get(value)
  if (list === undefined) byValue.set(value, (list = []))
  return list
}
