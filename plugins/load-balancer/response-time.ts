import type { Attempt, Clock } from '../../core/index.js'

/** ms in which what was learnt loses all but 1/e of its weight: tower's and Linkerd's. */
const DECAY = 10_000
/** ms that an endpoint is taken to need before it has answered anything: Linkerd's. */
const INITIAL = 30
/** ms that no estimate falls below: where nothing was sent for long, attempts under way must still make a difference. */
const LEAST = 0.01
/** How much one attempt counts in the share of those that succeeded, and the least that this share falls to. */
const GAIN = 0.1
const LEAST_SUCCESS = 0.01

/** An attempt that has no answer yet, in a list by age: the oldest one first. */
export interface Waiting {
  readonly attempt: Attempt
  before: Waiting | undefined
  behind: Waiting | undefined
}

/**
 * What is known of one endpoint: peak EWMA of the time to its responses' headers, in ms (Finagle's, tower's `peak_ewma`).
 * A sample above the estimate replaces it; one below pulls it down by `rtt x e^(-dt/10s) + sample x (1 - e^(-dt/10s))`, with
 * the time `dt` since the sample before. While there are no samples it decays towards 0 likewise, so that an endpoint that was
 * slow once is tried again.
 */
export class ResponseTime {
  readonly #clock: Clock
  #estimate = INITIAL
  #at: number
  /** Of its latest attempts, the share that did not fail. */
  #success = 1
  #oldest: Waiting | undefined
  #newest: Waiting | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.#at = clock.now()
  }

  /**
   * What a request to it is expected to take, in ms: the estimate, or for how long the oldest attempt without an answer has
   * been waiting, if that is more; divided by the share that succeeds, so that it is the time until one does.
   */
  expected(now: number): number {
    let expected = Math.max(LEAST, this.#estimate * Math.exp((this.#at - now) / DECAY))
    if (this.#oldest !== undefined) expected = Math.max(expected, now - this.#oldest.attempt.startedAt)
    return expected / this.#success
  }

  /** An attempt is about to be sent. @returns what `left` takes */
  began(attempt: Attempt): Waiting {
    const waiting: Waiting = { attempt, before: this.#newest, behind: undefined }
    if (this.#newest === undefined) this.#oldest = waiting
    else this.#newest.behind = waiting
    this.#newest = waiting
    return waiting
  }

  /** It waits for an answer no longer. */
  left({ before, behind }: Waiting): void {
    if (before === undefined) this.#oldest = behind
    else before.behind = behind
    if (behind === undefined) this.#newest = before
    else behind.before = before
  }

  /** An answer came after `ms`, or what counts as that. */
  took(ms: number): void {
    const now = this.#clock.now()
    if (ms >= this.#estimate) {
      this.#estimate = ms
    } else {
      const kept = Math.exp((this.#at - now) / DECAY)
      this.#estimate = this.#estimate * kept + ms * (1 - kept)
    }
    this.#at = now
  }

  /** It took at least `ms`, which says nothing where it is less than was expected. */
  tookAtLeast(ms: number): void {
    if (ms > this.#estimate) this.took(ms)
  }

  succeeded(): void {
    this.#success += GAIN * (1 - this.#success)
  }

  failed(): void {
    this.#success = Math.max(LEAST_SUCCESS, this.#success * (1 - GAIN))
  }
}
