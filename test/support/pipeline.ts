// A whole pipeline (top, route and service) without sockets and on a virtual clock: what `runPlugin` is for one place.
import type { Readable } from 'node:stream'
import type { Config, PluginUse, RouteConfig, ServiceConfig } from '../../core/config/types.js'
import { Fields } from '../../core/exchange/fields.js'
import { Http1Downstream } from '../../core/exchange/http1.js'
import type { Lifecycle } from '../../core/exchange/lifecycle.js'
import { Deadlines } from '../../core/hooks/deadlines.js'
import type { Plugin } from '../../core/hooks/plugin.js'
import type { Result } from '../../core/hooks/types.js'
import { definePlugin } from '../../core/index.js'
import { MetricsRegistry } from '../../core/metrics/registry.js'
import { Generation } from '../../core/pipeline/generation.js'
import { accept } from '../../core/server/accept.js'
import { EndpointStore } from '../../core/service/endpoint-store.js'
import { CapturedLog } from '../../core/testing/captured-log.js'
import { TEST_LISTENER, testEntry } from '../../core/testing/entry.js'
import { FakeUpstreams, type UpstreamHandler } from '../../core/testing/fake-upstream.js'
import { FakeOutgoing, FakePeer, fakeIncoming, type SentRequest } from '../../core/testing/sockets.js'
import { settle, VirtualClock } from '../../core/testing/virtual-clock.js'
import { WorkerPool } from '../../core/workers/pool.js'

export type Listed = Plugin | (Partial<Omit<PluginUse, 'plugin'>> & { plugin: Plugin })

export interface PipelineSetup {
  top?: readonly Listed[]
  route?: readonly Listed[]
  service?: readonly Listed[]
  endpoints?: readonly (string | { url: string; weight?: number; zone?: string })[]
  /** More services by name: their endpoints and plugins. */
  services?: Record<string, { endpoints: readonly string[]; plugins?: readonly Listed[] }>
  routes?: readonly Partial<RouteConfig>[]
  upstream?: UpstreamHandler
  timeout?: number
}

export interface Answer {
  status: number
  headers: Fields
  body: string
  error: string | undefined
  result: Result | undefined
  exchange: Lifecycle
}

function use(listed: Listed): PluginUse {
  const given = 'plugin' in listed ? listed : { plugin: listed }
  const { plugin } = given
  return {
    name: plugin.name,
    config: {},
    when: undefined,
    onFailure: 'close',
    hookTimeout: 5_000,
    at: plugin.name,
    ...given
  }
}

export function configOf(setup: PipelineSetup): Config {
  const service = (
    name: string,
    endpoints: NonNullable<PipelineSetup['endpoints']>,
    plugins: readonly Listed[]
  ): ServiceConfig => ({
    name,
    endpoints: endpoints.map((one) => ({
      weight: 1,
      zone: undefined,
      priority: 0,
      tags: {},
      ...(typeof one === 'string' ? { url: one } : one)
    })),
    protocol: 'http',
    tls: { ca: undefined, serverName: undefined, cert: undefined, key: undefined, insecure: false },
    plugins: plugins.map(use),
    connectTimeout: 5_000,
    keepAlive: 4_000,
    idleTimeout: 300_000,
    maxConnections: 1_024,
    maxPending: 1_024,
    fastLane: true
  })
  const route = (given: Partial<RouteConfig>): RouteConfig => ({
    name: 'route',
    match: { path: '/*', host: undefined, methods: undefined, headers: undefined, query: undefined },
    listeners: undefined,
    service: 'upstream',
    reply: undefined,
    timeout: setup.timeout ?? 15_000,
    encodedSlashes: 'refuse',
    plugins: (setup.route ?? []).map(use),
    ...given
  })
  const services = new Map([
    [
      'upstream',
      service('upstream', setup.endpoints ?? ['http://one.test', 'http://two.test'], setup.service ?? [])
    ]
  ])
  for (const [name, { endpoints, plugins = [] }] of Object.entries(setup.services ?? {}))
    services.set(name, service(name, endpoints, plugins))
  return {
    file: undefined,
    directory: process.cwd(),
    listeners: new Map([[TEST_LISTENER.name, TEST_LISTENER]]),
    admin: undefined,
    plugins: (setup.top ?? []).map(use),
    services,
    routes: (setup.routes ?? [{}]).map(route),
    workers: { threads: 1, maxQueue: 64, maxHeap: 256 * 1024 * 1024 },
    processes: 1,
    drainTimeout: 30_000,
    log: { level: 'debug' },
    masked: {},
    watched: []
  }
}

type Incoming = ReturnType<typeof fakeIncoming>

/** All that `fakeIncoming` says beside the body. */
function headOf(sent: SentRequest): Partial<Incoming> {
  const { method, rawHeaders, httpVersion, httpVersionMajor, httpVersionMinor, socket } = fakeIncoming(sent)
  return { method: method as string, rawHeaders, httpVersion, httpVersionMajor, httpVersionMinor, socket }
}

export interface Under {
  readonly exchange: Lifecycle
  readonly outgoing: FakeOutgoing
  readonly incoming: Incoming
  /** Whether the client has all it will get. */
  readonly ended: boolean
  answer(): Answer
}

export class TestPipeline {
  readonly clock = new VirtualClock()
  readonly deadlines = new Deadlines(this.clock)
  readonly log = new CapturedLog()
  readonly metrics = new MetricsRegistry()
  readonly upstreams: FakeUpstreams
  readonly store: EndpointStore
  readonly results = new Map<unknown, Result[]>()
  generation!: Generation
  readonly #workers = new WorkerPool({ threads: 1, maxQueue: 64, maxHeap: 256 * 1024 * 1024, modules: {} })

  private constructor(upstream: UpstreamHandler) {
    this.upstreams = new FakeUpstreams(upstream)
    this.store = new EndpointStore(this.metrics, { connect: ({ url }) => this.upstreams.connect(url) })
  }

  /** Setups that sleep need `turn` to move the clock meanwhile. */
  static async build(setup: PipelineSetup, turn = false): Promise<TestPipeline> {
    const run = new TestPipeline(setup.upstream ?? (() => ({ body: 'ok' })))
    const recorder = definePlugin({
      name: 'recorder',
      setup: () => ({
        finish: (result, exchange) => {
          run.results.set(exchange, [...(run.results.get(exchange) ?? []), result])
        }
      })
    })
    const building = Generation.build(configOf({ ...setup, top: [recorder, ...(setup.top ?? [])] }), {
      clock: run.clock,
      deadlines: run.deadlines,
      log: run.log,
      metrics: run.metrics,
      store: run.store,
      workers: run.#workers
    })
    let over = false
    const watched = building.finally(() => {
      over = true
    })
    watched.catch(() => {})
    for (let i = 0; turn && !over && i < 100; i++) await run.clock.advance(1_000)
    run.generation = await building
    run.generation.activate()
    return run
  }

  /** @param source the body, as the test pushes it; `sent` has its framing */
  begin(sent: SentRequest = {}, source?: Readable): Under {
    const incoming =
      source === undefined ? fakeIncoming(sent) : (Object.assign(source, headOf(sent)) as unknown as Incoming)
    const outgoing = new FakeOutgoing()
    const shared = { clock: this.clock, deadlines: this.deadlines, log: this.log }
    const downstream = new Http1Downstream(
      new FakePeer(sent.client),
      incoming,
      outgoing.asResponse(),
      sent.url ?? '/'
    )
    let ended = false
    outgoing.once('close', () => {
      ended = true
    })
    const exchange = accept(this.generation, shared, testEntry(), downstream)
    const results = this.results
    return {
      exchange,
      outgoing,
      incoming,
      get ended() {
        return ended
      },
      answer() {
        const headers = new Fields(outgoing.headers)
        return {
          status: outgoing.status,
          headers,
          body: outgoing.body.toString(),
          error: headers.get('x-outrigger-error'),
          result: results.get(exchange)?.at(-1),
          exchange
        }
      }
    }
  }

  /** Until it has ended; the clock moves on when nothing else does. */
  async request(sent: SentRequest = {}): Promise<Answer> {
    const under = this.begin(sent)
    for (let i = 0; !under.ended; i++) {
      if (i > 2_000) throw new Error('the exchange did not end in 40 s of the virtual clock')
      await settle()
      if (!under.ended && i > 3) await this.clock.advance(20)
    }
    await settle()
    return under.answer()
  }

  async close(): Promise<void> {
    await this.generation.retire()
    await this.#workers.close()
  }
}

export { settle }

export interface BoundedRun {
  request(sent?: SentRequest): Promise<Answer & { result: Result; log: CapturedLog['lines'] }>
  readonly seen: FakeUpstreams['seen']
  close(): Promise<void>
}

/** As `runPlugin`, with an end to its patience: an exchange that hangs fails its test and not the file. */
export function runBounded(
  plugin: Plugin,
  _config: object = {},
  options: Pick<PipelineSetup, 'upstream' | 'timeout'> & {
    before?: readonly Plugin[]
    after?: readonly Plugin[]
  } = {}
): BoundedRun {
  const { before = [], after = [], ...rest } = options
  const seen: FakeUpstreams['seen'] = []
  const upstream = rest.upstream ?? (() => ({ body: 'ok' }))
  const built = TestPipeline.build({
    ...rest,
    upstream: (request) => {
      seen.push(request)
      return upstream(request)
    },
    route: [...before, plugin, ...after]
  })
  return {
    seen,
    async request(sent) {
      const run = await built
      const from = run.log.lines.length
      const answer = await run.request(sent)
      return { ...answer, result: answer.result as Result, log: run.log.lines.slice(from) }
    },
    close: async () => (await built).close()
  }
}
