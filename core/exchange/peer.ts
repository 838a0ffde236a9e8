import type { BlockList } from 'node:net'
import { isIPv6, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Client, ClientCertificate } from '../hooks/types.js'
import { clientCertificate, identityOf } from '../tls/peer.js'

/** The other end of a connection. */
export class Peer implements Client {
  readonly address: string
  readonly port: number
  /** Its word on who asked is taken. */
  readonly trusted: boolean
  /** Requests that came in on the connection. */
  requests = 0
  /** One of them could not be read well: what comes behind it is nobody's request. */
  distrusted = false
  readonly #socket: Socket
  #certificate: ClientCertificate | undefined
  #looked = false

  /** @param named whom a PROXY header names as the other end */
  constructor(socket: Socket, trusted: boolean, named?: { address: string; port: number }) {
    this.#socket = socket
    this.address = named?.address ?? plain(socket.remoteAddress)
    this.port = named?.port ?? socket.remotePort ?? 0
    this.trusted = trusted
  }

  get certificate(): ClientCertificate | undefined {
    if (!this.#looked) {
      this.#looked = true
      if (this.#socket instanceof TLSSocket) this.#certificate = clientCertificate(this.#socket)
    }
    return this.#certificate
  }

  get identity(): string | undefined {
    const { certificate } = this
    return certificate && identityOf(certificate)
  }
}

/**
 * An IPv4 address that came in on an IPv6 socket is an IPv4 address; the zone of a link-local one (`fe80::1%eth0`) is
 * this machine's own name for where it came in.
 */
export function plain(remote: string | undefined): string {
  if (remote === undefined) return ''
  if (!remote.includes(':')) return remote
  const zone = remote.indexOf('%')
  const address = zone === -1 ? remote : remote.slice(0, zone)
  return MAPPED.test(address) ? address.slice(7) : address
}

const MAPPED = /^::ffff:[\d.]+$/i

/** Whether an address is in one of the ranges. A Unix socket has none: who may write to it is the file system's say. */
export function isTrusted(ranges: BlockList | undefined, address: string): boolean {
  if (ranges === undefined || address === '') return false
  return ranges.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}
