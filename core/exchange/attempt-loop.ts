import { ProxyError } from '../errors.js'
import type { Reply, Retry } from '../hooks/decisions.js'
import type { Endpoint } from '../hooks/types.js'
import { EndpointState } from '../service/endpoint.js'
import type { Service } from '../service/service.js'
import { tellRecovery, tellTrouble } from '../service/trouble.js'
import { type AttemptOwner, AttemptState } from './attempt.js'
import { ExchangeState } from './exchange.js'
import { formatGrpcTimeout } from './grpc.js'
import { ResponseState } from './response.js'

/** Attempts of one exchange, whatever plugins ask for: what keeps a Retry without end from being one. */
const MAX_ATTEMPTS = 16

/** The part of an exchange's life that may come more than once: candidates, pick, attempt, outcome, and again. */
export abstract class AttemptLoop extends ExchangeState implements AttemptOwner {
  /** The number of the present step: an answer to an earlier one comes too late. */
  protected step = 0
  protected current: AttemptState | undefined
  /** The service of the present attempt: another than the route's after a failover. */
  protected service: Service | undefined
  #repeated = false

  abstract isBodiless(status: number): boolean
  abstract information(status: number, headers: string[]): void
  abstract relay(chunk: Buffer): boolean
  abstract relayed(trailers: string[]): void
  abstract broke(error: ProxyError): void
  abstract settled(attempt: AttemptState): void
  protected abstract fail(error: ProxyError): void
  protected abstract answer(reply: Reply): void
  protected abstract respond(response: ResponseState): void

  protected enter(): number {
    return ++this.step
  }

  protected try(service: Service, retry: Retry | undefined): void {
    this.service = service
    const hooks = this.pipeline.attemptHooks(service)
    let endpoint: Endpoint | undefined
    try {
      let endpoints: readonly Endpoint[] = this.#untried(service, retry)
      if (hooks.candidates !== undefined) endpoints = hooks.candidates.call(endpoints, this)
      endpoint = hooks.pick?.call(endpoints, this) ?? service.balance.pick(endpoints)
    } catch (error) {
      this.fail(error as ProxyError)
      return
    }
    if (!(endpoint instanceof EndpointState)) {
      this.fail(new ProxyError('NO_ENDPOINT', 'the service has no endpoint that can be used'))
      return
    }
    if (endpoint.inFlight >= endpoint.capacity) {
      this.fail(
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
    this.current = attempt
    this.attempts.push(attempt)
    // The service is told what is left of the time its caller gave, not what there was.
    if (retry !== undefined && this.callDeadline !== Number.POSITIVE_INFINITY)
      attempt.headers.set('grpc-timeout', formatGrpcTimeout(this.callDeadline - this.now()))
    if (hooks.attempt === undefined) {
      this.#upload(attempt)
      return
    }
    const step = this.enter()
    hooks.attempt.callAsync(attempt, this, (error, reply) => {
      if (step !== this.step) return
      if (error) this.fail(error as ProxyError)
      else if (reply !== undefined) this.answer(reply)
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
    const step = this.enter()
    this.upload.ready(() => {
      if (step === this.step) this.#send(attempt)
    })
  }

  #send(attempt: AttemptState): void {
    this.enter()
    const { request, upload } = this
    if (upload?.failure !== undefined) {
      this.fail(upload.failure)
      return
    }
    // A timeout past the exchange's own deadline would only ever come second.
    if (attempt.timeout < this.deadline - this.now()) this.deadlines.watch(attempt, attempt.timeout)
    attempt.call = attempt.endpoint.upstream.send(
      {
        method: request.method,
        path: request.query === '' ? request.path : request.path + request.query,
        headers: attempt.sentHeaders.flat,
        body: upload === undefined ? null : upload.open(),
        trailers: upload !== undefined && upload === this.clientBody ? this.downstream : undefined,
        acceptsTrailers: this.acceptsTrailers,
        upgrade: request.upgrade
      },
      attempt
    )
  }

  concluded(attempt: AttemptState): void {
    if (attempt !== this.current) return
    if (attempt.error?.code === 'UPSTREAM_RESET' && this.#repeat(attempt)) return
    const { endpoint, error } = attempt
    if (error !== undefined) tellTrouble(endpoint, error, this.now(), this.shared.log)
    else if (endpoint.trouble !== undefined) tellRecovery(endpoint, this.shared.log)
    const { outcome } = attempt.hooks
    if (outcome === undefined) {
      this.#decide(attempt)
      return
    }
    const step = this.enter()
    outcome.callAsync(attempt, this, (error) => {
      if (step !== this.step) return
      if (error) this.fail(error as ProxyError)
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
      this.fail(error)
      return
    }
    this.respond(ResponseState.ofUpstream(this, attempt))
  }

  /** What no plugin can switch off. */
  #mayRetry(retry: Retry): boolean {
    if (this.attempts.length >= MAX_ATTEMPTS) return false
    if (this.downstream.over || this.downstream.headersSent) return false
    if (this.upload !== undefined && !this.upload.replayable) return false
    return this.now() + retry.delay < this.deadline
  }

  #retry(attempt: AttemptState, retry: Retry): void {
    let service = this.service as Service
    if (retry.service !== undefined && retry.service !== service.name) {
      const other = this.pipeline.serviceNamed(retry.service)
      if (other === undefined) {
        const fields = { route: this.route.name, service: retry.service }
        this.shared.log.warn(fields, 'a Retry names a service that is not configured')
      } else {
        service = other
      }
    }
    // What the client goes on to send meanwhile is the next attempt's, and none of it may be lost on this one.
    this.upload?.detach()
    if (attempt.error !== undefined) attempt.conclude()
    else attempt.discard()
    this.current = undefined
    const step = this.enter()
    if (retry.delay <= 0) {
      this.try(service, retry)
      return
    }
    this.shared.clock.setTimeout(() => {
      if (step === this.step) this.try(service, retry)
    }, retry.delay)
  }

  /**
   * An upstream may close a connection just as a request goes out on it. Nobody decided on that attempt, so it is made
   * again at the same endpoint, once: whatever it is where the upstream said that it did not look at it (HTTP/2's GOAWAY
   * and REFUSED_STREAM), and otherwise where repeating is harmless by the method's own meaning.
   */
  #repeat(attempt: AttemptState): boolean {
    const { upload } = this
    const { method } = this.request
    const unseen = !attempt.sent && (upload === undefined || upload.replayable)
    const harmless =
      attempt.call?.stale === true &&
      upload === undefined &&
      (method === 'GET' || method === 'HEAD' || method === 'OPTIONS')
    if (this.#repeated || !(unseen || harmless)) return false
    this.#repeated = true
    attempt.repeat()
    this.#send(attempt)
    return true
  }
}
