import type { EndpointConfig, ServiceConfig } from '../config/types.js'
import type { Clock } from '../hooks/clock.js'
import type { CounterCell, EndpointSpec, Logger, Metrics, ServiceHandle } from '../hooks/plugin.js'
import type { Endpoint } from '../hooks/types.js'
import { RoundRobin } from './balance/round-robin.js'
import type { EndpointState } from './endpoint.js'
import type { EndpointStore } from './endpoint-store.js'

export interface ServiceParts {
  readonly store: EndpointStore
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
}

/** A service of one configuration, and the handle its plugins change it through. */
export class Service implements ServiceHandle {
  readonly name: string
  readonly config: ServiceConfig
  readonly balance = new RoundRobin()
  readonly #parts: ServiceParts
  readonly #ejections: CounterCell
  #endpoints: readonly EndpointState[]
  #usable: readonly EndpointState[] = []
  #seen = -1
  /** When the next ejection ends, on the clock. */
  #nextChange = 0
  #active = false
  #closed = false
  /** What to make of the endpoints once this configuration is the running one: until then they are another's. */
  readonly #described = new Map<EndpointState, EndpointConfig>()

  constructor(config: ServiceConfig, parts: ServiceParts) {
    this.name = config.name
    this.config = config
    this.#parts = parts
    this.#ejections = parts.metrics
      .counter({
        name: 'outrigger_ejections_total',
        help: 'Endpoints taken out for a time',
        labels: ['service']
      })
      .labels(config.name)
    this.#endpoints = Object.freeze(config.endpoints.map((endpoint) => this.#acquire(endpoint)))
  }

  /** This configuration is the running one now: its weights, zones and tags hold. */
  activate(): void {
    this.#active = true
    for (const [endpoint, config] of this.#described) this.#describe(endpoint, config)
    this.#described.clear()
    this.#parts.store.version++
  }

  get endpoints(): readonly EndpointState[] {
    return this.#endpoints
  }

  /** Of those healthy and not ejected, the ones of the best priority: the same frozen list until something changes. */
  usable(): readonly EndpointState[] {
    const { store, clock } = this.#parts
    if (this.#seen !== store.version || (this.#nextChange !== 0 && clock.now() >= this.#nextChange))
      this.#refresh()
    return this.#usable
  }

  mark(endpoint: Endpoint, health: 'healthy' | 'unhealthy', reason?: string): void {
    const state = this.#own(endpoint)
    const healthy = health === 'healthy'
    if (state === undefined || state.healthy === healthy) return
    state.healthy = healthy
    state.reason = healthy ? undefined : (reason ?? 'marked unhealthy')
    this.#changed(state)
    this.#parts.log.info({ service: this.name, endpoint: state.url, reason }, `endpoint is ${health}`)
  }

  eject(endpoint: Endpoint, ms: number, reason?: string): void {
    const state = this.#own(endpoint)
    if (state === undefined || !(ms > 0)) return
    state.ejectedUntil = this.#parts.clock.now() + ms
    state.ejections++
    state.ejectionReason = reason ?? 'ejected'
    this.#ejections.inc()
    this.#changed(state)
    this.#parts.log.info({ service: this.name, endpoint: state.url, ms, reason }, 'endpoint is ejected')
  }

  restore(endpoint: Endpoint): void {
    const state = this.#own(endpoint)
    if (state === undefined || state.ejectedUntil === 0) return
    state.ejectedUntil = 0
    this.#changed(state)
  }

  weigh(endpoint: Endpoint, weight: number): void {
    checkWeight(weight)
    const state = this.#own(endpoint)
    if (state === undefined || state.weight === weight) return
    state.weight = weight
    this.#changed(state)
  }

  replace(specs: readonly EndpointSpec[]): void {
    if (this.#closed) return
    for (const { url, weight = 1 } of specs) {
      checkUrl(url)
      checkWeight(weight)
    }
    const before = this.#endpoints
    const urls = new Set<string>()
    const next: EndpointState[] = []
    for (const { url, weight = 1, zone, priority = 0, tags = {} } of specs) {
      if (urls.has(url)) continue
      urls.add(url)
      next.push(this.#acquire({ url, weight, zone, priority, tags }))
    }
    this.#endpoints = Object.freeze(next)
    for (const endpoint of before) this.#parts.store.release(this.config, endpoint)
    this.#parts.store.version++
  }

  /** Gives its endpoints back; those that no other configuration holds close when their last attempt has ended. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const endpoint of this.#endpoints) this.#parts.store.release(this.config, endpoint)
  }

  #acquire(config: EndpointConfig): EndpointState {
    const endpoint = this.#parts.store.acquire(this.config, config)
    if (this.#active || !endpoint.described) this.#describe(endpoint, config)
    else this.#described.set(endpoint, config)
    return endpoint
  }

  #describe(endpoint: EndpointState, config: EndpointConfig): void {
    endpoint.describe(config, this.config.maxConnections + this.config.maxPending)
  }

  #own(endpoint: Endpoint): EndpointState | undefined {
    return this.#endpoints.find((own) => own === endpoint)
  }

  #changed(state: EndpointState): void {
    state.gauge?.set(state.usable(this.#parts.clock.now()) ? 1 : 0)
    this.#parts.store.version++
  }

  #refresh(): void {
    const now = this.#parts.clock.now()
    this.#seen = this.#parts.store.version
    this.#nextChange = 0
    const usable: EndpointState[] = []
    for (const endpoint of this.#endpoints) {
      if (endpoint.ejectedUntil !== 0) {
        if (endpoint.ejectedUntil > now) {
          if (this.#nextChange === 0 || endpoint.ejectedUntil < this.#nextChange)
            this.#nextChange = endpoint.ejectedUntil
        } else {
          endpoint.ejectedUntil = 0
          endpoint.gauge?.set(endpoint.healthy ? 1 : 0)
        }
      }
      if (!endpoint.usable(now)) continue
      // The lower number is tried first: the next one's turn comes when none of these is left.
      if (usable.length > 0 && endpoint.priority < (usable[0] as EndpointState).priority) usable.length = 0
      if (usable.length === 0 || endpoint.priority === (usable[0] as EndpointState).priority)
        usable.push(endpoint)
    }
    this.#usable = Object.freeze(usable)
  }
}

function checkWeight(weight: number): void {
  if (!(weight >= 0 && weight < Number.POSITIVE_INFINITY)) {
    throw new RangeError(`a weight is 0 or more, not ${weight}`)
  }
}

function checkUrl(url: string): void {
  if (url.startsWith('unix:/')) return
  const { protocol } = new URL(url)
  if (protocol !== 'http:' && protocol !== 'https:')
    throw new TypeError(`not an endpoint: ${JSON.stringify(url)}`)
}
