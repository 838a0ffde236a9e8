import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { resolveAddress } from './address.js'
import type { Certificates } from './certificates.js'
import { normalUrl, protocolOf } from './endpoint-url.js'
import type { Path } from './path.js'
import type { Report } from './report.js'
import type { FileConfig } from './schema.js'
import type {
  Address,
  Config,
  ListenerConfig,
  PluginUse,
  RouteConfig,
  ServiceConfig,
  WorkersConfig
} from './types.js'

/** What was read beside the schema, which knows the shape of the file alone. */
export interface Parts {
  readonly directory: string
  readonly certificates: Certificates
  /** By where the list stands: `plugins`, or the name of a service or the position of a route. */
  readonly plugins: {
    readonly top: readonly PluginUse[]
    readonly services: ReadonlyMap<string, readonly PluginUse[]>
    readonly routes: readonly (readonly PluginUse[])[]
  }
  readonly report: Report
}

type Built = Omit<Config, 'file' | 'directory' | 'masked' | 'watched'>

/** The configuration as the proxy takes it. Nothing is left to be wrong but the length of a socket's path. */
export function build(file: FileConfig, parts: Parts): Built {
  return {
    listeners: new Map(
      Object.entries(file.listeners).map(([name, each]) => [name, listener(name, each, parts)])
    ),
    admin:
      file.admin === false
        ? undefined
        : { address: resolved(file.admin.address, ['admin', 'address'], parts) },
    plugins: parts.plugins.top,
    services: new Map(
      Object.entries(file.services).map(([name, each]) => [name, service(name, each, parts)])
    ),
    routes: file.routes.map((each, index) => route(each, parts.plugins.routes[index] ?? [])),
    workers: workers(file.workers),
    drainTimeout: file.drain,
    log: file.log
  }
}

function listener(name: string, from: FileConfig['listeners'][string], parts: Parts): ListenerConfig {
  const path = ['listeners', name]
  const { tls, address, ...limits } = from
  return {
    name,
    ...limits,
    address: resolved(address, [...path, 'address'], parts),
    tls:
      tls === undefined
        ? undefined
        : { cert: resolve(parts.directory, tls.cert), key: resolve(parts.directory, tls.key) }
  }
}

function resolved(address: Address, path: Path, { directory, report }: Parts): Address {
  const absolute = resolveAddress(address, directory)
  if (absolute === undefined)
    report.add(path, "too long for a socket's path: at most 103 bytes, folder included")
  return absolute ?? address
}

function service(name: string, from: FileConfig['services'][string], parts: Parts): ServiceConfig {
  const pem = (key: string) => parts.certificates.text(['services', name, 'tls', key])
  const endpoints = from.endpoints.map((each) => (typeof each === 'string' ? { url: each } : each))
  return {
    ...from,
    name,
    endpoints: endpoints.map((each) => ({
      weight: 1,
      priority: 0,
      tags: {},
      zone: undefined,
      ...each,
      url: normalUrl(each.url, parts.directory)
    })),
    protocol:
      from.protocol ??
      endpoints.map(({ url }) => protocolOf(url)).find((each) => each !== undefined) ??
      'http',
    tls: {
      ca: pem('ca'),
      cert: pem('cert'),
      key: pem('key'),
      serverName: from.tls.serverName,
      insecure: from.tls.insecure
    },
    plugins: parts.plugins.services.get(name) ?? []
  }
}

function route(from: FileConfig['routes'][number], plugins: readonly PluginUse[]): RouteConfig {
  const { name, match, listeners, service, reply, timeout, encodedSlashes } = from
  return {
    name,
    match: {
      path: match.path,
      host: match.host,
      methods: match.methods,
      headers: match.headers,
      query: match.query
    },
    listeners,
    service,
    reply:
      reply === undefined ? undefined : { status: reply.status, body: reply.body, headers: reply.headers },
    timeout,
    encodedSlashes,
    plugins
  }
}

function workers(from: FileConfig['workers']): WorkersConfig {
  const threads = from.threads ?? Math.max(1, availableParallelism() - 1)
  return { threads, maxQueue: from.maxQueue ?? 64 * threads, maxHeap: from.maxHeap }
}
