// The life of an exchange, top to bottom: request, then for each attempt candidates, pick, attempt, outcome and
// settled, then response, or error before it, and finish. A step whose hooks are all sync runs on into the next in
// the same call. Whatever a plugin answers after the exchange has moved on (the client left, the deadline passed) is
// dropped: `#enter` numbers the steps, and a step that is not the present one is over.

import { type ErrorCode, ProxyError } from '../errors.js'
import { Reply, type Retry } from '../hooks/decisions.js'
import type { Endpoint, Result } from '../hooks/types.js'
import { EndpointState } from '../service/endpoint.js'
import type { Service } from '../service/service.js'
import { type AttemptOwner, AttemptState } from './attempt.js'
import { ExchangeState } from './exchange.js'
import { ResponseState } from './response.js'
import { DRAIN_BYTES, DRAIN_MS, ResponseWriter } from './writer.js'

/** Attempts of one exchange, whatever plugins ask for: what keeps a Retry without end from being one. */
const MAX_ATTEMPTS = 16

export class Lifecycle extends ExchangeState implements AttemptOwner {
  #step = 0
  #attempt: AttemptState | undefined
  #service: Service | undefined
  #response: ResponseState | undefined
  #writer: ResponseWriter | undefined
  #error: ProxyError | undefined
  #errorAsked = false
  #responseAsked = false
  #staleRetried = false
  #finished = false

  /** @param refusal why it goes no further than being refused: the route's plugins see it end all the same */
  start(refusal?: ProxyError): void {
    this.pipeline.enter()
    this.outgoing.on('close', () => this.#closed())
    this.deadlines.watch(this, this.pipeline.timeout)
    if (refusal !== undefined) {
      this.#fail(refusal)
      return
    }
    const { request } = this.pipeline.hooks
    if (request === undefined) {
      this.#serve()
      return
    }
    const step = this.#enter()
    request.callAsync(this, this, (error, reply) => {
      if (step !== this.#step) return
      if (error) this.#fail(error as ProxyError)
      else if (reply !== undefined) this.#answer(reply)
      else this.#serve()
    })
  }

  #serve(): void {
    const { reply, service } = this.pipeline
    if (reply !== undefined) this.#answer(reply)
    else if (service === undefined) this.#fail(new ProxyError('NO_ROUTE', 'no route matches this request'))
    else this.#try(service, undefined)
  }

  // Attempts

  #try(service: Service, retry: Retry | undefined): void {
    this.#service = service
    const hooks = this.pipeline.attemptHooks(service)
    let endpoint: Endpoint | undefined
    try {
      let endpoints: readonly Endpoint[] = this.#untried(service, retry)
      if (hooks.candidates !== undefined) endpoints = hooks.candidates.call(endpoints, this)
      endpoint = hooks.pick?.call(endpoints, this) ?? service.balance.pick(endpoints)
    } catch (error) {
      this.#fail(error as ProxyError)
      return
    }
    if (!(endpoint instanceof EndpointState)) {
      this.#fail(new ProxyError('NO_ENDPOINT', 'the service has no endpoint that can be used'))
      return
    }
    if (endpoint.inFlight >= endpoint.capacity) {
      this.#fail(
        new ProxyError('OVERLOADED', 'the service is at its limit', { headers: { 'retry-after': '1' } })
      )
      return
    }
    const { headers } = this.request
    const attempt = new AttemptState(
      this,
      this.attempts.length + 1,
      service.name,
      endpoint,
      hooks,
      headers,
      retry?.reason
    )
    this.#attempt = attempt
    this.attempts.push(attempt)
    if (hooks.attempt === undefined) {
      this.#upload(attempt)
      return
    }
    const step = this.#enter()
    hooks.attempt.callAsync(attempt, this, (error, reply) => {
      if (step !== this.#step) return
      if (error) this.#fail(error as ProxyError)
      else if (reply !== undefined) this.#answer(reply)
      else this.#upload(attempt)
    })
  }

  /** The service's usable endpoints, less those already tried where others remain. */
  #untried(service: Service, retry: Retry | undefined): readonly EndpointState[] {
    const usable = service.usable()
    if (retry === undefined || !retry.avoidTried) return usable
    const fresh = usable.filter((endpoint) => !this.attempts.some((attempt) => attempt.endpoint === endpoint))
    return fresh.length === 0 ? usable : fresh
  }

  #upload(attempt: AttemptState): void {
    if (this.upload === undefined) {
      this.#send(attempt)
      return
    }
    const step = this.#enter()
    this.upload.ready(() => {
      if (step === this.#step) this.#send(attempt)
    })
  }

  #send(attempt: AttemptState): void {
    this.#enter()
    const { request, upload } = this
    // A timeout past the exchange's own deadline would only ever come second.
    if (attempt.timeout < this.deadline - this.now()) this.deadlines.watch(attempt, attempt.timeout)
    attempt.call = attempt.endpoint.upstream.send(
      {
        method: request.method,
        path: request.query === '' ? request.path : request.path + request.query,
        headers: attempt.sentHeaders.flat,
        body: upload === undefined ? null : upload.open()
      },
      attempt
    )
  }

  concluded(attempt: AttemptState): void {
    if (attempt !== this.#attempt) return
    if (attempt.call?.stale === true && this.#repeatStale(attempt)) return
    const { outcome } = attempt.hooks
    if (outcome === undefined) {
      this.#decide(attempt)
      return
    }
    const step = this.#enter()
    outcome.callAsync(attempt, this, (error) => {
      if (step !== this.#step) return
      if (error) this.#fail(error as ProxyError)
      else this.#decide(attempt)
    })
  }

  #decide(attempt: AttemptState): void {
    const { retry, error } = attempt
    if (retry !== undefined && this.#mayRetry(retry)) {
      this.#retry(attempt, retry)
      return
    }
    if (error !== undefined) {
      attempt.conclude()
      this.#fail(error)
      return
    }
    this.#respond(ResponseState.ofUpstream(this, attempt))
  }

  /** What no plugin can switch off. */
  #mayRetry(retry: Retry): boolean {
    if (this.attempts.length >= MAX_ATTEMPTS) return false
    if (this.outgoing.destroyed || this.outgoing.headersSent) return false
    if (this.upload !== undefined && !this.upload.replayable) return false
    return this.now() + retry.delay < this.deadline
  }

  #retry(attempt: AttemptState, retry: Retry): void {
    let service = this.#service as Service
    if (retry.service !== undefined && retry.service !== service.name) {
      const other = this.pipeline.serviceNamed(retry.service)
      if (other === undefined) {
        const fields = { route: this.route.name, service: retry.service }
        this.shared.log.warn(fields, 'a Retry names a service that is not configured')
      } else {
        service = other
      }
    }
    if (attempt.error !== undefined) attempt.conclude()
    else attempt.discard()
    this.#attempt = undefined
    const step = this.#enter()
    if (retry.delay <= 0) {
      this.#try(service, retry)
      return
    }
    this.shared.clock.setTimeout(() => {
      if (step === this.#step) this.#try(service, retry)
    }, retry.delay)
  }

  /**
   * An upstream may close an idle connection just as a request goes out on it. Nobody decided on that attempt, so it
   * is made again at the same endpoint, once, where repeating is harmless by the method's own meaning.
   */
  #repeatStale(attempt: AttemptState): boolean {
    const { method } = this.request
    if (
      this.#staleRetried ||
      this.upload !== undefined ||
      (method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS')
    ) {
      return false
    }
    this.#staleRetried = true
    attempt.repeat()
    this.#send(attempt)
    return true
  }

  // The response

  #respond(response: ResponseState): void {
    this.#response = response
    const { hooks } = this.pipeline
    if (hooks.response === undefined || this.#responseAsked) {
      this.#deliver(response)
      return
    }
    this.#responseAsked = true
    const step = this.#enter()
    hooks.response.callAsync(response, this, (error, reply) => {
      if (step !== this.#step) return
      if (error) this.#fail(error as ProxyError)
      else if (reply !== undefined) this.#answer(reply)
      else if (response.body.taken) {
        const cause = new Error('a plugin took the response body as a stream and put nothing in its place')
        this.shared.log.error({ route: this.route.name, err: cause }, 'the response cannot be sent')
        this.#fail(new ProxyError('PLUGIN_FAILED', 'a plugin failed', { cause }))
      } else this.#deliver(response)
    })
  }

  /** The proxy's own answer. */
  #answer(reply: Reply, error?: ProxyError): void {
    this.#attempt?.cancel('discarded')
    this.#attempt = undefined
    this.#respond(ResponseState.ofReply(this, reply, error))
  }

  #fail(error: ProxyError): void {
    if (this.#finished) return
    this.#error = error
    this.#attempt?.cancel()
    this.#attempt = undefined
    if (this.outgoing.headersSent) {
      this.outgoing.destroy()
      return
    }
    const hook = this.pipeline.hooks.error
    if (hook === undefined || this.#errorAsked) {
      this.#answer(this.#errorReply(error), error)
      return
    }
    this.#errorAsked = true
    const step = this.#enter()
    hook.callAsync(error, this, (failure, reply) => {
      if (step !== this.#step) return
      if (failure) {
        this.#error = failure as ProxyError
        this.#answer(this.#errorReply(failure as ProxyError), failure as ProxyError)
      } else this.#answer(reply ?? this.#errorReply(error), error)
    })
  }

  #errorReply(error: ProxyError): Reply {
    const headers = { ...error.headers, 'x-outrigger-error': error.code }
    return new Reply(error.status, { error: error.code, message: error.message, requestId: this.id }, headers)
  }

  #deliver(response: ResponseState): void {
    this.#enter()
    // From here on the body's own pauses are timed, not the whole.
    this.deadlines.unwatch(this)
    const writer = new ResponseWriter(this, response)
    this.#writer = writer
    const { content, flow } = response.body
    const attempt = this.#attempt
    if (content !== undefined || flow !== undefined) {
      attempt?.discard()
      this.#attempt = undefined
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
      this.#fail(
        new ProxyError('BAD_UPSTREAM_RESPONSE', 'the response cannot be sent on as it is', { cause })
      )
    }
  }

  information(status: number, headers: string[]): void {
    ResponseWriter.information(this, status, headers)
  }

  relay(chunk: Buffer): boolean {
    return (this.#writer as ResponseWriter).relay(chunk)
  }

  relayed(trailers: string[]): void {
    ;(this.#writer as ResponseWriter).end(trailers)
  }

  /** The response writer has room again. */
  drained(): void {
    this.#attempt?.resume()
  }

  broke(error: ProxyError): void {
    this.#error = error
    if (this.outgoing.headersSent) this.outgoing.destroy()
    else this.#fail(error)
  }

  settled(attempt: AttemptState): void {
    attempt.hooks.settled?.call(attempt, this)
  }

  // The end

  override expire(): void {
    this.#fail(new ProxyError('DEADLINE_EXCEEDED', 'the request took longer than its route allows'))
  }

  /**
   * While the client's body is waited for, neither the exchange's time nor the attempt's runs: the body's own pauses
   * are timed. It starts anew with what has arrived (as Envoy's route timeout starts with the request's end).
   */
  override awaitingClient(awaiting: boolean): void {
    if (this.#finished || this.#writer !== undefined) return
    const attempt = this.#attempt
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
    this.#fail(error)
  }

  #enter(): number {
    return ++this.#step
  }

  /** The client has it all, or is gone. */
  #closed(): void {
    if (this.#finished) return
    this.#finished = true
    this.#enter()
    const { outgoing, clientBody } = this
    const complete = outgoing.writableFinished
    this.deadlines.unwatch(this)
    this.#attempt?.cancel()
    this.end()
    if (complete && clientBody !== undefined && !clientBody.complete) {
      clientBody.drain(DRAIN_BYTES, DRAIN_MS, (whole) => {
        if (!whole) this.incoming.socket.destroy()
      })
    } else {
      clientBody?.abandon()
    }
    if (this.upload !== clientBody) this.upload?.abandon()
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
