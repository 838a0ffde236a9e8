import type { EndpointConfig, Protocol, ServiceConfig } from '../config/types.js'
import type { GaugeCell, MetricFamily } from '../hooks/plugin.js'
import type { MetricsRegistry } from '../metrics/registry.js'
import type { CredentialStore } from '../tls/credential-store.js'
import { LiveUpstreamTls } from '../tls/upstream.js'
import type { Connection, UpstreamOptions } from './connection.js'
import { EndpointState } from './endpoint.js'
import { LimitStore } from './limit.js'
import { ServiceLoad } from './load.js'

interface Kept {
  readonly endpoint: EndpointState
  readonly tls: LiveUpstreamTls | undefined
  /** Services, of the running configuration and of those that retire, that hold it. */
  holders: number
}

interface KeptLoad {
  readonly load: ServiceLoad
  holders: number
}

export interface EndpointStoreOptions {
  /** How an endpoint's connections are made. */
  readonly connect: (options: UpstreamOptions) => Connection
  /** Where certificates are kept; without it no way goes through TLS. */
  readonly credentials?: CredentialStore
}

/**
 * Every endpoint of the process. A configuration takes what it names and gives it back when it has retired, so that
 * an endpoint that stays keeps its state and its connections over a reload.
 */
export class EndpointStore {
  /** What plugins bound, of the whole process as well. */
  readonly limits: LimitStore
  /** By the way that a service is connected to, and by URL. */
  readonly #kept = new Map<string, Map<string, Kept>>()
  /** Of each service of a configuration, since thousands of endpoints ask. */
  readonly #ways = new WeakMap<ServiceConfig, string>()
  readonly #loads = new Map<string, KeptLoad>()
  /** How many are kept of a service and a URL: several, where they are connected to in different ways. */
  readonly #alike = new Map<string, number>()
  readonly #metrics: MetricsRegistry
  readonly #credentials: CredentialStore | undefined
  readonly #healthy: MetricFamily<GaugeCell>

  readonly #connect: (options: UpstreamOptions) => Connection

  constructor(metrics: MetricsRegistry, { connect, credentials }: EndpointStoreOptions) {
    this.#metrics = metrics
    this.limits = new LimitStore(metrics)
    this.#credentials = credentials
    this.#connect = connect
    this.#healthy = metrics.gauge({
      name: 'outrigger_endpoint_healthy',
      help: '1 while an endpoint is healthy and not ejected',
      labels: ['service', 'endpoint'],
      maxSeries: 20_000
    })
  }

  /**
   * The endpoint as it stands; one that is new has no weight, zone or tags until it is described.
   *
   * @throws Error that names the file, when a certificate cannot be used
   */
  acquire(service: ServiceConfig, config: EndpointConfig): EndpointState {
    const way = this.#wayOf(service)
    let kept = this.#kept.get(way)?.get(config.url)
    if (kept === undefined) {
      const tls =
        this.#credentials !== undefined && usesTls(service.protocol, config.url)
          ? new LiveUpstreamTls(service.tls, this.#credentials)
          : undefined
      const upstream = this.#connect({ ...service, url: config.url, tls })
      const endpoint = new EndpointState(service.name, config.url, upstream)
      endpoint.gauge = this.#healthy.labels(service.name, config.url)
      endpoint.gauge.set(1)
      kept = { endpoint, tls, holders: 0 }
      const known = this.#kept.get(way)
      if (known === undefined) this.#kept.set(way, new Map([[config.url, kept]]))
      else known.set(config.url, kept)
      const name = `${service.name} ${config.url}`
      this.#alike.set(name, (this.#alike.get(name) ?? 0) + 1)
    }
    kept.holders++
    return kept.endpoint
  }

  /** All at once: thousands may leave, and their series are looked for among those of all. */
  release(service: ServiceConfig, endpoints: readonly EndpointState[]): void {
    const gone = new Set<string>()
    const way = this.#wayOf(service)
    const known = this.#kept.get(way)
    for (const { url, upstream } of endpoints) {
      const kept = known?.get(url)
      if (known === undefined || kept === undefined || --kept.holders > 0) continue
      known.delete(url)
      if (known.size === 0) this.#kept.delete(way)
      // Its series go with it, unless it only came to be connected to in another way.
      const name = `${service.name} ${url}`
      const left = (this.#alike.get(name) ?? 1) - 1
      if (left > 0) this.#alike.set(name, left)
      else {
        this.#alike.delete(name)
        gone.add(url)
      }
      upstream.close()
      kept.tls?.release()
    }
    if (gone.size > 0) this.#metrics.forget({ service: service.name, endpoint: gone })
  }

  /** What is under way on the service of this name. */
  acquireLoad(service: string): ServiceLoad {
    let kept = this.#loads.get(service)
    if (kept === undefined) this.#loads.set(service, (kept = { load: new ServiceLoad(), holders: 0 }))
    kept.holders++
    return kept.load
  }

  releaseLoad(service: string): void {
    const kept = this.#loads.get(service)
    if (kept !== undefined && --kept.holders === 0) this.#loads.delete(service)
  }

  /** Cuts every connection. */
  destroy(): void {
    for (const known of this.#kept.values()) {
      for (const { endpoint, tls } of known.values()) {
        endpoint.upstream.destroy()
        tls?.release()
      }
    }
    this.#kept.clear()
  }

  #wayOf(service: ServiceConfig): string {
    let way = this.#ways.get(service)
    if (way === undefined) this.#ways.set(service, (way = wayTo(service)))
    return way
  }
}

function usesTls(protocol: Protocol, url: string): boolean {
  return protocol === 'https' || protocol === 'h2' || (protocol === 'auto' && url.startsWith('https:'))
}

/** All that decides how connections are made: where one of these differs, it is another endpoint. */
function wayTo(service: ServiceConfig): string {
  const { name, protocol, tls, connectTimeout, keepAlive, idleTimeout, maxConnections, fastLane } = service
  return JSON.stringify([
    name,
    protocol,
    tls,
    connectTimeout,
    keepAlive,
    idleTimeout,
    maxConnections,
    fastLane
  ])
}
