import type { ConfigInput } from '../../core/config/define.js'
import { loadConfig } from '../../core/config/load.js'
import type { Lifecycle } from '../../core/exchange/lifecycle.js'
import type { Shared } from '../../core/exchange/pipeline.js'
import { Deadlines } from '../../core/hooks/deadlines.js'
import { MetricsRegistry } from '../../core/metrics/registry.js'
import { Generation } from '../../core/pipeline/generation.js'
import { accept } from '../../core/server/accept.js'
import type { Connection } from '../../core/service/connection.js'
import { EndpointStore } from '../../core/service/endpoint-store.js'
import { testEntry } from '../../core/testing/entry.js'
import { WorkerPool } from '../../core/workers/pool.js'
import { host } from '../../plugins/host.js'
import type { SimulatedDownstream } from './client.js'
import type { EventClock } from './event-clock.js'
import type { Random } from './random.js'

export interface ProxyPlan {
  /** Without listeners: none is opened. */
  readonly config: Omit<ConfigInput, 'listeners'>
  readonly clock: EventClock
  /** What plugins draw. */
  readonly random: Random
  connect(url: string): Connection
}

/** The proxy itself, all of it but its sockets: configuration, plugins, pipelines, endpoints and metrics. */
export class SimulatedProxy {
  readonly #generation: Generation
  readonly #shared: Shared
  readonly #workers: WorkerPool
  readonly #entry = testEntry()

  private constructor(generation: Generation, shared: Shared, workers: WorkerPool) {
    this.#generation = generation
    this.#shared = shared
    this.#workers = workers
  }

  /** @throws ConfigError, StartError as the proxy does */
  static async start({ config, clock, random, connect }: ProxyPlan): Promise<SimulatedProxy> {
    const listeners = { [testEntry().name]: { address: '127.0.0.1:0' } }
    const checked = await loadConfig({ admin: false, ...config, listeners }, { host, env: {} })
    const metrics = new MetricsRegistry()
    const shared: Shared = { clock, deadlines: new Deadlines(clock), log: silent }
    const workers = new WorkerPool({ ...checked.workers, modules: {} })
    const store = new EndpointStore(metrics, { connect: ({ url }) => connect(url) })
    const parts = { ...shared, log: silent, metrics, store, workers, random }
    const generation = await Generation.build(checked, parts)
    generation.activate()
    return new SimulatedProxy(generation, shared, workers)
  }

  accept(downstream: SimulatedDownstream): Lifecycle {
    return accept(this.#generation, this.#shared, this.#entry, downstream)
  }

  /** What is under way must have ended, or it waits for that. */
  async close(): Promise<void> {
    await this.#generation.retire()
    await this.#workers.close()
  }
}

/** Lines of a million requests that nobody reads. */
const silent = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silent
}
