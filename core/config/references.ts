import { address, addressKey } from './address.js'
import { isPlain } from './document.js'
import { protocolOf } from './endpoint-url.js'
import { checkListener } from './listener-rules.js'
import type { Path } from './path.js'
import { goesWith, isProtocol } from './protocol.js'
import { either, expected, quote } from './quote.js'
import type { Report } from './report.js'
import { didYouMean } from './suggest.js'

/**
 * What the parts of a configuration ask of each other. It looks at the values as they stand, so that a mistake in one
 * part does not keep those in others from being told; what is not even of the right kind is the schema's to complain of.
 */
export function* checkReferences(value: unknown, report: Report): Generator<void> {
  if (!isPlain(value)) return
  const listeners = isPlain(value.listeners) ? value.listeners : undefined
  const services = isPlain(value.services) ? value.services : {}
  if (listeners !== undefined) checkListeners(listeners, value.admin, report)
  const names = Object.keys(services)
  yield
  for (const name of names) {
    const service = services[name]
    if (isPlain(service)) yield* checkService(service, ['services', name], report)
    yield
  }
  if (Array.isArray(value.routes)) yield* checkRoutes(value.routes, new Set(names), listeners, report)
}

function checkListeners(listeners: Record<string, unknown>, admin: unknown, report: Report): void {
  if (Object.keys(listeners).length === 0) {
    report.add(['listeners'], 'expected at least one, such as { inbound: { address: 127.0.0.1:8080 } }')
  }
  if (Object.hasOwn(listeners, 'admin')) {
    report.add(['listeners', 'admin'], 'the name "admin" is that of the admin\'s own listener', 'key')
  }
  const taken = new Map<string, string>()
  const parts: [path: Path, part: unknown][] = Object.entries(listeners).map(([name, part]) => [
    ['listeners', name],
    part
  ])
  if (admin !== false) parts.push([['admin'], isPlain(admin) ? admin : { address: '127.0.0.1:9901' }])
  for (const [path, part] of parts) {
    if (isPlain(part) && path.length > 1) checkListener(part, path, report)
    const text = isPlain(part) ? part.address : undefined
    const parsed = address.safeParse(text)
    const key = parsed.success ? addressKey(parsed.data) : undefined
    if (key === undefined) continue
    const other = taken.get(key)
    if (other !== undefined) report.add([...path, 'address'], `${quote(text)} is the address of ${other} too`)
    taken.set(key, path.join('.'))
  }
}

function* checkService(service: Record<string, unknown>, path: Path, report: Report): Generator<void> {
  const { endpoints = [], plugins = [], protocol, tls } = service
  const isEmpty = (list: unknown) => Array.isArray(list) && list.length === 0
  if (isEmpty(endpoints) && isEmpty(plugins)) {
    report.add([...path, 'endpoints'], 'missing: expected at least one endpoint, or a plugin that finds them')
  }
  if (Array.isArray(endpoints)) yield* checkEndpoints(endpoints, protocol, [...path, 'endpoints'], report)
  if (isPlain(tls) && (tls.cert === undefined) !== (tls.key === undefined)) {
    const [there, missing] = tls.cert === undefined ? ['key', 'cert'] : ['cert', 'key']
    report.add([...path, 'tls', missing as string], `missing: "${there}" is of no use without "${missing}"`)
  }
}

function* checkEndpoints(
  endpoints: unknown[],
  protocol: unknown,
  path: Path,
  report: Report
): Generator<void> {
  const seen = new Set<string>()
  let first: 'http' | 'https' | undefined
  for (const [index, endpoint] of endpoints.entries()) {
    yield
    const inside = isPlain(endpoint)
    const url = inside ? endpoint.url : endpoint
    if (typeof url !== 'string') continue
    const at = inside ? [...path, index, 'url'] : [...path, index]
    if (seen.has(url))
      report.add(at, `${quote(url)} is there twice: for a larger share of requests it takes a weight`)
    seen.add(url)
    const own = protocolOf(url)
    if (own === undefined) continue
    if (isProtocol(protocol) && !goesWith(protocol, own)) {
      report.add(at, `${quote(url)} does not go with the service's protocol, ${protocol}`)
    } else if (first !== undefined && own !== first) {
      report.add(
        at,
        `expected ${first} like the endpoints before it, not ${quote(url)}: a service has one protocol`
      )
    }
    first ??= own
  }
}

function* checkRoutes(
  routes: unknown[],
  services: ReadonlySet<string>,
  listeners: Record<string, unknown> | undefined,
  report: Report
): Generator<void> {
  const names = new Map<string, number>()
  const known = listeners === undefined ? undefined : new Set(Object.keys(listeners))
  for (const [index, route] of routes.entries()) {
    yield
    if (!isPlain(route)) continue
    const path: Path = ['routes', index]
    const { name, service, reply } = route
    if (typeof name === 'string') {
      const other = names.get(name)
      if (other !== undefined) report.add([...path, 'name'], `routes[${other}] is called ${quote(name)} too`)
      else names.set(name, index)
    }
    if (service === undefined && reply === undefined) {
      report.add(path, 'expected a "service", or a "reply" in its place')
    } else if (service !== undefined && reply !== undefined) {
      report.add([...path, 'reply'], 'a route has a "service" or a "reply", not both', 'key')
    }
    if (typeof service === 'string' && !services.has(service)) {
      report.add([...path, 'service'], unknown('service', service, services))
    }
    if (known === undefined || !Array.isArray(route.listeners)) continue
    for (const [position, listener] of route.listeners.entries()) {
      if (typeof listener !== 'string' || known.has(listener)) continue
      report.add([...path, 'listeners', position], unknown('listener', listener, known))
    }
  }
}

/** Names that a message lists. */
const MOST_LISTED = 50

function unknown(what: string, name: string, known: ReadonlySet<string>): string {
  const suggestion = didYouMean(name, known)
  if (suggestion !== '') return `unknown ${what} ${quote(name)}${suggestion}`
  if (known.size === 0) return `unknown ${what} ${quote(name)}: there are none`
  if (known.size > MOST_LISTED)
    return `unknown ${what} ${quote(name)}: none of the ${known.size} is called so`
  return `unknown ${what}: ${expected(either([...known]), name)}`
}
