import { connect as connectPlain, isIP, type Socket, type TcpNetConnectOpts } from 'node:net'
import { checkServerIdentity, connect as connectTls } from 'node:tls'
import type { UpstreamTls } from '../tls/upstream.js'

/** Where an endpoint is. */
export interface Place {
  readonly address: { readonly host: string; readonly port: number } | { readonly path: string }
  /** What its certificate is for, where `tls.serverName` says nothing else. */
  readonly host: string
  /** What a request that names no host is for. */
  readonly authority: string
}

/** @param url as `UpstreamOptions.url` */
export function placeOf(url: string): Place {
  if (url.startsWith('unix:')) {
    return { address: { path: url.slice('unix:'.length) }, host: 'localhost', authority: 'localhost' }
  }
  const { protocol, hostname, port, host: authority } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, '')
  const standard = protocol === 'https:' ? 443 : 80
  return { address: { host, port: port === '' ? standard : Number(port) }, host, authority }
}

/**
 * A socket on its way: `secureConnect`, or `connect` where there is no TLS, says that it is there. No TLS session is
 * ever resumed, so that what was verified by an earlier CA is verified anew.
 *
 * @param protocols for ALPN
 */
export function dial(place: Place, tls: UpstreamTls | undefined, protocols: string[]): Socket {
  const address = place.address as TcpNetConnectOpts
  if (tls === undefined) return connectPlain(address)
  const name = tls.serverName ?? place.host
  return connectTls({
    ...address,
    secureContext: tls.context,
    rejectUnauthorized: !tls.insecure,
    ALPNProtocols: protocols,
    // An address is no server name (RFC 6066); the certificate is then checked against the address itself.
    servername: isIP(name) === 0 ? name : '',
    checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate)
  })
}
