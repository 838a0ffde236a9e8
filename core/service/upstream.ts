// HTTP/1.1 towards an endpoint, on undici. The files http1-*.ts and this one alone know it.

import { isIP } from 'node:net'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { buildConnector, type Client, type Dispatcher } from 'undici'
import { ProxyError } from '../errors.js'
import type { UpstreamTls } from '../tls/upstream.js'
import type { Call, Connection, UpstreamListener, UpstreamOptions, UpstreamRequest } from './connection.js'
import { type CallOwner, Http1Call } from './http1-call.js'
import { Slot, type SlotOwner } from './http1-slot.js'

interface Waiting {
  readonly options: Dispatcher.DispatchOptions
  readonly call: Http1Call
}

/**
 * The connections to one endpoint. In place of undici's Pool, which looks through all of them for a free one, twice for
 * each request, and does not say which of them a request is on.
 */
export class Upstream implements Connection, SlotOwner, CallOwner {
  readonly #idleTimeout: number
  readonly #origin: string
  readonly #options: Client.Options
  readonly #connect: buildConnector.connector
  #maxConnections: number
  readonly #serverName: string | null
  readonly #slots = new Set<Slot>()
  /** The last one to become free is the next to be used, so that what is not needed grows old and closes. */
  readonly #idle: Slot[] = []
  readonly #waiting: Waiting[] = []
  #closing = false

  constructor({ url, tls, connectTimeout, keepAlive, idleTimeout, maxConnections }: UpstreamOptions) {
    const socketPath = url.startsWith('unix:') ? url.slice('unix:'.length) : undefined
    const scheme = tls === undefined ? 'http' : 'https'
    this.#origin = socketPath === undefined ? url : `${scheme}://localhost`
    // Without it undici takes the name from the request's Host, which is the client's word.
    this.#serverName =
      tls === undefined ? null : (tls.serverName ?? new URL(this.#origin).hostname.replace(/^\[|\]$/g, ''))
    this.#connect = connector(
      { timeout: connectTimeout, ...(socketPath === undefined ? {} : { socketPath }) },
      tls
    )
    this.#idleTimeout = idleTimeout
    this.#maxConnections = maxConnections
    this.#options = {
      pipelining: 1,
      // Attempts carry deadlines of their own, and pauses are a call's.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: keepAlive,
      // The service's own Keep-Alive shortens it, and nothing makes it longer.
      keepAliveMaxTimeout: keepAlive,
      keepAliveTimeoutThreshold: 1_000,
      maxHeaderSize: 64 * 1024
    }
  }

  send(request: UpstreamRequest, listener: UpstreamListener): Call {
    const call = new Http1Call(this, listener, request.idleTimeout ?? this.#idleTimeout)
    const options: Dispatcher.DispatchOptions & { servername?: string } = {
      method: request.method as Dispatcher.HttpMethod,
      path: request.path,
      headers: request.acceptsTrailers ? [...request.headers, 'te', 'trailers'] : request.headers,
      body: request.body
    }
    if (request.upgrade !== undefined) options.upgrade = request.upgrade
    if (this.#serverName !== null) options.servername = this.#serverName
    const slot = this.#idle.pop() ?? this.#open()
    if (slot === undefined) this.#waiting.push({ options, call })
    else slot.dispatch(options, call)
    return call
  }

  resize(maxConnections: number): void {
    this.#maxConnections = maxConnections
    while (this.#waiting.length > 0) {
      const slot = this.#open()
      if (slot === undefined) return
      const { options, call } = this.#waiting.shift() as Waiting
      slot.dispatch(options, call)
    }
  }

  close(): void {
    if (this.#closing) return
    this.#closing = true
    for (const slot of this.#idle.splice(0)) slot.close()
  }

  destroy(): void {
    this.#closing = true
    for (const { call } of this.#waiting.splice(0))
      call.fail(new ProxyError('CONNECT_FAILED', 'the service could not be reached'))
    for (const slot of this.#slots) slot.destroy()
  }

  /** @internal */
  freed(slot: Slot): void {
    const next = this.#waiting.shift()
    if (next !== undefined) slot.dispatch(next.options, next.call)
    else if (this.#closing) slot.close()
    else this.#idle.push(slot)
  }

  /** @internal */
  closed(slot: Slot): void {
    const at = this.#idle.indexOf(slot)
    if (at === -1) return
    this.#idle.splice(at, 1)
    this.#slots.delete(slot)
    slot.close()
  }

  /** @internal */
  forget(call: Http1Call): void {
    const at = this.#waiting.findIndex((each) => each.call === call)
    if (at !== -1) this.#waiting.splice(at, 1)
  }

  /** @returns undefined when there are as many as there may be */
  #open(): Slot | undefined {
    if (this.#slots.size >= this.#maxConnections) return undefined
    const slot = new Slot(this.#origin, this.#options, this.#connect, this)
    this.#slots.add(slot)
    return slot
  }
}

function connector(
  options: buildConnector.BuildOptions,
  tls: UpstreamTls | undefined
): buildConnector.connector {
  let connect = buildConnector({ ...options, ...(tls && tlsOptions(tls)) })
  let version = tls?.version
  return (target, callback) => {
    if (tls !== undefined && tls.version !== version) {
      // Its files have changed, and with them whom to believe: what it remembers of sessions goes too.
      version = tls.version
      connect = buildConnector({ ...options, ...tlsOptions(tls) })
    }
    // An address is no server name (RFC 6066); the certificate is then checked against the address itself.
    const named = isIP(target.servername ?? '') === 0 ? target : { ...target, servername: '' }
    connect(named, callback)
  }
}

function tlsOptions(tls: UpstreamTls): object {
  const { insecure, context, serverName } = tls
  return {
    rejectUnauthorized: !insecure,
    secureContext: context,
    // An address is not sent as a server's name, and so would not be looked for in its certificate.
    ...(serverName !== undefined && isIP(serverName) !== 0
      ? {
          checkServerIdentity: (_host: string, cert: PeerCertificate) => checkServerIdentity(serverName, cert)
        }
      : {})
  }
}
