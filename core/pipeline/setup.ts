import type { PluginUse } from '../config/types.js'
import type { Clock } from '../hooks/clock.js'
import type { Deadlines } from '../hooks/deadlines.js'
import type { PluginInstance } from '../hooks/instance.js'
import { HOOK_NAMES, SERVICE_HOOKS } from '../hooks/names.js'
import type {
  AnyFunction,
  CounterCell,
  FetchInit,
  FetchResult,
  HistogramCell,
  LogFields,
  Logger,
  MetricFamily,
  Metrics,
  Place,
  ServiceHandle,
  ServiceInfo,
  WorkerOptions
} from '../hooks/plugin.js'
import type { BodyDeclaration, HookName, PluginHooks } from '../hooks/types.js'
import { compileWhen } from '../route/condition.js'
import type { LimitStore, NamedLimit } from '../service/limit.js'
import type { WorkerPool } from '../workers/pool.js'
import { StartError } from './start-error.js'

type Closer = () => void | Promise<void>

/** A setup that takes longer than this has stopped, in ms. */
const SETUP_TIMEOUT = 30_000
/** What a plugin's `onClose` may take before it is left behind, in ms. */
const CLOSE_TIMEOUT = 5_000

export interface SetupParts {
  readonly clock: Clock
  readonly deadlines: Deadlines
  readonly log: Logger & { child(bindings: LogFields): Logger }
  readonly metrics: Metrics
  readonly workers: WorkerPool
  readonly directory: string
  readonly limits: LimitStore
  random(): number
  serviceNamed(name: string): ServiceInfo | undefined
  fetch(service: string, path: string, init: FetchInit): Promise<FetchResult>
}

export interface PlacedInstance extends PluginInstance {
  readonly use: PluginUse
  readonly place: { readonly kind: Place; readonly name: string }
  /** What it bounds. */
  readonly limits: readonly NamedLimit[]
  /** Runs the plugin's `onClose` functions, last one first. Never rejects. */
  close(): Promise<void>
}

/**
 * Runs a plugin's `setup` for one place where it is listed.
 *
 * @param before how many listings of this plugin stand before it there: each has bounds of its own
 * @throws StartError when it throws, takes too long or returns what are no hooks; its `onClose` functions have run then
 */
export async function setUp(
  use: PluginUse,
  place: { kind: Place; name: string; service?: string | undefined },
  service: ServiceHandle | undefined,
  before: number,
  parts: SetupParts
): Promise<PlacedInstance> {
  const { plugin, name } = use
  const on = place.kind === 'top' ? {} : { [place.kind]: place.name }
  const log = parts.log.child({ plugin: name, ...on })
  const closers: Closer[] = []
  const limits: NamedLimit[] = []
  try {
    const returned = await withTimeout(
      plugin.setup({
        config: use.config as never,
        place,
        directory: parts.directory,
        log,
        metrics: parts.metrics,
        clock: parts.clock,
        random: () => parts.random(),
        limit: (wanted: string, max: number) => {
          const known = before === 0 ? wanted : `${wanted} ${before + 1}`
          const limit = parts.limits.hold(place, known, max)
          limits.push(limit)
          closers.push(() => parts.limits.release(place, known))
          return limit
        },
        worker: <F extends AnyFunction>(file: URL, exportName: string, options?: WorkerOptions) =>
          parts.workers.bind<F>(file, exportName, options),
        service,
        serviceNamed: (wanted: string) => parts.serviceNamed(wanted),
        fetch: (to: string, path: string, init: FetchInit = {}) => parts.fetch(to, path, init),
        onClose: (closer: () => void | Promise<void>) => {
          closers.push(closer)
        }
      }),
      parts.clock
    )
    const hooks = checkHooks(returned ?? {})
    if (place.kind === 'service') warnOfUnheard(hooks, log)
    const body = typeof plugin.body === 'function' ? plugin.body(use.config) : plugin.body
    return new Instance(use, place, hooks, body, log, closers, limits, parts)
  } catch (cause) {
    await runClosers(closers, parts.clock, log)
    if (cause instanceof StartError) throw cause
    const where = place.kind === 'top' ? 'at the top' : `on ${place.kind} ${place.name}`
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new StartError(`${use.at}: plugin ${name} ${where} could not be set up: ${message}`, cause)
  }
}

/** One for each listing, of which there may be thousands: methods, and no closures of its own. */
class Instance implements PlacedInstance {
  readonly name: string
  readonly use: PluginUse
  readonly place: { readonly kind: Place; readonly name: string }
  readonly limits: readonly NamedLimit[]
  readonly hooks: PluginHooks
  readonly body: BodyDeclaration | undefined
  readonly when: PluginInstance['when']
  readonly onFailure: 'close' | 'skip'
  readonly hookTimeout: number
  readonly log: Logger
  readonly deadlines: Deadlines
  /** Called without its instance. */
  readonly now: () => number
  readonly #clock: Clock
  readonly #metrics: PluginMetrics
  readonly #closers: Closer[]

  constructor(
    use: PluginUse,
    place: { kind: Place; name: string },
    hooks: PluginHooks,
    body: BodyDeclaration | undefined,
    log: Logger,
    closers: Closer[],
    limits: readonly NamedLimit[],
    parts: SetupParts
  ) {
    this.name = use.name
    this.use = use
    this.place = place
    this.limits = limits
    this.hooks = hooks
    this.body = body
    this.when = use.when === undefined ? undefined : compileWhen(use.when)
    this.onFailure = use.onFailure
    this.hookTimeout = use.hookTimeout
    this.log = log
    this.deadlines = parts.deadlines
    this.now = nowOf(parts.clock)
    this.#clock = parts.clock
    this.#metrics = pluginMetrics(parts.metrics)
    this.#closers = closers
  }

  duration(hook: HookName): HistogramCell {
    return this.#metrics.durations.labels(this.name, hook)
  }

  failures(hook: HookName): CounterCell {
    return this.#metrics.failures.labels(this.name, hook)
  }

  close(): Promise<void> {
    return runClosers(this.#closers, this.#clock, this.log)
  }
}

const readings = new WeakMap<Clock, () => number>()

function nowOf(clock: Clock): () => number {
  let now = readings.get(clock)
  if (now === undefined) readings.set(clock, (now = () => clock.now()))
  return now
}

interface PluginMetrics {
  readonly durations: MetricFamily<HistogramCell>
  readonly failures: MetricFamily<CounterCell>
}

/** Looked up once: thousands of instances have the same. */
const known = new WeakMap<Metrics, PluginMetrics>()

function pluginMetrics(metrics: Metrics): PluginMetrics {
  let found = known.get(metrics)
  if (found === undefined) known.set(metrics, (found = declare(metrics)))
  return found
}

function declare(metrics: Metrics): PluginMetrics {
  return {
    durations: metrics.histogram({
      name: 'outrigger_plugin_duration_seconds',
      help: "Time in a plugin's hook, waiting included",
      labels: ['plugin', 'hook'],
      // A hook that takes no time to speak of is the usual case, and one over a millisecond holds up everyone.
      buckets: [0.00001, 0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5]
    }),
    failures: metrics.counter({
      name: 'outrigger_plugin_errors_total',
      help: 'Hooks that threw, ran out of time or returned what they may not',
      labels: ['plugin', 'hook']
    })
  }
}

function checkHooks(returned: PluginHooks): PluginHooks {
  if (typeof returned !== 'object')
    throw new TypeError(`setup returns an object of hooks, not ${typeof returned}`)
  for (const [name, value] of Object.entries(returned)) {
    if (!(HOOK_NAMES as readonly string[]).includes(name)) {
      throw new TypeError(
        `setup returned ${JSON.stringify(name)}, which is no hook; hooks are ${HOOK_NAMES.join(', ')}`
      )
    }
    if (value !== undefined && typeof value !== 'function')
      throw new TypeError(`hook ${name} is not a function`)
  }
  return returned
}

function warnOfUnheard(hooks: PluginHooks, log: Logger): void {
  const unheard = HOOK_NAMES.filter((name) => hooks[name] !== undefined && !SERVICE_HOOKS.has(name))
  if (unheard.length > 0) log.warn(`on a service these hooks do not run: ${unheard.join(', ')}`)
}

async function withTimeout<T>(result: T | Promise<T>, clock: Clock): Promise<T> {
  if (!(result instanceof Promise)) return result
  const timeout = new AbortController()
  try {
    return await Promise.race([
      result,
      clock.sleep(SETUP_TIMEOUT, timeout.signal).then(() => {
        throw new Error(`setup took longer than ${SETUP_TIMEOUT / 1000} s`)
      })
    ])
  } finally {
    timeout.abort()
  }
}

async function runClosers(closers: Closer[], clock: Clock, log: Logger): Promise<void> {
  for (let closer = closers.pop(); closer !== undefined; closer = closers.pop()) {
    try {
      const closing = closer()
      if (closing !== undefined) await closedInTime(closing, clock, log)
    } catch (error) {
      log.error({ error }, 'onClose failed')
    }
  }
}

async function closedInTime(closing: Promise<void>, clock: Clock, log: Logger): Promise<void> {
  const timeout = new AbortController()
  try {
    await Promise.race([
      closing,
      clock.sleep(CLOSE_TIMEOUT, timeout.signal).then(
        () => log.warn(`onClose took longer than ${CLOSE_TIMEOUT / 1000} s and was left behind`),
        () => {}
      )
    ])
  } finally {
    timeout.abort()
  }
}
