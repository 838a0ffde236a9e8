import type { Attempt, Clock, Endpoint, Exchange, PluginHooks, ServiceHandle } from '../../core/index.js'
import { byList } from './by-list.js'
import { SCANNED } from './least-request.js'
import { ResponseTime, type Waiting } from './response-time.js'
import { Weights } from './weights.js'

/** ms that a refusal counts where it does not say for how long it is meant, and an attempt without any answer: Linkerd's. */
const PENALTY = 5_000
/** ms of a Retry-After that are believed. */
const LONGEST_PENALTY = 300_000

const TOO_MANY_REQUESTS = 429
/** gRPC's RESOURCE_EXHAUSTED. */
const EXHAUSTED = 8
/** gRPC's UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE and DATA_LOSS: what would be a 5xx. */
const FAILED: ReadonlySet<number> = new Set([2, 4, 13, 14, 15])

/** A list's weights, and what is known of its endpoints, by their places: filled in as they are asked for. */
interface Derived {
  readonly weights: Weights
  readonly times: (ResponseTime | undefined)[]
}

/** One for all services: with one of each, attempts would be of as many shapes, which the engine has no short way to. */
const MARK = Symbol('response time')

type Marked = Attempt & { [MARK]?: Waiting | 'answered' | undefined }

/**
 * The endpoint with the least `expected response time x (under way + 1) / weight`: peak EWMA, see `ResponseTime`. Up to 8
 * endpoints all are compared, and of more the better of two drawn at random.
 *
 * Where weights differ beyond 8, the two are drawn by their weights, and `expected x (under way / weight + 1)` is compared:
 * drawn by weight, an idle one has had its due.
 *
 * A failure never makes an endpoint look fast. An attempt without an answer counts as at least 5 s; so does a refusal (429,
 * RESOURCE_EXHAUSTED), or as its Retry-After up to 300 s; a 5xx can only raise the estimate, and the share of attempts that
 * succeed divides it. An attempt that was cancelled counts as it lasted, where that is above the estimate.
 */
export class LeastResponseTime {
  readonly #timeOf: (endpoint: Endpoint) => ResponseTime
  readonly #derive = byList(
    (endpoints): Derived => ({
      weights: new Weights(endpoints),
      times: new Array<undefined>(endpoints.length).fill(undefined)
    })
  )
  readonly #clock: Clock
  readonly #chance: () => number

  /** @param chance at least 0, less than 1 */
  constructor(service: ServiceHandle, clock: Clock, chance: () => number) {
    this.#clock = clock
    this.#chance = chance
    this.#timeOf = service.keep('load-balancer response time', () => new ResponseTime(clock))
  }

  get hooks(): Pick<Required<PluginHooks>, 'attempt' | 'outcome' | 'settled'> {
    return {
      attempt: (attempt) => this.#began(attempt),
      outcome: (attempt, exchange) => this.#answered(attempt, exchange),
      settled: (attempt) => this.#settled(attempt)
    }
  }

  pick(endpoints: readonly Endpoint[]): Endpoint | undefined {
    const derived = this.#derive(endpoints)
    const now = this.#clock.now()
    return endpoints.length > SCANNED
      ? this.#ofTwo(endpoints, derived, now)
      : this.#ofAll(endpoints, derived, now)
  }

  #ofAll(endpoints: readonly Endpoint[], derived: Derived, now: number): Endpoint | undefined {
    const { equal } = derived.weights
    let best: Endpoint | undefined
    let least = Number.POSITIVE_INFINITY
    let ties = 0
    for (let at = 0; at < endpoints.length; at++) {
      const endpoint = endpoints[at] as Endpoint
      if (endpoint.weight === 0 && !equal) continue
      const load = (endpoint.inFlight + 1) / (equal ? 1 : endpoint.weight)
      const cost = this.#expected(endpoints, derived, at, now) * load
      if (best === undefined || cost < least) {
        best = endpoint
        least = cost
        ties = 1
      } else if (cost === least && this.#chance() * ++ties < 1) {
        best = endpoint
      }
    }
    return best
  }

  #ofTwo(endpoints: readonly Endpoint[], derived: Derived, now: number): Endpoint {
    const { weights } = derived
    const first = weights.draw(this.#chance)
    const second = weights.drawOther(first, this.#chance)
    const one = endpoints[first] as Endpoint
    const two = endpoints[second] as Endpoint
    const cost = this.#expected(endpoints, derived, first, now) * loadOf(one, weights.equal)
    return this.#expected(endpoints, derived, second, now) * loadOf(two, weights.equal) < cost ? two : one
  }

  #expected(endpoints: readonly Endpoint[], { times }: Derived, at: number, now: number): number {
    const time = (times[at] ??= this.#timeOf(endpoints[at] as Endpoint))
    return time.expected(now)
  }

  #began(attempt: Attempt): void {
    // Listed twice on a service, the other one counts it: what is known of an endpoint is known to both.
    if ((attempt as Marked)[MARK] !== undefined) return
    ;(attempt as Marked)[MARK] = this.#timeOf(attempt.endpoint).began(attempt)
  }

  #answered(attempt: Attempt, { grpc }: Exchange): void {
    const time = this.#leave(attempt)
    if (time === undefined) return
    const { status = 0, error, latency, grpcStatus } = attempt
    if (error !== undefined) {
      time.took(Math.max(latency, PENALTY))
      time.failed()
    } else if (status === TOO_MANY_REQUESTS || grpcStatus === EXHAUSTED) {
      time.took(Math.max(latency, this.#penalty(attempt)))
    } else if (status >= 500 || FAILED.has(grpcStatus ?? 0)) {
      time.tookAtLeast(latency)
      time.failed()
    } else {
      time.took(latency)
      time.succeeded()
      // How a call went comes behind its messages.
      if (grpc && grpcStatus === undefined) (attempt as Marked)[MARK] = 'answered'
    }
  }

  #settled(attempt: Attempt): void {
    const mark = (attempt as Marked)[MARK]
    if (mark === undefined) return
    if (mark !== 'answered') {
      this.#leave(attempt)?.tookAtLeast(this.#clock.now() - attempt.startedAt)
      return
    }
    const { grpcStatus = 0 } = attempt
    if (grpcStatus === EXHAUSTED) this.#timeOf(attempt.endpoint).took(this.#penalty(attempt))
    else if (FAILED.has(grpcStatus)) this.#timeOf(attempt.endpoint).failed()
  }

  #leave(attempt: Attempt): ResponseTime | undefined {
    const waiting = (attempt as Marked)[MARK]
    if (waiting === undefined || waiting === 'answered') return undefined
    ;(attempt as Marked)[MARK] = undefined
    const time = this.#timeOf(attempt.endpoint)
    time.left(waiting)
    return time
  }

  /** ms */
  #penalty({ responseHeaders }: Attempt): number {
    const text = responseHeaders?.get('retry-after')
    if (text === undefined) return PENALTY
    const wait = /^\d{1,10}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - this.#clock.wallTime()
    return wait > 0 ? Math.min(wait, LONGEST_PENALTY) : PENALTY
  }
}

/** Of one that was drawn by its weight. */
function loadOf({ inFlight, weight }: Endpoint, equal: boolean): number {
  return (equal ? inFlight : inFlight / weight) + 1
}
