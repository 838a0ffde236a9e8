import { isIPv6 } from 'node:net'
import { ProxyError } from '../errors.js'
import { alike } from '../hooks/field.js'
import type { Body, ExchangeRequest } from '../hooks/types.js'
import { Fields } from './fields.js'
import { isGrpc } from './grpc.js'
import { isHopByHop } from './hop-by-hop.js'
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

/** What a proxy before us says of who asked. */
export interface Claims {
  forwardedFor: string | undefined
  forwardedProto: string | undefined
  forwardedHost: string | undefined
  forwarded: string | undefined
  requestId: string | undefined
}

/** What the head of a request says. */
export class RequestHead {
  /** Without what is hop-by-hop, of the framing or a claim to be someone. */
  readonly headers = new Fields([])
  /** As sent: a path with its query, or in absolute form. */
  target = '/'
  /** The Host field as sent, or `:authority`. */
  authority: string | undefined = undefined
  hasBody = false
  /** undefined where the length is not told beforehand */
  contentLength: number | undefined = undefined
  chunked = false
  expectsContinue = false
  /** The client reads trailers (`TE: trailers`). */
  acceptsTrailers = false
  upgrade: string | undefined = undefined
  grpc = false
  grpcTimeout: string | undefined = undefined
  /** Of a peer that is not trusted they are not even kept. */
  readonly claims: Claims | undefined

  constructor(trusted: boolean) {
    this.claims = trusted
      ? {
          forwardedFor: undefined,
          forwardedProto: undefined,
          forwardedHost: undefined,
          forwarded: undefined,
          requestId: undefined
        }
      : undefined
  }
}

/** @throws ProxyError BAD_REQUEST, 417: nothing else that can be expected is known (RFC 9110 section 10.1.1) */
export function expectsContinue(value: string): boolean {
  if (value.toLowerCase() !== '100-continue')
    throw new ProxyError('BAD_REQUEST', 'an expectation that cannot be met', { status: 417 })
  return true
}

/** Takes one field that is neither the framing's nor the connection's. */
export function readField(head: RequestHead, name: string, value: string): void {
  switch (name.length) {
    case 2:
      // Hop-by-hop: what it says is said anew where the upstream's protocol has it.
      if (alike(name, 'te')) {
        if (value.toLowerCase().includes('trailers')) head.acceptsTrailers = true
        return
      }
      break
    case 5:
      // CGI-like services read it as HTTP_PROXY, which names where they send their own requests (httpoxy).
      if (alike(name, 'proxy')) return
      break
    case 9:
      if (alike(name, 'forwarded')) {
        if (head.claims !== undefined) head.claims.forwarded = joined(head.claims.forwarded, value)
        return
      }
      break
    case 12:
      if (alike(name, 'x-request-id')) {
        if (head.claims !== undefined && isSame(name, 'x-request-id')) head.claims.requestId ??= value
        return
      }
      if (isSame(name, 'content-type')) head.grpc = isGrpc(value)
      else if (isSame(name, 'grpc-timeout')) head.grpcTimeout = value
      break
    case 14:
      // The real one is the framing's, and was read there.
      if (alike(name, 'content-length')) return
      break
    case 15:
      if (alike(name, 'x-forwarded-for')) {
        if (head.claims !== undefined && isSame(name, 'x-forwarded-for'))
          head.claims.forwardedFor = joined(head.claims.forwardedFor, value)
        return
      }
      break
    case 16:
      if (alike(name, 'x-forwarded-host')) {
        if (head.claims !== undefined && isSame(name, 'x-forwarded-host')) head.claims.forwardedHost ??= value
        return
      }
      break
    case 17:
      if (alike(name, 'x-forwarded-proto')) {
        if (head.claims !== undefined && isSame(name, 'x-forwarded-proto'))
          head.claims.forwardedProto ??= value
        return
      }
      break
  }
  if (!isHopByHop(name)) head.headers.flat.push(name, value)
}

/** Not one that is taken for it by some services alone: a proxy before us passes such a field on from its own client. */
function isSame(name: string, lower: string): boolean {
  return name === lower || name.toLowerCase() === lower
}

function joined(before: string | undefined, value: string): string {
  return before === undefined ? value : `${before}, ${value}`
}

/** A name or an IPv4 address, or an IPv6 address in brackets, with its port. */
const AUTHORITY = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9\-._~!$&'()*+,;=]+))(?::(\d{0,5}))?$/

/**
 * @returns the host in lower case without its port and without the dot that may end a full name; undefined for what is
 *   no host
 */
export function hostOf(authority: string): string | undefined {
  // One client after another asks for the same host.
  if (authority === lastAuthority) return lastHost
  const match = AUTHORITY.exec(authority)
  if (match === null) return undefined
  const [, ipv6, name, port] = match
  if ((ipv6 !== undefined && !isIPv6(ipv6)) || Number(port ?? 0) > 65_535) return undefined
  const host =
    ipv6 === undefined ? (name as string).toLowerCase().replace(/\.$/, '') : `[${ipv6.toLowerCase()}]`
  if (host === '') return undefined
  lastAuthority = authority
  lastHost = host
  return host
}

let lastAuthority: string | undefined
let lastHost = ''

export class RequestState implements ExchangeRequest {
  readonly method: string
  readonly upgrade: string | undefined
  readonly scheme: 'http' | 'https'
  readonly httpVersion: string
  readonly host: string
  readonly headers: Fields
  readonly #exchange: { makeBody(): Body }
  #body: Body | undefined
  #path: string
  #query: string

  constructor(
    downstream: { readonly method: string; readonly httpVersion: string },
    scheme: 'http' | 'https',
    head: RequestHead,
    target: RequestTarget,
    exchange: { makeBody(): Body }
  ) {
    this.method = downstream.method
    this.upgrade = head.upgrade
    this.scheme = scheme
    this.httpVersion = downstream.httpVersion
    this.host = target.host
    this.headers = head.headers
    this.#exchange = exchange
    this.#path = target.path
    this.#query = target.query
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
