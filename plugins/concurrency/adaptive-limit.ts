import { Cohort } from './cohort.js'

export interface AdaptiveOptions {
  /** The limit's bounds. */
  readonly min: number
  readonly max: number
  /** How much latency may be over the unloaded one, as a share of that: 0.25. */
  readonly buffer: number
  /** ms between two measurements of the unloaded latency, while there is load. */
  readonly interval: number
}

/** Attempts that make one step, at least, and the ms that it takes, at least (Envoy's update interval). */
const STEP_COUNT = 20
const STEP_MS = 100
/** Attempts that a measurement is made of: Envoy's 50, and fewer where few go at once, for it to end. */
const MEASURE_COUNT = { least: 10, most: 50, rounds: 5 }
/** Of what the service is taken to work on at once, how much the first measurement uses; and the next of that one. */
const MEASURE_LOAD = 0.75
/** A measurement with load in it is three quarters of the one before, which had more. One above this share had none. */
const UNLOADED = 0.85
/** Of an interval, how much a measurement may come later, so that many proxies do not all measure at once (Envoy's). */
const JITTER = 0.15
/** ms before the first: as long as the limit of a large service takes to become what it needs. */
const FIRST_MEASURED = 500
/** Unloaded latencies from one measurement to the next at least: one takes about ten. */
const APART = 100
/** What the unloaded latency moves by, where a step saw no load. */
const SMOOTHING = 0.2
/** Steps at the least limit after which the unloaded latency is taken to be another one (Envoy's). */
const STEPS_AT_LEAST = 5
/** A limit before anything is known. More hurts a small service, less a large one: both for the first second. */
const INITIAL = 20

export function initialLimit({ min, max }: { readonly min: number; readonly max: number }): number {
  return Math.min(max, Math.max(min, INITIAL))
}

/**
 * Finds how much a service takes at once, by what that does to its latency (Envoy's gradient controller):
 *
 *     gradient = unloaded x (1 + buffer) / latency, from 0.5 to 2
 *     limit    = gradient x limit + sqrt(limit)
 *
 * While no more attempts are under way than the service works on at once, latency is the unloaded one; what is more queues
 * in it, and latency grows in proportion.
 *
 * Unlike Envoy's, latency is the mean of the fastest nine tenths and no percentile, which jumps where there are two kinds of
 * requests. And the unloaded latency is measured at three quarters of what the limit itself says that the service works
 * on, `(limit - sqrt(limit)) / (1 + buffer)`, and then at three quarters of that, and so on until it gets no lower: a limit that is
 * right needs two steps, and one that was found under load is put right. Envoy goes down to 3 each time, which costs
 * a healthy service most of its traffic for as long. Where traffic stays so low by itself, that is the measurement.
 */
export class AdaptiveLimit {
  readonly #options: AdaptiveOptions
  readonly #random: () => number
  #limit: number
  #cohort: Cohort
  /** ms; undefined before the first step. */
  #unloaded: number | undefined
  /** What may be under way while the unloaded latency is measured; undefined while it is not. */
  #level: number | undefined
  /** ms: what was measured at the level above. */
  #above = Number.POSITIVE_INFINITY
  #measureAt: number
  #stepsAtLeast = 0

  /**
   * @param random from 0 to less than 1
   * @param now ms, as everywhere here
   */
  constructor(options: AdaptiveOptions, random: () => number, now: number) {
    this.#options = options
    this.#random = random
    this.#limit = initialLimit(options)
    this.#cohort = new Cohort(now, STEP_COUNT, STEP_MS)
    this.#measureAt = now + FIRST_MEASURED
  }

  /** Whole, from 1. */
  get limit(): number {
    return this.#level ?? Math.floor(this.#limit)
  }

  /** ms; undefined before the first step. */
  get unloaded(): number | undefined {
    return this.#unloaded
  }

  /** What surely does not queue in the service, if the limit is right. */
  get #low(): number {
    const atOnce = (this.#limit - Math.sqrt(this.#limit)) / (1 + this.#options.buffer)
    return Math.max(1, Math.floor(MEASURE_LOAD * atOnce))
  }

  /**
   * An attempt begins. `limit` may be another one afterwards.
   *
   * @param underWay itself included
   * @returns what `answered` or `dropped` is to be told; undefined: neither is
   */
  admitted(now: number, underWay: number): Cohort | undefined {
    if (this.#cohort.join(now, underWay)) return this.#cohort
    // The last of them may have answered before the time was over.
    if (!this.#cohort.complete(now)) return undefined
    this.#step(now)
    return this.#cohort.join(now, underWay) ? this.#cohort : undefined
  }

  /** `limit` may be another one afterwards. @param latency ms */
  answered(cohort: Cohort, latency: number, now: number): void {
    if (cohort !== this.#cohort) return
    cohort.answered(latency)
    if (cohort.complete(now)) this.#step(now)
  }

  /** One says nothing of latency: it was refused at once, or given up by its client. */
  dropped(cohort: Cohort): void {
    if (cohort === this.#cohort) cohort.drop()
  }

  #step(now: number): void {
    const { peak } = this.#cohort
    const latency = this.#cohort.latency()
    if (this.#level !== undefined) this.#measured(latency, this.#level, now)
    else if (peak <= this.#low) this.#idle(latency, now)
    else this.#adjust(latency, peak, now)
    this.#cohort =
      this.#level === undefined ? new Cohort(now, STEP_COUNT, STEP_MS) : measurement(this.#level, now)
  }

  #measured(latency: number, level: number, now: number): void {
    this.#unloaded = latency
    if (latency < UNLOADED * this.#above && level > 1) {
      this.#above = latency
      this.#level = Math.floor(MEASURE_LOAD * level)
      return
    }
    this.#level = undefined
    this.#measureAt = this.#later(now)
  }

  /** So little was under way that this is the unloaded latency; of the limit it says nothing. */
  #idle(latency: number, now: number): void {
    this.#unloaded ??= latency
    this.#unloaded += SMOOTHING * (latency - this.#unloaded)
    this.#measureAt = this.#later(now)
    this.#stepsAtLeast = 0
  }

  #adjust(latency: number, peak: number, now: number): void {
    const { min, max, buffer } = this.#options
    this.#unloaded ??= latency
    const gradient = Math.min(2, Math.max(0.5, (this.#unloaded * (1 + buffer)) / latency))
    const wanted = gradient * this.#limit + Math.sqrt(this.#limit)
    // What was not used has not shown that it can be.
    const shown = Math.min(wanted, Math.max(this.#limit, 2 * peak))
    this.#limit = Math.min(max, Math.max(min, shown))
    this.#stepsAtLeast = this.#limit === min ? this.#stepsAtLeast + 1 : 0
    if (this.#stepsAtLeast === STEPS_AT_LEAST) {
      this.#stepsAtLeast = 0
      this.#unloaded = latency
    }
    if (now < this.#measureAt) return
    this.#level = this.#low
    this.#above = Number.POSITIVE_INFINITY
  }

  #later(now: number): number {
    const interval = Math.max(this.#options.interval, APART * (this.#unloaded ?? 0))
    return now + interval * (1 + JITTER * this.#random())
  }
}

function measurement(level: number, now: number): Cohort {
  const { least, most, rounds } = MEASURE_COUNT
  return new Cohort(now, Math.min(most, Math.max(least, rounds * level)), 0)
}
