import type { ProxyError } from '../errors.js'
import type { ClockTimer } from '../hooks/clock.js'
import { Deadline } from '../hooks/deadlines.js'
import type { Hedge, Retry } from '../hooks/decisions.js'
import type { AttemptHooks } from '../hooks/hook-set.js'
import type { Running } from '../hooks/instance.js'
import type { Attempt, AttemptEnd } from '../hooks/types.js'
import type { Probe } from '../service/breaker.js'
import type { Call } from '../service/connection.js'
import type { EndpointState } from '../service/endpoint.js'
import type { Service } from '../service/service.js'
import { Fields } from './fields.js'

/** What is known of one attempt, and told to plugins. What becomes of its response is in attempt.ts. */
export abstract class AttemptRecord extends Deadline implements Attempt {
  readonly number: number
  readonly target: Service
  readonly endpoint: EndpointState
  readonly hooks: AttemptHooks
  readonly reason: string | undefined
  /** Its service was tried before: to a standby the first attempt is no retry. */
  readonly again: boolean
  startedAt: number
  timeout = Number.POSITIVE_INFINITY
  connectTimeout: number
  idleTimeout: number
  latency = 0
  status: number | undefined = undefined
  statusText = ''
  responseHeaders: Fields | undefined = undefined
  /** The response's, where it says. */
  contentLength: number | undefined = undefined
  error: ProxyError | undefined = undefined
  grpcStatus: number | undefined = undefined
  /** The response is its head and nothing else, as HTTP/2 can say. */
  final = false
  end: AttemptEnd | undefined = undefined
  /** What plugins asked for, in their order. */
  retries: Retry[] | undefined = undefined
  /** The first Hedge. */
  hedge: Hedge | undefined = undefined
  /** Until a hedge is due. */
  hedging: ClockTimer | undefined = undefined
  /** The call of a hook that is waited for. */
  waiting: Running['waiting'] = undefined
  /** Half-open breakers that wait for what becomes of it. */
  readonly probes: readonly Probe[] | undefined
  call: Call | undefined = undefined
  readonly #requestHeaders: Fields
  #headers: Fields | undefined

  constructor(
    startedAt: number,
    number: number,
    target: Service,
    endpoint: EndpointState,
    hooks: AttemptHooks,
    requestHeaders: Fields,
    reason: string | undefined,
    again: boolean
  ) {
    super()
    this.number = number
    this.target = target
    this.endpoint = endpoint
    this.hooks = hooks
    this.#requestHeaders = requestHeaders
    this.reason = reason
    this.startedAt = startedAt
    this.connectTimeout = target.config.connectTimeout
    this.idleTimeout = target.config.idleTimeout
    endpoint.inFlight++
    endpoint.attempts++
    target.load.inFlight++
    this.again = again
    if (again) target.load.retrying++
    this.probes = target.marks.begin(endpoint)
  }

  get service(): string {
    return this.target.name
  }

  get probe(): boolean {
    return this.probes !== undefined
  }

  get headers(): Fields {
    this.#headers ??= new Fields(this.#requestHeaders.flat.slice())
    return this.#headers
  }

  /** What goes out: the request's own list while no plugin has asked for this attempt's. */
  get sentHeaders(): Fields {
    return this.#headers ?? this.#requestHeaders
  }

  /** It is under way no longer. */
  protected leave(): void {
    const { load } = this.target
    this.endpoint.inFlight--
    load.inFlight--
    if (this.again) load.retrying--
    this.waiting?.cancel()
    this.hedging?.cancel()
  }

  get sent(): boolean {
    return this.call?.sent ?? false
  }
}
