import type { Arrangement, EndpointSpec, ServiceHandle, ServiceLimits } from '../hooks/plugin.js'
import type { BreakerState, Endpoint, Exchange } from '../hooks/types.js'
import type { Marks } from './marks.js'
import type { Service } from './service.js'

/**
 * A service in the hands of one of its plugins. What it marks is remembered as its own: when a reload takes the plugin off the
 * service these marks are cleared, nobody being left to unmark them, and those of the others stay.
 */
export class PluginHandle implements ServiceHandle {
  readonly #service: Service
  readonly #plugin: string

  constructor(service: Service, plugin: string) {
    this.#service = service
    this.#plugin = plugin
  }

  get name(): string {
    return this.#service.name
  }

  get endpoints(): readonly Endpoint[] {
    return this.#service.endpoints
  }

  get breaker(): BreakerState {
    return this.#service.breaker
  }

  get inFlight(): number {
    return this.#service.inFlight
  }

  usable(): readonly Endpoint[] {
    return this.#service.usable()
  }

  mark(endpoint: Endpoint, health: 'healthy' | 'unhealthy', reason?: string): void {
    this.#marks?.mark(this.#plugin, endpoint, health, reason)
  }

  eject(endpoint: Endpoint, ms: number, reason?: string): void {
    this.#marks?.eject(this.#plugin, endpoint, ms, reason)
  }

  restore(endpoint: Endpoint): void {
    this.#marks?.restore(endpoint)
  }

  trip(endpoint: Endpoint | undefined, ms: number, reason?: string): void {
    this.#marks?.trip(this.#plugin, endpoint, ms, reason)
  }

  reset(endpoint: Endpoint | undefined): void {
    this.#marks?.reset(endpoint)
  }

  weigh(endpoint: Endpoint, weight: number): void {
    this.#marks?.weigh(endpoint, weight)
  }

  scale(endpoint: Endpoint, factor: number): void {
    this.#marks?.scale(this.#plugin, endpoint, factor)
  }

  replace(endpoints: readonly EndpointSpec[]): void {
    this.#service.replace(endpoints)
  }

  arrange(arrangement: Partial<Arrangement>): void {
    this.#service.arrange(arrangement)
  }

  drawBy(by: (exchange: Exchange) => Endpoint | number | undefined): void {
    this.#service.drawBy(by)
  }

  limit(limits: ServiceLimits): void {
    this.#service.limit(limits)
  }

  keep<T>(name: string, create: (endpoint: Endpoint) => T): (endpoint: Endpoint) => T {
    return this.#service.keep(name, create)
  }

  /** Undefined once another configuration runs, which has not this plugin: its word counts no more. */
  get #marks(): Marks | undefined {
    return this.#service.hears(this.#plugin) ? this.#service.marks : undefined
  }
}
