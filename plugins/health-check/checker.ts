import { setMaxListeners } from 'node:events'
import type { Clock, ClockTimer, CounterCell, Endpoint, Limit, ServiceHandle } from '../../core/index.js'
import type { Probe, Verdict } from './probe.js'
import type { HealthRecord, Thresholds } from './record.js'

/** ms between the first checks of a new list's endpoints, where an interval has room for as much. */
const FIRST_GAP = 50
/** A turn is a fifth of the shorter interval, within these bounds, in ms. */
const SHORTEST_TURN = 10
const LONGEST_TURN = 100
/** The part of `unhealthyInterval` that is waited where both a check and an attempt failed last. */
const CORROBORATED = 0.1

export interface CheckerOptions extends Thresholds {
  /** ms */
  readonly interval: number
  /** ms */
  readonly unhealthyInterval: number
  /** From 0 to 1. */
  readonly jitter: number
  readonly restoreEjected: boolean
}

export interface CheckerParts {
  readonly service: ServiceHandle
  readonly recordOf: (endpoint: Endpoint) => HealthRecord
  readonly probe: Probe
  readonly clock: Clock
  readonly random: () => number
  /** Checks under way at once. */
  readonly places: Limit
  readonly passed: CounterCell
  readonly failed: CounterCell
}

/**
 * Checks every endpoint of a service in its turn. One timer looks for what is due, so that ten thousand endpoints are no more
 * timers than one; the endpoints' times are what is spread.
 */
export class Checker {
  readonly #options: CheckerOptions
  readonly #parts: CheckerParts
  readonly #timer: ClockTimer
  readonly #abort = new AbortController()
  #endpoints: readonly Endpoint[] = []
  #records: readonly HealthRecord[] = []
  /**
   * Due, and waiting for a place. Those in doubt wait by themselves and take turns with the others, so that a thousand that
   * hang for the whole timeout do not hold up the checks of those that serve, nor the other way round.
   */
  readonly #settled: Queue = new Queue()
  readonly #inDoubt: Queue = new Queue()
  #doubtNext = false

  constructor(options: CheckerOptions, parts: CheckerParts) {
    this.#options = options
    this.#parts = parts
    // Each check under way listens; past ten Node would take it for a leak.
    setMaxListeners(0, this.#abort.signal)
    // At once, so that what is known outlives the configuration before, which may retire before the first turn.
    this.#take(parts.service.endpoints, parts.clock.now())
    const turn = Math.min(options.interval, options.unhealthyInterval) / 5
    const every = Math.max(SHORTEST_TURN, Math.min(LONGEST_TURN, turn))
    this.#timer = parts.clock.setInterval(() => this.#turn(), every)
  }

  /**
   * An attempt on it failed: it is looked after at once, though no sooner after its last check than one in doubt is. Where that
   * check failed too, there is less to wait for. Of a service with one endpoint there is no other to be used instead, and
   * whoever restarts within a second is not to be out for longer than that.
   */
  hint(endpoint: Endpoint): void {
    const record = this.#parts.recordOf(endpoint)
    if (record.dueAt === undefined || record.busy || record.out || this.#records.length === 1) return
    const now = this.#parts.clock.now()
    const { unhealthyInterval } = this.#options
    const dueAt = record.beganAt + (record.inDoubt ? unhealthyInterval * CORROBORATED : unhealthyInterval)
    if (dueAt < record.dueAt) {
      record.dueAt = dueAt
      record.hinted = true
    }
    if (record.dueAt > now || !this.#isNewestOn(record)) return
    this.#queue(record)
    this.#fill()
  }

  /** Ends the checks that are under way. What only they kept out comes back in. */
  close(): void {
    this.#timer.cancel()
    this.#abort.abort()
    for (const record of [...this.#settled.drain(), ...this.#inDoubt.drain()]) record.busy = false
    for (const record of this.#records) this.#leave(record)
    this.#records = []
    this.#parts.places.waiting = 0
  }

  #turn(): void {
    const { service, clock } = this.#parts
    const now = clock.now()
    if (service.endpoints !== this.#endpoints) this.#take(service.endpoints, now)
    for (const record of this.#records) {
      if (record.busy || (record.dueAt as number) > now || !this.#isNewestOn(record)) continue
      this.#queue(record)
    }
    this.#fill()
  }

  #queue(record: HealthRecord): void {
    record.busy = true
    ;(record.inDoubt ? this.#inDoubt : this.#settled).push(record)
  }

  /** A list of endpoints that is new: those that came are spread over an interval, those that left are let go. */
  #take(endpoints: readonly Endpoint[], now: number): void {
    const { recordOf, random } = this.#parts
    const before = new Set(this.#records)
    this.#endpoints = endpoints
    this.#records = endpoints.map(recordOf)
    const fresh = this.#records.filter(({ dueAt }) => dueAt === undefined)
    const gap = Math.min(FIRST_GAP, this.#options.interval / fresh.length)
    for (const [i, record] of fresh.entries()) record.dueAt = now + (i === 0 ? 0 : (i - random()) * gap)
    for (const record of this.#records) {
      // What a configuration before this one planned may lie hours ahead.
      if ((record.dueAt as number) > now + this.#options.interval)
        record.dueAt = now + random() * this.#options.interval
      record.checkers.add(this)
      before.delete(record)
    }
    for (const record of before) this.#leave(record)
  }

  #leave(record: HealthRecord): void {
    if (!record.checkers.delete(this) || record.checkers.size > 0) return
    const { out, endpoint } = record
    record.forget()
    if (out) this.#parts.service.mark(endpoint, 'healthy', 'it is not checked any more')
  }

  #isNewestOn(record: HealthRecord): boolean {
    let newest: object | undefined
    for (const checker of record.checkers) newest = checker
    return newest === this
  }

  #fill(): void {
    const { places } = this.#parts
    while (places.used < places.max) {
      const [first, second] = this.#doubtNext
        ? [this.#inDoubt, this.#settled]
        : [this.#settled, this.#inDoubt]
      const record = first.shift() ?? second.shift()
      if (record === undefined || !places.take()) break
      this.#doubtNext = !this.#doubtNext
      // It may have left the service while it waited.
      if (record.checkers.has(this)) this.#check(record)
      else this.#free(record)
    }
    places.waiting = this.#settled.size + this.#inDoubt.size
  }

  #check(record: HealthRecord): void {
    const { probe, clock } = this.#parts
    record.beganAt = clock.now()
    void probe(record.endpoint, this.#abort.signal).then((verdict) => {
      this.#free(record)
      if (this.#abort.signal.aborted) return
      if (record.checkers.has(this)) this.#learn(record, verdict)
      this.#fill()
    })
  }

  #free(record: HealthRecord): void {
    record.busy = false
    this.#parts.places.release()
  }

  #learn(record: HealthRecord, { passed, reason }: Verdict): void {
    const { service, clock, random } = this.#parts
    const { interval, unhealthyInterval, jitter, restoreEjected } = this.#options
    const { endpoint } = record
    const now = clock.now()
    const { change, restores } = record.judge(passed, endpoint.ejectedUntil > now, this.#options)
    ;(passed ? this.#parts.passed : this.#parts.failed).inc()
    record.hinted = false
    const wait = (record.inDoubt ? unhealthyInterval : interval) * (1 - jitter * random())
    record.dueAt = Math.max(now, record.beganAt + wait)
    if (change !== undefined) service.mark(endpoint, change, reason)
    // Marks are cleared when a reload takes any plugin off the service: what is out stays out.
    else if (!passed && record.out && endpoint.healthy) service.mark(endpoint, 'unhealthy', reason)
    if (restores && restoreEjected) service.restore(endpoint)
  }
}

/** First in, first out, without moving what waits: lists of ten thousand come and go. */
class Queue {
  #items: HealthRecord[] = []
  #next = 0

  get size(): number {
    return this.#items.length - this.#next
  }

  push(record: HealthRecord): void {
    this.#items.push(record)
  }

  shift(): HealthRecord | undefined {
    const record = this.#items[this.#next]
    if (record === undefined) return undefined
    this.#next++
    if (this.#next === this.#items.length) {
      this.#items = []
      this.#next = 0
    }
    return record
  }

  drain(): HealthRecord[] {
    const left = this.#items.slice(this.#next)
    this.#items = []
    this.#next = 0
    return left
  }
}
