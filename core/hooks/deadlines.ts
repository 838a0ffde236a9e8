import type { Clock, ClockTimer } from './clock.js'

/** How late a deadline may fire, in ms: the price of having no timer per call. */
const TICK = 20

/** Something that may run out of time. It is its own list node, so that watching it allocates nothing. */
export abstract class Deadline {
  /** @internal */ dueAt = 0
  /** @internal */ list: DeadlineList | undefined = undefined
  /** @internal */ before: Deadline | undefined = undefined
  /** @internal */ after: Deadline | undefined = undefined

  /** The time is up. The deadline is already off its list. */
  abstract expire(): void
}

/** Deadlines of one length: those added first are due first, so a sweep looks at the head alone. */
class DeadlineList {
  readonly ms: number
  head: Deadline | undefined = undefined
  tail: Deadline | undefined = undefined

  constructor(ms: number) {
    this.ms = ms
  }

  push(deadline: Deadline): void {
    deadline.list = this
    deadline.before = this.tail
    if (this.tail === undefined) this.head = deadline
    else this.tail.after = deadline
    this.tail = deadline
  }

  remove(deadline: Deadline): void {
    if (deadline.before === undefined) this.head = deadline.after
    else deadline.before.after = deadline.after
    if (deadline.after === undefined) this.tail = deadline.before
    else deadline.after.before = deadline.before
    deadline.list = deadline.before = deadline.after = undefined
  }
}

/** One coarse timer for every hook, attempt and exchange. It runs only while something is watched. */
export class Deadlines {
  readonly #clock: Clock
  readonly #lists = new Map<number, DeadlineList>()
  #ticker: ClockTimer | undefined
  #watched = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Watches for `ms` from now; watching again starts anew. Infinity is not watched. */
  watch(deadline: Deadline, ms: number): void {
    this.unwatch(deadline)
    if (ms === Number.POSITIVE_INFINITY) return
    const length = Math.max(0, Math.ceil(ms / TICK) * TICK)
    let list = this.#lists.get(length)
    if (list === undefined) this.#lists.set(length, (list = new DeadlineList(length)))
    deadline.dueAt = this.#clock.now() + ms
    list.push(deadline)
    this.#watched++
    this.#ticker ??= this.#clock.setInterval(() => this.#sweep(), TICK)
  }

  unwatch(deadline: Deadline): void {
    if (deadline.list === undefined) return
    deadline.list.remove(deadline)
    this.#watched--
  }

  #sweep(): void {
    const now = this.#clock.now()
    for (const list of this.#lists.values()) {
      let deadline = list.head
      while (deadline !== undefined && deadline.dueAt <= now) {
        list.remove(deadline)
        this.#watched--
        deadline.expire()
        deadline = list.head
      }
      if (list.head === undefined) this.#lists.delete(list.ms)
    }
    if (this.#watched === 0) {
      this.#ticker?.cancel()
      this.#ticker = undefined
    }
  }
}
