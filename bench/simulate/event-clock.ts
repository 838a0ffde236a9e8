import { type Clock, type ClockTimer, sleepOn } from '../../core/hooks/clock.js'

/** What happens at a time. It is its own entry in the calendar, so that most of what happens allocates nothing for it. */
export abstract class Happening {
  /** @internal When, on the clock. */ at = 0
  /** @internal Of two at the same time the one that was planned first comes first. */ order = 0
  /** @internal Where it stands in the heap; -1: it is not planned. */ place = -1
  /** @internal */ clock: EventClock | undefined = undefined

  abstract happen(): void
}

class Timer extends Happening implements ClockTimer {
  readonly #callback: () => void
  readonly #every: number | undefined

  constructor(callback: () => void, every: number | undefined) {
    super()
    this.#callback = callback
    this.#every = every
  }

  happen(): void {
    // Planned first, so that the callback can cancel it.
    if (this.#every !== undefined) this.clock?.plan(this, this.#every)
    this.#callback()
  }

  cancel(): void {
    this.clock?.unplan(this)
  }
}

/** After so many happenings the process gets to see to itself. */
const BREATH = 1 << 16

/**
 * Time that jumps from one happening to the next. The calendar is a binary heap, so that planning and taking the next
 * cost the logarithm of what is planned. Starts at 0, and at 2025-01-01 by the wall.
 */
export class EventClock implements Clock {
  readonly #heap: Happening[] = []
  readonly #soon: Happening[] = []
  #now = 0
  #order = 0
  #happened = 0

  now(): number {
    return this.#now
  }

  wallTime(): number {
    return 1_735_689_600_000 + this.#now
  }

  setTimeout(callback: () => void, ms: number): ClockTimer {
    return this.#timer(callback, ms, undefined)
  }

  setInterval(callback: () => void, ms: number): ClockTimer {
    return this.#timer(callback, ms, Math.max(1, ms))
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal)
  }

  /** How much has happened so far. */
  get happened(): number {
    return this.#happened
  }

  /** How much is planned. */
  get planned(): number {
    return this.#heap.length
  }

  /** In `ms` from now. What is planned already is planned anew. */
  plan(happening: Happening, ms: number): void {
    if (happening.place !== -1) this.unplan(happening)
    happening.clock = this
    happening.at = this.#now + Math.max(0, ms)
    happening.order = this.#order++
    this.#rise(happening, this.#heap.length)
  }

  /** At this time still, when what is happening has happened: for what must not be told from within. */
  soon(happening: Happening): void {
    this.#soon.push(happening)
  }

  unplan(happening: Happening): void {
    const { place } = happening
    if (place === -1 || happening.clock !== this) return
    happening.place = -1
    const last = this.#heap.pop() as Happening
    if (last === happening) return
    if (place > 0 && before(last, this.#heap[(place - 1) >> 1] as Happening)) this.#rise(last, place)
    else this.#sink(last, place)
  }

  /**
   * Lets happen what is planned up to a time, that time included, and leaves the clock there.
   *
   * Between two happenings all promises are let settle, however long their chains: what `process.nextTick` is given in a
   * microtask runs when no microtask is left, which costs a tenth of a turn of Node's loop.
   *
   * @param done asked before each: true, and it ends where it is
   * @returns rejects with what a happening throws
   */
  run(until: number, done: () => boolean = () => false): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = () => {
        try {
          if (done()) {
            resolve()
            return
          }
          if (!this.#next(until)) {
            this.#now = Math.max(this.#now, until)
            resolve()
            return
          }
        } catch (error) {
          reject(error)
          return
        }
        if (this.#happened % BREATH === 0) setImmediate(step)
        else queueMicrotask(settled)
      }
      // Called in a tick, `process.nextTick` would let the next step overtake every promise.
      const settled = () => process.nextTick(step)
      queueMicrotask(settled)
    })
  }

  #next(until: number): boolean {
    // Asked for between two happenings, by what a promise led to.
    if (this.#soon.length > 0) {
      this.#finish()
      return true
    }
    const next = this.#heap[0]
    if (next === undefined || next.at > until) return false
    this.unplan(next)
    this.#happened++
    this.#now = next.at
    next.happen()
    this.#finish()
    return true
  }

  #finish(): void {
    const soon = this.#soon
    for (let i = 0; i < soon.length; i++) (soon[i] as Happening).happen()
    soon.length = 0
  }

  #timer(callback: () => void, ms: number, every: number | undefined): ClockTimer {
    const timer = new Timer(callback, every)
    this.plan(timer, ms)
    return timer
  }

  #rise(happening: Happening, from: number): void {
    const heap = this.#heap
    let at = from
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent] as Happening
      if (!before(happening, above)) break
      heap[at] = above
      above.place = at
      at = parent
    }
    heap[at] = happening
    happening.place = at
  }

  #sink(happening: Happening, from: number): void {
    const heap = this.#heap
    const { length } = heap
    let at = from
    for (;;) {
      let child = 2 * at + 1
      if (child >= length) break
      const right = child + 1
      if (right < length && before(heap[right] as Happening, heap[child] as Happening)) child = right
      const below = heap[child] as Happening
      if (!before(below, happening)) break
      heap[at] = below
      below.place = at
      at = child
    }
    heap[at] = happening
    happening.place = at
  }
}

function before(one: Happening, other: Happening): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}
