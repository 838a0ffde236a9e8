import type { BreakerState } from '../hooks/types.js'

/** Whether anything may be sent to an endpoint, or to a service: opened and closed by plugins, kept by the core. */
export class Breaker {
  state: BreakerState = 'closed'
  /** When it opens half, on the clock in ms. */
  until = 0
  /** Half open, and the one attempt that may go is under way: its number; 0 when there is none. */
  probe = 0
  #probes = 0
  /** Which plugin opened it. */
  owner: string | undefined = undefined
  /** Why it opened. */
  reason: string | undefined = undefined

  trip(until: number, reason: string | undefined): void {
    this.state = 'open'
    this.until = until
    this.reason = reason ?? 'tripped'
    this.probe = 0
  }

  reset(): void {
    this.state = 'closed'
    this.until = 0
    this.probe = 0
    this.reason = undefined
  }

  /** Lets its state follow the time. @returns whether an attempt may go */
  admits(now: number): boolean {
    if (this.state === 'closed') return true
    if (this.state === 'open') {
      if (now < this.until) return false
      this.state = 'half-open'
    }
    return this.probe === 0
  }

  /** An attempt goes. @returns of a half-open one the number of the probe, which `probed` is owed; else undefined */
  begin(): number | undefined {
    if (this.state !== 'half-open') return undefined
    this.probe = ++this.#probes
    return this.probe
  }

  /**
   * A probe has ended. One that was served closes a breaker that no plugin has decided on: whoever opened it may be gone. Of one
   * that decided nothing the next takes the place; and one that did decide may end when another is under way.
   *
   * @returns whether it has closed it
   */
  probed(probe: number, served: boolean): boolean {
    if (this.probe !== probe) return false
    this.probe = 0
    if (served) this.reset()
    return served
  }
}

/** What an attempt owes the half-open breakers that let it through. */
export interface Probe {
  readonly breaker: Breaker
  readonly number: number
}
