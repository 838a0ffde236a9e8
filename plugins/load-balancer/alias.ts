/**
 * Draws from a discrete distribution at the same cost however many outcomes it has: Walker's alias method, built as by
 * M. D. Vose, "A linear algorithm for generating random numbers with a given distribution", 1991. Each of the n columns
 * holds a part of its own outcome and fills up with one other.
 */
export class AliasTable {
  /** How much of a column is its own, from 0 to 1. */
  readonly #own: Float64Array
  readonly #other: Int32Array

  /** @param weights from 0, one of them greater */
  constructor(weights: Float64Array) {
    const { length } = weights
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    const scaled = weights.map((weight) => (weight * length) / total)
    this.#own = new Float64Array(length).fill(1)
    this.#other = Int32Array.from(weights.keys())
    // Two stacks in one array: columns with room grow from its left, those with too much from its right.
    const stacks = new Int32Array(length)
    let small = 0
    let large = length
    for (let i = 0; i < length; i++) stacks[(scaled[i] as number) < 1 ? small++ : --large] = i
    while (small > 0 && large < length) {
      const less = stacks[--small] as number
      const more = stacks[large] as number
      this.#own[less] = scaled[less] as number
      this.#other[less] = more
      scaled[more] = (scaled[more] as number) + (scaled[less] as number) - 1
      if ((scaled[more] as number) < 1) {
        large++
        stacks[small++] = more
      }
    }
    // Sums of fractions round: a column that is left with room and nothing to fill it with is nearly full, unless its own
    // outcome may not come at all.
    while (small > 0) {
      const left = stacks[--small] as number
      if ((weights[left] as number) > 0) continue
      this.#own[left] = 0
      this.#other[left] = weights.findIndex((weight) => weight > 0)
    }
  }

  /** @param chance at least 0, less than 1 */
  draw(chance: number): number {
    const at = chance * this.#own.length
    const column = Math.floor(at)
    return at - column < (this.#own[column] as number) ? column : (this.#other[column] as number)
  }
}
