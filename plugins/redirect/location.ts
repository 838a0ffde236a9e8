import { compileTemplate, type Exchange, ProxyError } from '../../core/index.js'
import type { RedirectConfig } from './config.js'

/**
 * Where a request is sent to; undefined where that is where it came to, and it would go round for ever.
 *
 * @throws ProxyError BAD_REQUEST where the request lacks a value that is asked of it
 */
type Location = (exchange: Exchange) => string | undefined

export function locationOf(config: RedirectConfig): Location {
  const drop = config.query === 'drop'
  const { to } = config
  if (to !== undefined) {
    const target = compileTemplate(to, 'uri')
    return (exchange) => (drop ? target(exchange) : withQuery(target(exchange), exchange.request.query))
  }
  return partsOf(config, drop)
}

function partsOf({ https, host, path }: RedirectConfig, drop: boolean): Location {
  const hostOf = host === undefined ? undefined : compileTemplate(host, 'uri')
  const pathOf = path === undefined ? undefined : compileTemplate(path, 'uri')
  return (exchange) => {
    const { request } = exchange
    const scheme = https === true ? 'https' : request.scheme
    const authority = request.headers.get('host') ?? request.host
    // Over https the port is another one: who serves it on an unusual one says so in `host`.
    const asked = scheme === request.scheme ? authority : request.host
    const wanted = hostOf === undefined ? asked : hostOf(exchange)
    // HTTP/1.0 may ask for none.
    if (wanted === '') throw new ProxyError('BAD_REQUEST', 'the request names no host')
    const target = pathOf === undefined ? request.path : pathOf(exchange)
    const elsewhere =
      scheme !== request.scheme || (hostOf !== undefined && !isSame(wanted, authority, scheme))
    if (!elsewhere && target === request.path) return undefined
    const location = elsewhere ? `${scheme}://${wanted}${target}` : target
    return drop ? location : withQuery(location, request.query)
  }
}

/** Whether two hosts are one: without regard to case, and to the port that goes without saying. */
function isSame(a: string, b: string, scheme: string): boolean {
  return plain(a, scheme) === plain(b, scheme)
}

function plain(host: string, scheme: string): string {
  const port = scheme === 'https' ? ':443' : ':80'
  const lower = host.toLowerCase()
  return lower.endsWith(port) ? lower.slice(0, -port.length) : lower
}

/** @param query with its `?`, or empty */
function withQuery(location: string, query: string): string {
  if (query.length < 2) return location
  const hash = location.indexOf('#')
  const before = hash === -1 ? location : location.slice(0, hash)
  const fragment = hash === -1 ? '' : location.slice(hash)
  const joined = before.includes('?') ? `${before}&${query.slice(1)}` : before + query
  return joined + fragment
}
