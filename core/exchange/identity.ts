// Who asked: what the upstream is told of it, and what plugins see.

import { isIP } from 'node:net'
import type { Client } from '../hooks/types.js'
import { isTrusted, type Peer, plain } from './peer.js'
import type { Entry } from './pipeline.js'
import type { RequestHead } from './request.js'
import { requestId } from './request-id.js'

/** What a trusted peer may call a request: nothing that a log line or a header would trip over. */
const REQUEST_ID = /^[\x21-\x7e]{1,128}$/

/** The identity headers for the upstream. What an untrusted client said of it was left out with its head. */
export function identify(
  head: RequestHead,
  peer: Peer,
  entry: Entry,
  httpVersion: string,
  authority: string
): string {
  const { flat } = head.headers
  const { claims } = head
  const { address } = peer
  let id: string | undefined
  if (claims === undefined) {
    if (address !== '') flat.push('x-forwarded-for', address)
    flat.push('x-forwarded-proto', entry.scheme)
    if (authority !== '') flat.push('x-forwarded-host', authority)
    if (entry.forwarded) flat.push('forwarded', element(address, entry.scheme, authority))
  } else {
    const { forwardedFor, forwardedProto, forwardedHost, forwarded, requestId: given } = claims
    const chain = append(forwardedFor, address)
    if (chain !== '') flat.push('x-forwarded-for', chain)
    flat.push('x-forwarded-proto', forwardedProto ?? entry.scheme)
    const host = forwardedHost ?? authority
    if (host !== '') flat.push('x-forwarded-host', host)
    if (entry.forwarded) flat.push('forwarded', append(forwarded, element(address, entry.scheme, authority)))
    else if (forwarded !== undefined) flat.push('forwarded', forwarded)
    if (given !== undefined && REQUEST_ID.test(given)) id = given
  }
  id ??= requestId()
  flat.push('x-request-id', id)
  if (entry.via !== undefined) flat.push('via', viaField(httpVersion, entry.via))
  return id
}

/** RFC 9110 section 7.6.3: the protocol as received, and who received it. */
export function viaField(httpVersion: string, name: string): string {
  return `${httpVersion === '2.0' ? '2' : httpVersion} ${name}`
}

/**
 * Who asked: the peer, or, where that is trusted, whom `X-Forwarded-For` names, read from the right past every trusted
 * address. What stands to the left of the first untrusted one is that one's word, and nobody's.
 */
export function clientOf(head: RequestHead, peer: Peer, entry: Entry): Client {
  const chain = head.claims?.forwardedFor
  if (chain === undefined) return peer
  const named = chain.split(',')
  let found: string | undefined
  for (let at = named.length - 1; at >= 0; at--) {
    const address = addressIn(named[at] as string)
    // Past what is no address nothing can be told.
    if (address === undefined) break
    found = address
    if (!isTrusted(entry.trusted, address)) break
  }
  return found === undefined ? peer : new NamedClient(found, peer)
}

class NamedClient implements Client {
  readonly port = 0
  readonly address: string
  readonly #peer: Peer

  constructor(address: string, peer: Peer) {
    this.address = address
    this.#peer = peer
  }

  get identity(): string | undefined {
    return this.#peer.identity
  }

  get certificate(): Client['certificate'] {
    return this.#peer.certificate
  }
}

/** One entry of `X-Forwarded-For`; some proxies write the port with it. */
function addressIn(entry: string): string | undefined {
  let text = entry.trim()
  const bracketed = /^\[([^\]]+)\](?::\d+)?$/.exec(text)
  if (bracketed !== null) text = bracketed[1] as string
  else if (/^[\d.]+:\d+$/.test(text)) text = text.slice(0, text.indexOf(':'))
  return isIP(text) === 0 ? undefined : plain(text)
}

function append(list: string | undefined, entry: string): string {
  if (list === undefined || list === '') return entry
  return entry === '' ? list : `${list}, ${entry}`
}

/** RFC 7239 section 4: an IPv6 address stands in brackets, and what is no token in quotes. */
function element(address: string, scheme: string, authority: string): string {
  const node = address === '' ? 'unknown' : address.includes(':') ? `"[${address}]"` : address
  const host = authority === '' ? '' : `;host="${authority.replace(/["\\]/g, '\\$&')}"`
  return `for=${node};proto=${scheme}${host}`
}
