import { ProxyError } from '../errors.js'
import type { Clock } from '../hooks/clock.js'
import type { CounterCell, Logger, Metrics } from '../hooks/plugin.js'
import type { Endpoint } from '../hooks/types.js'
import type { Breaker, Probe } from './breaker.js'
import { checkWeight } from './check.js'
import type { EndpointState } from './endpoint.js'
import type { ServiceLoad } from './load.js'
import { type BreakerMetrics, breakerMetrics, ejections, STATE_NUMBERS } from './service-metrics.js'

export interface MarksParts {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly load: ServiceLoad
  /** The endpoint, where it is one of the service's. */
  own(endpoint: Endpoint): EndpointState | undefined
}

/** What a service's plugins say of it and of its endpoints. Each mark is remembered as its plugin's. */
export class Marks {
  readonly #service: string
  readonly #parts: MarksParts
  readonly #ejections: CounterCell
  readonly #breakers: BreakerMetrics

  constructor(service: string, parts: MarksParts) {
    this.#service = service
    this.#parts = parts
    this.#ejections = ejections(parts.metrics).labels(service)
    this.#breakers = breakerMetrics(parts.metrics)
  }

  mark(plugin: string, endpoint: Endpoint, health: 'healthy' | 'unhealthy', reason?: string): void {
    const state = this.#parts.own(endpoint)
    const healthy = health === 'healthy'
    if (state === undefined) return
    state.owners.health = plugin
    if (state.healthy === healthy) return
    state.healthy = healthy
    state.reason = healthy ? undefined : (reason ?? 'marked unhealthy')
    this.#changed(state, healthy)
    this.#tell({ endpoint: state.url, reason }, `endpoint is ${health}`)
  }

  eject(plugin: string, endpoint: Endpoint, ms: number, reason?: string): void {
    const state = this.#parts.own(endpoint)
    if (state === undefined || !(ms > 0)) return
    state.owners.ejection = plugin
    state.ejectedUntil = this.#parts.clock.now() + ms
    state.ejections++
    state.ejectionReason = reason ?? 'ejected'
    this.#ejections.inc()
    this.#changed(state, false)
    this.#tell({ endpoint: state.url, ms, reason }, 'endpoint is ejected')
  }

  restore(endpoint: Endpoint): void {
    const state = this.#parts.own(endpoint)
    if (state === undefined || state.ejectedUntil === 0) return
    state.ejectedUntil = 0
    this.#changed(state, true)
  }

  trip(plugin: string, endpoint: Endpoint | undefined, ms: number, reason?: string): void {
    const state = endpoint && this.#parts.own(endpoint)
    if ((endpoint !== undefined && state === undefined) || !(ms > 0)) return
    const breaker = this.#breakerOf(state)
    breaker.owner = plugin
    breaker.trip(this.#parts.clock.now() + ms, reason)
    this.#breakers.trips.labels(this.#service).inc()
    this.#breakerChanged(breaker, state, false)
    this.#tell({ endpoint: state?.url, ms, reason }, 'breaker opens')
  }

  reset(endpoint: Endpoint | undefined): void {
    const state = endpoint && this.#parts.own(endpoint)
    const breaker = this.#breakerOf(state)
    if ((endpoint !== undefined && state === undefined) || breaker.state === 'closed') return
    breaker.reset()
    this.#breakerChanged(breaker, state, true)
    this.#tell({ endpoint: state?.url }, 'breaker closes')
  }

  /** @throws RangeError */
  weigh(endpoint: Endpoint, weight: number): void {
    checkWeight(weight)
    const state = this.#parts.own(endpoint)
    if (state === undefined || state.baseWeight === weight) return
    state.weigh(weight, state.factor)
    this.#changed(state, false)
  }

  /** @throws RangeError */
  scale(plugin: string, endpoint: Endpoint, factor: number): void {
    if (!(factor >= 0 && factor <= 1)) throw new RangeError(`a weight is scaled by 0 to 1, not ${factor}`)
    const state = this.#parts.own(endpoint)
    if (state === undefined || state.factor === factor) return
    state.owners.scale = plugin
    state.weigh(state.baseWeight, factor)
    this.#changed(state, false)
  }

  /** What plugins have marked that are gone: nobody would unmark it. */
  clear(endpoints: readonly EndpointState[], gone: readonly string[]): void {
    const { load, clock } = this.#parts
    const left = (breaker: Breaker) => breaker.state !== 'closed' && gone.includes(breaker.owner ?? '')
    if (left(load.breaker)) this.reset(undefined)
    for (const endpoint of endpoints) {
      if (left(endpoint.circuit)) this.reset(endpoint)
      endpoint.clear(gone, clock.now())
    }
  }

  /** An attempt goes there. @returns the half-open breakers that it is the probe of, if any; `probed` is owed then */
  begin(endpoint: EndpointState): readonly Probe[] | undefined {
    const { breaker: whole } = this.#parts.load
    if (endpoint.circuit.state === 'closed' && whole.state === 'closed') return undefined
    const probes: Probe[] = []
    for (const breaker of [endpoint.circuit, whole]) {
      const number = breaker.begin()
      if (number === undefined) continue
      probes.push({ breaker, number })
      // A half-open endpoint is not to be chosen again until its probe has ended.
      this.#breakerChanged(breaker, breaker === whole ? undefined : endpoint, false)
    }
    return probes.length === 0 ? undefined : probes
  }

  /** They have ended. @param served with an answer that is no error */
  probed(endpoint: EndpointState, probes: readonly Probe[], served: boolean): void {
    const { load } = this.#parts
    for (const { breaker, number } of probes) {
      if (breaker.probed(number, served))
        this.#breakerChanged(breaker, breaker === load.breaker ? undefined : endpoint, true)
    }
    load.version++
  }

  /** What a client is told while a breaker is open. @param until on the clock, in ms */
  circuitOpen(until: number): ProxyError {
    const seconds = Math.max(1, Math.ceil((until - this.#parts.clock.now()) / 1000))
    return new ProxyError('CIRCUIT_OPEN', 'the service has failed too often and is left alone for a time', {
      headers: { 'retry-after': String(seconds) }
    })
  }

  #breakerOf(state: EndpointState | undefined): Breaker {
    return state?.circuit ?? this.#parts.load.breaker
  }

  #changed(state: EndpointState, back: boolean): void {
    const now = this.#parts.clock.now()
    if (back) state.cameBack(now)
    else state.gauge?.set(state.usable(now) ? 1 : 0)
    this.#parts.load.version++
  }

  #breakerChanged(breaker: Breaker, state: EndpointState | undefined, back: boolean): void {
    this.#breakers.state.labels(this.#service, state?.url ?? '*').set(STATE_NUMBERS[breaker.state])
    if (state === undefined) this.#parts.load.version++
    else this.#changed(state, back)
  }

  #tell(fields: Record<string, unknown>, message: string): void {
    this.#parts.log.info({ service: this.#service, ...fields }, message)
  }
}
