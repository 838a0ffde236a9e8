import { ConfigError } from '../config/problem.js'
import { configSchemaOf } from '../config/strict.js'
import type { Config, PluginUse, ServiceConfig } from '../config/types.js'
import type { EndpointSpec, Place, Plugin } from '../hooks/plugin.js'
import { TEST_LISTENER } from './entry.js'
import type { UpstreamHandler } from './fake-upstream.js'

export interface RunOptions {
  /** Where the plugin stands. Default: the first place it allows, else a route. */
  place?: Place
  /** The endpoints of the service behind it. Default: two. */
  endpoints?: readonly (string | EndpointSpec)[]
  /** More services: their endpoints, by name. */
  services?: Readonly<Record<string, readonly (string | EndpointSpec)[]>>
  /** What they answer. Default: 200 `ok`. */
  upstream?: UpstreamHandler
  /** More plugins in its place, in the order they are listed: those before, and those behind. With no configuration: its defaults. */
  before?: readonly Listed[]
  after?: readonly Listed[]
  /** More plugins on the service, where this one stands elsewhere. */
  onService?: readonly Listed[]
  /** Where chance comes from: from 0 to less than 1. Default: the same numbers in each run. */
  random?: () => number
  /** Keys that every plugin has. */
  onFailure?: 'close' | 'skip'
  /** ms */
  hookTimeout?: number
  /** ms of the whole exchange. Default 15,000. */
  timeout?: number
  /**
   * Whether the clock moves on by itself: to whatever a plugin sleeps for, at once; and for what never answers, after
   * 200 ms of a real clock in which nothing happened, until a `hookTimeout` or `timeout` ends it. Default true.
   */
  autoAdvance?: boolean
}

/** A plugin, or one with its configuration. */
export type Listed = Plugin | readonly [plugin: Plugin, config: unknown]

/** One listing, checked as a configuration's would be. @throws ConfigError */
export function use(plugin: Plugin, config: unknown, options: RunOptions): PluginUse {
  const { onFailure = 'close', hookTimeout = 5_000 } = options
  const refuse = (problems: readonly { path?: readonly PropertyKey[]; message: string }[]) => {
    if (problems.length === 0) return
    throw new ConfigError(
      problems.map(({ path = [], message }) => ({
        at: undefined,
        path: [plugin.name, ...path].join('.'),
        message
      }))
    )
  }
  const checked = configSchemaOf(plugin).safeParse(config)
  refuse(checked.error?.issues ?? [])
  const place = options.place ?? defaultPlace(plugin)
  const services = ['upstream', ...Object.keys(options.services ?? {})]
  refuse([...(plugin.check?.({ config: checked.data, place, services, hookTimeout }) ?? [])])
  return {
    name: plugin.name,
    plugin,
    config: checked.data,
    when: undefined,
    onFailure,
    hookTimeout,
    at: plugin.name
  }
}

/** The configuration that a run is made of. */
export function configOf(subject: PluginUse, options: RunOptions, recorder: PluginUse): Config {
  const place = options.place ?? defaultPlace(subject.plugin)
  const others = (plugins: readonly Listed[] = [], where: Place = place) =>
    plugins.map((listed) => {
      const [plugin, config] = 'setup' in listed ? [listed, {}] : listed
      return use(plugin, config, { place: where, services: options.services ?? {} })
    })
  const uses = [...others(options.before), subject, ...others(options.after)]
  const at = (where: Place) => (place === where ? uses : [])
  const serviceOf = (
    name: string,
    endpoints: readonly (string | EndpointSpec)[],
    plugins: PluginUse[]
  ): ServiceConfig => ({
    name,
    endpoints: endpoints.map((given) => {
      const {
        url,
        weight = 1,
        zone,
        priority = 0,
        tags = {}
      } = typeof given === 'string' ? { url: given } : given
      return { url, weight, zone, priority, tags }
    }),
    protocol: 'http',
    tls: { ca: undefined, serverName: undefined, cert: undefined, key: undefined, insecure: false },
    plugins,
    connectTimeout: 5_000,
    keepAlive: 4_000,
    idleTimeout: 300_000,
    maxConnections: 1_024,
    maxPending: 1_024,
    fastLane: true
  })
  const onService = [...at('service'), ...others(options.onService, 'service')]
  const service = serviceOf(
    'upstream',
    options.endpoints ?? ['http://one.test', 'http://two.test'],
    onService
  )
  const more = Object.entries(options.services ?? {}).map(([name, endpoints]) =>
    serviceOf(name, endpoints, [])
  )
  return {
    file: undefined,
    directory: process.cwd(),
    listeners: new Map([[TEST_LISTENER.name, TEST_LISTENER]]),
    admin: undefined,
    plugins: [recorder, ...at('top')],
    services: new Map([service, ...more].map((each) => [each.name, each])),
    routes: [
      {
        name: 'route',
        match: { path: '/*', host: undefined, methods: undefined, headers: undefined, query: undefined },
        listeners: undefined,
        service: service.name,
        reply: undefined,
        timeout: options.timeout ?? 15_000,
        encodedSlashes: 'refuse',
        plugins: at('route')
      }
    ],
    workers: { threads: 1, maxQueue: 64, maxHeap: 256 * 1024 * 1024 },
    processes: 1,
    drainTimeout: 30_000,
    log: { level: 'debug' },
    masked: {},
    watched: []
  }
}

function defaultPlace({ places }: Plugin): Place {
  return places === undefined || places.includes('route') ? 'route' : (places[0] as Place)
}

/** Numbers that look like chance and are the same in each run (mulberry32). */
export function seeded(): () => number {
  let state = 0x9e3779b9
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
