/** A part of the interval that rounding may take: a bucket of 3 a second holds three, though 1000 / 3 is not exact. */
const SLACK = 1 / 1024

/**
 * A token bucket in the form of the generic cell rate algorithm (ITU-T I.371, as virtual scheduling): of each key one
 * number is kept, when its bucket will be full again. What is missing until then, in ms, is the key's debt. A request
 * costs `interval = per / requests`, and passes while the debt before it is at most `(burst - 1) x interval`.
 */
export class Rate {
  /** ms that one request costs. */
  readonly interval: number
  /** Requests that a full bucket holds. */
  readonly burst: number
  /** The most debt, in ms, with which a request still passes. */
  readonly tolerance: number
  readonly #slack: number

  /** @param per ms */
  constructor(requests: number, per: number, burst: number) {
    this.interval = per / requests
    this.burst = burst
    this.tolerance = (burst - 1) * this.interval
    this.#slack = this.interval * SLACK
  }

  passes(debt: number): boolean {
    return debt <= this.tolerance + this.#slack
  }

  /** Requests that a key with this much debt has left. */
  left(debt: number): number {
    return Math.max(0, Math.floor(this.burst - debt / this.interval + SLACK))
  }

  /** ms until a key with this much debt may make one more. */
  wait(debt: number): number {
    return Math.max(0, debt - this.tolerance)
  }
}
