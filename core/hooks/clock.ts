/** Time, so that tests can turn it by hand. */
export interface Clock {
  /** Milliseconds from an arbitrary start; never goes back. */
  now(): number
  /** Milliseconds since 1970. */
  wallTime(): number
  /** Calls `callback` once after `ms`. The timer does not keep the process alive. */
  setTimeout(callback: () => void, ms: number): ClockTimer
  /** Calls `callback` every `ms`. The timer does not keep the process alive. */
  setInterval(callback: () => void, ms: number): ClockTimer
  /** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export interface ClockTimer {
  cancel(): void
}

class SystemTimer implements ClockTimer {
  readonly #timer: NodeJS.Timeout
  constructor(timer: NodeJS.Timeout) {
    this.#timer = timer.unref()
  }
  cancel(): void {
    clearTimeout(this.#timer)
  }
}

/** Resolves through any clock, so that a virtual one needs only the two timers. */
export function sleepOn(clock: Pick<Clock, 'setTimeout'>, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const timer = clock.setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    const onAbort = () => {
      timer.cancel()
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  setTimeout: (callback, ms) => new SystemTimer(setTimeout(callback, ms)),
  setInterval: (callback, ms) => new SystemTimer(setInterval(callback, ms)),
  sleep: (ms, signal) => sleepOn(systemClock, ms, signal)
}
