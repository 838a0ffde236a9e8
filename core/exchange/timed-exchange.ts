// What of an exchange's time runs when: until its answer begins it is the route's or the caller's own, while the client's
// body is waited for it stands, and from the answer on it is the pauses of whoever has to read.

import { ProxyError } from '../errors.js'
import { AttemptLoop } from './attempt-loop.js'
import type { ResponseWriter } from './writer.js'

export abstract class TimedExchange extends AttemptLoop {
  protected writer: ResponseWriter | undefined = undefined
  /** The client has it all, or is gone. */
  protected finished = false
  #writtenBefore = 0
  #clientAwaited = false

  /** A client that does not read holds up whoever answers, but not for ever. */
  heldUp(): void {
    if (this.callDeadline === Number.POSITIVE_INFINITY) this.deadlines.watch(this, this.entry.bodyTimeout)
  }

  /** It reads again. */
  protected readOn(): void {
    if (this.callDeadline === Number.POSITIVE_INFINITY) this.deadlines.unwatch(this)
  }

  override expire(): void {
    this.waiting?.cancel()
    if (this.writer !== undefined && this.callDeadline === Number.POSITIVE_INFINITY) {
      this.fail(new ProxyError('REQUEST_TIMEOUT', 'the client did not read the answer'))
      return
    }
    const whose = this.callDeadline > this.deadline ? 'its route' : 'its client'
    this.fail(new ProxyError('DEADLINE_EXCEEDED', `the request took longer than ${whose} allows`))
  }

  /**
   * While the client's body is waited for, neither the exchange's time nor the attempt's runs: the body's own pauses
   * are timed. It starts anew with what has arrived (as Envoy's route timeout starts with the request's end).
   */
  override awaitingClient(awaiting: boolean): void {
    if (this.finished || this.writer !== undefined || this.callDeadline !== Number.POSITIVE_INFINITY) return
    const attempt = this.current
    this.#clientAwaited = awaiting
    if (awaiting) {
      this.deadlines.unwatch(this)
      if (attempt !== undefined) this.deadlines.unwatch(attempt)
      return
    }
    this.countedFrom = this.now()
    this.deadline = this.countedFrom + this.timeLimit
    this.deadlines.watch(this, this.timeLimit)
    if (attempt?.call !== undefined && attempt.status === undefined) attempt.time(this.timeLimit)
  }

  protected override retime(): void {
    if (this.finished || this.writer !== undefined || this.#clientAwaited) return
    this.deadlines.watch(this, Math.max(0, this.deadline - this.now()))
  }

  override answersMeanwhile(): boolean {
    const written = this.writer?.written ?? 0
    const more = written > this.#writtenBefore
    this.#writtenBefore = written
    return more
  }
}
