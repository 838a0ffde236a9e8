/** Attempts that one measurement is made of, at most: what a percentile needs, and no more to keep. */
const MOST = 250
/** How many of a hundred must have answered. The few that take longest would hold up the measurement as long. */
const ANSWERED = 0.9

/**
 * The attempts admitted since the last change of a limit, and how long each took. Taken by when they began and not by when
 * they ended: among those that have ended after a short time the fast ones are too many, and the slow ones are those that a
 * limit is about.
 */
export class Cohort {
  readonly startedAt: number
  /** Most that were under way when one of them began, itself included. */
  peak = 0
  readonly #wanted: number
  readonly #length: number
  readonly #latencies: number[] = []
  #members = 0
  #closed = false

  /**
   * @param now ms
   * @param wanted members, at least
   * @param length ms in which more are taken than `wanted`
   */
  constructor(now: number, wanted: number, length: number) {
    this.startedAt = now
    this.#wanted = wanted
    this.#length = length
  }

  /** One begins. @returns whether it is a member */
  join(now: number, underWay: number): boolean {
    if (this.#closed) return false
    if (this.#members >= this.#wanted && now - this.startedAt >= this.#length) {
      this.#closed = true
      return false
    }
    if (underWay > this.peak) this.peak = underWay
    this.#closed = ++this.#members >= MOST
    return true
  }

  answered(latency: number): void {
    this.#latencies.push(latency)
  }

  /** One is no measure of anything: it failed at once, or its client left. */
  drop(): void {
    this.#members--
    this.#closed = false
  }

  /** Whether it says enough. */
  complete(now: number): boolean {
    if (this.#members < this.#wanted || this.#latencies.length < ANSWERED * this.#members) return false
    return this.#closed || now - this.startedAt >= this.#length
  }

  /** The mean of the fastest nine tenths, in ms; those that have not answered are the slowest. */
  latency(): number {
    const sorted = Float64Array.from(this.#latencies).sort()
    const count = Math.max(1, Math.min(sorted.length, Math.floor(ANSWERED * this.#members)))
    let sum = 0
    for (let i = 0; i < count; i++) sum += sorted[i] as number
    return sum / count
  }
}
