/** How many things happened within the last so many ms, and how many of them are marked. In steps of a part of that time. */
export class RollingWindow {
  readonly #width: number
  readonly #buckets: number
  readonly #totals: Uint32Array
  readonly #marks: Uint32Array
  /** Of the time, counted in widths, that the newest bucket is of. */
  #newest = Number.NEGATIVE_INFINITY
  total = 0
  marked = 0

  /** @param length ms; @param buckets steps that it passes in */
  constructor(length: number, buckets = 10) {
    this.#width = length / buckets
    this.#buckets = buckets
    this.#totals = new Uint32Array(buckets)
    this.#marks = new Uint32Array(buckets)
  }

  /** @param now ms, never less than before */
  add(now: number, marked: boolean): void {
    this.pass(now)
    const bucket = this.#newest % this.#buckets
    this.#totals[bucket] = (this.#totals[bucket] as number) + 1
    this.total++
    if (!marked) return
    this.#marks[bucket] = (this.#marks[bucket] as number) + 1
    this.marked++
  }

  clear(): void {
    this.#totals.fill(0)
    this.#marks.fill(0)
    this.total = 0
    this.marked = 0
  }

  /** Forgets what is too old by `now`, in ms. */
  pass(now: number): void {
    const time = Math.floor(now / this.#width)
    if (time <= this.#newest) return
    if (time - this.#newest >= this.#buckets) this.clear()
    else {
      for (let passed = this.#newest + 1; passed <= time; passed++) {
        const bucket = passed % this.#buckets
        this.total -= this.#totals[bucket] as number
        this.marked -= this.#marks[bucket] as number
        this.#totals[bucket] = 0
        this.#marks[bucket] = 0
      }
    }
    this.#newest = time
  }
}
