import type { OutgoingHttpHeaders } from 'node:http2'
import { checkField } from '../hooks/field.js'
import type { UpstreamRequest } from './connection.js'

/** What undici lets through as a path as well: no space, no control character, nothing past latin1. */
const PATH = /^[\x21-\x7e\x80-\xff]+$/

const COLON = 0x3a

/**
 * As node:http2 wants them, `host` as `:authority`. Values that HPACK must not keep need no mark: nghttp2 never indexes
 * `authorization` and short cookies by itself.
 *
 * @param authority where the request names no host
 * @throws TypeError on what cannot be sent: Node would end the session with all that is under way on it
 */
export function requestHeaders(
  request: UpstreamRequest,
  scheme: string,
  authority: string
): OutgoingHttpHeaders {
  const { headers: flat, path } = request
  if (!PATH.test(path)) throw new TypeError('the path has a character that cannot be sent')
  const headers = {
    __proto__: null,
    ':method': request.method,
    ':scheme': scheme,
    ':authority': authority,
    ':path': path
  } as unknown as OutgoingHttpHeaders
  for (let i = 0; i < flat.length; i += 2) {
    const value = flat[i + 1] as string
    checkField(flat[i] as string, value)
    const name = (flat[i] as string).toLowerCase()
    if (name === 'host') headers[':authority'] = value
    else if (!isOfConnection(name)) add(headers, name, value)
  }
  if (request.acceptsTrailers) headers.te = 'trailers'
  return headers
}

/** What follows a body; what may not is left out (RFC 9110 section 6.5.1). */
export function trailerHeaders(flat: readonly string[]): OutgoingHttpHeaders {
  const headers = Object.create(null) as OutgoingHttpHeaders
  for (let i = 0; i < flat.length; i += 2) {
    const name = (flat[i] as string).toLowerCase()
    if (name === 'host' || name === 'content-length' || isOfConnection(name)) continue
    checkField(name, flat[i + 1] as string)
    add(headers, name, flat[i + 1] as string)
  }
  return headers
}

/** The fields of a block as received, its pseudo fields left out: nghttp2 sees to it that they come first. */
export function withoutPseudo(raw: string[]): string[] {
  let at = 0
  while (at < raw.length && (raw[at] as string).charCodeAt(0) === COLON) at += 2
  return at === 0 ? raw : raw.slice(at)
}

function add(headers: OutgoingHttpHeaders, name: string, value: string): void {
  const before = headers[name]
  if (before === undefined) headers[name] = value
  else if (isList(name)) headers[name] = `${before}, ${value}`
  else if (Array.isArray(before)) before.push(value)
  else headers[name] = [before as string, value]
}

/** Lists that Node takes for single values, and would refuse to send twice. */
function isList(name: string): boolean {
  switch (name) {
    case 'if-match':
    case 'if-none-match':
    case 'content-encoding':
    case 'content-language':
      return true
    default:
      return false
  }
}

/** Fields of HTTP/1's connections, which HTTP/2 forbids (RFC 9113 section 8.2.2). */
function isOfConnection(name: string): boolean {
  switch (name) {
    case 'connection':
    case 'http2-settings':
    case 'keep-alive':
    case 'proxy-connection':
    case 'te':
    case 'transfer-encoding':
    case 'upgrade':
      return true
    default:
      return false
  }
}
