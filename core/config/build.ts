import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { LONGEST_PATH, resolveAddress } from './address.js'
import { normalUrl, protocolOf } from './endpoint-url.js'
import type { Path } from './path.js'
import type { Report } from './report.js'
import type { FileConfig } from './schema.js'
import type {
  Address,
  Config,
  EndpointConfig,
  ListenerConfig,
  ListenerTls,
  PluginUse,
  RouteConfig,
  ServiceConfig,
  WorkersConfig
} from './types.js'

/** What was read beside the schema, which knows the shape of the file alone. */
export interface Parts {
  readonly directory: string
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
export function* build(file: FileConfig, parts: Parts): Generator<void, Built> {
  const services = new Map<string, ServiceConfig>()
  for (const name of Object.keys(file.services)) {
    const each = file.services[name] as FileConfig['services'][string]
    services.set(name, yield* service(name, each, file.fastLane, parts))
    yield
  }
  const routes: RouteConfig[] = []
  for (const [index, each] of file.routes.entries()) {
    routes.push(route(each, parts.plugins.routes[index] ?? []))
    yield
  }
  return {
    listeners: new Map(
      Object.entries(file.listeners).map(([name, each]) => [name, listener(name, each, file.fastLane, parts)])
    ),
    admin:
      file.admin === false
        ? undefined
        : { address: resolved(file.admin.address, ['admin', 'address'], parts) },
    plugins: parts.plugins.top,
    services,
    routes,
    workers: workers(file.workers),
    processes: file.processes === 'auto' ? availableParallelism() : file.processes,
    drainTimeout: file.drain,
    log: file.log
  }
}

/** What `via: true` sends. */
const OWN_NAME = 'outrigger'

function listener(
  name: string,
  from: FileConfig['listeners'][string],
  fastLane: boolean,
  parts: Parts
): ListenerConfig {
  const { tls, address, via, ...rest } = from
  return {
    name,
    ...rest,
    address: resolved(address, ['listeners', name, 'address'], parts),
    tls: tls === undefined ? undefined : listenerTls(tls, parts.directory),
    via: via === true ? OWN_NAME : via === false ? undefined : via,
    fastLane
  }
}

function listenerTls(
  { cert, key, ca, clientAuth, minVersion, sni }: NonNullable<FileConfig['listeners'][string]['tls']>,
  directory: string
): ListenerTls {
  return {
    cert: resolve(directory, cert),
    key: resolve(directory, key),
    ca: absolute(ca, directory),
    clientAuth,
    minVersion,
    sni: sni.map((each) => ({
      names: each.names,
      cert: resolve(directory, each.cert),
      key: resolve(directory, each.key)
    }))
  }
}

function absolute(file: string | undefined, directory: string): string | undefined {
  return file === undefined ? undefined : resolve(directory, file)
}

const NO_TAGS = Object.freeze({})
const TOO_LONG = `too long for a socket's path: at most ${LONGEST_PATH} bytes, folder included`

function resolved(address: Address, path: Path, { directory, report }: Parts): Address {
  const absolute = resolveAddress(address, directory)
  if (absolute === undefined) report.add(path, TOO_LONG)
  return absolute ?? address
}

function* service(
  name: string,
  from: FileConfig['services'][string],
  fastLane: boolean,
  parts: Parts
): Generator<void, ServiceConfig> {
  const endpoints: EndpointConfig[] = []
  let scheme: 'http' | 'https' | undefined
  for (const [index, listed] of from.endpoints.entries()) {
    const each = typeof listed === 'string' ? { url: listed } : listed
    const url = normalUrl(each.url, parts.directory)
    if (url.startsWith('unix:') && Buffer.byteLength(url) > 'unix:'.length + LONGEST_PATH)
      parts.report.add(['services', name, 'endpoints', index], TOO_LONG)
    scheme ??= protocolOf(each.url)
    endpoints.push({ weight: 1, priority: 0, tags: NO_TAGS, zone: undefined, ...each, url })
    yield
  }
  return {
    ...from,
    name,
    endpoints,
    protocol: from.protocol ?? scheme ?? 'http',
    tls: {
      ca: absolute(from.tls.ca, parts.directory),
      cert: absolute(from.tls.cert, parts.directory),
      key: absolute(from.tls.key, parts.directory),
      serverName: from.tls.serverName,
      insecure: from.tls.insecure
    },
    plugins: parts.plugins.services.get(name) ?? [],
    fastLane
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
