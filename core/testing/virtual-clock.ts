import { type Clock, type ClockTimer, sleepOn } from '../hooks/clock.js'

interface Timer {
  dueAt: number
  readonly every: number | undefined
  readonly callback: () => void
  readonly order: number
}

/** Time that moves only when it is told to. Starts at 0, and at 2025-01-01 by the wall. */
export class VirtualClock implements Clock {
  readonly #timers = new Set<Timer>()
  #now = 0
  #order = 0

  now(): number {
    return this.#now
  }

  wallTime(): number {
    return 1_735_689_600_000 + this.#now
  }

  setTimeout(callback: () => void, ms: number): ClockTimer {
    return this.#add(callback, ms, undefined)
  }

  setInterval(callback: () => void, ms: number): ClockTimer {
    return this.#add(callback, ms, Math.max(1, ms))
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal)
  }

  /** Moves on by `ms`, calling what falls due in its order; between two of them, promises are let settle. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms
    await settle()
    for (let timer = this.#next(until); timer !== undefined; timer = this.#next(until)) {
      this.#now = Math.max(this.#now, timer.dueAt)
      if (timer.every === undefined) this.#timers.delete(timer)
      else timer.dueAt += timer.every
      timer.callback()
      await settle()
    }
    this.#now = until
  }

  /** Milliseconds to the next one-shot timer; undefined when there is none. */
  get nextTimeout(): number | undefined {
    let next: number | undefined
    for (const { every, dueAt } of this.#timers) {
      if (every === undefined && (next === undefined || dueAt < next)) next = dueAt
    }
    return next === undefined ? undefined : Math.max(0, next - this.#now)
  }

  #add(callback: () => void, ms: number, every: number | undefined): ClockTimer {
    const timer: Timer = { dueAt: this.#now + Math.max(0, ms), every, callback, order: this.#order++ }
    this.#timers.add(timer)
    return { cancel: () => void this.#timers.delete(timer) }
  }

  #next(until: number): Timer | undefined {
    let next: Timer | undefined
    for (const timer of this.#timers) {
      if (timer.dueAt > until) continue
      if (
        next === undefined ||
        timer.dueAt < next.dueAt ||
        (timer.dueAt === next.dueAt && timer.order < next.order)
      ) {
        next = timer
      }
    }
    return next
  }
}

/** Lets promises, and streams that work through them, come to rest. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
}
