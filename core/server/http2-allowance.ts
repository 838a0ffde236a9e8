/** How often something may happen: so many times at once, and so many a second from then on. */
export interface Rate {
  readonly burst: number
  readonly perSecond: number
}

/** A bucket of tokens. */
export class Allowance {
  readonly #burst: number
  readonly #perMs: number
  #left: number
  #at = 0

  constructor({ burst, perSecond }: Rate) {
    this.#burst = burst
    this.#perMs = perSecond / 1_000
    this.#left = burst
  }

  /** @param now ms @returns false when there was nothing left */
  spend(now: number): boolean {
    this.#left = Math.min(this.#burst, this.#left + (now - this.#at) * this.#perMs)
    this.#at = now
    if (this.#left < 1) return false
    this.#left--
    return true
  }

  /** Gives one back. */
  earn(): void {
    if (this.#left < this.#burst) this.#left++
  }
}
