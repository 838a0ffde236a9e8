import type { ProxyError } from '../errors.js'
import { Deadline } from '../hooks/deadlines.js'
import type { Retry } from '../hooks/decisions.js'
import type { AttemptHooks } from '../hooks/hook-set.js'
import type { Attempt, AttemptEnd } from '../hooks/types.js'
import type { Call } from '../service/connection.js'
import type { EndpointState } from '../service/endpoint.js'
import { Fields } from './fields.js'

/** What is known of one attempt, and told to plugins. What becomes of its response is in attempt.ts. */
export abstract class AttemptRecord extends Deadline implements Attempt {
  readonly number: number
  readonly service: string
  readonly endpoint: EndpointState
  readonly hooks: AttemptHooks
  readonly reason: string | undefined
  readonly startedAt: number
  timeout = Number.POSITIVE_INFINITY
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
  /** The first Retry that a plugin returned. */
  retry: Retry | undefined = undefined
  call: Call | undefined = undefined
  readonly #requestHeaders: Fields
  #headers: Fields | undefined

  constructor(
    startedAt: number,
    number: number,
    service: string,
    endpoint: EndpointState,
    hooks: AttemptHooks,
    requestHeaders: Fields,
    reason: string | undefined
  ) {
    super()
    this.number = number
    this.service = service
    this.endpoint = endpoint
    this.hooks = hooks
    this.#requestHeaders = requestHeaders
    this.reason = reason
    this.startedAt = startedAt
    endpoint.inFlight++
    endpoint.attempts++
  }

  get headers(): Fields {
    this.#headers ??= new Fields(this.#requestHeaders.flat.slice())
    return this.#headers
  }

  /** What goes out: the request's own list while no plugin has asked for this attempt's. */
  get sentHeaders(): Fields {
    return this.#headers ?? this.#requestHeaders
  }

  get sent(): boolean {
    return this.call?.sent ?? false
  }
}
