import type { EndpointConfig } from '../config/types.js'
import type { GaugeCell } from '../hooks/plugin.js'
import type { BreakerState, Endpoint } from '../hooks/types.js'
import { Breaker } from './breaker.js'
import type { Connection } from './connection.js'

/** An endpoint as the core keeps it. Plugins see it as `Endpoint`, which they cannot write to. */
export class EndpointState implements Endpoint {
  readonly url: string
  readonly service: string
  readonly upstream: Connection
  /** `baseWeight` times `factor`. */
  weight = 1
  baseWeight = 1
  factor = 1
  zone: string | undefined = undefined
  priority = 0
  tags: Readonly<Record<string, string>> = {}
  healthy = true
  ejectedUntil = 0
  ejections = 0
  readonly circuit = new Breaker()
  availableSince = 0
  inFlight = 0
  latency: number | undefined = undefined
  attempts = 0
  failures = 0
  /** Which plugin marked it last, and with what. */
  readonly owners: { health?: string; ejection?: string; scale?: string } = {}
  /** Why it is unhealthy. */
  reason: string | undefined = undefined
  /** Why it was ejected last. */
  ejectionReason: string | undefined = undefined
  /** Whether weight, zone, priority and tags are known. */
  described = false
  /** What failed attempts on it said last, while none has succeeded since; and when that was told, on the clock. */
  trouble: string | undefined = undefined
  troubleToldAt = 0
  /** What plugins know of it, by name: `ServiceHandle.keep`. */
  readonly kept = new Map<string, unknown>()
  /** Attempts it may hold: connections and those waiting for one. */
  capacity = Number.POSITIVE_INFINITY
  /** @internal 1 while usable, 0 otherwise. */
  gauge: GaugeCell | undefined = undefined

  constructor(service: string, url: string, upstream: Connection) {
    this.service = service
    this.url = url
    this.upstream = upstream
  }

  describe(config: EndpointConfig): void {
    this.described = true
    this.weigh(config.weight, this.factor)
    this.zone = config.zone
    this.priority = config.priority
    this.tags = config.tags
  }

  get breaker(): BreakerState {
    return this.circuit.state
  }

  weigh(weight: number, factor: number): void {
    this.baseWeight = weight
    this.factor = factor
    this.weight = weight * factor
  }

  /** As if these plugins had never marked it. */
  clear(gone: readonly string[], now: number): void {
    const out = !this.usable(now)
    const { health = '', ejection = '', scale = '' } = this.owners
    if (gone.includes(health)) {
      this.healthy = true
      this.reason = undefined
    }
    if (gone.includes(ejection)) this.ejectedUntil = 0
    if (gone.includes(scale)) this.weigh(this.baseWeight, 1)
    if (out && this.usable(now)) this.cameBack(now)
  }

  /** One of the reasons for its being out is over. */
  cameBack(now: number): void {
    const usable = this.usable(now)
    this.gauge?.set(usable ? 1 : 0)
    if (usable) this.availableSince = now
  }

  usable(now: number): boolean {
    return this.healthy && this.ejectedUntil <= now && this.circuit.admits(now)
  }
}
