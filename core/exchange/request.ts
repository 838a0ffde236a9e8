import type { IncomingMessage } from 'node:http'
import { ProxyError } from '../errors.js'
import type { Body, ExchangeRequest } from '../hooks/types.js'
import { Fields } from './fields.js'
import { isHopByHop, namedByConnection, removeNamed } from './hop-by-hop.js'
import { normalisePath } from './path.js'

/** What a request is about, as it was matched. */
export interface RequestTarget {
  /** Lower case, without the port. */
  readonly host: string
  /** With its port, as the client asked. */
  readonly authority: string
  readonly path: string
  readonly query: string
}

/** What the head of a request says of its framing. */
export interface RequestHead {
  readonly headers: Fields
  /** The Host field as sent. */
  readonly authority: string | undefined
  readonly hasBody: boolean
  /** undefined when chunked */
  readonly contentLength: number | undefined
  readonly expectsContinue: boolean
}

/**
 * Reads a request's fields in one pass: hop-by-hop ones, those the client named in `Connection` and the identity
 * headers that only a proxy may set are left out, before any plugin sees them.
 *
 * @throws ProxyError BAD_REQUEST
 */
export function readHead(message: IncomingMessage): RequestHead {
  const raw = message.rawHeaders
  const headers: string[] = []
  let authority: string | undefined
  let contentLength: number | undefined
  let chunked = false
  let expectsContinue = false
  let named: string[] | undefined
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    const value = raw[i + 1] as string
    switch (name.length) {
      case 4:
        if (is(name, 'host')) {
          if (authority !== undefined) throw new ProxyError('BAD_REQUEST', 'more than one Host header')
          authority = value
        }
        break
      case 6:
        if (is(name, 'expect')) {
          expectsContinue = value.toLowerCase() === '100-continue'
          continue
        }
        break
      case 9:
        if (is(name, 'forwarded')) continue
        break
      case 10:
        if (is(name, 'connection')) {
          const more = namedByConnection(value)
          if (more !== undefined) named = named === undefined ? more : named.concat(more)
          continue
        }
        break
      case 12:
        if (is(name, 'x-request-id')) continue
        break
      case 14:
        if (is(name, 'content-length')) contentLength = Number(value)
        break
      case 15:
        if (is(name, 'x-forwarded-for')) continue
        break
      case 16:
        if (is(name, 'x-forwarded-host')) continue
        break
      case 17:
        if (is(name, 'x-forwarded-proto')) continue
        if (is(name, 'transfer-encoding')) {
          // The one coding that can be sent on; what another would mean, two readers may not agree on.
          if (chunked || value.toLowerCase() !== 'chunked' || message.httpVersionMinor === 0)
            throw new ProxyError('BAD_REQUEST', 'a transfer coding other than chunked')
          chunked = true
        }
        break
    }
    if (isHopByHop(name)) continue
    headers.push(name, value)
  }
  if (named !== undefined) {
    // Host and framing are not the client's to have removed.
    removeNamed(
      headers,
      named.filter((name) => name !== 'host' && name !== 'content-length')
    )
  }
  return {
    headers: new Fields(headers),
    authority,
    hasBody: chunked || (contentLength ?? 0) > 0,
    contentLength: chunked ? undefined : (contentLength ?? 0),
    expectsContinue
  }
}

function is(name: string, lower: string): boolean {
  return name === lower || name.toLowerCase() === lower
}

/** A host as RFC 3986 allows it in an authority, with its port. */
const AUTHORITY = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~%!$&'()*+,;=]*)(?::\d{0,5})?$/

/** @returns the host in lower case without its port; undefined for what is no host */
export function hostOf(authority: string): string | undefined {
  // One client after another asks for the same host.
  if (authority === lastAuthority) return lastHost
  const match = AUTHORITY.exec(authority)
  if (match === null) return undefined
  lastAuthority = authority
  lastHost = (match[1] as string).toLowerCase()
  return lastHost
}

let lastAuthority = ''
let lastHost = ''

export class RequestState implements ExchangeRequest {
  readonly method: string
  readonly scheme: 'http' | 'https'
  readonly httpVersion: string
  readonly host: string
  readonly headers: Fields
  readonly #exchange: { makeBody(): Body }
  #body: Body | undefined
  #path: string
  #query: string

  constructor(
    message: IncomingMessage,
    scheme: 'http' | 'https',
    host: string,
    path: string,
    query: string,
    headers: Fields,
    exchange: { makeBody(): Body }
  ) {
    this.method = message.method as string
    this.scheme = scheme
    this.httpVersion = message.httpVersion
    this.host = host
    this.headers = headers
    this.#exchange = exchange
    this.#path = path
    this.#query = query
  }

  get body(): Body {
    this.#body ??= this.#exchange.makeBody()
    return this.#body
  }

  get path(): string {
    return this.#path
  }

  set path(path: string) {
    const normal = path.includes('?') ? undefined : normalisePath(path)
    if (normal === undefined) throw new TypeError(`not a path: ${JSON.stringify(path)}`)
    this.#path = normal.path
  }

  get query(): string {
    return this.#query
  }

  set query(query: string) {
    if (query !== '' && (!query.startsWith('?') || normalisePath(`/${query}`) === undefined)) {
      throw new TypeError(`not a query: ${JSON.stringify(query)}`)
    }
    this.#query = query
  }
}
