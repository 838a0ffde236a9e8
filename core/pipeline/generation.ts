import type { Config, PluginUse, RouteConfig } from '../config/types.js'
import type { Pipeline, Shared } from '../exchange/pipeline.js'
import { Reply } from '../hooks/decisions.js'
import {
  type AttemptHooks,
  compileAttemptHooks,
  compileExchangeHooks,
  compileUpgradeHooks,
  type ExchangeHooks,
  type UpgradeHooks
} from '../hooks/hook-set.js'
import type { LogFields, Logger, Metrics, Place } from '../hooks/plugin.js'
import type { RouteInfo } from '../hooks/types.js'
import { Matcher } from '../route/matcher.js'
import type { EndpointStore } from '../service/endpoint-store.js'
import { PluginHandle } from '../service/handle.js'
import { Service } from '../service/service.js'
import type { WorkerPool } from '../workers/pool.js'
import { fetchFrom } from './fetch.js'
import { checkNeeds } from './needs.js'
import { type PlacedInstance, type SetupParts, setUp } from './setup.js'

export interface GenerationParts extends Shared {
  readonly log: Logger & { child(bindings: LogFields): Logger }
  readonly metrics: Metrics
  readonly store: EndpointStore
  readonly workers: WorkerPool
  /** Where chance comes from. Default Math.random. */
  readonly random?: () => number
}

/** A route of one configuration, compiled. */
export class RoutePipeline implements Pipeline {
  readonly config: RouteConfig
  readonly route: RouteInfo
  readonly hooks: ExchangeHooks
  readonly upgradeHooks: UpgradeHooks | undefined
  readonly service: Service | undefined
  readonly reply: Reply | undefined
  readonly timeout: number
  /** The top's plugins, then the route's. */
  readonly plugins: readonly PlacedInstance[]
  readonly #generation: Generation
  readonly #attemptHooks = new Map<Service, AttemptHooks>()

  constructor(
    config: RouteConfig,
    plugins: readonly PlacedInstance[],
    service: Service | undefined,
    generation: Generation
  ) {
    this.config = config
    this.route = Object.freeze({ name: config.name, service: config.service })
    this.plugins = plugins
    this.hooks = compileExchangeHooks(plugins)
    this.upgradeHooks = compileUpgradeHooks(plugins)
    this.service = service
    this.reply = config.reply && new Reply(config.reply.status, config.reply.body, config.reply.headers)
    this.timeout = config.timeout === 0 ? Number.POSITIVE_INFINITY : config.timeout
    this.#generation = generation
    if (service !== undefined) this.attemptHooks(service)
  }

  /** Another service than the route's own is a failover's: compiled when it first happens. */
  attemptHooks(service: Service): AttemptHooks {
    let hooks = this.#attemptHooks.get(service)
    if (hooks === undefined) {
      hooks = compileAttemptHooks(this.plugins, this.#generation.instancesOf(service))
      this.#attemptHooks.set(service, hooks)
    }
    return hooks
  }

  serviceNamed(name: string): Service | undefined {
    return this.#generation.services.get(name)
  }

  enter(): void {
    this.#generation.enter()
  }

  leave(): void {
    this.#generation.leave()
  }
}

const NO_ROUTE: RouteConfig = {
  name: '-',
  match: { path: '/*', host: undefined, methods: undefined, headers: undefined, query: undefined },
  listeners: undefined,
  service: undefined,
  reply: undefined,
  timeout: 15_000,
  encodedSlashes: 'refuse',
  plugins: []
}

/** One configuration at work. It retires when another has taken its place and its last exchange has ended. */
export class Generation {
  readonly config: Config
  readonly services = new Map<string, Service>()
  readonly routes: RoutePipeline[] = []
  readonly matchers = new Map<string, Matcher<RoutePipeline>>()
  /** What runs when no route matches: the top's plugins alone. */
  noRoute!: RoutePipeline
  readonly instances: PlacedInstance[] = []
  readonly #serviceInstances = new Map<string, PlacedInstance[]>()
  #inFlight = 0
  #retire: (() => void) | undefined

  private constructor(config: Config) {
    this.config = config
  }

  /**
   * Builds all of it, or nothing.
   *
   * @throws ConfigError when a plugin's needs are not met
   * @throws StartError when a plugin cannot be set up; those that were are closed again
   */
  static async build(config: Config, parts: GenerationParts): Promise<Generation> {
    checkNeeds(config)
    const generation = new Generation(config)
    try {
      await generation.#build(parts)
    } catch (error) {
      await generation.#close()
      throw error
    }
    return generation
  }

  get inFlight(): number {
    return this.#inFlight
  }

  instancesOf(service: Service): readonly PlacedInstance[] {
    return this.#serviceInstances.get(service.name) ?? []
  }

  /** It is the running one from now on. */
  activate(): void {
    for (const service of this.services.values()) service.activate()
  }

  enter(): void {
    this.#inFlight++
  }

  leave(): void {
    this.#inFlight--
    if (this.#inFlight === 0) this.#retire?.()
  }

  /** Resolves when its last exchange has ended and its plugins have closed. */
  async retire(): Promise<void> {
    if (this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#retire = resolve
      })
    }
    await this.#close()
  }

  async #build(parts: GenerationParts): Promise<void> {
    const { config } = this
    for (const service of config.services.values())
      this.services.set(service.name, new Service(service, parts))
    const setup: SetupParts = {
      ...parts,
      random: parts.random ?? Math.random,
      limits: parts.store.limits,
      directory: config.directory,
      serviceNamed: (name) => this.services.get(name),
      fetch: async (name, path, init) => {
        const service = this.services.get(name)
        if (service === undefined) throw new Error(`there is no service ${JSON.stringify(name)}`)
        return fetchFrom(service, parts.clock, path, init)
      }
    }
    const top = await this.#setUpAll(config.plugins, 'top', '*', undefined, setup)
    for (const service of this.services.values()) {
      const instances = await this.#setUpAll(service.config.plugins, 'service', service.name, service, setup)
      this.#serviceInstances.set(service.name, instances)
    }
    for (const route of config.routes) {
      const own = await this.#setUpAll(route.plugins, 'route', route.name, undefined, setup, route.service)
      const service = route.service === undefined ? undefined : this.services.get(route.service)
      this.routes.push(new RoutePipeline(route, [...top, ...own], service, this))
    }
    this.noRoute = new RoutePipeline(NO_ROUTE, top, undefined, this)
    for (const name of config.listeners.keys()) {
      const routes = this.routes.filter((route) => route.config.listeners?.includes(name) ?? true)
      this.matchers.set(name, new Matcher(routes))
    }
  }

  async #setUpAll(
    uses: readonly PluginUse[],
    kind: Place,
    name: string,
    service: Service | undefined,
    parts: SetupParts,
    routed?: string
  ): Promise<PlacedInstance[]> {
    const instances: PlacedInstance[] = []
    for (const use of uses) {
      const handle = service && new PluginHandle(service, use.name)
      const before = instances.filter((instance) => instance.use.name === use.name).length
      const instance = await setUp(use, { kind, name, service: routed }, handle, before, parts)
      // Kept at once, so that what was set up is closed when a later one fails.
      this.instances.push(instance)
      instances.push(instance)
    }
    return instances
  }

  async #close(): Promise<void> {
    for (const instance of [...this.instances].reverse()) await instance.close()
    for (const service of this.services.values()) service.close()
  }
}
