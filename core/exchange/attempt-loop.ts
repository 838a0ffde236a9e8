import { ProxyError } from '../errors.js'
import type { Reply, Retry } from '../hooks/decisions.js'
import type { AttemptHooks } from '../hooks/hook-set.js'
import type { AttemptEnd, Endpoint } from '../hooks/types.js'
import { EndpointState } from '../service/endpoint.js'
import type { Service } from '../service/service.js'
import { tellRecovery, tellTrouble } from '../service/trouble.js'
import { type AttemptOwner, AttemptState } from './attempt.js'
import { ExchangeState } from './exchange.js'
import { formatGrpcTimeout } from './grpc.js'
import { ResponseState } from './response.js'

/** Tries of one exchange, whatever plugins ask for: what keeps a Retry without end from being one. */
const MAX_TRIES = 16

/** Endpoints from which on a list is not looked through for those that were not tried, unless so many picks have found none. */
const MANY = 32
const TRIES = 3

const NONE: readonly AttemptState[] = []

/**
 * The part of an exchange's life that may come more than once: candidates, pick, attempt, outcome, and again. With hedging
 * several attempts are under way at once; an answer of a plugin about one that no longer is comes too late.
 */
export abstract class AttemptLoop extends ExchangeState implements AttemptOwner {
  /** The number of the present step: an answer to an earlier one comes too late. */
  protected step = 0
  /** The latest attempt under way, or the one whose answer goes out. */
  protected current: AttemptState | undefined
  /** The others that are under way. */
  #rivals = NONE
  #tries = 0
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
    this.target = service
    this.#tries++
    const chosen = this.#choose(service, retry?.avoidTried ?? false)
    if (chosen instanceof EndpointState) this.#begin(service, chosen, retry?.reason)
    else this.fail(chosen)
  }

  /** Which of several attempts the client hears is not known yet. */
  protected get racing(): boolean {
    return this.#rivals.length > 0
  }

  /** None of the attempts is wanted any more. */
  protected drop(end: AttemptEnd = 'cancelled'): void {
    const { current } = this
    const rivals = this.#rivals
    this.current = undefined
    this.#rivals = NONE
    current?.cancel(end)
    for (const rival of rivals) rival.cancel(end)
  }

  /** @returns why there is none */
  #choose(service: Service, avoidTried: boolean): EndpointState | ProxyError {
    const refusal = service.refusal(this.#wasTried(service))
    if (refusal !== undefined) return refusal
    const usable = service.usable(this)
    if (usable.length === 0) return service.unavailable()
    const hooks = this.pipeline.attemptHooks(service)
    let endpoint: Endpoint | undefined
    try {
      endpoint = avoidTried ? this.#pickFresh(service, hooks, usable) : this.#pick(service, hooks, usable)
      if (endpoint instanceof EndpointState && endpoint.inFlight >= endpoint.capacity)
        return this.#roomier(service, hooks, usable)
    } catch (error) {
      return error as ProxyError
    }
    return endpoint instanceof EndpointState
      ? endpoint
      : new ProxyError('NO_ENDPOINT', 'the service has no endpoint that can be used')
  }

  #pick(service: Service, hooks: AttemptHooks, from: readonly Endpoint[]): Endpoint | undefined {
    const endpoints = hooks.candidates === undefined ? from : hooks.candidates.call(from, this)
    return hooks.pick?.call(endpoints, this) ?? service.balance.pick(endpoints)
  }

  #pickFresh(service: Service, hooks: AttemptHooks, usable: readonly EndpointState[]): Endpoint | undefined {
    // Of many hardly one was tried: what plugins keep by the list is of use for as long as it is the same list.
    for (let i = 0; usable.length > MANY && i < TRIES; i++) {
      const endpoint = this.#pick(service, hooks, usable)
      if (this.#isFresh(endpoint)) return endpoint
    }
    return this.#pick(service, hooks, this.#untried(usable))
  }

  /** The one that was picked is full. */
  #roomier(
    service: Service,
    hooks: AttemptHooks,
    usable: readonly EndpointState[]
  ): EndpointState | ProxyError {
    const endpoints = hooks.candidates === undefined ? usable : hooks.candidates.call(usable, this)
    const roomier = (endpoints as readonly EndpointState[]).find(
      ({ inFlight, capacity }) => inFlight < capacity
    )
    return roomier ?? service.overloaded()
  }

  #isFresh(endpoint: Endpoint | undefined): boolean {
    return endpoint !== undefined && !this.attempts.some((attempt) => attempt.endpoint === endpoint)
  }

  /** Those that were not tried yet, where there are any. */
  #untried(usable: readonly EndpointState[]): readonly EndpointState[] {
    const fresh = usable.filter((endpoint) => !this.attempts.some((attempt) => attempt.endpoint === endpoint))
    return fresh.length === 0 ? usable : fresh
  }

  #begin(service: Service, endpoint: EndpointState, reason: string | undefined): void {
    const hooks = this.pipeline.attemptHooks(service)
    const number = this.attempts.length + 1
    const { headers } = this.request
    const again = this.#wasTried(service)
    const attempt = new AttemptState(this, number, service, endpoint, hooks, headers, reason, again)
    this.current = attempt
    this.attempts.push(attempt)
    // The service is told what is left of the time its caller gave, not what there was.
    if (reason !== undefined && this.callDeadline !== Number.POSITIVE_INFINITY)
      attempt.headers.set('grpc-timeout', formatGrpcTimeout(this.callDeadline - this.now()))
    if (hooks.attempt === undefined) {
      this.#upload(attempt)
      return
    }
    this.enter()
    hooks.attempt.callAsync(attempt, this, (error, reply) => {
      if (!this.#isLive(attempt)) return
      if (error && this.#rivals.length > 0) this.#giveUp(attempt)
      else if (error) this.fail(error as ProxyError)
      else if (reply !== undefined) this.answer(reply)
      else this.#upload(attempt)
    })
  }

  #wasTried(service: Service): boolean {
    return this.attempts.some(({ target }) => target === service)
  }

  #isLive(attempt: AttemptState): boolean {
    return attempt === this.current || this.#rivals.includes(attempt)
  }

  #upload(attempt: AttemptState): void {
    if (this.upload === undefined) {
      this.#send(attempt)
      return
    }
    this.upload.ready(() => {
      if (this.#isLive(attempt)) this.#send(attempt)
    })
  }

  #send(attempt: AttemptState): void {
    this.enter()
    const { request, upload } = this
    if (upload?.failure !== undefined) {
      this.fail(upload.failure)
      return
    }
    // What plugins made it wait for is no part of how long the endpoint takes.
    attempt.startedAt = this.now()
    attempt.time(this.deadline - attempt.startedAt)
    attempt.call = attempt.endpoint.upstream.send(
      {
        method: request.method,
        path: request.query === '' ? request.path : request.path + request.query,
        headers: attempt.sentHeaders.flat,
        body: upload === undefined ? null : upload.open(),
        trailers: upload !== undefined && upload === this.clientBody ? this.downstream : undefined,
        acceptsTrailers: this.acceptsTrailers,
        upgrade: request.upgrade,
        idleTimeout: attempt.idleTimeout
      },
      attempt
    )
    if (attempt.hedge !== undefined && attempt.hedging === undefined)
      attempt.hedging = this.shared.clock.setTimeout(
        () => this.#hedge(attempt),
        Math.ceil(attempt.hedge.after)
      )
  }

  /** It has had its time to itself. */
  #hedge(attempt: AttemptState): void {
    if (!this.#isLive(attempt) || attempt.status !== undefined || attempt.error !== undefined) return
    if (this.#tries >= MAX_TRIES || this.downstream.over || this.request.upgrade !== undefined) return
    // One upload is not read twice at once, unless all of it is here.
    if (this.upload !== undefined && !(this.upload.complete && this.upload.replayable)) return
    const chosen = this.#choose(attempt.target, true)
    if (!(chosen instanceof EndpointState) || this.#isBusyAt(chosen)) return
    try {
      if (attempt.hedge?.allow?.() === false) return
    } catch (error) {
      this.shared.log.error({ route: this.route.name, error }, 'a plugin failed in what allows a hedge')
      return
    }
    this.#tries++
    this.#rivals = [...this.#rivals, this.current as AttemptState]
    this.#begin(attempt.target, chosen, 'hedge')
  }

  #isBusyAt(endpoint: EndpointState): boolean {
    return this.current?.endpoint === endpoint || this.#rivals.some((rival) => rival.endpoint === endpoint)
  }

  concluded(attempt: AttemptState): void {
    if (!this.#isLive(attempt)) return
    attempt.hedging?.cancel()
    if (attempt.error?.code === 'UPSTREAM_RESET' && this.#repeat(attempt)) return
    const { endpoint, error } = attempt
    if (error !== undefined) tellTrouble(endpoint, error, this.now(), this.shared.log)
    else if (endpoint.trouble !== undefined) tellRecovery(endpoint, this.shared.log)
    const { outcome } = attempt.hooks
    if (outcome === undefined) {
      this.#decide(attempt)
      return
    }
    this.enter()
    outcome.callAsync(attempt, this, (error) => {
      if (!this.#isLive(attempt)) return
      if (error) this.fail(error as ProxyError)
      else this.#decide(attempt)
    })
  }

  #decide(attempt: AttemptState): void {
    const { retries, error } = attempt
    if (this.#rivals.length > 0) {
      if (error !== undefined || retries !== undefined) {
        this.#giveUp(attempt)
        return
      }
      this.#win(attempt)
    }
    const retry = retries?.find((each) => this.mayRetry(each))
    if (retry !== undefined) {
      this.again(retry)
      return
    }
    if (error !== undefined) {
      attempt.conclude()
      this.fail(error)
      return
    }
    this.answered = attempt
    this.respond(ResponseState.ofUpstream(this, attempt))
  }

  /** Of several it is no use any more: the others go on. */
  #giveUp(attempt: AttemptState): void {
    const others = this.#rivals.filter((rival) => rival !== attempt)
    if (attempt === this.current) this.current = others.pop()
    this.#rivals = others
    end(attempt)
  }

  /** Its answer is the one that counts. */
  #win(attempt: AttemptState): void {
    const losers = [...this.#rivals, this.current as AttemptState].filter((other) => other !== attempt)
    this.current = attempt
    this.#rivals = NONE
    for (const loser of losers) loser.cancel()
  }

  /** What no plugin can switch off. */
  protected mayRetry(retry: Retry): boolean {
    if (this.#tries >= MAX_TRIES) return false
    if (this.downstream.over || this.downstream.headersSent) return false
    if (this.upload !== undefined && !this.upload.replayable) return false
    if (!(this.now() + retry.delay < this.deadline)) return false
    // An outcome that is there is worth more than being told that there is no other.
    const service = this.#serviceOf(retry)
    return service.refusal(this.#wasTried(service)) === undefined && service.usable().length > 0
  }

  #serviceOf(retry: Retry): Service {
    const service = this.target as Service
    if (retry.service === undefined || retry.service === service.name) return service
    const other = this.pipeline.serviceNamed(retry.service)
    if (other !== undefined) return other
    const fields = { route: this.route.name, service: retry.service }
    this.shared.log.warn(fields, 'a Retry names a service that is not configured')
    return service
  }

  /** Makes another attempt. */
  protected again(retry: Retry): void {
    const service = this.#serviceOf(retry)
    // What the client goes on to send meanwhile is the next attempt's, and none of it may be lost on this one.
    this.upload?.detach()
    const { current } = this
    this.current = undefined
    if (current !== undefined) end(current)
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

function end(attempt: AttemptState): void {
  if (attempt.error !== undefined) attempt.conclude()
  else attempt.discard()
}
