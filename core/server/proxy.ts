import type { Config } from '../config/types.js'
import type { Shared } from '../exchange/pipeline.js'
import { type Clock, systemClock } from '../hooks/clock.js'
import { Deadlines } from '../hooks/deadlines.js'
import { Pace } from '../hooks/pace.js'
import type { Host } from '../host.js'
import { createLogger, type LogLevel, type ProxyLogger } from '../log/logger.js'
import type { Exposed } from '../metrics/exposition.js'
import { MetricsRegistry } from '../metrics/registry.js'
import type { ModuleLoader } from '../modules/load.js'
import { Generation, type GenerationParts } from '../pipeline/generation.js'
import { connectionFor } from '../service/connect.js'
import { EndpointStore } from '../service/endpoint-store.js'
import { CredentialStore } from '../tls/credential-store.js'
import { WorkerPool } from '../workers/pool.js'
import { accept } from './accept.js'
import { changedAtStart } from './at-start.js'
import { type CoreMetrics, coreMetrics } from './core-metrics.js'
import { drain } from './drain.js'
import { type ExplainOptions, explain } from './explain.js'
import { ListenerSet } from './listener-set.js'
import { load, type SourceOptions } from './load.js'
import { type Admin, openAdmin } from './open-admin.js'
import {
  type Explanation,
  type PluginView,
  type Proxy,
  type RouteView,
  type ServiceView,
  StartError
} from './types.js'
import { pluginViews, routeViews, serviceViews } from './views.js'

export interface ProxyOptions extends SourceOptions {
  /** Default: lines to standard error. */
  log?: ProxyLogger
  /** Instead of the configuration's. */
  logLevel?: LogLevel
  clock?: Clock
  /** POST /drain was called. Default: the proxy drains. */
  onDrain?: () => void
  /** The admin's POST /reload has taken up a configuration. */
  onReload?: () => void
}

/** What a process makes of a configuration, and of each that a reload reads. */
export type Adjust = (config: Config) => Config

/** ms that worker calls may still take once all exchanges have ended. */
const WORKER_GRACE = 1_000

/** A proxy in this process. */
export class ProxyServer implements Proxy {
  state: Proxy['state'] = 'new'
  readonly addresses = new Map<string, string>()
  readonly #host: Host
  readonly #loader: ModuleLoader
  readonly #adjust: Adjust
  readonly #options: ProxyOptions
  readonly #log: ProxyLogger
  readonly #clock: Clock
  readonly #shared: Shared
  readonly #metrics: MetricsRegistry
  readonly #credentials: CredentialStore
  readonly #store: EndpointStore
  readonly #listeners: ListenerSet
  readonly #retiring = new Set<Promise<void>>()
  readonly #own: CoreMetrics
  #source: string | object
  #workers!: WorkerPool
  #generation!: Generation
  #admin: Admin | undefined
  #reloading: Promise<void> = Promise.resolve()
  #bound = false
  #draining: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(
    host: Host,
    source: string | object,
    options: ProxyOptions,
    config: Config,
    loader: ModuleLoader,
    adjust: Adjust
  ) {
    this.#host = host
    this.#loader = loader
    this.#adjust = adjust
    this.#source = source
    this.#options = options
    this.#log = options.log ?? createLogger()
    this.#log.level = options.logLevel ?? config.log.level
    this.#clock = options.clock ?? systemClock
    this.#shared = { clock: this.#clock, deadlines: new Deadlines(this.#clock), log: this.#log }
    this.#metrics = new MetricsRegistry({
      onError: (error) => this.#log.error({ error }, 'a metric could not be computed')
    })
    this.#own = coreMetrics(this.#metrics)
    this.#credentials = new CredentialStore({ log: this.#log, clock: this.#clock })
    this.#store = new EndpointStore(this.#metrics, {
      connect: connectionFor,
      credentials: this.#credentials
    })
    this.#listeners = new ListenerSet(
      this.addresses,
      {
        ...this.#shared,
        credentials: this.#credentials,
        refusals: this.#own.refusals,
        handovers: this.#own.handovers,
        handle: (entry, downstream) => {
          accept(this.#generation, this.#shared, entry, downstream)
        }
      },
      (work) => this.#background(work)
    )
    this.#metrics.collect(() => this.#own.queueDepth.set(this.#workers.queueDepth))
  }

  /** The first configuration. @throws StartError */
  async build(config: Config): Promise<void> {
    this.#workers = this.#pool(config)
    this.#generation = await this.#build(config, this.#workers)
    await this.#generation.takeOver()
  }

  get watched(): readonly string[] {
    return this.#generation.config.watched
  }

  /** The configuration in use. */
  get current(): Config {
    return this.#generation.config
  }

  get inFlight(): number {
    return this.#generation.inFlight
  }

  async start(until?: () => Promise<unknown>): Promise<void> {
    if (this.state !== 'new') throw new Error(`the proxy is ${this.state}`)
    const { config } = this.#generation
    try {
      await this.#listeners.take(config.listeners)
      if (config.admin !== undefined) {
        const onDrain = this.#options.onDrain ?? (() => void this.drain())
        const onReload = this.#options.onReload ?? (() => {})
        const admin = { proxy: this, onDrain, onReload, log: this.#log }
        this.#admin = await openAdmin(admin, config.admin.address, this.addresses)
      }
    } catch (error) {
      await this.close()
      throw error
    }
    this.#bound = true
    if (until !== undefined) await until()
    // Drained meanwhile, perhaps.
    if (this.state === 'new') this.state = 'ready'
    // A first scrape would hold up requests for as long as it takes to load this.
    if (config.admin !== undefined) await this.#metrics.load()
  }

  reload(source?: string | object): Promise<void> {
    return this.#inTurn(() => this.#reload(source ?? this.#source))
  }

  /**
   * Takes up a configuration that this proxy has had before, such as to undo a reload.
   *
   * @throws StartError; then nothing has changed
   */
  restore(config: Config): Promise<void> {
    return this.#inTurn(() => this.#take(async () => config))
  }

  /** One after the other: two builds at once could swap in the wrong order. */
  #inTurn(change: () => Promise<void>): Promise<void> {
    const changed = this.#reloading.then(change)
    this.#reloading = changed.catch(() => {})
    return changed
  }

  async #reload(source: string | object): Promise<void> {
    try {
      await this.#take(async (pace) =>
        this.#adjust(await load(this.#host, source, this.#options, this.#loader, pace))
      )
    } catch (error) {
      if (!this.#ending) this.#own.reloadFailures.inc()
      throw error
    }
    this.#source = source
    this.#own.reloads.inc()
  }

  async #take(read: (pace: Pace) => Promise<Config>): Promise<void> {
    this.#refuseWhenEnding()
    // Whoever ends the proxy does not wait for thousands of routes.
    const pace = new Pace({ goOn: () => this.#refuseWhenEnding() })
    const old = this.#generation
    const oldWorkers = this.#workers
    const config = await read(pace)
    await this.#credentials.refresh()
    const samePool = JSON.stringify(config.workers) === JSON.stringify(old.config.workers)
    const workers = samePool ? oldWorkers : this.#pool(config)
    const next = await this.#build(config, workers, pace)
    try {
      this.#refuseWhenEnding()
      if (this.#bound) await this.#listeners.take(config.listeners)
    } catch (error) {
      await next.retire()
      throw error
    }
    this.#generation = next
    this.#workers = workers
    await next.takeOver()
    this.#log.level = this.#options.logLevel ?? config.log.level
    for (const what of changedAtStart(old.config, config)) this.#log.warn(what)
    this.#listeners.drop(config.listeners)
    this.#background(
      old.retire().then(async () => {
        if (oldWorkers !== this.#workers) await oldWorkers.close()
      })
    )
  }

  get #ending(): boolean {
    return this.state === 'draining' || this.state === 'closed'
  }

  #refuseWhenEnding(): void {
    if (this.#ending) {
      throw new StartError(`the proxy is ${this.state}: it takes no new configuration`)
    }
  }

  drain(): Promise<void> {
    this.#draining ??= this.#drain()
    return this.#draining
  }

  async #drain(): Promise<void> {
    if (this.state === 'closed') return
    this.state = 'draining'
    const { drainTimeout } = this.#generation.config
    if (!(await drain(this.#listeners, this.#clock, drainTimeout)))
      this.#log.warn({ inFlight: this.inFlight }, 'drain timed out: what is left is cut')
    await this.close()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.state = 'closed'
    await this.#listeners.close()
    // One that was too far on to be refused has opened listeners since.
    await this.#reloading
    await this.#listeners.close()
    await this.#generation?.retire()
    await Promise.all(this.#retiring)
    this.#store.destroy()
    this.#credentials.close()
    await this.#workers.close(WORKER_GRACE)
    await this.#admin?.close()
    this.addresses.clear()
  }

  routes(): RouteView[] {
    return routeViews(this.#generation)
  }

  services(): ServiceView[] {
    return serviceViews(this.#generation, this.#clock.now())
  }

  plugins(): PluginView[] {
    return pluginViews(this.#generation)
  }

  config(): unknown {
    return this.#generation.config.masked
  }

  metrics(): Promise<{ text: string; contentType: string }> {
    return this.#metrics.text()
  }

  /** What `metrics()` makes its text of. */
  exposed(): Promise<Exposed[]> {
    return this.#metrics.exposed()
  }

  hooks(name: string): ReturnType<Proxy['hooks']> {
    const route = this.#generation.routes.find((one) => one.route.name === name)?.own()
    if (route === undefined) throw new RangeError(`there is no route ${JSON.stringify(name)}`)
    return {
      ...route.hooks,
      ...route.upgradeHooks,
      ...(route.service === undefined ? {} : route.attemptHooks(route.service))
    }
  }

  explain(method: string, url: string, options: ExplainOptions = {}): Explanation {
    return explain(this.#generation, method, url, options)
  }

  #build(config: Config, workers: WorkerPool, pace = new Pace()): Promise<Generation> {
    const parts: GenerationParts = {
      ...this.#shared,
      log: this.#log,
      metrics: this.#metrics,
      store: this.#store,
      workers,
      pace
    }
    return Generation.build(config, parts)
  }

  #pool(config: Config): WorkerPool {
    return new WorkerPool({
      ...config.workers,
      modules: this.#host.modules,
      onTask: (ms) => this.#own.tasks.observe(ms / 1000),
      onError: (error) => this.#log.error({ error }, 'a worker thread failed outside of any call')
    })
  }

  #background(work: Promise<void>): void {
    const settled = work
      .catch((error) => this.#log.error({ error }, 'a part could not be closed'))
      .finally(() => this.#retiring.delete(settled))
    this.#retiring.add(settled)
  }
}
