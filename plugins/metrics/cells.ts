import type {
  Attempt,
  CounterCell,
  Endpoint,
  GaugeCell,
  HistogramCell,
  Result,
  RouteInfo
} from '../../core/index.js'
import type { Families } from './families.js'
import { statusName } from './grpc.js'
import { type Outcome, outcomeOf } from './outcome.js'

/** RFC 9110 and PATCH. Every other word is a client's invention, and each would be a series. */
const METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'CONNECT',
  'TRACE'
])

/** What a route's exchanges count in. Each cell is looked up by its labels once, and here from then on. */
export class RouteCells {
  readonly #families: Families
  readonly #route: string
  readonly #service: string
  // Made when they are needed: a listing on a service counts attempts alone, and shows no empty rest.
  #inFlight: GaugeCell | undefined
  #duration: HistogramCell | undefined
  readonly #requests = new Map<string, Map<number, CounterCell>>()
  /** By the name of the status. */
  readonly #calls = new Map<string, CounterCell>()
  readonly #retries = new Map<string, CounterCell>()
  readonly #elsewhere = new Map<string, RouteCells>()

  constructor(families: Families, route: RouteInfo) {
    this.#families = families
    this.#route = route.name
    this.#service = route.service ?? '-'
  }

  get inFlight(): GaugeCell {
    this.#inFlight ??= this.#families.inFlight.labels(this.#route)
    return this.#inFlight
  }

  /** @param service that was tried last: another one than the route's after a failover, or where a plugin chose it */
  finished(method: string, result: Result, service = this.#service): void {
    if (service !== this.#service) {
      this.#of(service).finished(method, result)
      return
    }
    let byStatus = this.#requests.get(method)
    if (byStatus === undefined) byStatus = this.#statusesOf(method)
    let cell = byStatus.get(result.status)
    if (cell === undefined) {
      const known = METHODS.has(method) ? method : 'OTHER'
      cell = this.#families.requests.labels(this.#route, this.#service, known, String(result.status))
      byStatus.set(result.status, cell)
    }
    cell.inc()
    if (result.grpcStatus !== undefined) this.#called(result.grpcStatus)
    this.#duration ??= this.#families.requestDuration.labels(this.#route, this.#service)
    this.#duration.observe(result.duration / 1000)
  }

  /** Names of services come from the configuration: there are only so many. */
  #of(service: string): RouteCells {
    let cells = this.#elsewhere.get(service)
    if (cells === undefined) {
      cells = new RouteCells(this.#families, { name: this.#route, service })
      this.#elsewhere.set(service, cells)
    }
    return cells
  }

  #called(grpcStatus: number): void {
    const name = statusName(grpcStatus)
    let cell = this.#calls.get(name)
    if (cell === undefined) {
      cell = this.#families.grpcRequests.labels(this.#route, this.#service, name)
      this.#calls.set(name, cell)
    }
    cell.inc()
  }

  retried(reason: string): void {
    let cell = this.#retries.get(reason)
    if (cell === undefined) {
      cell = this.#families.retries.labels(this.#route, reason)
      // A plugin whose reasons never repeat ends in the family's shared cell; it must not fill this map either.
      if (this.#retries.size < MAX_REASONS) this.#retries.set(reason, cell)
    }
    cell.inc()
  }

  /** Words that are no method share one entry, so that a client cannot make the map grow. */
  #statusesOf(method: string): Map<number, CounterCell> {
    const name = METHODS.has(method) ? method : 'OTHER'
    let byStatus = this.#requests.get(name)
    if (byStatus === undefined) this.#requests.set(name, (byStatus = new Map()))
    return byStatus
  }
}

const MAX_REASONS = 100

/** What an endpoint's attempts count in. */
export class EndpointCells {
  readonly #families: Families
  readonly #service: string
  readonly #url: string
  readonly #duration: HistogramCell
  readonly #outcomes = new Map<Outcome, CounterCell>()

  constructor(families: Families, endpoint: Endpoint) {
    this.#families = families
    this.#service = endpoint.service
    this.#url = endpoint.url
    this.#duration = families.attemptDuration.labels(endpoint.service, endpoint.url)
  }

  ended(attempt: Attempt): void {
    const outcome = outcomeOf(attempt)
    let cell = this.#outcomes.get(outcome)
    if (cell === undefined) {
      cell = this.#families.attempts.labels(this.#service, this.#url, outcome)
      this.#outcomes.set(outcome, cell)
    }
    cell.inc()
    this.#duration.observe(attempt.latency / 1000)
  }
}
