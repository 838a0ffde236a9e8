import type { IncomingMessage, ServerResponse } from 'node:http'
import { ProxyError } from '../errors.js'
import { Fields } from '../exchange/fields.js'
import { Lifecycle } from '../exchange/lifecycle.js'
import { normalisePath } from '../exchange/path.js'
import type { Entry, Shared } from '../exchange/pipeline.js'
import { hostOf, type RequestHead, readHead } from '../exchange/request.js'
import type { Generation } from '../pipeline/generation.js'

/** Fields of a header block; more are 431. */
const MAX_FIELDS = 100

/** For a request whose head cannot be read. Made anew: an exchange adds to its headers. */
function nothing(): RequestHead {
  return {
    headers: new Fields([]),
    authority: undefined,
    hasBody: false,
    contentLength: 0,
    expectsContinue: false
  }
}

/** Takes a request from a listener's socket: reads its head, finds its route and starts its exchange. */
export function accept(
  generation: Generation,
  shared: Shared,
  entry: Entry,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  target: string
): Lifecycle {
  let head: RequestHead | undefined
  let path = '/'
  let query = ''
  let host = ''
  let authority = ''
  let pipeline = generation.noRoute
  let refusal: ProxyError | undefined
  try {
    if (incoming.rawHeaders.length > 2 * MAX_FIELDS)
      throw new ProxyError('HEADERS_TOO_LARGE', 'too many header fields')
    head = readHead(incoming)
    if (incoming.httpVersionMajor !== 1) refuse('the request is not HTTP/1')
    if (head.authority === undefined && incoming.httpVersionMinor > 0) refuse('the Host header is missing')
    const parts = split(target, head)
    authority = parts.authority
    host = hostOf(authority) ?? refuse('the Host header is not a host')
    const normal = normalisePath(parts.rest) ?? refuse('the path cannot be used')
    path = normal.path
    query = normal.query
    const { method = 'GET' } = incoming
    const subject = { method, host, path, query, headers: head.headers }
    const route = generation.matchers.get(entry.name)?.match(subject)
    if (route !== undefined) {
      pipeline = route
      if (normal.encodedSlash && route.config.encodedSlashes === 'refuse')
        refuse('the path holds an encoded slash')
    } else if (normal.encodedSlash) {
      refuse('the path holds an encoded slash')
    }
  } catch (error) {
    if (!ProxyError.is(error)) throw error
    refusal = error
    // What cannot be read well is not read on: the next bytes may not be what they seem.
    outgoing.shouldKeepAlive = false
  }
  const exchange = new Lifecycle(shared, entry, pipeline, incoming, outgoing, head ?? nothing(), {
    host,
    authority,
    path,
    query
  })
  exchange.start(refusal)
  return exchange
}

function refuse(message: string): never {
  throw new ProxyError('BAD_REQUEST', message)
}

const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/i

/** A target in absolute form names the host itself; Host is then made to say the same (RFC 9112 section 3.2.2). */
function split(target: string, head: RequestHead): { authority: string; rest: string } {
  if (target.startsWith('/')) return { authority: head.authority ?? '', rest: target }
  const match = ABSOLUTE.exec(target) ?? refuse('the request target cannot be used')
  const [, authority = '', rest = ''] = match
  if (authority === '' || authority.includes('@')) refuse('the request target names no host')
  head.headers.set('host', authority)
  return { authority, rest: rest.startsWith('/') ? rest : `/${rest}` }
}
