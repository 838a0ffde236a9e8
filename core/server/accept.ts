import { ProxyError } from '../errors.js'
import type { Downstream } from '../exchange/downstream.js'
import { Lifecycle } from '../exchange/lifecycle.js'
import { normalisePath } from '../exchange/path.js'
import type { Entry, Shared } from '../exchange/pipeline.js'
import { hostOf, RequestHead } from '../exchange/request.js'
import type { Generation } from '../pipeline/generation.js'

/** Takes a request from a listener's connection: reads its head, finds its route and starts its exchange. */
export function accept(
  generation: Generation,
  shared: Shared,
  entry: Entry,
  downstream: Downstream
): Lifecycle {
  let head: RequestHead | undefined
  let path = '/'
  let query = ''
  let host = ''
  let authority = ''
  let pipeline = generation.noRoute
  let refusal: ProxyError | undefined
  downstream.peer.requests++
  try {
    head = downstream.readHead()
    const parts = split(head)
    authority = parts.authority
    // HTTP/1.0 alone may leave it out.
    if (authority !== '' || head.authority !== undefined)
      host = hostOf(authority) ?? refuse('the Host header is not a host')
    if (head.authority !== undefined && head.authority !== authority && hostOf(head.authority) === undefined)
      refuse('the Host header is not a host')
    const normal = normalisePath(parts.rest) ?? refuse('the path cannot be used')
    path = normal.path
    query = normal.query
    const subject = { method: downstream.method, host, path, query, headers: head.headers }
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
    downstream.distrust()
  }
  // Of a head that could not be read nothing is believed.
  head ??= new RequestHead(false)
  const exchange = new Lifecycle(shared, entry, pipeline, downstream, head, { host, authority, path, query })
  exchange.start(refusal)
  return exchange
}

function refuse(message: string): never {
  throw new ProxyError('BAD_REQUEST', message)
}

const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/i

/** A target in absolute form names the host itself; Host is then made to say the same (RFC 9112 section 3.2.2). */
function split(head: RequestHead): { authority: string; rest: string } {
  const { target } = head
  if (target.startsWith('/')) return { authority: head.authority ?? '', rest: target }
  const match = ABSOLUTE.exec(target) ?? refuse('the request target cannot be used')
  const [, authority = '', rest = ''] = match
  if (authority === '' || authority.includes('@')) refuse('the request target names no host')
  head.headers.set('host', authority)
  return { authority, rest: rest.startsWith('/') ? rest : `/${rest}` }
}
