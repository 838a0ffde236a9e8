// A whole configuration, as users write it, with no socket and on a virtual clock: endpoints are a function.
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { loadConfig } from '../../core/config/load.js'
import { Fields } from '../../core/exchange/fields.js'
import { Http1Downstream } from '../../core/exchange/http1.js'
import type { Lifecycle } from '../../core/exchange/lifecycle.js'
import { Deadlines } from '../../core/hooks/deadlines.js'
import { definePlugin, type Endpoint, type Result } from '../../core/index.js'
import { MetricsRegistry } from '../../core/metrics/registry.js'
import { ModuleLoader } from '../../core/modules/load.js'
import { Generation } from '../../core/pipeline/generation.js'
import { accept } from '../../core/server/accept.js'
import type { LimitView, ServiceView } from '../../core/server/types.js'
import { serviceViews } from '../../core/server/views.js'
import { EndpointStore } from '../../core/service/endpoint-store.js'
import { CapturedLog } from '../../core/testing/captured-log.js'
import { TEST_LISTENER, testEntry } from '../../core/testing/entry.js'
import { FakeUpstreams, type UpstreamAnswer, type UpstreamSeen } from '../../core/testing/fake-upstream.js'
import { FakeOutgoing, FakePeer, fakeIncoming, type SentRequest } from '../../core/testing/sockets.js'
import { settle, VirtualClock } from '../../core/testing/virtual-clock.js'
import { WorkerPool } from '../../core/workers/pool.js'
import { host } from '../../plugins/host.js'

export interface Closing {
  teardown(close: () => unknown): unknown
}

/** As in a configuration: a name, or a name and its keys. */
export type Listing = string | Record<string, object>

export interface StageSetup {
  readonly top?: readonly Listing[]
  readonly route?: readonly Listing[]
  /** On the service `orders`, which the route leads to. */
  readonly service?: readonly Listing[]
  /** Of `orders`. Default: http://one.test and http://two.test. */
  readonly endpoints?: readonly (string | object)[]
  /** Other services, by name. */
  readonly services?: Readonly<Record<string, object>>
  /** More keys of the route. */
  readonly on?: object
  /** What endpoints answer. Default: 200 with their own URL. */
  readonly upstream?: (request: UpstreamSeen, clock: VirtualClock) => UpstreamAnswer | Promise<UpstreamAnswer>
  /** Default: the same numbers in each run. */
  readonly random?: () => number
}

export interface Answer {
  readonly status: number
  readonly headers: Fields
  readonly body: string
  /** The proxy's code, when it answered an error itself. */
  readonly error: string | undefined
  /** The endpoints tried, by the name within `http://NAME.test`. */
  readonly tried: readonly string[]
  /** What `finish` was told, each time it was. */
  readonly results: readonly Result[]
  readonly exchange: Lifecycle
  /** ms on the clock. */
  readonly took: number
}

/** Numbers that look like chance and are the same in each run (mulberry32). */
export function seeded(seed = 1): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** `one` of `http://one.test`. */
export const nameOf = (url: string): string => url.replace(/^http:\/\/(.*)\.test$/, '$1')

const loader = new ModuleLoader(host.modules)
const workers = new WorkerPool({ threads: 1, maxQueue: 64, maxHeap: 256 * 1024 * 1024, modules: {} })

/** ms of the clock per turn in which nothing has happened: no longer than the finest timer of a plugin. */
const STEP = 5
const TURNS = 8_000

/** One exchange that was begun. */
export class Under {
  readonly exchange: Lifecycle
  readonly outgoing: FakeOutgoing
  readonly #stage: Stage
  readonly #begun: number
  #ended: number | undefined

  constructor(stage: Stage, exchange: Lifecycle, outgoing: FakeOutgoing) {
    this.#stage = stage
    this.exchange = exchange
    this.outgoing = outgoing
    this.#begun = stage.clock.now()
    outgoing.once('close', () => {
      this.#ended = stage.clock.now()
    })
  }

  get ended(): boolean {
    return this.#ended !== undefined
  }

  /** The client goes away. */
  leave(): void {
    this.outgoing.destroy()
  }

  /** Until it has ended; the clock moves on when nothing else does. */
  async end(): Promise<Answer> {
    for (let i = 0; !this.ended; i++) {
      if (i > TURNS) throw new Error('the exchange did not end in 40 s of the clock')
      await settle()
      if (!this.ended && i > 3) await this.#stage.clock.advance(STEP)
    }
    await settle()
    return this.answer
  }

  get answer(): Answer {
    const { exchange, outgoing } = this
    const headers = new Fields(outgoing.headers)
    return {
      status: outgoing.status,
      headers,
      body: outgoing.body.toString(),
      error: headers.get('x-outrigger-error'),
      tried: exchange.attempts.map(({ endpoint }) => nameOf(endpoint.url)),
      results: this.#stage.results.get(exchange) ?? [],
      exchange,
      took: (this.#ended ?? this.#stage.clock.now()) - this.#begun
    }
  }
}

export class Stage {
  readonly clock = new VirtualClock()
  readonly log = new CapturedLog()
  /** What `finish` told of each exchange. */
  readonly results = new Map<unknown, Result[]>()
  readonly #deadlines = new Deadlines(this.clock)
  readonly #registry = new MetricsRegistry()
  readonly #upstreams: FakeUpstreams
  readonly #store: EndpointStore
  #generation!: Generation

  private constructor(setup: StageSetup) {
    const upstream = setup.upstream ?? (({ endpoint }) => ({ body: nameOf(endpoint) }))
    this.#upstreams = new FakeUpstreams((request) => upstream(request, this.clock))
    this.#store = new EndpointStore(this.#registry, { connect: ({ url }) => this.#upstreams.connect(url) })
  }

  /** @throws ConfigError, StartError as `outrigger run` would say them */
  static async build(setup: StageSetup): Promise<Stage> {
    const stage = new Stage(setup)
    const recorder = definePlugin({
      name: 'recorder',
      setup: () => ({
        finish: (result, exchange) => {
          stage.results.set(exchange, [...(stage.results.get(exchange) ?? []), result])
        }
      })
    })
    const config = await loadConfig(configOf(setup, recorder), { host, loader })
    stage.#generation = await Generation.build(config, {
      clock: stage.clock,
      deadlines: stage.#deadlines,
      log: stage.log,
      metrics: stage.#registry,
      store: stage.#store,
      workers,
      random: setup.random ?? seeded()
    })
    stage.#generation.activate()
    return stage
  }

  /** Everything that endpoints got. */
  get seen(): readonly UpstreamSeen[] {
    return this.#upstreams.seen
  }

  /** How many requests each endpoint got, by its name. */
  get counts(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const { endpoint } of this.seen) {
      const name = nameOf(endpoint)
      counts[name] = (counts[name] ?? 0) + 1
    }
    return counts
  }

  /** As on /services. */
  service(name = 'orders'): ServiceView {
    const found = this.services().find((service) => service.name === name)
    if (found === undefined) throw new RangeError(`there is no service ${name}`)
    return found
  }

  services(): ServiceView[] {
    return serviceViews(this.#generation, this.clock.now())
  }

  /** One endpoint as on /services. */
  endpoint(name: string, service = 'orders'): ServiceView['endpoints'][number] {
    const found = this.service(service).endpoints.find(({ url }) => nameOf(url) === name)
    if (found === undefined) throw new RangeError(`there is no endpoint ${name}`)
    return found
  }

  /** Whatever is bounded, in every place. */
  limits(): LimitView[] {
    return [
      ...this.#generation.instances.flatMap(({ limits }) => limits),
      ...this.services().flatMap(({ limits }) => limits)
    ]
  }

  /** Attempts under way, as each endpoint counts them. */
  endpoints(): readonly Endpoint[] {
    return [...this.#generation.services.values()].flatMap(({ endpoints }) => [...endpoints])
  }

  get inFlight(): number {
    return this.#generation.inFlight
  }

  async metrics(): Promise<string> {
    return (await this.#registry.text()).text
  }

  /** @param source the body, as the test pushes it; `sent` has its framing */
  begin(sent: SentRequest = {}, source?: Readable): Under {
    const incoming = fakeIncoming(sent)
    const { method, rawHeaders, httpVersion, httpVersionMajor, httpVersionMinor, socket } = incoming
    const head = { method, rawHeaders, httpVersion, httpVersionMajor, httpVersionMinor, socket }
    const outgoing = new FakeOutgoing(method as string)
    const shared = { clock: this.clock, deadlines: this.#deadlines, log: this.log }
    const asked =
      source === undefined ? incoming : (Object.assign(source, head) as unknown as typeof incoming)
    const downstream = new Http1Downstream(
      new FakePeer(sent.client),
      asked,
      outgoing.asResponse(),
      sent.url ?? '/'
    )
    return new Under(this, accept(this.#generation, shared, testEntry(), downstream), outgoing)
  }

  request(sent: SentRequest = {}): Promise<Answer> {
    return this.begin(sent).end()
  }

  /** One after the other: each one's status, or the proxy's own code. */
  async statuses(count: number, sent: SentRequest = {}): Promise<(number | string)[]> {
    const statuses: (number | string)[] = []
    for (let i = 0; i < count; i++) {
      const { status, error } = await this.request(sent)
      statuses.push(error ?? status)
    }
    return statuses
  }

  close(): Promise<void> {
    return this.#generation.retire()
  }
}

/** A stage that is closed with the test. */
export async function stage(t: Closing, setup: StageSetup): Promise<Stage> {
  const built = await Stage.build(setup)
  t.teardown(() => built.close())
  return built
}

/** The access log's thread ends with its last listing, and starting it anew takes real time: this keeps it going. */
export async function keepAccessLog(t: Closing, folder: string): Promise<void> {
  const run = await stage(t, { top: [{ logging: { destination: join(folder, 'kept.log') } }] })
  await run.request()
}

function configOf(setup: StageSetup, recorder: object): object {
  const { top = [], route = [], service = [], services = {}, on = {} } = setup
  const { endpoints = ['http://one.test', 'http://two.test'] } = setup
  return {
    listeners: { [TEST_LISTENER.name]: { address: '127.0.0.1:0' } },
    admin: false,
    plugins: [recorder, ...top],
    services: { orders: { endpoints, plugins: service }, ...services },
    routes: [{ name: 'orders', match: { path: '/*' }, service: 'orders', plugins: route, ...on }]
  }
}
