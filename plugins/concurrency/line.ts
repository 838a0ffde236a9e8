import { HIGHEST } from './priority.js'

/** One that waits. It is its own list node, so that it leaves from the middle of a line at no cost. */
export abstract class Waiter {
  /** From 0 to 9. */
  readonly priority: number
  /** @internal */ before: Waiter | undefined = undefined
  /** @internal */ after: Waiter | undefined = undefined

  constructor(priority: number) {
    this.priority = priority
  }
}

interface Ends<W> {
  first: W | undefined
  last: W | undefined
}

/** Those that wait: the highest priority first, and of one priority whoever came first. */
export class Line<W extends Waiter> {
  readonly #levels: Ends<W>[] = Array.from({ length: HIGHEST + 1 }, () => ({
    first: undefined,
    last: undefined
  }))
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Whose turn it is. */
  first(): W | undefined {
    for (let priority = HIGHEST; priority >= 0; priority--) {
      const { first } = this.#levels[priority] as Ends<W>
      if (first !== undefined) return first
    }
    return undefined
  }

  /** Whose turn comes last. */
  last(): W | undefined {
    for (let priority = 0; priority <= HIGHEST; priority++) {
      const { last } = this.#levels[priority] as Ends<W>
      if (last !== undefined) return last
    }
    return undefined
  }

  push(waiter: W): void {
    const level = this.#levels[waiter.priority] as Ends<W>
    waiter.before = level.last
    if (level.last === undefined) level.first = waiter
    else level.last.after = waiter
    level.last = waiter
    this.#size++
  }

  /** @param waiter one that waits here */
  remove(waiter: W): void {
    const level = this.#levels[waiter.priority] as Ends<W>
    if (waiter.before === undefined) level.first = waiter.after as W | undefined
    else waiter.before.after = waiter.after
    if (waiter.after === undefined) level.last = waiter.before as W | undefined
    else waiter.after.before = waiter.before
    waiter.before = waiter.after = undefined
    this.#size--
  }
}
