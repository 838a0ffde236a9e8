/**
 * How far one answer moves the estimate: a late one up by nearly this, one in time down in proportion to how many are. It falls,
 * so that the estimate comes to rest where there are many, and no further, so that it still follows what changes.
 */
const FIRST_STEP = 0.1
const LAST_STEP = 0.01
/** Answers after which it is half of the first. */
const HALVED = 200

/** Of the share that may be late, what is aimed at, so that the steps' own noise does not come out above it. */
const AIM = 0.95

/** Requests that may be late in a row, however long it was quiet before. */
const BURST = 10

/** ms */
const LOWEST = 1
const HIGHEST = 3_600_000

/**
 * The time by which a given share of answers is there, followed answer by answer (Robbins and Monro's stochastic
 * approximation, on a logarithmic scale): `ln t` rises by `a x (1 - s)` when one is late, and falls by `a x s` when one is in
 * time, where `s` is the share that may be late and `a` after n answers `max(0.01, 0.1 / (1 + n / 200))`. Whatever latencies are like, `s` of all were late in the end, but for
 * the few that it took `t` to get to where it is; and what is to be done about the late ones may be bounded by `spend`.
 *
 * It asks of an answer no more than whether it was late. What is cancelled once it is late is known as well as what is not: an
 * estimate from the times themselves would lose the slow ones, and sink.
 */
export class LatencyQuantile {
  readonly #share: number
  readonly #late: number
  readonly #needed: number
  #seen = 0
  #log = 0
  #judged = 0
  #credit = 0

  /** @param quantile more than 0, less than 1: the share of answers that are there in time */
  constructor(quantile: number) {
    this.#share = 1 - quantile
    this.#late = this.#share * AIM
    this.#needed = samplesNeeded(quantile)
  }

  /** Milliseconds; undefined before enough answers were seen. */
  get value(): number | undefined {
    return this.#seen < this.#needed ? undefined : Math.exp(this.#log)
  }

  /** An answer, before there is a value: the first value is the slowest of them. @param latency ms */
  start(latency: number): void {
    if (this.#seen >= this.#needed) return
    this.#seen++
    this.#log = Math.max(this.#log, bounded(Math.log(latency)))
  }

  /** One more request: of so many, the share that may be late gets something done about it. */
  earn(): void {
    this.#credit = Math.min(BURST, this.#credit + this.#share)
  }

  /** @returns false where more were late than the share: all of it is slow now, and not a few */
  spend(): boolean {
    if (this.#credit < 1) return false
    this.#credit--
    return true
  }

  /** An answer. @param late whether it took longer than `value` was when it was asked for */
  judge(late: boolean): void {
    const step = Math.max(LAST_STEP, FIRST_STEP / (1 + this.#judged++ / HALVED))
    this.#log = bounded(this.#log + step * ((late ? 1 : 0) - this.#late))
  }
}

function bounded(log: number): number {
  return Math.min(Math.log(HIGHEST), Math.max(Math.log(LOWEST), log))
}

/** Below 20 it would be a guess; and of the p99 one in a hundred has to have been seen. */
export function samplesNeeded(quantile: number): number {
  return Math.max(20, Math.ceil(1 / (1 - quantile) - 1e-9))
}
