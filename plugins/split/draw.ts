/** One value of the tag, and what is known of it beforehand. */
export interface Share {
  readonly value: string
  /** Its place in the list of them. */
  readonly index: number
  /** From 0 to 1. */
  readonly part: number
}

/** What the values' weights come to. */
export class Shares {
  readonly all: readonly Share[]
  /** Up to where, from 0 to 1, a draw means this share; of the last one with a weight, past what rounding left. */
  readonly #bounds: readonly number[]
  readonly #byValue: ReadonlyMap<string, Share>

  constructor(weights: Readonly<Record<string, number>>) {
    const entries = Object.entries(weights)
    const total = entries.reduce((sum, [, weight]) => sum + weight, 0)
    this.all = entries.map(([value, weight], index) => ({ value, index, part: weight / total }))
    let sum = 0
    const bounds = entries.map(([, weight]) => (sum += weight) / total)
    bounds.fill(
      2,
      lastIndex(entries, ([, weight]) => weight > 0)
    )
    this.#bounds = bounds
    this.#byValue = new Map(this.all.filter(({ part }) => part > 0).map((share) => [share.value, share]))
  }

  /** @param chance from 0 to less than 1 */
  draw(chance: number): Share {
    let i = 0
    while (chance >= (this.#bounds[i] as number)) i++
    return this.all[i] as Share
  }

  /** What a client's cookie says; undefined for what is no value, or one whose weight is 0. */
  named(value: string): Share | undefined {
    return this.#byValue.get(value)
  }
}

function lastIndex<T>(list: readonly T[], test: (one: T) => boolean): number {
  let i = list.length - 1
  while (i > 0 && !test(list[i] as T)) i--
  return i
}
