import type { Random } from './random.js'

/** From a time on, so many requests a second, until the next phase. */
export interface Phase {
  /** ms */
  readonly from: number
  readonly perSecond: number
}

/**
 * When requests come: independent of each other and of how they fare (a Poisson process), as from many clients. What a
 * slow service does not keep from coming is what breaks it.
 */
export class Arrivals {
  readonly #phases: readonly Phase[]
  readonly #random: Random
  #at = 0
  #phase = 0

  /** @param phases the first of which begins at 0 */
  constructor(phases: readonly Phase[], random: Random) {
    if (phases[0]?.from !== 0) throw new RangeError('the first phase begins at 0')
    this.#phases = phases
    this.#random = random
  }

  /** When the next one comes, in ms; Infinity: no more do. */
  next(): number {
    for (;;) {
      const { perSecond } = this.#phases[this.#phase] as Phase
      const end = this.#phases[this.#phase + 1]?.from ?? Number.POSITIVE_INFINITY
      const wait = perSecond === 0 ? end : (-Math.log(1 - this.#random()) * 1000) / perSecond
      if (this.#at + wait <= end || end === Number.POSITIVE_INFINITY) {
        this.#at += wait
        return this.#at
      }
      // The process has no memory, so that it may begin anew at the other rate.
      this.#at = end
      this.#phase++
    }
  }
}
