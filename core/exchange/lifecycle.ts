// The life of an exchange, top to bottom: request, then for each attempt candidates, pick, attempt, outcome and
// settled, then response, or error before it, and finish. A step whose hooks are all sync runs on into the next in
// the same call. Whatever a plugin answers after the exchange has moved on (the client left, the deadline passed) is
// dropped: `enter` numbers the steps, and a step that is not the present one is over.

import { type ErrorCode, ProxyError } from '../errors.js'
import { Reply } from '../hooks/decisions.js'
import type { Result } from '../hooks/types.js'
import type { AttemptState } from './attempt.js'
import { AttemptLoop } from './attempt-loop.js'
import { ResponseState } from './response.js'
import { DRAIN_BYTES, DRAIN_MS, ResponseWriter } from './writer.js'

export class Lifecycle extends AttemptLoop {
  #response: ResponseState | undefined
  #writer: ResponseWriter | undefined
  #error: ProxyError | undefined
  #errorAsked = false
  #responseAsked = false
  #finished = false

  /** @param refusal why it goes no further than being refused: the route's plugins see it end all the same */
  start(refusal?: ProxyError): void {
    this.pipeline.enter()
    this.outgoing.on('close', () => this.#closed())
    // A pipelined request's response has no socket yet, and would not be told that the client left.
    if (this.outgoing.socket === null) this.incoming.socket.once('close', () => this.#closed())
    this.deadlines.watch(this, this.pipeline.timeout)
    if (refusal !== undefined) {
      this.fail(refusal)
      return
    }
    const { request } = this.pipeline.hooks
    if (request === undefined) {
      this.#serve()
      return
    }
    const step = this.enter()
    request.callAsync(this, this, (error, reply) => {
      if (step !== this.step) return
      if (error) this.fail(error as ProxyError)
      else if (reply !== undefined) this.answer(reply)
      else if (this.uploadTaken) this.#failStream('request')
      else this.#serve()
    })
  }

  #serve(): void {
    const { reply, service } = this.pipeline
    if (reply !== undefined) this.answer(reply)
    else if (service === undefined) this.fail(new ProxyError('NO_ROUTE', 'no route matches this request'))
    else this.try(service, undefined)
  }

  // The response

  protected override respond(response: ResponseState): void {
    this.#response = response
    const { hooks } = this.pipeline
    if (hooks.response === undefined || this.#responseAsked) {
      this.#deliver(response)
      return
    }
    this.#responseAsked = true
    const step = this.enter()
    hooks.response.callAsync(response, this, (error, reply) => {
      if (step !== this.step) return
      if (error) this.fail(error as ProxyError)
      else if (reply !== undefined) this.answer(reply)
      else if (response.body.taken) this.#failStream('response')
      else this.#deliver(response)
    })
  }

  #failStream(side: 'request' | 'response'): void {
    const message = `a plugin took the ${side} body as a stream and put nothing in its place`
    this.#failPlugin(new Error(message), message)
  }

  /** Which plugin it was is not known any more. */
  #failPlugin(cause: Error, message: string): void {
    this.shared.log.error({ route: this.route.name, error: cause }, message)
    this.fail(new ProxyError('PLUGIN_FAILED', 'a plugin failed', { cause }))
  }

  /** The proxy's own answer. */
  protected override answer(reply: Reply, error?: ProxyError): void {
    this.current?.cancel('discarded')
    this.current = undefined
    this.respond(ResponseState.ofReply(this, reply, error))
  }

  protected override fail(error: ProxyError): void {
    if (this.#finished) return
    this.#error = error
    this.current?.cancel()
    this.current = undefined
    if (this.outgoing.headersSent) {
      this.outgoing.destroy()
      return
    }
    const hook = this.pipeline.hooks.error
    if (hook === undefined || this.#errorAsked) {
      this.answer(this.#errorReply(error), error)
      return
    }
    this.#errorAsked = true
    const step = this.enter()
    hook.callAsync(error, this, (failure, reply) => {
      if (step !== this.step) return
      if (failure) {
        this.#error = failure as ProxyError
        this.answer(this.#errorReply(failure as ProxyError), failure as ProxyError)
      } else this.answer(reply ?? this.#errorReply(error), error)
    })
  }

  #errorReply(error: ProxyError): Reply {
    const headers = { ...error.headers, 'x-outrigger-error': error.code }
    return new Reply(error.status, { error: error.code, message: error.message, requestId: this.id }, headers)
  }

  #deliver(response: ResponseState): void {
    this.enter()
    // From here on the body's own pauses are timed, not the whole.
    this.deadlines.unwatch(this)
    const writer = new ResponseWriter(this, response)
    this.#writer = writer
    const { content, flow, streamed } = response.body
    const attempt = this.current
    if (content === undefined && flow === undefined && attempt?.end !== undefined) {
      // A plugin read past its budget and went on as if nothing were lost.
      this.fail(new ProxyError('BAD_UPSTREAM_RESPONSE', 'the response is larger than a plugin may hold'))
      return
    }
    if (flow?.errored) {
      this.#failPlugin(flow.errored, 'the stream that a plugin put in place of the response broke')
      return
    }
    if ((content !== undefined || flow !== undefined) && !streamed) {
      attempt?.discard()
      this.current = undefined
    }
    try {
      if (content !== undefined) writer.content(content)
      else if (flow !== undefined) writer.flow(flow)
      else {
        writer.head()
        attempt?.relay()
      }
    } catch (cause) {
      // A field that Node refuses to write: nothing has left yet.
      if (this.outgoing.headersSent) {
        this.outgoing.destroy()
        return
      }
      this.outgoing.statusMessage = ''
      this.fail(new ProxyError('BAD_UPSTREAM_RESPONSE', 'the response cannot be sent on as it is', { cause }))
    }
  }

  override isBodiless(status: number): boolean {
    return this.request.method === 'HEAD' || status === 204 || status === 304
  }

  override information(status: number, headers: string[]): void {
    ResponseWriter.information(this, status, headers)
  }

  override relay(chunk: Buffer): boolean {
    return (this.#writer as ResponseWriter).relay(chunk)
  }

  override relayed(trailers: string[]): void {
    ;(this.#writer as ResponseWriter).end(trailers)
  }

  /** The response writer has room again. */
  drained(): void {
    this.current?.resume()
  }

  override broke(error: ProxyError): void {
    this.#error = error
    if (this.outgoing.headersSent) this.outgoing.destroy()
    else this.fail(error)
  }

  override settled(attempt: AttemptState): void {
    attempt.hooks.settled?.call(attempt, this)
  }

  // The end

  override expire(): void {
    this.waiting?.cancel()
    this.fail(new ProxyError('DEADLINE_EXCEEDED', 'the request took longer than its route allows'))
  }

  /**
   * While the client's body is waited for, neither the exchange's time nor the attempt's runs: the body's own pauses
   * are timed. It starts anew with what has arrived (as Envoy's route timeout starts with the request's end).
   */
  override awaitingClient(awaiting: boolean): void {
    if (this.#finished || this.#writer !== undefined) return
    const attempt = this.current
    if (awaiting) {
      this.deadlines.unwatch(this)
      if (attempt !== undefined) this.deadlines.unwatch(attempt)
      return
    }
    this.deadline = this.now() + this.pipeline.timeout
    this.deadlines.watch(this, this.pipeline.timeout)
    if (attempt?.call !== undefined && attempt.status === undefined)
      this.deadlines.watch(attempt, attempt.timeout)
  }

  override bodyBroke(error: ProxyError): void {
    // A client that is gone is seen by the socket's close; what is left is one that is too slow or wrong.
    if (this.incoming.socket.destroyed || this.incoming.errored !== null) return
    this.fail(error)
  }

  /** The client has it all, or is gone. */
  #closed(): void {
    if (this.#finished) return
    this.#finished = true
    this.enter()
    this.waiting?.cancel()
    const { outgoing, clientBody } = this
    const complete = outgoing.writableFinished
    this.deadlines.unwatch(this)
    this.current?.cancel()
    this.end()
    if (complete && clientBody !== undefined && !clientBody.complete) {
      clientBody.drain(DRAIN_BYTES, DRAIN_MS, (whole) => {
        if (!whole) this.incoming.socket.destroy()
      })
    } else {
      clientBody?.abandon()
    }
    if (this.upload !== clientBody) this.upload?.abandon()
    this.#response?.body.flow?.destroy()
    if (this.pipeline.hooks.finish !== undefined)
      this.pipeline.hooks.finish.call(this.#result(complete), this)
    this.pipeline.leave()
  }

  #result(complete: boolean): Result {
    const error = this.#error
    const left = !complete && error === undefined
    const response = this.#response
    let code: ErrorCode | undefined = error?.code
    if (left) code = 'CLIENT_CLOSED'
    return {
      status: left || response === undefined ? 499 : response.status,
      code,
      error,
      duration: this.now() - this.startedAt,
      bytesIn: this.clientBody?.received ?? 0,
      bytesOut: this.#writer?.written ?? 0,
      endpoint: this.attempts.at(-1)?.endpoint,
      local: response?.local ?? true
    }
  }
}
