import type { Endpoint } from '../../core/index.js'
import { AliasTable } from './alias.js'

/** How often a second endpoint is drawn until it is another than the first, where weights differ. */
const TRIES = 4

/** The weights of one list, and draws by them. A weight of 0 is drawn when all are 0 and they therefore are the same. */
export class Weights {
  /** All the same, so that none matters. */
  readonly equal: boolean
  readonly total: number
  readonly #endpoints: readonly Endpoint[]
  readonly #kept: boolean
  #table: AliasTable | undefined

  constructor(endpoints: readonly Endpoint[]) {
    let equal = true
    let total = 0
    const first = endpoints[0]?.weight
    for (const { weight } of endpoints) {
      if (weight !== first) equal = false
      total += weight
    }
    this.equal = equal
    this.total = total
    this.#endpoints = endpoints
    this.#kept = Object.isFrozen(endpoints)
  }

  /**
   * The place of an endpoint, drawn with probability `weight / total`.
   *
   * @param chance at least 0, less than 1
   * @returns -1 for an empty list
   */
  draw(chance: () => number): number {
    const { length } = this.#endpoints
    if (length === 0) return -1
    if (this.equal) return Math.floor(chance() * length)
    // A list that is not kept is not worth a table.
    if (!this.#kept) return this.#walk(chance())
    this.#table ??= new AliasTable(Float64Array.from(this.#endpoints, ({ weight }) => weight))
    return this.#table.draw(chance())
  }

  /** Another one than `first`, of a list of two or more; where one weighs nearly all, it may be `first` again. */
  drawOther(first: number, chance: () => number): number {
    if (this.equal) {
      const other = Math.floor(chance() * (this.#endpoints.length - 1))
      return other < first ? other : other + 1
    }
    let second = first
    for (let tries = 0; tries < TRIES && second === first; tries++) second = this.draw(chance)
    return second
  }

  #walk(chance: number): number {
    let left = this.total * chance
    let last = -1
    for (let at = 0; at < this.#endpoints.length; at++) {
      const weight = (this.#endpoints[at] as Endpoint).weight
      if (weight === 0) continue
      if (left < weight) return at
      left -= weight
      last = at
    }
    // Sums of fractions round: what is left over is the last one's.
    return last
  }
}
