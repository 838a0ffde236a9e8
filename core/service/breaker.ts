import type { BreakerState } from '../hooks/types.js'

/** Whether anything may be sent to an endpoint, or to a service: opened and closed by plugins, kept by the core. */
export class Breaker {
  state: BreakerState = 'closed'
  /** When it opens half, on the clock in ms. */
  until = 0
  /** Half open, and the one attempt that may go is under way. */
  probing = false
  /** Why it opened. */
  reason: string | undefined = undefined

  trip(until: number, reason: string | undefined): void {
    this.state = 'open'
    this.until = until
    this.reason = reason ?? 'tripped'
    this.probing = false
  }

  reset(): void {
    this.state = 'closed'
    this.until = 0
    this.probing = false
    this.reason = undefined
  }

  /** Lets its state follow the time. @returns whether an attempt may go */
  admits(now: number): boolean {
    if (this.state === 'closed') return true
    if (this.state === 'open') {
      if (now < this.until) return false
      this.state = 'half-open'
    }
    return !this.probing
  }

  /** An attempt goes. @returns whether it is the probe of a half-open one, and then `probed` is owed */
  begin(): boolean {
    if (this.state !== 'half-open') return false
    this.probing = true
    return true
  }

  /** The probe has ended, whatever was made of it: of one that decided nothing, the next takes the place. */
  probed(): void {
    this.probing = false
  }
}
