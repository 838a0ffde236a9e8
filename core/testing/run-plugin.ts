import type { PluginUse } from '../config/types.js'
import type { ErrorCode } from '../errors.js'
import { Fields } from '../exchange/fields.js'
import { Http1Downstream } from '../exchange/http1.js'
import type { Lifecycle } from '../exchange/lifecycle.js'
import { Deadlines } from '../hooks/deadlines.js'
import { Pace } from '../hooks/pace.js'
import { type ConfigSchema, definePlugin, type Plugin, type PluginDefinition } from '../hooks/plugin.js'
import type { Exchange, HeaderList, PluginHooks, Result } from '../hooks/types.js'
import { MetricsRegistry } from '../metrics/registry.js'
import { Generation } from '../pipeline/generation.js'
import { accept } from '../server/accept.js'
import type { ServiceView } from '../server/types.js'
import { serviceViews } from '../server/views.js'
import { EndpointStore } from '../service/endpoint-store.js'
import { WorkerPool } from '../workers/pool.js'
import { CapturedLog, type LogLine } from './captured-log.js'
import { testEntry } from './entry.js'
import { FakeUpstreams, type UpstreamSeen } from './fake-upstream.js'
import { passTime } from './pass-time.js'
import { configOf, type RunOptions, seeded, use } from './run-config.js'
import { FakeOutgoing, FakePeer, fakeIncoming, type SentRequest } from './sockets.js'
import { VirtualClock } from './virtual-clock.js'

export interface AttemptSeen {
  endpoint: string
  status: number | undefined
  error: ErrorCode | undefined
  reason: string | undefined
  /** What the endpoint got. */
  headers: HeaderList
}

export interface RunResult {
  status: number
  headers: HeaderList
  /** As UTF-8. */
  body: string
  json<T = unknown>(): T
  /** The proxy's code, when it answered an error itself. */
  error: string | undefined
  attempts: AttemptSeen[]
  /** What `finish` was told. */
  result: Result
  exchange: Exchange
  /** Lines logged while it ran. */
  log: LogLine[]
}

export interface PluginRun {
  request(sent?: SentRequest): Promise<RunResult>
  readonly clock: VirtualClock
  /** All lines so far, those of `setup` among them. */
  readonly log: LogLine[]
  /** Everything the endpoints got. */
  readonly seen: UpstreamSeen[]
  /** The service behind it as `/services` would show it. Once a request was made. */
  readonly service: ServiceView
  /** The Prometheus text. */
  metrics(): Promise<string>
  /** Runs `onClose`. */
  close(): Promise<void>
}

/**
 * Runs a plugin as the proxy would, with no socket and on a virtual clock.
 *
 * @param config as in a configuration file; checked by the plugin's schema, defaults filled in
 * @returns requests wait for `setup`; what it throws, they reject with
 * @throws ConfigError on a configuration that the plugin's schema refuses
 * @example
 * const run = runPlugin(plugin, { limit: 10 })
 * const { status } = await run.request({ url: '/orders/1', headers: { 'x-api-key': 'secret' } })
 */
export function runPlugin<S extends ConfigSchema | undefined>(
  plugin: PluginDefinition<S>,
  config: unknown = {},
  options: RunOptions = {}
): PluginRun {
  const subject = use(plugin as Plugin, config, options)
  return new Run(subject, options)
}

class Run implements PluginRun {
  readonly clock = new VirtualClock()
  readonly #log = new CapturedLog()
  readonly #metrics = new MetricsRegistry()
  readonly #upstreams: FakeUpstreams
  readonly #deadlines = new Deadlines(this.clock)
  readonly #generation: Promise<Generation>
  #built: Generation | undefined
  readonly #workers: WorkerPool
  readonly #results = new Map<Exchange, Result>()
  readonly #autoAdvance: boolean

  constructor(subject: PluginUse, options: RunOptions) {
    this.#upstreams = new FakeUpstreams(options.upstream ?? (() => ({ body: 'ok' })))
    this.#autoAdvance = options.autoAdvance ?? true
    this.#workers = new WorkerPool({ threads: 1, maxQueue: 64, maxHeap: 256 * 1024 * 1024, modules: {} })
    const store = new EndpointStore(this.#metrics, { connect: ({ url }) => this.#upstreams.connect(url) })
    const parts = {
      clock: this.clock,
      deadlines: this.#deadlines,
      log: this.#log,
      metrics: this.#metrics,
      store,
      workers: this.#workers,
      random: options.random ?? seeded()
    }
    const config = configOf(subject, options, this.#recorder())
    // One plugin is built in one go, so that a request is under way once the clock has moved.
    const pace = new Pace({ slice: Number.POSITIVE_INFINITY })
    this.#generation = Generation.build(config, { ...parts, pace }).then((generation) => {
      generation.activate()
      this.#built = generation
      return generation
    })
    // Told by each request; a run of which no request is made must not end the process.
    this.#generation.catch(() => {})
  }

  get log(): LogLine[] {
    return this.#log.lines
  }

  get seen(): UpstreamSeen[] {
    return this.#upstreams.seen
  }

  get service(): ServiceView {
    const [view] = this.#built === undefined ? [] : serviceViews(this.#built, this.clock.now())
    if (view === undefined) throw new Error('the plugin is not set up yet: make a request first')
    return view
  }

  async request(sent: SentRequest = {}): Promise<RunResult> {
    const generation = await this.#generation
    const firstLine = this.log.length
    const firstSeen = this.seen.length
    const incoming = fakeIncoming(sent)
    const outgoing = new FakeOutgoing(incoming.method as string)
    const shared = { clock: this.clock, deadlines: this.#deadlines, log: this.#log }
    let ended = false
    const end = new Promise<void>((resolve) => {
      outgoing.once('close', () => {
        ended = true
        resolve()
      })
    })
    const exchange: Lifecycle = accept(
      generation,
      shared,
      testEntry(),
      new Http1Downstream(new FakePeer(sent.client), incoming, outgoing.asResponse(), sent.url ?? '/')
    )
    if (this.#autoAdvance) {
      await passTime(this.clock, {
        ended: () => ended,
        busy: () => this.#workers.isBusy,
        progress: () => this.log.length + this.seen.length + outgoing.progress
      })
    }
    await end
    const body = outgoing.body.toString('utf8')
    const headers = new Fields(outgoing.headers)
    const seen = this.seen.slice(firstSeen)
    return {
      status: outgoing.status,
      headers,
      body,
      json: () => JSON.parse(body),
      error: headers.get('x-outrigger-error'),
      attempts: exchange.attempts.map((attempt, i) => ({
        endpoint: attempt.endpoint.url,
        status: attempt.status,
        error: attempt.error?.code,
        reason: attempt.reason,
        headers: seen[i]?.headers ?? attempt.headers
      })),
      result: this.#results.get(exchange) as Result,
      exchange,
      log: this.log.slice(firstLine)
    }
  }

  async metrics(): Promise<string> {
    return (await this.#metrics.text()).text
  }

  async close(): Promise<void> {
    const generation = await this.#generation.catch(() => undefined)
    await generation?.retire()
    await this.#workers.close()
  }

  /** Outermost, so that its `finish` is the last. */
  #recorder(): PluginUse {
    const hooks: PluginHooks = { finish: (result, exchange) => void this.#results.set(exchange, result) }
    return use(definePlugin({ name: 'test-recorder', setup: () => hooks }), {}, {})
  }
}
