import type { AttemptState } from '../../core/exchange/attempt.js'
import { Histogram } from './histogram.js'

/** What the client saw of one request. */
export interface Ended {
  /** ms, on the clock. */
  readonly startedAt: number
  readonly endedAt: number
  /** 0: it gave up before there was an answer. */
  readonly status: number
  readonly attempts: readonly AttemptState[]
}

/** What fell into one stretch of time. */
export class Window {
  /** Requests that clients made. */
  offered = 0
  /** Attempts that were sent, retries and hedges among them. */
  attempts = 0
  retries = 0
  hedges = 0
  /** Requests answered with a status under 400, by when that was. */
  good = 0
  /** Requests that ended otherwise, by when that was. */
  bad = 0
  /** Of the good ones that ended, from the client's call to the last byte, in ms. */
  readonly latency = new Histogram()
  /** Of the others that were answered. */
  readonly refusal = new Histogram()
}

/** Everything that clients saw, in all and over time. */
export class Tally {
  readonly all = new Window()
  readonly windows: Window[] = []
  /** Requests by what they were answered with; 0: the client gave up. */
  readonly statuses = new Map<number, number>()
  readonly windowMs: number
  readonly #from: number

  /**
   * @param windowMs how long a stretch is
   * @param from before which nothing is counted in `all`: the time until things have settled
   */
  constructor(windowMs: number, from: number) {
    this.windowMs = windowMs
    this.#from = from
  }

  began(at: number): void {
    this.#window(at).offered++
    if (at >= this.#from) this.all.offered++
  }

  ended({ startedAt, endedAt, status, attempts }: Ended): void {
    const ms = endedAt - startedAt
    count(this.#window(endedAt), status, ms)
    for (const attempt of attempts) attempted(this.#window(attempt.startedAt), attempt)
    if (startedAt < this.#from) return
    count(this.all, status, ms)
    for (const attempt of attempts) attempted(this.all, attempt)
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1)
  }

  /** Of the requests that ended, the part that ended well. */
  get success(): number {
    return this.all.good / (this.all.good + this.all.bad)
  }

  #window(at: number): Window {
    const index = Math.floor(at / this.windowMs)
    while (this.windows.length <= index) this.windows.push(new Window())
    return this.windows[index] as Window
  }
}

function count(window: Window, status: number, ms: number): void {
  if (status >= 200 && status < 400) {
    window.good++
    window.latency.add(ms)
  } else {
    window.bad++
    if (status !== 0) window.refusal.add(ms)
  }
}

function attempted(window: Window, { reason, call }: AttemptState): void {
  // One that a plugin let wait, and then refused, was never sent.
  if (call === undefined) return
  window.attempts++
  if (reason === 'hedge') window.hedges++
  else if (reason !== undefined) window.retries++
}
