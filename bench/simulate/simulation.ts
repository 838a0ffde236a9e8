import type { ConfigInput, EndpointInput, PluginListing } from '../../core/config/define.js'
import type { Lifecycle } from '../../core/exchange/lifecycle.js'
import type { Peer } from '../../core/exchange/peer.js'
import { Arrivals, type Phase } from './arrivals.js'
import { peerOf, SimulatedDownstream } from './client.js'
import { EventClock, Happening } from './event-clock.js'
import { SimulatedProxy } from './proxy.js'
import { type Random, stream } from './random.js'
import { Server, type ServerPlan } from './server.js'
import { Tally } from './tally.js'

export interface SimulatedEndpoint extends Omit<ServerPlan, 'url'> {
  readonly weight?: number
  readonly priority?: number
}

export interface Listings {
  readonly service?: PluginListing[]
  readonly route?: PluginListing[]
}

/** One run. Times are in ms. */
export interface Simulation {
  /** Of the same seed everything comes out the same. */
  readonly seed: number
  readonly endpoints: readonly SimulatedEndpoint[]
  /** As in a configuration; a function of the zone where proxies of several zones are told where they stand. */
  readonly plugins?: Listings | ((zone: string | undefined) => Listings)
  /** Of the route, in ms. Default 15,000. */
  readonly timeout?: number
  /** Requests a second, over time. */
  readonly arrivals: readonly Phase[]
  /** It ends when so many requests were made, or at this time; what is under way then still ends. */
  readonly requests?: number
  readonly until?: number
  /** After which a client gives up. Default: never. */
  readonly patience?: number
  /** There and back, to an endpoint of the proxy's own zone and to one of another. Default 0. */
  readonly network?: { readonly near: number; readonly far: number }
  /**
   * The zones of sidecars that share the endpoints, each with a view of its own; a request comes in at any of them.
   * Default: one, and the zone of no endpoint is another's.
   */
  readonly proxies?: readonly (string | undefined)[]
  /** Different clients: as many addresses, and values of the header `x-user`, each as likely. Default 1,000. */
  readonly clients?: number
  /** Time that is not counted, until things have settled. Default 0. */
  readonly warmUp?: number
  /** Length of the stretches of time that are counted by themselves. Default 1,000. */
  readonly window?: number
}

export interface Outcome {
  readonly tally: Tally
  readonly servers: readonly Server[]
  /** When the last request was made. */
  readonly lasted: number
  /** How much happened, timers of the proxy among it. */
  readonly happened: number
}

/** How long what is under way at the end is waited for, in ms: longer than any timeout. */
const AFTERMATH = 120_000

/** Runs it to its end. @throws ConfigError as the proxy does */
export async function simulate(simulation: Simulation): Promise<Outcome> {
  const run = new Run(simulation)
  try {
    return await run.run()
  } finally {
    await run.close()
  }
}

class Run extends Happening {
  readonly #simulation: Simulation
  readonly #clock = new EventClock()
  readonly #servers: Server[]
  readonly #byUrl: ReadonlyMap<string, Server>
  readonly #tally: Tally
  readonly #proxies: SimulatedProxy[] = []
  readonly #arrivals: Arrivals
  readonly #who: Random
  readonly #clients: { peer: Peer; headers: string[] }[]
  readonly #exchanges = new Map<SimulatedDownstream, Lifecycle>()
  #left: number
  #lasted = 0

  constructor(simulation: Simulation) {
    super()
    const { seed, endpoints, window = 1000, warmUp = 0 } = simulation
    if (simulation.requests === undefined && simulation.until === undefined)
      throw new RangeError('a simulation has requests or until')
    this.#simulation = simulation
    this.#servers = endpoints.map(
      (endpoint, i) => new Server({ ...endpoint, url: urlOf(i) }, this.#clock, stream(seed, `server ${i}`))
    )
    this.#byUrl = new Map(this.#servers.map((server) => [server.plan.url, server]))
    this.#tally = new Tally(window, warmUp)
    this.#arrivals = new Arrivals(simulation.arrivals, stream(seed, 'arrivals'))
    this.#who = stream(seed, 'clients')
    this.#clients = Array.from({ length: simulation.clients ?? 1000 }, (_, i) => ({
      peer: peerOf(`10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`),
      headers: ['x-user', `user-${i}`]
    }))
    this.#left = simulation.requests ?? Number.POSITIVE_INFINITY
  }

  async run(): Promise<Outcome> {
    const { proxies = [undefined], until = Number.POSITIVE_INFINITY } = this.#simulation
    for (const zone of proxies) this.#proxies.push(await this.#startProxy(zone))
    this.#planNext()
    // Timers of plugins go on for ever: the end is when no request is left.
    await this.#clock.run(until, () => this.#left === 0)
    this.#left = 0
    await this.#clock.run(this.#clock.now() + AFTERMATH, () => this.#exchanges.size === 0)
    if (this.#exchanges.size > 0) throw new Error(`${this.#exchanges.size} requests never ended`)
    return {
      tally: this.#tally,
      servers: this.#servers,
      lasted: this.#lasted,
      happened: this.#clock.happened
    }
  }

  #startProxy(zone: string | undefined): Promise<SimulatedProxy> {
    const { seed, network = { near: 0, far: 0 } } = this.#simulation
    return SimulatedProxy.start({
      config: configOf(this.#simulation, zone),
      clock: this.#clock,
      random: stream(seed, `proxy ${this.#proxies.length}`),
      connect: (url) => {
        const server = this.#byUrl.get(url)
        if (server === undefined) throw new Error(`no simulated endpoint ${url}`)
        const near = zone === undefined || server.plan.zone === zone
        return server.connect(near ? network.near : network.far)
      }
    })
  }

  async close(): Promise<void> {
    for (const proxy of this.#proxies) await proxy.close()
  }

  /** A request comes. */
  override happen(): void {
    this.#arrive()
  }

  #planNext(): void {
    const at = this.#arrivals.next()
    if (at !== Number.POSITIVE_INFINITY) this.#clock.plan(this, at - this.#clock.now())
  }

  #arrive(): void {
    if (this.#left === 0) return
    const now = this.#clock.now()
    const client = this.#clients[Math.floor(this.#who() * this.#clients.length)]
    const at = this.#proxies.length === 1 ? 0 : Math.floor(this.#who() * this.#proxies.length)
    const proxy = this.#proxies[at]
    if (client === undefined || proxy === undefined) throw new Error('nobody asks, or nobody is asked')
    this.#left--
    this.#lasted = now
    this.#tally.began(now)
    const { patience = Number.POSITIVE_INFINITY } = this.#simulation
    const ask = { method: 'GET', target: '/orders/1', ...client, patience }
    const downstream = new SimulatedDownstream(ask, this.#clock, (ended) => this.#ended(ended))
    this.#exchanges.set(downstream, proxy.accept(downstream))
    this.#planNext()
  }

  #ended(downstream: SimulatedDownstream): void {
    const exchange = this.#exchanges.get(downstream)
    if (exchange === undefined) return
    this.#exchanges.delete(downstream)
    this.#tally.ended({
      startedAt: downstream.startedAt,
      endedAt: this.#clock.now(),
      status: downstream.gone ? 0 : downstream.status,
      attempts: exchange.attempts
    })
  }
}

function urlOf(index: number): string {
  return `http://endpoint-${index}.test`
}

function configOf(
  { endpoints, plugins = {}, timeout = 15_000 }: Simulation,
  zone: string | undefined
): Omit<ConfigInput, 'listeners'> {
  const { service = [], route = [] } = typeof plugins === 'function' ? plugins(zone) : plugins
  return {
    services: {
      orders: {
        endpoints: endpoints.map(({ zone, weight, priority }, i): EndpointInput => {
          const input: EndpointInput = { url: urlOf(i) }
          if (zone !== undefined) input.zone = zone
          if (weight !== undefined) input.weight = weight
          if (priority !== undefined) input.priority = priority
          return input
        }),
        plugins: service,
        // What an endpoint takes is the simulated server's to say.
        maxConnections: 100_000,
        maxPending: 100_000
      }
    },
    routes: [{ name: 'orders', match: { path: '/*' }, service: 'orders', timeout, plugins: route }]
  }
}
