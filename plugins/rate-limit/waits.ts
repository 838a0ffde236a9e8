import type { Clock, ClockTimer } from '../../core/index.js'

/** One that is waited for. It is its own list node. */
class Wait {
  /** @internal */ next: Wait | undefined = undefined
  /** On the clock, in ms. */
  readonly startedAt: number
  /** False once it has ended or was given up. */
  open = true
  readonly onLate: () => void

  constructor(startedAt: number, onLate: () => void) {
    this.startedAt = startedAt
    this.onLate = onLate
  }
}

/** Waits of one length, and one coarse timer for all of them, which runs only while there are any. */
export class Waits {
  readonly #clock: Clock
  readonly #ms: number
  readonly #tick: number
  #head: Wait | undefined
  #tail: Wait | undefined
  #ticker: ClockTimer | undefined
  #open = 0

  /** @param ms how long each may take; a fifth of it, 5 ms at the most, is how late the end may come */
  constructor(clock: Clock, ms: number) {
    this.#clock = clock
    this.#ms = ms
    this.#tick = Math.max(1, Math.min(5, ms / 5))
  }

  get size(): number {
    return this.#open
  }

  begin(onLate: () => void): Wait {
    const wait = new Wait(this.#clock.now(), onLate)
    if (this.#tail === undefined) this.#head = wait
    else this.#tail.next = wait
    this.#tail = wait
    this.#open++
    // What was busy with something else for a while has timers to run before sockets to read: the answer may be there.
    this.#ticker ??= this.#clock.setInterval(() => void setImmediate(() => this.#sweep()), this.#tick)
    return wait
  }

  /** @returns false where it was given up before */
  end(wait: Wait): boolean {
    if (!wait.open) return false
    wait.open = false
    this.#open--
    return true
  }

  /** Gives all of them up. */
  close(): void {
    this.#giveUp(Number.POSITIVE_INFINITY)
  }

  #sweep(): void {
    this.#giveUp(this.#clock.now() - this.#ms)
  }

  #giveUp(startedBy: number): void {
    for (let wait = this.#head; wait !== undefined; wait = this.#head) {
      if (wait.open && wait.startedAt > startedBy) return
      this.#head = wait.next
      if (this.#head === undefined) this.#tail = undefined
      if (this.end(wait)) wait.onLate()
    }
    this.#ticker?.cancel()
    this.#ticker = undefined
  }
}
