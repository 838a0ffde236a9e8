import type { output, ZodType } from 'zod'
import { brandObject, hasBrand } from './brand.js'
import type { Clock } from './clock.js'
import type { Key } from './key.js'
import type { BodyDeclaration, BreakerState, Endpoint, Exchange, HeaderList, PluginHooks } from './types.js'

/** `top`: on every route. `service`: once per service, hooks 2 to 5b of every attempt on it. */
export type Place = 'top' | 'route' | 'service'

export type LogFields = Record<string, unknown>

export interface Logger {
  debug(message: string): void
  debug(fields: LogFields, message: string): void
  info(message: string): void
  info(fields: LogFields, message: string): void
  warn(message: string): void
  warn(fields: LogFields, message: string): void
  error(message: string): void
  error(fields: LogFields, message: string): void
}

export interface CounterCell {
  /** @param by default 1 */
  inc(by?: number): void
}
export interface GaugeCell {
  set(value: number): void
  inc(by?: number): void
  dec(by?: number): void
}
export interface HistogramCell {
  observe(value: number): void
}
/** One name with labels. Take the cell of a set of label values at load, or keep it: finding it costs more than using it. */
export interface MetricFamily<Cell> {
  /** In the order the labels were declared. Past `maxSeries` sets, every further one shares a cell whose labels all say `other`. */
  labels(...values: string[]): Cell
  /** Takes one series out of what is shown: its endpoint, say, is gone. False when there is none. */
  remove(...values: string[]): boolean
}
export interface MetricOptions {
  /** Prometheus name, base units. */
  name: string
  help: string
  labels?: readonly string[]
  /** Default 1,000. */
  maxSeries?: number
}
/** Metrics outlive a reload: the same name gives the same metric. @throws when a name is taken with another kind or other labels. */
export interface Metrics {
  counter(options: MetricOptions): MetricFamily<CounterCell>
  gauge(options: MetricOptions): MetricFamily<GaugeCell>
  /** @param options `buckets`: upper bounds, ascending. Default 1 ms to 10 s. */
  histogram(options: MetricOptions & { buckets?: readonly number[] }): MetricFamily<HistogramCell>
}

export interface EndpointSpec {
  url: string
  weight?: number | undefined
  zone?: string | undefined
  priority?: number | undefined
  tags?: Record<string, string> | undefined
}

/**
 * How a service's usable endpoints are grouped into levels, and what share of the attempts each level gets. A level's
 * health is `min(1, overprovisioning x usable / all)` of its endpoints (Envoy's priority load); each level in turn takes its
 * health's worth of what those before it have left.
 */
export interface Arrangement {
  /** By what endpoints are grouped, the weightier first. Default: `priority`. */
  order: readonly ('zone' | 'priority')[]
  /** Whose endpoints come first where `order` has `zone`: the zone that the proxy stands in. */
  zone: string | undefined
  /** From 1. Default Infinity: a level is left only when none of it is usable. */
  overprovisioning: number
  /**
   * From 0 to 1: where a smaller part of a level is usable than this, all of it is used, unhealthy and ejected endpoints
   * too, and never one whose breaker is open. Default 0: never.
   */
  panicThreshold: number
}

/** What a service, or each of its endpoints, takes at once. Past it an attempt is refused with OVERLOADED. */
export interface ServiceLimits {
  per: 'endpoint' | 'service'
  /** Of HTTP/1.1: connections of one endpoint, whatever `per` says. */
  maxConnections?: number | undefined
  /** Attempts of one endpoint that wait for a connection, whatever `per` says. */
  maxPending?: number | undefined
  /** Attempts under way. */
  maxRequests?: number | undefined
  /** Of these, such as are a retry. Past it a Retry is refused, and the outcome stands. */
  maxRetries?: number | undefined
}

/**
 * A number of things that may be under way at once, kept by a plugin and shown by the core: on `/services` or `/routes`, and
 * as `outrigger_limit`, `outrigger_limit_used` and `outrigger_limit_refused_total`. It outlives a reload.
 */
export interface Limit {
  readonly name: string
  /** Assign to change it. */
  max: number
  readonly used: number
  /** Set by whoever keeps a queue. */
  waiting: number
  /** Takes one. @returns false, and counts it as refused, when there is none left */
  take(): boolean
  /** Gives one back. */
  release(): void
  /** Counts a refusal that was not `take`'s. */
  refuse(): void
}

/** A service's live endpoints, and the one way to change them. */
export interface ServiceHandle extends ServiceInfo {
  mark(endpoint: Endpoint, health: 'healthy' | 'unhealthy', reason?: string): void
  /** Takes an endpoint out for `ms`; a second call replaces the first. */
  eject(endpoint: Endpoint, ms: number, reason?: string): void
  /** Ends an ejection. */
  restore(endpoint: Endpoint): void
  /**
   * Opens the breaker of an endpoint, or with `undefined` of the service: nothing is sent there for `ms`, and after that
   * one attempt at a time (its `probe` is true), until `reset` or the next `trip`.
   */
  trip(endpoint: Endpoint | undefined, ms: number, reason?: string): void
  /** Closes a breaker. */
  reset(endpoint: Endpoint | undefined): void
  weigh(endpoint: Endpoint, weight: number): void
  /** Multiplies an endpoint's weight, from 0 to 1, leaving what it is by itself alone: a slow start. */
  scale(endpoint: Endpoint, factor: number): void
  /** The whole list anew: an endpoint whose URL stays keeps its state and connections; one that goes finishes what it has. */
  replace(endpoints: readonly EndpointSpec[]): void
  /**
   * How the level of an exchange's attempts is drawn while several share the traffic, so that a session or a key stays in one. Asked
   * for nothing else, and once per attempt then.
   *
   * @param by returns an endpoint (the level that has it is taken, where it has a share), a number from 0 to less than 1
   *   in place of chance, or undefined for chance
   */
  drawBy(by: (exchange: Exchange) => Endpoint | number | undefined): void
  /** Takes effect with the configuration. */
  limit(limits: ServiceLimits): void
  /**
   * What the plugin knows of each endpoint: made when first asked for, and kept for as long as the endpoint is, over
   * reloads. Ask for the function once, at load.
   *
   * @param name of the knowledge: two that ask for the same get the same
   */
  keep<T>(name: string, create: (endpoint: Endpoint) => T): (endpoint: Endpoint) => T
}

/** A service as any plugin may see it: to read, and to say how its endpoints are used. */
export interface ServiceInfo {
  readonly name: string
  /** All of them, as they are now. */
  readonly endpoints: readonly Endpoint[]
  /** Those that the next attempt would choose from: usable, and of the level whose turn it is. */
  usable(): readonly Endpoint[]
  /** The service's own. `open`: every attempt on it is refused. */
  readonly breaker: BreakerState
  /** Attempts under way. */
  readonly inFlight: number
  /** Of several plugins each says its part; the last one holds where two say the same. Takes effect with the configuration. */
  arrange(arrangement: Partial<Arrangement>): void
}

// A worker's function has whatever parameters it has.
// biome-ignore lint/suspicious/noExplicitAny: the author's own types come in through `F`
export type AnyFunction = (...args: any[]) => unknown

export interface WorkerOptions {
  /**
   * Milliseconds that the function may run, from when it begins; loading its file has 10 s of its own. Past it the call
   * rejects with `PLUGIN_TIMEOUT` and its thread is replaced. As long may the call wait for a thread, and then rejects
   * with `WORKER_OVERLOADED`. Default 5000.
   */
  timeout?: number
}

/**
 * Runs in the process's pool. Rejects with `WORKER_OVERLOADED` at once when the queue is full, with what the function
 * throws (name, message, code, stack; a ProxyError stays one), or with an Error that names export and file.
 *
 * Bytes of 4 KiB or more (Uint8Array, Buffer, ArrayBuffer; an argument, or one level inside of an array or object) are
 * moved and not copied, where they own all of their memory: after the call the caller's buffer is detached, its length 0.
 * So is a buffer that the worker returns, in the worker: return a copy of what it keeps. A part of larger memory, a
 * small buffer and a body of the exchange are copied. A Buffer is a Buffer on the other side, deeper ones a Uint8Array.
 */
export interface WorkerFunction<F extends AnyFunction> {
  (...args: Parameters<F>): Promise<Awaited<ReturnType<F>>>
  /** The same, given up when the exchange ends: it rejects with the signal's reason, and no thread works on for it. */
  for(exchange: { readonly signal: AbortSignal }): (...args: Parameters<F>) => Promise<Awaited<ReturnType<F>>>
}

export interface FetchInit {
  method?: string
  headers?: Record<string, string> | Iterable<readonly [name: string, value: string]>
  body?: string | Uint8Array
  /** Milliseconds for the whole of it. Default 5000. */
  timeout?: number
  signal?: AbortSignal
  /** This endpoint and no other (a probe). Default: the service's next. */
  endpoint?: Endpoint
  /** Bytes of the answer's body that are kept. Default 1 MiB; past it the call rejects. */
  maxBytes?: number
  /** The answer's body is let pass and not kept: up to `maxBytes`, all the same. Default false. */
  discard?: boolean
}
export interface FetchResult {
  readonly status: number
  readonly headers: HeaderList
  readonly body: Buffer
  /** What came behind the body: a gRPC status, say. */
  readonly trailers: HeaderList
}

export interface SetupContext<C> {
  /** Validated, with defaults filled in. */
  readonly config: C
  /** `service`: of a route the name of its service, where it has one. */
  readonly place: { readonly kind: Place; readonly name: string; readonly service?: string | undefined }
  /** Absolute: what a relative path in the configuration is relative to. */
  readonly directory: string
  /** Names the plugin in each line. */
  readonly log: Logger
  readonly metrics: Metrics
  readonly clock: Clock
  /** From 0 to less than 1. Under test and in the simulator it is seeded, so that what comes out can be said beforehand. */
  random(): number
  /** A bound of this plugin's, in the place where it is listed: of the same name and place it is the same one. */
  limit(name: string, max: number): Limit
  /**
   * CPU-heavy work, in one line.
   *
   * @example
   * import type { sign as Sign } from './sign.worker.js'
   * const sign = worker<typeof Sign>(new URL('./sign.worker.js', import.meta.url), 'sign')
   */
  worker<F extends AnyFunction>(file: URL, exportName: string, options?: WorkerOptions): WorkerFunction<F>
  /** The service this plugin stands on; undefined at the top and on a route. */
  readonly service: ServiceHandle | undefined
  /** Any service of the configuration, to look at; undefined where there is none of this name. */
  serviceNamed(name: string): ServiceInfo | undefined
  /** A request of the plugin's own to a service, through the core's pools: probes, mirrors, key sets. */
  fetch(service: string, path: string, init?: FetchInit): Promise<FetchResult>
  /** Runs when the configuration that holds this plugin has retired; also after a `setup` that threw. */
  onClose(close: () => void | Promise<void>): void
}

/** A zod schema of an object, or a JSON Schema of one. Keys it does not name are errors. */
export type ConfigSchema = ZodType | { readonly type: 'object'; readonly [keyword: string]: unknown }

export type ConfigOf<S> = S extends ZodType
  ? output<S>
  : S extends undefined
    ? Record<string, never>
    : Record<string, unknown>

/** What a configuration has around one listing of a plugin. */
export interface CheckContext<C> {
  /** Validated, with defaults filled in. */
  readonly config: C
  readonly place: Place
  /** ms that one call of a hook may take. */
  readonly hookTimeout: number
  /** Names of the services that are configured. */
  readonly services: readonly string[]
}

/** What is wrong with a listing. `path` leads from the plugin's own configuration to the value; default: all of it. */
export interface ConfigFault {
  readonly path?: readonly (string | number)[]
  readonly message: string
}

export interface PluginDefinition<S extends ConfigSchema | undefined = ConfigSchema | undefined> {
  /** What a configuration calls it: lower case, digits and dashes. */
  name: string
  version?: string
  /** One line, for `outrigger plugins`. */
  description?: string
  config?: S
  /** Where it may stand. Default: everywhere its hooks are run. */
  places?: readonly Place[]
  /** Keys it sets in `request`, for plugins behind it. */
  provides?: readonly Key<unknown>[]
  /** Keys that a plugin before it must provide. */
  needs?: readonly Key<unknown>[]
  body?: BodyDeclaration | ((config: ConfigOf<S>) => BodyDeclaration)
  /**
   * What the schema cannot know: whether the keys fit the place they stand in and the services there are. Told with their
   * lines, beside all other mistakes, and before anything is set up.
   */
  check?(context: CheckContext<ConfigOf<S>>): Iterable<ConfigFault>
  setup(
    context: SetupContext<ConfigOf<S>>
  ): PluginHooks | undefined | void | Promise<PluginHooks | undefined | void>
}

/** A definition of any config, as the core handles it. */
// biome-ignore lint/suspicious/noExplicitAny: setup's parameter makes the type invariant; the config was checked by the plugin's own schema
export type Plugin = PluginDefinition<any>

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/

/**
 * Describes a plugin. A file exports it as its default.
 *
 * @throws TypeError on a name that is not lower case, digits and dashes, or without `setup`
 * @example
 * export default definePlugin({
 *   name: 'hello',
 *   setup: () => ({ request: () => new Reply(200, 'hello') })
 * })
 */
export function definePlugin<S extends ConfigSchema | undefined = undefined>(
  definition: PluginDefinition<S>
): PluginDefinition<S> {
  if (typeof definition.name !== 'string' || !NAME.test(definition.name)) {
    throw new TypeError(
      `a plugin's name is lower case letters, digits and dashes, not ${JSON.stringify(definition.name)}`
    )
  }
  if (typeof definition.setup !== 'function') {
    throw new TypeError(`plugin ${definition.name}: setup is a function, not ${typeof definition.setup}`)
  }
  for (const list of ['provides', 'needs'] as const) {
    for (const one of definition[list] ?? []) {
      if (typeof one?.name === 'string') continue
      const said = typeof one === 'string' ? JSON.stringify(one) : '"..."'
      throw new TypeError(`plugin ${definition.name}: ${list} holds what is no key: write key(${said})`)
    }
  }
  return Object.freeze(brandObject({ ...definition }, 'plugin'))
}

export function isPlugin(value: unknown): value is Plugin {
  return hasBrand(value, 'plugin')
}
