// HTTP/1.1 towards an endpoint, on undici. The files http1-*.ts and this one alone know it.

import { isIP, type OnReadOpts, type Socket } from 'node:net'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { buildConnector, type Client, type Dispatcher } from 'undici'
import { ProxyError } from '../errors.js'
import type { UpstreamTls } from '../tls/upstream.js'
import type { Call, Connection, UpstreamListener, UpstreamOptions, UpstreamRequest } from './connection.js'
import { type CallOwner, Http1Call } from './http1-call.js'
import { Slot, type SlotOwner } from './http1-slot.js'
import { type Connect, LaneConnection, type LaneOwner } from './lane-connection.js'
import { IdleLanes } from './lane-idle.js'
import { laneRead } from './lane-read.js'
import { type LaneRequest, laneRequest } from './lane-request.js'

interface Waiting {
  readonly request: UpstreamRequest
  /** undefined: it is for the standard path. */
  readonly lane: LaneRequest | undefined
  readonly call: Http1Call
}

/**
 * The connections to one endpoint. In place of undici's Pool, which looks through all of them for a free one, twice for
 * each request, and does not say which of them a request is on.
 *
 * Connections are of two kinds: those of the fast lane, and undici's, the standard path. A request that the fast lane
 * takes goes over undici too where a connection of that kind alone is free: a service whose answers are not for the fast
 * lane has every connection of it end there.
 */
export class Upstream implements Connection, SlotOwner, LaneOwner, CallOwner {
  /** @internal */
  readonly keepAlive: number
  /** @internal */
  readonly lends: boolean
  readonly #fastLane: boolean
  readonly #idleTimeout: number
  readonly #origin: string
  readonly #options: Client.Options
  readonly #connect: buildConnector.connector
  readonly #connectLane: Connect
  #maxConnections: number
  readonly #serverName: string | null
  readonly #slots = new Set<Slot | LaneConnection>()
  /** The last one to become free is the next to be used, so that what is not needed grows old and closes. */
  readonly #idle: Slot[] = []
  readonly #idleLanes = new IdleLanes()
  readonly #waiting: Waiting[] = []
  #closing = false

  constructor({
    url,
    tls,
    connectTimeout,
    keepAlive,
    idleTimeout,
    maxConnections,
    fastLane
  }: UpstreamOptions) {
    const socketPath = url.startsWith('unix:') ? url.slice('unix:'.length) : undefined
    const scheme = tls === undefined ? 'http' : 'https'
    this.#origin = socketPath === undefined ? url : `${scheme}://localhost`
    // Without it undici takes the name from the request's Host, which is the client's word.
    this.#serverName =
      tls === undefined ? null : (tls.serverName ?? new URL(this.#origin).hostname.replace(/^\[|\]$/g, ''))
    const options = { timeout: connectTimeout, ...(socketPath === undefined ? {} : { socketPath }) }
    this.#connect = connector(options, tls)
    const target = laneTarget(this.#origin, this.#serverName)
    // TLS has streams of its own.
    this.lends = tls === undefined
    const connectLane = this.lends ? connector({ ...options, onread: laneRead }, tls) : this.#connect
    this.#connectLane = (callback) => connectLane(target, (...connected) => callback(...connected))
    this.#fastLane = fastLane
    this.keepAlive = keepAlive
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
    const lane = this.#fastLane ? laneRequest(request) : undefined
    const idle = lane === undefined ? undefined : this.#idleLanes.pop()
    if (idle !== undefined) {
      idle.dispatch(lane as LaneRequest, call)
      return call
    }
    const slot = this.#idle.pop()
    if (slot !== undefined) slot.dispatch(this.#optionsOf(request), call)
    else if (this.#slots.size < this.#maxConnections) this.#open({ request, lane, call })
    else this.#wait({ request, lane, call })
    return call
  }

  resize(maxConnections: number): void {
    this.#maxConnections = maxConnections
    this.#openMore()
  }

  close(): void {
    if (this.#closing) return
    this.#closing = true
    for (const slot of this.#idle.splice(0)) slot.close()
    this.#idleLanes.close()
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
    if (next !== undefined) slot.dispatch(this.#optionsOf(next.request), next.call)
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
  laneFreed(lane: LaneConnection): void {
    const next = this.#waiting.shift()
    if (next === undefined) {
      if (this.#closing) lane.close()
      else this.#idleLanes.push(lane)
    } else if (next.lane === undefined) {
      this.#turnOver(lane, next)
    } else {
      lane.dispatch(next.lane, next.call)
    }
  }

  /** @internal */
  laneClosed(lane: LaneConnection, unsent?: LaneRequest, call?: Http1Call): void {
    this.#slots.delete(lane)
    this.#idleLanes.remove(lane)
    if (unsent !== undefined && call !== undefined) this.#openLane(unsent, call)
    this.#openMore()
  }

  /** @internal */
  laneLeft(lane: LaneConnection, socket: Socket, bytes: Buffer, request: LaneRequest, call: Http1Call): void {
    this.#slots.delete(lane)
    const options: Dispatcher.DispatchOptions = { method: request.method as Dispatcher.HttpMethod, path: '/' }
    if (request.last) options.reset = true
    this.#openSlot().adopt(socket, bytes, this.#named(options), call)
  }

  /** @internal */
  forget(call: Http1Call): void {
    const at = this.#waiting.findIndex((each) => each.call === call)
    if (at !== -1) this.#waiting.splice(at, 1)
  }

  /** What waits, as far as there may be connections for it. */
  #openMore(): void {
    while (this.#waiting.length > 0 && this.#slots.size < this.#maxConnections)
      this.#open(this.#waiting.shift() as Waiting)
  }

  #wait(waiting: Waiting): void {
    const lane = waiting.lane === undefined ? this.#idleLanes.shift() : undefined
    if (lane === undefined) this.#waiting.push(waiting)
    else this.#turnOver(lane, waiting)
  }

  /** A connection of the fast lane becomes undici's, for what the fast lane does not take. */
  #turnOver(lane: LaneConnection, { request, call }: Waiting): void {
    this.#slots.delete(lane)
    const slot = this.#openSlot()
    slot.use(lane.leave())
    slot.dispatch(this.#optionsOf(request), call)
  }

  #open({ request, lane, call }: Waiting): void {
    if (lane === undefined) this.#openSlot().dispatch(this.#optionsOf(request), call)
    else this.#openLane(lane, call)
  }

  #openLane(request: LaneRequest, call: Http1Call): void {
    const lane = new LaneConnection(this)
    this.#slots.add(lane)
    lane.connect(this.#connectLane, request, call)
  }

  #openSlot(): Slot {
    const slot = new Slot(this.#origin, this.#options, this.#connect, this)
    this.#slots.add(slot)
    return slot
  }

  #optionsOf(request: UpstreamRequest): Dispatcher.DispatchOptions {
    const options: Dispatcher.DispatchOptions = {
      method: request.method as Dispatcher.HttpMethod,
      path: request.path,
      headers: request.acceptsTrailers ? [...request.headers, 'te', 'trailers'] : request.headers,
      body: request.body
    }
    if (request.upgrade !== undefined) options.upgrade = request.upgrade
    return this.#named(options)
  }

  #named(options: Dispatcher.DispatchOptions & { servername?: string }): Dispatcher.DispatchOptions {
    if (this.#serverName !== null) options.servername = this.#serverName
    return options
  }
}

/** What undici asks its connector for. */
function laneTarget(origin: string, serverName: string | null): buildConnector.Options {
  const { host, hostname, protocol, port } = new URL(origin)
  const named = serverName === null ? {} : { servername: serverName }
  return { host, hostname: hostname.replace(/^\[|\]$/g, ''), protocol, port, ...named }
}

function connector(
  options: buildConnector.BuildOptions & { onread?: OnReadOpts },
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
