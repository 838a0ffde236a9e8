// The life of an exchange, top to bottom: request, then for each attempt candidates, pick, attempt, outcome and
// settled, then response, or error before it, and finish. A step whose hooks are all sync runs on into the next in
// the same call. Whatever a plugin answers after the exchange has moved on (the client left, the deadline passed) is
// dropped: `enter` numbers the steps, and a step that is not the present one is over.

import { ProxyError } from '../errors.js'
import { type Reply, Retry } from '../hooks/decisions.js'
import type { AttemptState } from './attempt.js'
import { grpcMessage, grpcStatusOf } from './grpc.js'
import { errorReply, isGrpcReply, ResponseState } from './response.js'
import { type Ending, resultOf } from './result.js'
import { TimedExchange } from './timed-exchange.js'
import { UpgradedExchange } from './upgraded-exchange.js'
import { DRAIN_BYTES, DRAIN_MS, ResponseWriter } from './writer.js'

export class Lifecycle extends TimedExchange {
  #response: ResponseState | undefined
  #error: ProxyError | undefined
  #errorAsked = false
  #responseAsked = false
  #upgraded: UpgradedExchange | undefined
  /** Every plugin's `request` has let it pass. */
  #admitted = false

  /** @param refusal why it goes no further than being refused: the route's plugins see it end all the same */
  start(refusal?: ProxyError): void {
    this.pipeline.enter()
    this.entry.exchanges++
    // Where plugins see the messages, no extension may change what they look like.
    if (this.request.upgrade !== undefined && this.pipeline.upgradeHooks !== undefined)
      this.request.headers.delete('sec-websocket-extensions')
    this.downstream.attach(this)
    this.deadlines.watch(this, this.timeLimit)
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
    this.#admitted = true
    const { pipeline, target } = this
    if (pipeline.reply !== undefined && target === pipeline.service) this.answer(pipeline.reply)
    else if (target === undefined) this.fail(new ProxyError('NO_ROUTE', 'no route matches this request'))
    else this.try(target, undefined)
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

  /** Both sides have agreed to change protocols: from here on there are no requests between them. */
  #tunnel(response: ResponseState, attempt: AttemptState): void {
    const upstream = attempt.takeSocket()
    if (upstream === undefined) {
      this.fail(new ProxyError('UPSTREAM_RESET', 'the service closed the connection it had upgraded'))
      return
    }
    const { flat } = response.headers
    flat.push('connection', 'Upgrade', 'upgrade', this.request.upgrade as string)
    const client = this.downstream.upgrade(flat)
    this.#upgraded = new UpgradedExchange(this, attempt, client, upstream, attempt.idleTimeout)
    this.current = undefined
    this.#upgraded.start()
  }

  /** `Server-Timing`: what of the time until now was the service's, and what was ours. Whole tenths of a ms. */
  timing(): string {
    const upstream = this.current?.latency ?? 0
    const own = Math.max(0, this.now() - this.startedAt - upstream)
    return `upstream;dur=${upstream.toFixed(1)}, outrigger;dur=${own.toFixed(1)}`
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
    this.drop('discarded')
    // What plugins and the core say is said for HTTP; a gRPC client reads its status alone.
    const plain = this.grpc && !isGrpcReply(reply)
    this.respond(
      plain ? ResponseState.ofGrpcReply(this, reply, error) : ResponseState.ofReply(this, reply, error)
    )
  }

  protected override fail(error: ProxyError): void {
    if (this.finished) return
    this.#error = error
    this.drop()
    if (this.downstream.headersSent) {
      this.#breakOff(error)
      return
    }
    const hook = this.pipeline.hooks.error
    if (hook === undefined || this.#errorAsked) {
      this.answer(errorReply(error, this.id), error)
      return
    }
    this.#errorAsked = true
    const step = this.enter()
    hook.callAsync(error, this, (failure, decision) => {
      if (step !== this.step) return
      if (failure) {
        this.#error = failure as ProxyError
        this.answer(errorReply(failure as ProxyError, this.id), failure as ProxyError)
      } else if (!Retry.is(decision)) {
        this.answer(decision ?? errorReply(error, this.id), error)
      } else if (this.#admitted && this.#response === undefined && this.mayRetry(decision)) {
        // What comes of it may fail anew, and is asked about anew.
        this.#errorAsked = false
        this.#error = undefined
        this.again(decision)
      } else {
        this.answer(errorReply(error, this.id), error)
      }
    })
  }

  #deliver(response: ResponseState): void {
    this.enter()
    // From here on the body's own pauses are timed, and the whole only where the client itself gave it a time.
    this.deadlines.unwatch(this)
    if (this.callDeadline !== Number.POSITIVE_INFINITY && !response.local)
      this.deadlines.watch(this, this.callDeadline - this.now())
    const writer = new ResponseWriter(this, response)
    this.writer = writer
    const { content, flow, streamed } = response.body
    const attempt = this.current
    if (response.status === 101 && attempt !== undefined) {
      this.#tunnel(response, attempt)
      return
    }
    if (attempt?.status === 101 && content === undefined && flow === undefined) {
      // A plugin thought better of it: what the upstream goes on to say is no answer to this.
      response.body.refuse()
      this.#deliver(response)
      return
    }
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
      if (content !== undefined) {
        writer.content(content)
        this.downstream.timeUnread(this.entry.bodyTimeout)
      } else if (flow !== undefined) writer.flow(flow)
      else {
        writer.head(attempt?.final === true, attempt?.contentLength === undefined || this.grpc)
        attempt?.relay()
      }
    } catch (cause) {
      // A field that Node refuses to write: nothing has left yet.
      if (this.downstream.headersSent) {
        this.downstream.destroy()
        return
      }
      this.fail(new ProxyError('BAD_UPSTREAM_RESPONSE', 'the response cannot be sent on as it is', { cause }))
    }
  }

  /** An answer has begun and cannot be completed. */
  #breakOff(error: ProxyError): void {
    // gRPC's status comes last, so it can still be told the truth.
    if (this.grpc && this.downstream.multiplexed && this.#response?.trailing === true) {
      const status = String(grpcStatusOf(error.status, error.code))
      this.downstream.end(undefined, ['grpc-status', status, 'grpc-message', grpcMessage(error.message)])
      return
    }
    this.downstream.destroy()
  }

  override isBodiless(status: number): boolean {
    return this.request.method === 'HEAD' || status === 204 || status === 304
  }

  override information(status: number, headers: string[]): void {
    // What one says that may lose is no word of the answer's.
    if (!this.racing) this.downstream.information(status, headers)
  }

  override relay(chunk: Buffer): boolean {
    const room = (this.writer as ResponseWriter).relay(chunk)
    if (!room) this.heldUp()
    return room
  }

  override relayed(trailers: string[]): void {
    ;(this.writer as ResponseWriter).end(trailers)
    this.downstream.timeUnread(this.entry.bodyTimeout)
  }

  /** What can still be told is: a service that is busy, as a client that tries again takes it. */
  cut(): void {
    if (!this.finished) this.fail(new ProxyError('OVERLOADED', 'the proxy is ending'))
  }

  /** The client reads on. */
  drained(): void {
    this.readOn()
    if (this.writer?.drained() === true) return
    this.current?.resume()
  }

  override broke(error: ProxyError): void {
    this.#error = error
    if (this.downstream.headersSent) this.#breakOff(error)
    else this.fail(error)
  }

  override settled(attempt: AttemptState): void {
    attempt.hooks.settled?.call(attempt, this)
  }

  // The end

  override bodyBroke(error: ProxyError): void {
    // A client that is gone is seen by the close; what is left is one that is too slow or wrong.
    if (this.downstream.gone) return
    this.fail(error)
  }

  /** The client has it all, or is gone. */
  closed(): void {
    if (this.finished) return
    this.finished = true
    this.enter()
    this.waiting?.cancel()
    const { downstream, clientBody } = this
    const complete = downstream.finished
    this.deadlines.unwatch(this)
    this.drop()
    this.end()
    const { finish } = this.pipeline.hooks
    if (finish !== undefined) {
      const ending: Ending = {
        response: this.#response,
        error: this.#error,
        upgraded: this.#upgraded,
        written: this.writer?.written ?? 0,
        complete
      }
      finish.call(resultOf(this, ending), this)
    }
    if (complete && clientBody !== undefined && !clientBody.complete && !downstream.multiplexed) {
      clientBody.drain(DRAIN_BYTES, DRAIN_MS, (whole) => {
        if (!whole) downstream.hangUp()
      })
    } else {
      clientBody?.abandon()
    }
    if (this.upload !== clientBody) this.upload?.abandon()
    this.#response?.body.flow?.destroy()
    this.entry.exchanges--
    this.pipeline.leave()
  }
}
