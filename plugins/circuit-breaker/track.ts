import { RollingWindow } from '../../core/index.js'

export interface Rules {
  /** In a row; 0: however many. */
  readonly failures: number
  /** Above 0, to 1; undefined: whatever share. */
  readonly failureRate: number | undefined
  /** ms */
  readonly window: number
  readonly minRequests: number
}

/** How an endpoint, or a whole service, has done since its breaker was last closed. */
export class Track {
  /** When the breaker opened last, on the clock in ms. */
  openedAt = Number.NEGATIVE_INFINITY
  /** How often it has opened without closing. */
  openings = 0
  readonly #rules: Rules
  readonly #window: RollingWindow | undefined
  #inARow = 0

  constructor(rules: Rules) {
    this.#rules = rules
    this.#window = rules.failureRate === undefined ? undefined : new RollingWindow(rules.window)
  }

  served(now: number): void {
    this.#inARow = 0
    this.#window?.add(now, false)
  }

  /** @returns why the breaker is to open; undefined: it is not */
  failed(now: number): string | undefined {
    this.#inARow++
    this.#window?.add(now, true)
    const { failures, failureRate, minRequests } = this.#rules
    if (failures > 0 && this.#inARow >= failures) return `${this.#inARow} failures in a row`
    if (this.#window === undefined || failureRate === undefined) return undefined
    const { total, marked: failed } = this.#window
    if (total < minRequests || failed < failureRate * total) return undefined
    return `${failed} of ${total} requests failed`
  }

  opened(now: number): void {
    this.openedAt = now
    this.openings++
    this.#forget()
  }

  closed(): void {
    this.openings = 0
    this.#forget()
  }

  #forget(): void {
    this.#inARow = 0
    this.#window?.clear()
  }
}
