import type { Endpoint } from '../../core/index.js'

export interface Thresholds {
  readonly unhealthyAfter: number
  readonly healthyAfter: number
}

/** What a check has led to. */
interface Ruling {
  readonly change: 'healthy' | 'unhealthy' | undefined
  /** An ejection is over. */
  readonly restores: boolean
}

const NOTHING: Ruling = { change: undefined, restores: false }

/** What the checks have found out about one endpoint. Kept for as long as the endpoint is, over reloads. */
export class HealthRecord {
  readonly endpoint: Endpoint
  /** When its next check is due, on the clock in ms; undefined before one is planned. */
  dueAt: number | undefined = undefined
  /** When its last check began, on the clock in ms. */
  beganAt = Number.NEGATIVE_INFINITY
  /** Its check is under way, or waits for a place. */
  busy = false
  /** Its check comes early, because an attempt failed. */
  hinted = false
  /** Those who check it: after a reload the configuration before does too, until its last exchange has ended. */
  readonly checkers = new Set<object>()
  #out = false
  #shaken = false
  #everPassed = false
  #passed = 0
  #failed = 0
  #passedWhileEjected = 0

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint
  }

  /** Its checks took it out. */
  get out(): boolean {
    return this.#out
  }

  /** A check has failed, and not enough of them have passed since. */
  get inDoubt(): boolean {
    return this.#out || this.#shaken
  }

  /**
   * Before the first success a single check decides, either way: a service that is just starting gets no requests until it
   * answers, and then gets them at once.
   *
   * An ejection ends with the last of `healthyAfter` checks that passed in a row while it lasted. One that came early does
   * not count, or the very failures that led to the ejection would end it.
   *
   * @param ejected whether the endpoint is, now that its check has ended
   */
  judge(passed: boolean, ejected: boolean, { unhealthyAfter, healthyAfter }: Thresholds): Ruling {
    const first = !this.#everPassed
    if (!passed) {
      this.#failed++
      this.#passed = 0
      this.#passedWhileEjected = 0
      this.#shaken = true
      if (this.#out || !(first || this.#failed >= unhealthyAfter)) return NOTHING
      this.#out = true
      return { change: 'unhealthy', restores: false }
    }
    if (!ejected) this.#passedWhileEjected = 0
    else if (this.inDoubt || !this.hinted) this.#passedWhileEjected++
    const restores = ejected && this.#passedWhileEjected >= healthyAfter
    this.#everPassed = true
    this.#passed++
    this.#failed = 0
    if (!first && this.#passed < healthyAfter) return restores ? { change: undefined, restores } : NOTHING
    this.#shaken = false
    const change = this.#out ? 'healthy' : undefined
    this.#out = false
    return change !== undefined || restores ? { change, restores } : NOTHING
  }

  /** Nobody checks it any more: as if nobody ever had. */
  forget(): void {
    this.dueAt = undefined
    this.hinted = false
    this.#out = false
    this.#shaken = false
    this.#everPassed = false
    this.#passed = 0
    this.#failed = 0
    this.#passedWhileEjected = 0
  }
}
