import { type Clock, type ClockTimer, type Limit, ProxyError } from '../../core/index.js'
import { AdaptiveLimit, type AdaptiveOptions } from './adaptive-limit.js'
import { Cohort } from './cohort.js'
import { Line, Waiter } from './line.js'

/** What one configuration says of a gate. */
export interface Terms {
  /** How many may wait; undefined: half as many as may go at once, and 50 at most. */
  readonly queue: number | undefined
  /** ms that one may wait. */
  readonly timeout: number
  /** A limit that stays, or how one is found. */
  readonly limit: number | AdaptiveOptions
  /** From 0 to less than 1. */
  readonly random: () => number
}

interface Leaving {
  readonly signal: AbortSignal
}

const LONGEST_QUEUE = 50

/** Holds a place and nothing more is to be learnt from it. */
const NOTHING = null

class Turn<K> extends Waiter {
  readonly who: K
  readonly #resolve: () => void
  readonly #reject: (error: ProxyError) => void
  readonly #signal: AbortSignal
  readonly #timer: ClockTimer
  readonly #left: () => void

  constructor(
    who: K,
    priority: number,
    times: { readonly timer: (turn: Turn<K>) => ClockTimer; readonly signal: AbortSignal },
    left: (turn: Turn<K>) => void,
    settle: { readonly resolve: () => void; readonly reject: (error: ProxyError) => void }
  ) {
    super(priority)
    this.who = who
    this.#resolve = settle.resolve
    this.#reject = settle.reject
    this.#signal = times.signal
    this.#timer = times.timer(this)
    this.#left = () => left(this)
    this.#signal.addEventListener('abort', this.#left, { once: true })
  }

  come(): void {
    this.#stop()
    this.#resolve()
  }

  refuse(): void {
    this.#stop()
    this.#reject(overloaded())
  }

  #stop(): void {
    this.#timer.cancel()
    this.#signal.removeEventListener('abort', this.#left)
  }
}

/**
 * Lets in as many at once as a limit says; others wait in a line. One gate stands for one limit, over reloads: what goes on
 * under an old configuration makes room under the new one.
 *
 * @typeParam K what holds a place: an attempt or an exchange
 */
export class Gate<K extends object> {
  readonly #limit: Limit
  readonly #clock: Clock
  readonly #line = new Line<Turn<K>>()
  /** Everyone inside, with what is to be learnt from them, and everyone who waits. */
  readonly #known = new Map<K, Cohort | typeof NOTHING | Turn<K>>()
  #adaptive: AdaptiveLimit | undefined
  #options: AdaptiveOptions | undefined

  constructor(limit: Limit, clock: Clock) {
    this.#limit = limit
    this.#clock = clock
  }

  /** From now on these terms hold. What was found out about the service stays, where it is sought in the same way. */
  accept({ limit, random }: Terms): void {
    if (typeof limit === 'number') {
      this.#adaptive = this.#options = undefined
      this.#limit.max = limit
      this.#callNext()
      return
    }
    if (!isSame(limit, this.#options)) this.#adaptive = new AdaptiveLimit(limit, random, this.#clock.now())
    this.#options = limit
    this.#follow()
  }

  /**
   * @param exchange whose signal tells when nobody waits for the place any more
   * @returns at once where there is room; else a promise, which rejects with OVERLOADED when there was none in time
   * @throws ProxyError OVERLOADED where the line is full of those that are no less urgent
   */
  enter(who: K, exchange: Leaving, priority: number, terms: Terms): Promise<void> | undefined {
    if (this.#line.size === 0 && this.#hasRoom()) {
      this.#admit(who)
      return undefined
    }
    const longest = terms.queue ?? Math.min(LONGEST_QUEUE, Math.ceil(this.#limit.max / 2))
    if (this.#line.size >= longest) {
      const last = this.#line.last()
      if (last === undefined || last.priority >= priority) {
        this.#limit.refuse()
        throw overloaded()
      }
      this.#turnAway(last)
    }
    return this.#wait(who, exchange.signal, priority, terms.timeout)
  }

  /** It was answered. @param latency in ms, from when it was sent; undefined: it says nothing of how busy the service is */
  answered(who: K, latency: number | undefined): void {
    const cohort = this.#known.get(who)
    if (!(cohort instanceof Cohort)) return
    this.#known.set(who, NOTHING)
    if (latency === undefined) this.#adaptive?.dropped(cohort)
    else this.#adaptive?.answered(cohort, latency, this.#clock.now())
    this.#follow()
  }

  /** Gives its place back, or its turn up. @param waited ms, of one that was never answered */
  leave(who: K, waited?: number): void {
    const known = this.#known.get(who)
    if (known === undefined) return
    if (known instanceof Turn) {
      this.#forget(known)
      return
    }
    if (known instanceof Cohort) {
      // It would have taken longer still. Of one that left early nobody knows.
      const unloaded = this.#adaptive?.unloaded ?? Number.POSITIVE_INFINITY
      this.answered(who, waited !== undefined && waited > unloaded ? waited : undefined)
    }
    this.#known.delete(who)
    this.#limit.release()
    this.#callNext()
  }

  #hasRoom(): boolean {
    return this.#limit.used < this.#limit.max
  }

  #admit(who: K): void {
    this.#limit.take()
    const cohort = this.#adaptive?.admitted(this.#clock.now(), this.#limit.used)
    this.#known.set(who, cohort ?? NOTHING)
    if (this.#adaptive !== undefined) this.#limit.max = this.#adaptive.limit
  }

  #follow(): void {
    if (this.#adaptive === undefined) return
    this.#limit.max = this.#adaptive.limit
    this.#callNext()
  }

  #callNext(): void {
    while (this.#line.size > 0 && this.#hasRoom()) {
      const turn = this.#line.first() as Turn<K>
      this.#takeOut(turn)
      this.#admit(turn.who)
      turn.come()
    }
  }

  #wait(who: K, signal: AbortSignal, priority: number, timeout: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = (turn: Turn<K>) => this.#clock.setTimeout(() => this.#turnAway(turn), timeout)
      const left = (turn: Turn<K>) => this.#forget(turn)
      const turn = new Turn(who, priority, { timer, signal }, left, { resolve, reject })
      this.#known.set(who, turn)
      this.#line.push(turn)
      this.#limit.waiting = this.#line.size
    })
  }

  #takeOut(turn: Turn<K>): void {
    this.#line.remove(turn)
    this.#limit.waiting = this.#line.size
  }

  #turnAway(turn: Turn<K>): void {
    this.#limit.refuse()
    this.#forget(turn)
  }

  #forget(turn: Turn<K>): void {
    this.#takeOut(turn)
    this.#known.delete(turn.who)
    turn.refuse()
  }
}

function isSame(one: AdaptiveOptions, other: AdaptiveOptions | undefined): boolean {
  return (
    other !== undefined &&
    one.min === other.min &&
    one.max === other.max &&
    one.buffer === other.buffer &&
    one.interval === other.interval
  )
}

function overloaded(): ProxyError {
  return new ProxyError('OVERLOADED', 'too many requests are under way', { headers: { 'retry-after': '1' } })
}
