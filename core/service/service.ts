import type { EndpointConfig, ServiceConfig } from '../config/types.js'
import { ProxyError } from '../errors.js'
import type { Clock } from '../hooks/clock.js'
import type {
  Arrangement,
  EndpointSpec,
  Logger,
  Metrics,
  ServiceInfo,
  ServiceLimits
} from '../hooks/plugin.js'
import type { BreakerState, Endpoint, Exchange } from '../hooks/types.js'
import { RoundRobin } from './balance/round-robin.js'
import { checkEndpoint } from './check.js'
import { Choice } from './choice.js'
import type { EndpointState } from './endpoint.js'
import type { EndpointStore } from './endpoint-store.js'
import type { Level } from './levels.js'
import type { NamedLimit } from './limit.js'
import type { ServiceLoad } from './load.js'
import { Marks } from './marks.js'

/** Endpoints that are given back in one go. */
const TOGETHER = 64

export interface ServiceParts {
  readonly store: EndpointStore
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  /** Default Math.random. */
  readonly random?: () => number
}

/** A service of one configuration: its endpoints, and which of them the next attempt may choose from. */
export class Service implements ServiceInfo {
  readonly name: string
  readonly config: ServiceConfig
  readonly balance = new RoundRobin()
  readonly load: ServiceLoad
  readonly marks: Marks
  readonly #parts: ServiceParts
  readonly #choice: Choice
  #endpoints: readonly EndpointState[]
  /** The same, to be asked for one of thousands. */
  #members: ReadonlySet<Endpoint>
  #bounds: ServiceLimits = { per: 'endpoint' }
  /** Those of them that the core refuses by. */
  #requests: NamedLimit | undefined
  #retries: NamedLimit | undefined
  #drawBy: ((exchange: Exchange) => Endpoint | number | undefined) | undefined
  readonly #held: (() => void)[] = []
  #active = false
  /** The running configuration is this one, and nothing has been made of that yet. */
  #due = false
  #closed = false
  /** What to make of the endpoints once this configuration is the running one: until then they are another's. */
  readonly #described = new Map<EndpointState, EndpointConfig>()

  /** @param endpoints those it begins with; by default all that the configuration names */
  constructor(
    config: ServiceConfig,
    parts: ServiceParts,
    endpoints: readonly EndpointConfig[] = config.endpoints
  ) {
    this.name = config.name
    this.config = config
    this.#parts = parts
    this.#choice = new Choice(parts.clock, parts.random ?? Math.random)
    this.load = parts.store.acquireLoad(config.name)
    this.marks = new Marks(config.name, { ...parts, load: this.load, own: (endpoint) => this.#own(endpoint) })
    this.#endpoints = Object.freeze(endpoints.map((endpoint) => this.#acquire(endpoint)))
    this.#members = new Set(this.#endpoints)
  }

  /**
   * The same, with a pause behind each endpoint.
   *
   * @throws Error that names the file, when a certificate cannot be used; nothing is held then
   */
  static *of(config: ServiceConfig, parts: ServiceParts): Generator<void, Service> {
    const service = new Service(config, parts, [])
    const endpoints: EndpointState[] = []
    const members = new Set<Endpoint>()
    try {
      for (const endpoint of config.endpoints) {
        const state = service.#acquire(endpoint)
        endpoints.push(state)
        members.add(state)
        yield
      }
    } catch (error) {
      service.#endpoints = endpoints
      service.close()
      throw error
    }
    service.#endpoints = Object.freeze(endpoints)
    service.#members = members
    return service
  }

  /** `activate` is to be called soon, and is when somebody chooses from its endpoints first. */
  announce(): void {
    this.#due = !this.#active
  }

  /** This configuration is the running one now: its weights, zones, tags and limits hold. */
  activate(): void {
    if (this.#closed) return
    this.#due = false
    this.#active = true
    for (const [endpoint, config] of this.#described) this.#describe(endpoint, config)
    this.#described.clear()
    const plugins = this.config.plugins.map(({ name }) => name)
    const gone = this.load.plugins.filter((name) => !plugins.includes(name))
    this.load.plugins = plugins
    this.load.owner = this
    this.#boundAll()
    // What a plugin that is gone has marked, nobody would unmark.
    if (gone.length > 0) this.marks.clear(this.#endpoints, gone)
    this.load.version++
  }

  get active(): boolean {
    return this.#active
  }

  /** Whether a plugin of this configuration is one of the running one's, too; and all are before there is one. */
  hears(plugin: string): boolean {
    return !this.#active || this.load.owner === this || this.load.plugins.includes(plugin)
  }

  get endpoints(): readonly EndpointState[] {
    return this.#endpoints
  }

  get breaker(): BreakerState {
    this.load.breaker.admits(this.#parts.clock.now())
    return this.load.breaker.state
  }

  get inFlight(): number {
    return this.load.inFlight
  }

  get limits(): readonly NamedLimit[] {
    return [this.#requests, this.#retries].filter((limit) => limit !== undefined)
  }

  /** Up to date. */
  get levels(): readonly Level[] {
    this.#choice.refresh(this.#endpoints, this.load.version)
    return this.#choice.levels
  }

  /** Of the level whose turn it is, those that may be used: the same frozen list until something changes. */
  usable(exchange?: Exchange): readonly EndpointState[] {
    if (this.#due) this.activate()
    const only = this.#choice.of(this.#endpoints, this.load.version)
    return only ?? this.#choice.drawn(this.#drawnBy(exchange))
  }

  /** Whether it takes one more attempt; otherwise why not. */
  refusal(retry: boolean): ProxyError | undefined {
    const { load } = this
    if (load.breaker.state !== 'closed' && !load.breaker.admits(this.#parts.clock.now()))
      return this.marks.circuitOpen(load.breaker.until)
    if (this.#bounds.per === 'service' && isFull(this.#requests)) return this.overloaded(this.#requests)
    if (retry && isFull(this.#retries)) return this.overloaded(this.#retries)
    return undefined
  }

  /** It is at its limit: of attempts at once, unless it is another one's. */
  overloaded(limit: NamedLimit | undefined = this.#requests): ProxyError {
    limit?.refuse()
    return new ProxyError('OVERLOADED', 'the service is at its limit', { headers: { 'retry-after': '1' } })
  }

  /** Why nothing can be chosen. */
  unavailable(): ProxyError {
    let opensAt = Number.POSITIVE_INFINITY
    for (const { circuit } of this.#endpoints) {
      if (circuit.state !== 'closed' && circuit.until < opensAt) opensAt = circuit.until
    }
    return opensAt === Number.POSITIVE_INFINITY
      ? new ProxyError('NO_ENDPOINT', 'the service has no endpoint that can be used')
      : this.marks.circuitOpen(opensAt)
  }

  replace(specs: readonly EndpointSpec[]): void {
    if (this.#closed) return
    for (const spec of specs) checkEndpoint(spec)
    const before = this.#endpoints
    const urls = new Set<string>()
    const next: EndpointState[] = []
    for (const { url, weight = 1, zone, priority = 0, tags = {} } of specs) {
      if (urls.has(url)) continue
      urls.add(url)
      next.push(this.#acquire({ url, weight, zone, priority, tags }))
    }
    this.#endpoints = Object.freeze(next)
    this.#members = new Set(next)
    this.#parts.store.release(this.config, before)
    this.load.version++
  }

  arrange(arrangement: Partial<Arrangement>): void {
    const { overprovisioning = 1, panicThreshold = 0 } = arrangement
    if (!(overprovisioning >= 1))
      throw new RangeError(`overprovisioning is 1 or more, not ${overprovisioning}`)
    if (!(panicThreshold >= 0 && panicThreshold <= 1))
      throw new RangeError(`a panic threshold is from 0 to 1, not ${panicThreshold}`)
    this.#choice.arrange(arrangement)
  }

  drawBy(by: (exchange: Exchange) => Endpoint | number | undefined): void {
    this.#drawBy = by
  }

  limit(limits: ServiceLimits): void {
    const given = Object.entries(limits).filter(([, value]) => value !== undefined)
    this.#bounds = { ...this.#bounds, ...Object.fromEntries(given) }
    const { per, maxRequests, maxRetries } = this.#bounds
    const { load } = this
    if (maxRequests !== undefined) {
      const busiest = () => this.#endpoints.reduce((most, { inFlight }) => Math.max(most, inFlight), 0)
      this.#requests =
        per === 'service'
          ? this.#hold('requests', maxRequests, () => load.inFlight)
          : this.#hold('requests per endpoint', maxRequests, busiest)
    }
    if (maxRetries !== undefined) this.#retries = this.#hold('retries', maxRetries, () => load.retrying)
    if (this.#active) this.#boundAll()
  }

  keep<T>(name: string, create: (endpoint: Endpoint) => T): (endpoint: Endpoint) => T {
    return (endpoint) => {
      const { kept } = endpoint as EndpointState
      let known = kept.get(name) as T | undefined
      if (known === undefined) kept.set(name, (known = create(endpoint)))
      return known
    }
  }

  /** Gives its endpoints back; those that no other configuration holds close when their last attempt has ended. */
  close(): void {
    const closing = this.closing()
    while (closing.next().done !== true);
  }

  /** The same, with a pause behind some of them. */
  *closing(): Generator<void> {
    if (this.#closed) return
    this.#closed = true
    const endpoints = this.#endpoints
    for (let from = 0; from < endpoints.length; from += TOGETHER) {
      this.#parts.store.release(this.config, endpoints.slice(from, from + TOGETHER))
      yield
    }
    this.#parts.store.releaseLoad(this.name)
    for (const release of this.#held.splice(0)) release()
  }

  #acquire(config: EndpointConfig): EndpointState {
    const endpoint = this.#parts.store.acquire(this.config, config)
    if (!endpoint.described) endpoint.availableSince = this.#parts.clock.now()
    if (this.#active || !endpoint.described) this.#describe(endpoint, config)
    else this.#described.set(endpoint, config)
    return endpoint
  }

  #describe(endpoint: EndpointState, config: EndpointConfig): void {
    endpoint.describe(config)
    this.#bound(endpoint)
  }

  #bound(endpoint: EndpointState): void {
    const { capacity, maxConnections } = this.#endpointBounds
    endpoint.capacity = capacity
    endpoint.upstream.resize(maxConnections)
  }

  /** Of thousands it takes milliseconds in one go: only where something is different. */
  #boundAll(): void {
    const { load } = this
    const { capacity, maxConnections } = this.#endpointBounds
    if (load.capacity === capacity && load.maxConnections === maxConnections) return
    load.capacity = capacity
    load.maxConnections = maxConnections
    for (const endpoint of this.#endpoints) this.#bound(endpoint)
  }

  get #endpointBounds(): { readonly capacity: number; readonly maxConnections: number } {
    const { per, maxRequests = Number.POSITIVE_INFINITY } = this.#bounds
    const { maxConnections = this.config.maxConnections, maxPending = this.config.maxPending } = this.#bounds
    const held = maxConnections + maxPending
    return { capacity: per === 'endpoint' ? Math.min(held, maxRequests) : held, maxConnections }
  }

  #hold(name: string, max: number, measure: () => number): NamedLimit {
    const { limits } = this.#parts.store
    const place = { kind: 'service', name: this.name } as const
    this.#held.push(() => limits.release(place, name))
    return limits.hold(place, name, max, measure)
  }

  #own(endpoint: Endpoint): EndpointState | undefined {
    return this.#members.has(endpoint) ? (endpoint as EndpointState) : undefined
  }

  #drawnBy(exchange: Exchange | undefined): Endpoint | number | undefined {
    if (exchange === undefined || this.#drawBy === undefined) return undefined
    try {
      return this.#drawBy(exchange)
    } catch (error) {
      this.#parts.log.error({ service: this.name, error }, 'a plugin failed in what a level is drawn by')
      return undefined
    }
  }
}

function isFull(limit: NamedLimit | undefined): boolean {
  return limit !== undefined && limit.used >= limit.max
}
