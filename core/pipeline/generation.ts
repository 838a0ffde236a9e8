import type { Config, PluginUse, RouteConfig } from '../config/types.js'
import type { Pipeline, Shared } from '../exchange/pipeline.js'
import { Reply } from '../hooks/decisions.js'
import type { AttemptHooks, ExchangeHooks, UpgradeHooks } from '../hooks/hook-set.js'
import { Pace } from '../hooks/pace.js'
import type { LogFields, Logger, Metrics, Place } from '../hooks/plugin.js'
import type { RouteInfo } from '../hooks/types.js'
import { Matcher } from '../route/matcher.js'
import type { EndpointStore } from '../service/endpoint-store.js'
import { PluginHandle } from '../service/handle.js'
import { Service } from '../service/service.js'
import type { WorkerPool } from '../workers/pool.js'
import { fetchFrom } from './fetch.js'
import { needsMet } from './needs.js'
import { RouteHooks } from './route-hooks.js'
import { type PlacedInstance, type SetupParts, setUp } from './setup.js'

export interface GenerationParts extends Shared {
  readonly log: Logger & { child(bindings: LogFields): Logger }
  readonly metrics: Metrics
  readonly store: EndpointStore
  readonly workers: WorkerPool
  /** Where chance comes from. Default Math.random. */
  readonly random?: () => number
  /** How building and closing are cut into slices. Default: slices of 2 ms. */
  readonly pace?: Pace
}

/** A route of one configuration. */
export class RoutePipeline implements Pipeline {
  readonly config: RouteConfig
  readonly route: RouteInfo
  readonly service: Service | undefined
  readonly reply: Reply | undefined
  readonly timeout: number
  readonly #generation: Generation
  /** Of its service. */
  readonly #instances: readonly PlacedInstance[]
  #hooks: RouteHooks
  #shared: boolean

  /** @param hooks its own, or those that it shares with others */
  constructor(
    config: RouteConfig,
    hooks: RouteHooks,
    shared: boolean,
    service: Service | undefined,
    generation: Generation
  ) {
    this.config = config
    this.route = Object.freeze({ name: config.name, service: config.service })
    this.service = service
    this.reply = config.reply && new Reply(config.reply.status, config.reply.body, config.reply.headers)
    this.timeout = config.timeout === 0 ? Number.POSITIVE_INFINITY : config.timeout
    this.#hooks = hooks
    this.#shared = shared
    this.#generation = generation
    this.#instances = service === undefined ? NONE : generation.hookedOf(service)
  }

  /** The top's plugins, then the route's. */
  get plugins(): readonly PlacedInstance[] {
    return this.#hooks.plugins
  }

  get hooks(): ExchangeHooks {
    return this.#hooks.exchange
  }

  get upgradeHooks(): UpgradeHooks | undefined {
    return this.#hooks.upgrade
  }

  /** Another service than the route's own is a failover's. */
  attemptHooks(service: Service): AttemptHooks {
    return this.#hooks.attempt(
      service === this.service ? this.#instances : this.#generation.hookedOf(service)
    )
  }

  /** Its hooks are its own from here on: whoever intercepts one must not hear of other routes. */
  own(): this {
    if (this.#shared) {
      this.#hooks = new RouteHooks(this.plugins)
      this.#shared = false
    }
    return this
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

const NONE: readonly PlacedInstance[] = Object.freeze([])

/** One configuration at work. It retires when another has taken its place and its last exchange has ended. */
export class Generation {
  readonly config: Config
  readonly services = new Map<string, Service>()
  readonly routes: RoutePipeline[] = []
  readonly matchers = new Map<string, Matcher<RoutePipeline>>()
  /** What runs when no route matches: the top's plugins alone. */
  noRoute!: RoutePipeline
  readonly instances: PlacedInstance[] = []
  readonly #serviceInstances = new Map<string, readonly PlacedInstance[]>()
  /** Those of them whose hooks run; one list for all services that have none. */
  readonly #hooked = new Map<Service, readonly PlacedInstance[]>()
  readonly #pace: Pace
  #inFlight = 0
  #retire: (() => void) | undefined

  private constructor(config: Config, pace: Pace) {
    this.config = config
    this.#pace = pace
  }

  /**
   * Builds all of it, or nothing.
   *
   * @throws ConfigError when a plugin's needs are not met
   * @throws StartError when a plugin cannot be set up; those that were are closed again
   */
  static async build(config: Config, parts: GenerationParts): Promise<Generation> {
    const pace = parts.pace ?? new Pace()
    await pace.run(needsMet(config))
    const generation = new Generation(config, pace)
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

  /** Those that have hooks. */
  hookedOf(service: Service): readonly PlacedInstance[] {
    return this.#hooked.get(service) ?? NONE
  }

  /** It is the running one from now on. */
  activate(): void {
    for (const service of this.services.values()) service.activate()
  }

  /** The same in slices: each service is, at the latest, when the first request comes to it. */
  async takeOver(): Promise<void> {
    // Not what may have ended the building: it is done.
    const pace = new Pace()
    for (const service of this.services.values()) service.announce()
    for (const service of this.services.values()) {
      if (!service.active) service.activate()
      if (pace.due) await pace.turn()
    }
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
    const pace = this.#pace
    for (const service of config.services.values()) {
      this.services.set(service.name, await pace.run(Service.of(service, parts)))
      if (pace.due) await pace.turn()
    }
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
      const hooked = instances.filter(({ hooks }) => Object.values(hooks).some((hook) => hook !== undefined))
      if (hooked.length > 0) this.#hooked.set(service, hooked)
    }
    const shared = new RouteHooks(top)
    for (const route of config.routes) {
      const own = await this.#setUpAll(route.plugins, 'route', route.name, undefined, setup, route.service)
      const service = route.service === undefined ? undefined : this.services.get(route.service)
      const hooks = own.length === 0 ? shared : new RouteHooks([...top, ...own])
      this.routes.push(new RoutePipeline(route, hooks, hooks === shared, service, this))
      if (pace.due) await pace.turn()
    }
    this.noRoute = new RoutePipeline(NO_ROUTE, shared, true, undefined, this)
    await this.#match()
  }

  async #match(): Promise<void> {
    const pace = this.#pace
    // Most routes are on every listener, and a matcher of ten thousand has its size.
    const everywhere = this.routes.every(({ config }) => config.listeners === undefined)
    let shared: Matcher<RoutePipeline> | undefined
    for (const name of this.config.listeners.keys()) {
      const routes = this.routes.filter(({ config }) => config.listeners?.includes(name) ?? true)
      const matcher = shared ?? (await pace.run(Matcher.of(routes)))
      if (everywhere) shared = matcher
      this.matchers.set(name, matcher)
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
      if (this.#pace.due) await this.#pace.turn()
    }
    return instances
  }

  async #close(): Promise<void> {
    // One of its own: what ended the building does not end this.
    const pace = new Pace()
    for (let at = this.instances.length - 1; at >= 0; at--) {
      await this.instances[at]?.close()
      if (pace.due) await pace.turn()
    }
    for (const service of this.services.values()) await pace.run(service.closing())
  }
}
