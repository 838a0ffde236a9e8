/** Parts of each doubling: what is read off is within 1/256 of what was counted. */
const PARTS = 128
const SHIFT = 7
/** Doublings above 1/1024 ms: up to an hour and more. */
const DOUBLINGS = 34
const SMALLEST = 1 / 1024

/**
 * Times in ms, counted in buckets that grow with them (as HdrHistogram's): of any number of them, in 17 KiB, percentiles
 * to within 0.4%.
 */
export class Histogram {
  readonly #counts = new Uint32Array(PARTS * DOUBLINGS)
  #count = 0
  #sum = 0
  #max = 0

  add(ms: number): void {
    this.#count++
    this.#sum += ms
    if (ms > this.#max) this.#max = ms
    const at = bucketOf(ms)
    this.#counts[at] = (this.#counts[at] as number) + 1
  }

  merge(other: Histogram): void {
    this.#count += other.#count
    this.#sum += other.#sum
    this.#max = Math.max(this.#max, other.#max)
    for (let at = 0; at < this.#counts.length; at++)
      this.#counts[at] = (this.#counts[at] as number) + (other.#counts[at] as number)
  }

  get count(): number {
    return this.#count
  }

  /** Exact; NaN of none. */
  get mean(): number {
    return this.#sum / this.#count
  }

  /** Exact. */
  get max(): number {
    return this.#max
  }

  /** @param share 0.99 for p99 @returns NaN of none */
  percentile(share: number): number {
    if (this.#count === 0) return Number.NaN
    const wanted = Math.max(1, Math.ceil(share * this.#count))
    let seen = 0
    for (let at = 0; at < this.#counts.length; at++) {
      seen += this.#counts[at] as number
      if (seen >= wanted) return Math.min(this.#max, middleOf(at))
    }
    return this.#max
  }
}

function bucketOf(ms: number): number {
  const units = ms / SMALLEST
  if (units < 1) return 0
  const doubling = Math.floor(Math.log2(units))
  const part = Math.floor((units / 2 ** doubling - 1) * PARTS)
  return Math.min(PARTS * DOUBLINGS - 1, (doubling << SHIFT) + Math.max(0, Math.min(PARTS - 1, part)))
}

function middleOf(bucket: number): number {
  const doubling = bucket >> SHIFT
  return SMALLEST * 2 ** doubling * (1 + ((bucket & (PARTS - 1)) + 0.5) / PARTS)
}
