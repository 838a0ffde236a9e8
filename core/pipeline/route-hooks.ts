import {
  type AttemptHooks,
  compileAttemptHooks,
  compileExchangeHooks,
  compileUpgradeHooks,
  type ExchangeHooks,
  type UpgradeHooks
} from '../hooks/hook-set.js'
import type { PlacedInstance } from './setup.js'

type Instances = readonly PlacedInstance[]

/**
 * The hooks of a list of plugins, compiled when they are first asked for: of thousands of routes, few are at once. Routes that
 * have no plugins but the top's share them, until somebody asks for one route's alone.
 */
export class RouteHooks {
  /** The top's plugins, then the route's. */
  readonly plugins: Instances
  #exchange: ExchangeHooks | undefined
  /** Null: not compiled yet. */
  #upgrade: UpgradeHooks | undefined | null = null
  /** By the plugins of the service that an attempt is made on. */
  #attempts: Map<Instances, AttemptHooks> | undefined
  /** The last of them, which spares most attempts the map. */
  #lastInstances: Instances | undefined
  #lastAttempts: AttemptHooks | undefined

  constructor(plugins: Instances) {
    this.plugins = plugins
  }

  get exchange(): ExchangeHooks {
    this.#exchange ??= compileExchangeHooks(this.plugins)
    return this.#exchange
  }

  get upgrade(): UpgradeHooks | undefined {
    if (this.#upgrade === null) this.#upgrade = compileUpgradeHooks(this.plugins)
    return this.#upgrade
  }

  /** @param instances of the service: the same list each time */
  attempt(instances: Instances): AttemptHooks {
    if (instances === this.#lastInstances) return this.#lastAttempts as AttemptHooks
    this.#attempts ??= new Map()
    let hooks = this.#attempts.get(instances)
    if (hooks === undefined) {
      hooks = compileAttemptHooks(this.plugins, instances)
      this.#attempts.set(instances, hooks)
    }
    this.#lastInstances = instances
    this.#lastAttempts = hooks
    return hooks
  }
}
