import type { EndpointConfig, ServiceConfig } from '../config/types.js'
import { ProxyError } from '../errors.js'
import type { Clock } from '../hooks/clock.js'
import type {
  Arrangement,
  CounterCell,
  EndpointSpec,
  Logger,
  Metrics,
  ServiceHandle,
  ServiceLimits
} from '../hooks/plugin.js'
import type { BreakerState, Endpoint, Exchange } from '../hooks/types.js'
import { RoundRobin } from './balance/round-robin.js'
import type { Breaker, Probe } from './breaker.js'
import { checkEndpoint, checkWeight } from './check.js'
import { Choice } from './choice.js'
import type { EndpointState, Mark } from './endpoint.js'
import type { EndpointStore } from './endpoint-store.js'
import type { Level } from './levels.js'
import type { ServiceLoad } from './load.js'
import { type BreakerMetrics, breakerMetrics, STATE_NUMBERS } from './service-metrics.js'

export interface ServiceParts {
  readonly store: EndpointStore
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  /** Default Math.random. */
  readonly random?: () => number
}

/** A service of one configuration, and the handle its plugins change it through. */
export class Service implements ServiceHandle {
  readonly name: string
  readonly config: ServiceConfig
  readonly balance = new RoundRobin()
  readonly load: ServiceLoad
  readonly #parts: ServiceParts
  readonly #choice: Choice
  readonly #ejections: CounterCell
  readonly #breakers: BreakerMetrics
  #endpoints: readonly EndpointState[]
  /** The same, to be asked for one of thousands. */
  #members: ReadonlySet<Endpoint>
  /** What the limits had no place for. */
  readonly refused = { requests: 0, retries: 0 }
  #limits: ServiceLimits = { per: 'endpoint' }
  #drawBy: ((exchange: Exchange) => Endpoint | number | undefined) | undefined
  #active = false
  #closed = false
  /** What to make of the endpoints once this configuration is the running one: until then they are another's. */
  readonly #described = new Map<EndpointState, EndpointConfig>()

  constructor(config: ServiceConfig, parts: ServiceParts) {
    this.name = config.name
    this.config = config
    this.#parts = parts
    this.#choice = new Choice(parts.clock, parts.random ?? Math.random)
    this.#ejections = parts.metrics
      .counter({
        name: 'outrigger_ejections_total',
        help: 'Endpoints taken out for a time',
        labels: ['service']
      })
      .labels(config.name)
    this.#breakers = breakerMetrics(parts.metrics)
    this.load = parts.store.acquireLoad(config.name)
    this.#endpoints = Object.freeze(config.endpoints.map((endpoint) => this.#acquire(endpoint)))
    this.#members = new Set(this.#endpoints)
  }

  /** This configuration is the running one now: its weights, zones, tags and limits hold. */
  activate(): void {
    this.#active = true
    for (const [endpoint, config] of this.#described) this.#describe(endpoint, config)
    this.#described.clear()
    const plugins = this.config.plugins.map(({ name }) => name)
    const gone = this.load.plugins.filter((name) => !plugins.includes(name))
    this.load.plugins = plugins
    this.load.owner = this
    for (const endpoint of this.#endpoints) this.#bound(endpoint)
    // What a plugin that is gone has marked, nobody would unmark.
    if (gone.length > 0) this.#clear(gone)
    this.load.version++
  }

  #clear(gone: readonly string[]): void {
    const now = this.#parts.clock.now()
    const { breaker, breakerOwner } = this.load
    if (breaker.state !== 'closed' && gone.includes(breakerOwner ?? '')) {
      breaker.reset()
      this.#breakerChanged(breaker, undefined, true)
    }
    for (const endpoint of this.#endpoints)
      if (endpoint.clear(gone, now)) this.#breakerChanged(endpoint.circuit, endpoint, true)
  }

  /** Whether a plugin of this configuration is one of the running one's, too; and all are before there is one. */
  hears(plugin: string): boolean {
    return !this.#active || this.load.owner === this || this.load.plugins.includes(plugin)
  }

  /** It is that plugin that marks. */
  owns(endpoint: Endpoint | undefined, kind: Mark, plugin: string): void {
    if (endpoint === undefined) this.load.breakerOwner = plugin
    else {
      const state = this.#own(endpoint)
      if (state !== undefined) state.owners[kind] = plugin
    }
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

  get limits(): ServiceLimits {
    return this.#limits
  }

  /** Up to date. */
  get levels(): readonly Level[] {
    this.#choice.refresh(this.#endpoints, this.load.version)
    return this.#choice.levels
  }

  /** Of the level whose turn it is, those that may be used: the same frozen list until something changes. */
  usable(exchange?: Exchange): readonly EndpointState[] {
    const only = this.#choice.of(this.#endpoints, this.load.version)
    return only ?? this.#choice.drawn(this.#drawnBy(exchange))
  }

  /** Whether it takes one more attempt; otherwise why not. */
  refusal(retry: boolean): ProxyError | undefined {
    const { load } = this
    if (load.breaker.state !== 'closed' && !load.breaker.admits(this.#parts.clock.now()))
      return this.#circuitOpen(load.breaker.until)
    const { per, maxRequests, maxRetries } = this.#limits
    if (per === 'service' && maxRequests !== undefined && load.inFlight >= maxRequests) {
      this.refused.requests++
      return overloaded()
    }
    if (retry && maxRetries !== undefined && load.retrying >= maxRetries) {
      this.refused.retries++
      return overloaded()
    }
    return undefined
  }

  /** Why nothing can be chosen. */
  unavailable(): ProxyError {
    let opensAt = Number.POSITIVE_INFINITY
    for (const { circuit } of this.#endpoints) {
      if (circuit.state !== 'closed' && circuit.until < opensAt) opensAt = circuit.until
    }
    return opensAt === Number.POSITIVE_INFINITY
      ? new ProxyError('NO_ENDPOINT', 'the service has no endpoint that can be used')
      : this.#circuitOpen(opensAt)
  }

  mark(endpoint: Endpoint, health: 'healthy' | 'unhealthy', reason?: string): void {
    const state = this.#own(endpoint)
    const healthy = health === 'healthy'
    if (state === undefined || state.healthy === healthy) return
    state.healthy = healthy
    state.reason = healthy ? undefined : (reason ?? 'marked unhealthy')
    this.#changed(state, healthy)
    this.#parts.log.info({ service: this.name, endpoint: state.url, reason }, `endpoint is ${health}`)
  }

  eject(endpoint: Endpoint, ms: number, reason?: string): void {
    const state = this.#own(endpoint)
    if (state === undefined || !(ms > 0)) return
    state.ejectedUntil = this.#parts.clock.now() + ms
    state.ejections++
    state.ejectionReason = reason ?? 'ejected'
    this.#ejections.inc()
    this.#changed(state, false)
    this.#parts.log.info({ service: this.name, endpoint: state.url, ms, reason }, 'endpoint is ejected')
  }

  restore(endpoint: Endpoint): void {
    const state = this.#own(endpoint)
    if (state === undefined || state.ejectedUntil === 0) return
    state.ejectedUntil = 0
    this.#changed(state, true)
  }

  trip(endpoint: Endpoint | undefined, ms: number, reason?: string): void {
    const state = endpoint && this.#own(endpoint)
    if ((endpoint !== undefined && state === undefined) || !(ms > 0)) return
    const breaker = state?.circuit ?? this.load.breaker
    breaker.trip(this.#parts.clock.now() + ms, reason)
    this.#breakers.trips.labels(this.name).inc()
    this.#breakerChanged(breaker, state, false)
    this.#parts.log.info({ service: this.name, endpoint: state?.url, ms, reason }, 'breaker opens')
  }

  reset(endpoint: Endpoint | undefined): void {
    const state = endpoint && this.#own(endpoint)
    if (endpoint !== undefined && state === undefined) return
    const breaker = state?.circuit ?? this.load.breaker
    if (breaker.state === 'closed') return
    breaker.reset()
    this.#breakerChanged(breaker, state, true)
    this.#parts.log.info({ service: this.name, endpoint: state?.url }, 'breaker closes')
  }

  /** An attempt goes there. @returns the half-open breakers that it is the probe of, if any; `probed` is owed then */
  begin(endpoint: EndpointState): readonly Probe[] | undefined {
    if (endpoint.circuit.state === 'closed' && this.load.breaker.state === 'closed') return undefined
    const probes: Probe[] = []
    for (const breaker of [endpoint.circuit, this.load.breaker]) {
      const number = breaker.begin()
      if (number === undefined) continue
      probes.push({ breaker, number })
      // A half-open endpoint is not to be chosen again until its probe has ended.
      this.#breakerChanged(breaker, breaker === endpoint.circuit ? endpoint : undefined, false)
    }
    return probes.length === 0 ? undefined : probes
  }

  /** They have ended. @param served with an answer that is no error */
  probed(endpoint: EndpointState, probes: readonly Probe[], served: boolean): void {
    for (const { breaker, number } of probes) {
      if (breaker.probed(number, served))
        this.#breakerChanged(breaker, breaker === endpoint.circuit ? endpoint : undefined, true)
    }
    this.load.version++
  }

  weigh(endpoint: Endpoint, weight: number): void {
    checkWeight(weight)
    const state = this.#own(endpoint)
    if (state === undefined || state.baseWeight === weight) return
    state.weigh(weight, state.factor)
    this.#changed(state, false)
  }

  scale(endpoint: Endpoint, factor: number): void {
    if (!(factor >= 0 && factor <= 1)) throw new RangeError(`a weight is scaled by 0 to 1, not ${factor}`)
    const state = this.#own(endpoint)
    if (state === undefined || state.factor === factor) return
    state.weigh(state.baseWeight, factor)
    this.#changed(state, false)
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
    this.#limits = { ...this.#limits, ...Object.fromEntries(given) }
    if (this.#active) for (const endpoint of this.#endpoints) this.#bound(endpoint)
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
    if (this.#closed) return
    this.#closed = true
    this.#parts.store.release(this.config, this.#endpoints)
    this.#parts.store.releaseLoad(this.name)
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
    const { per, maxRequests = Number.POSITIVE_INFINITY } = this.#limits
    const { maxConnections = this.config.maxConnections, maxPending = this.config.maxPending } = this.#limits
    const held = maxConnections + maxPending
    endpoint.capacity = per === 'endpoint' ? Math.min(held, maxRequests) : held
    endpoint.upstream.resize(maxConnections)
  }

  #own(endpoint: Endpoint): EndpointState | undefined {
    return this.#members.has(endpoint) ? (endpoint as EndpointState) : undefined
  }

  #changed(state: EndpointState, back: boolean): void {
    const now = this.#parts.clock.now()
    if (back) state.cameBack(now)
    else state.gauge?.set(state.usable(now) ? 1 : 0)
    this.load.version++
  }

  #breakerChanged(breaker: Breaker, state: EndpointState | undefined, back: boolean): void {
    this.#breakers.state.labels(this.name, state?.url ?? '*').set(STATE_NUMBERS[breaker.state])
    if (state === undefined) this.load.version++
    else this.#changed(state, back)
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

  #circuitOpen(until: number): ProxyError {
    const seconds = Math.max(1, Math.ceil((until - this.#parts.clock.now()) / 1000))
    return new ProxyError('CIRCUIT_OPEN', 'the service has failed too often and is left alone for a time', {
      headers: { 'retry-after': String(seconds) }
    })
  }
}

export function overloaded(): ProxyError {
  return new ProxyError('OVERLOADED', 'the service is at its limit', { headers: { 'retry-after': '1' } })
}
