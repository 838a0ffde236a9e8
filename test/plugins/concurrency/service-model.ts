// A service that works on so many requests at once and lets the rest queue in it, behind a gate: discrete events on a clock
// of their own, so that a minute of overload takes a moment and comes out the same every time.
import type { Clock, Limit } from '../../../core/index.js'
import { Gate, type Terms } from '../../../plugins/concurrency/gate.js'

/** A seeded source of chance (mulberry32): from 0 to less than 1. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

interface Event {
  readonly at: number
  readonly order: number
  happen: (() => void) | undefined
}

/** What happens next is at the top of a binary heap. */
class Agenda implements Clock {
  readonly #heap: Event[] = []
  #now = 0
  #order = 0

  now(): number {
    return this.#now
  }

  wallTime(): number {
    return this.#now
  }

  setTimeout(happen: () => void, ms: number) {
    const event: Event = { at: this.#now + ms, order: this.#order++, happen }
    const heap = this.#heap
    let i = heap.push(event) - 1
    while (i > 0) {
      const above = (i - 1) >> 1
      if (isBefore(heap[above] as Event, event)) break
      heap[i] = heap[above] as Event
      i = above
    }
    heap[i] = event
    return { cancel: () => void (event.happen = undefined) }
  }

  setInterval(): never {
    throw new Error('nothing here repeats')
  }

  sleep(): never {
    throw new Error('nothing here sleeps')
  }

  async runUntil(end: number): Promise<void> {
    for (let event = this.#heap[0]; event !== undefined && event.at <= end; event = this.#heap[0]) {
      this.#takeFirst()
      if (event.happen === undefined) continue
      this.#now = event.at
      event.happen()
      // Whoever's turn came goes on at the same time.
      await null
    }
    this.#now = end
  }

  #takeFirst(): void {
    const heap = this.#heap
    const last = heap.pop() as Event
    if (heap.length === 0) return
    let i = 0
    for (;;) {
      let below = 2 * i + 1
      if (below >= heap.length) break
      if (below + 1 < heap.length && isBefore(heap[below + 1] as Event, heap[below] as Event)) below++
      if (isBefore(last, heap[below] as Event)) break
      heap[i] = heap[below] as Event
      i = below
    }
    heap[i] = last
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}

class CountedLimit implements Limit {
  readonly name = 'concurrency'
  max: number
  used = 0
  waiting = 0
  refused = 0

  constructor(max: number) {
    this.max = max
  }

  take(): boolean {
    if (this.used >= this.max) {
      this.refused++
      return false
    }
    this.used++
    return true
  }

  release(): void {
    this.used--
  }

  refuse(): void {
    this.refused++
  }
}

export interface Scenario {
  /** What the service works on at once. */
  readonly workers: number
  /** ms that one request takes there. */
  readonly work: (random: () => number, now: number) => number
  /** Requests a second that come, each independent of the others. */
  readonly arrivals: (now: number) => number
  /** ms after which a client has given up: an answer later than that is no use. */
  readonly patience?: number
  /** Without: nothing is limited. */
  readonly limit?: Terms['limit']
  readonly queue?: number
  readonly seed?: number
}

export interface Period {
  /** Answers in time, a second. */
  readonly goodput: number
  /** ms, of those. */
  readonly p50: number
  readonly p99: number
  /** As a share of what came. */
  readonly refused: number
  /** At the end. */
  readonly limit: number
}

export class ServiceModel {
  readonly #scenario: Scenario
  readonly #random: () => number
  readonly #agenda = new Agenda()
  readonly #limit: CountedLimit
  readonly #gate: Gate<object>
  readonly #terms: Terms
  readonly #queue: (() => void)[] = []
  #busy = 0
  #latencies: number[] = []
  #came = 0
  #refused = 0

  constructor(scenario: Scenario) {
    const { limit = Number.POSITIVE_INFINITY, queue, seed = 1 } = scenario
    this.#scenario = scenario
    this.#random = seeded(seed)
    this.#limit = new CountedLimit(0)
    this.#gate = new Gate(this.#limit, this.#agenda)
    this.#terms = { limit, queue, timeout: 1_000, random: this.#random }
    this.#gate.accept(this.#terms)
    this.#arrive()
  }

  /** @param ms that pass */
  async run(ms: number): Promise<Period> {
    this.#latencies = []
    this.#came = this.#refused = 0
    await this.#agenda.runUntil(this.#agenda.now() + ms)
    const sorted = Float64Array.from(this.#latencies).sort()
    const at = (fraction: number) => sorted[Math.floor(fraction * sorted.length)] ?? Number.POSITIVE_INFINITY
    return {
      goodput: (sorted.length / ms) * 1_000,
      p50: at(0.5),
      p99: at(0.99),
      refused: this.#refused / this.#came,
      limit: this.#limit.max
    }
  }

  #arrive(): void {
    const { arrivals } = this.#scenario
    const rate = arrivals(this.#agenda.now())
    this.#agenda.setTimeout(
      () => {
        this.#request()
        this.#arrive()
      },
      (-Math.log(1 - this.#random()) * 1_000) / rate
    )
  }

  #request(): void {
    const who = {}
    const cameAt = this.#agenda.now()
    const { signal } = LASTING
    this.#came++
    try {
      const turn = this.#gate.enter(who, { signal }, 5, this.#terms)
      if (turn === undefined) this.#send(who, cameAt)
      else turn.then(() => this.#send(who, cameAt)).catch(() => void this.#refused++)
    } catch {
      this.#refused++
    }
  }

  #send(who: object, cameAt: number): void {
    const sentAt = this.#agenda.now()
    const begin = () => {
      this.#busy++
      const takes = this.#scenario.work(this.#random, this.#agenda.now())
      this.#agenda.setTimeout(() => {
        this.#busy--
        this.#queue.shift()?.()
        const now = this.#agenda.now()
        if (now - cameAt <= (this.#scenario.patience ?? Number.POSITIVE_INFINITY))
          this.#latencies.push(now - cameAt)
        this.#gate.answered(who, now - sentAt)
        this.#gate.leave(who)
      }, takes)
    }
    if (this.#busy < this.#scenario.workers) begin()
    else this.#queue.push(begin)
  }
}

/** No client here leaves, and nobody hears of it if one did. */
const LASTING = {
  signal: { addEventListener: () => {}, removeEventListener: () => {} } as unknown as AbortSignal
}
