import { type IncomingMessage, METHODS, type Server, ServerResponse, STATUS_CODES } from 'node:http'
import type { BlockList, Socket } from 'node:net'
import httpProxy from '@fastify/http-proxy'
import fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { rangesOf } from '../config/ranges.js'
import type { ListenerConfig, ListenerTls } from '../config/types.js'
import { statusOf } from '../errors.js'
import type { Downstream } from '../exchange/downstream.js'
import { Http1Downstream } from '../exchange/http1.js'
import { Http2Downstream } from '../exchange/http2.js'
import type { Peer } from '../exchange/peer.js'
import type { Entry } from '../exchange/pipeline.js'
import type { Deadlines } from '../hooks/deadlines.js'
import type { Logger } from '../hooks/plugin.js'
import type { CredentialStore } from '../tls/credential-store.js'
import { TlsAcceptor } from '../tls/server.js'
import type { Upgraded } from '../upgrade/upgraded.js'
import { bind, bindFailure } from './bind.js'
import { Front, type Named } from './front.js'
import { Http2Sessions } from './http2-server.js'
import { plainRequest } from './plain-request.js'
import { StartError } from './types.js'

export type Handle = (entry: Entry, downstream: Downstream) => void

/** What the listeners of a process share. */
export interface ListenerParts {
  readonly handle: Handle
  readonly deadlines: Deadlines
  readonly credentials: CredentialStore
  readonly log: Logger
}

/** Where the request's target is while Fastify's router is shown a path that it need not look at. */
const kTarget = Symbol('target')
type Targeted = IncomingMessage & { [kTarget]?: string }

/** Who is at the other end of a socket. */
const kPeer = Symbol('peer')
type Known = Socket & { [kPeer]?: Peer }

type ConnectionListener = (this: Server, socket: Socket) => void

/**
 * One address that requests come in on. Its front finds out what a connection speaks; HTTP/1 is a Fastify server's with
 * one catch-all registration of @fastify/http-proxy, HTTP/2 is Node's.
 */
export class Listener implements Entry {
  readonly name: string
  config: ListenerConfig
  readonly scheme: 'http' | 'https'
  bodyTimeout: number
  draining = false
  exchanges = 0
  trusted: BlockList | undefined
  forwarded: boolean
  via: string | undefined
  serverTiming: boolean
  readonly #parts: ListenerParts
  readonly #app: FastifyInstance
  readonly #server: Server
  readonly #connectionListener: ConnectionListener
  readonly #front: Front
  readonly #http2: Http2Sessions
  #tls: TlsAcceptor | undefined
  readonly #sockets = new Set<Socket>()
  readonly #upgraded = new Set<Upgraded>()
  /** TCP connections whose TLS handshake is under way, or done. */
  readonly #handshakes = new Map<string, { readonly socket: Socket; readonly named: Named }>()
  #url = ''

  private constructor(config: ListenerConfig, parts: ListenerParts) {
    this.name = config.name
    this.config = config
    this.#parts = parts
    this.scheme = config.tls === undefined ? 'http' : 'https'
    this.bodyTimeout = config.bodyTimeout
    this.trusted = rangesOf(config.trustedProxies)
    this.forwarded = config.forwarded
    this.via = config.via
    this.serverTiming = config.serverTiming
    this.#app = fastify(options(config)) as unknown as FastifyInstance
    this.#server = this.#app.server as Server
    this.#http2 = new Http2Sessions(config, parts.deadlines, (peer, stream, raw, alone) =>
      parts.handle(this, new Http2Downstream(peer, stream, raw, alone))
    )
    this.#connectionListener = this.#server.listeners('connection')[0] as ConnectionListener
    this.#front = new Front(
      {
        deadlines: parts.deadlines,
        timeout: () => this.config.headersTimeout,
        trusted: () => this.trusted,
        proxyProtocol: config.proxyProtocol
      },
      {
        tls: config.tls === undefined ? undefined : (socket, named) => this.#secure(socket, named),
        http1: (socket, peer, first) => {
          ;(socket as Known)[kPeer] = peer
          this.#serveHttp1(socket, first)
        },
        http2: config.http2 ? (socket, peer, first) => this.#http2.serve(socket, peer, first) : undefined
      }
    )
    // Node's own server takes each connection once the front knows that it is HTTP/1.
    this.#server.removeAllListeners('connection')
    this.#server.on('connection', (socket: Socket) => this.#accept(socket))
  }

  /** @throws StartError when the address is taken or a certificate cannot be used */
  static async open(config: ListenerConfig, parts: ListenerParts): Promise<Listener> {
    const listener = new Listener(config, parts)
    await listener.#open()
    return listener
  }

  async #open(): Promise<void> {
    const { config } = this
    const app = this.#app
    const server = this.#server
    const known = new Set(app.supportedMethods)
    for (const method of METHODS) {
      if (!known.has(method) && method !== 'CONNECT') app.addHttpMethod(method, { hasBody: true })
    }
    // Ahead of http-proxy's own handler, which builds three URLs a request that nothing here would use, and ahead of
    // Fastify's body parsing, which answers 415 to what it cannot read. README.md has the measurement.
    app.addHook('onRequest', (request, reply, _done) => {
      reply.hijack()
      const incoming = request.raw as Targeted
      this.#serve(incoming, reply.raw, incoming[kTarget] as string)
    })
    const httpMethods = app.supportedMethods.filter((method) => method !== 'CONNECT')
    await app.register(httpProxy, { upstream: NOWHERE, httpMethods })
    server.headersTimeout = config.headersTimeout
    server.on('connect', (_incoming, socket: Socket) =>
      refuse(socket, 'BAD_REQUEST', 'there are no tunnels here')
    )
    // The upload is wanted when a plugin or an attempt reads it, and only then is a 100 sent.
    server.on('checkContinue', (incoming, outgoing) => server.emit('request', incoming, outgoing))
    server.on('upgrade', (incoming: IncomingMessage, socket: Socket, head: Buffer) =>
      this.#upgrade(incoming, socket, head)
    )
    try {
      if (config.tls !== undefined) this.#tls = this.#acceptor(config.tls)
      this.#url = await bind(app, config.address)
    } catch (cause) {
      this.#tls?.close()
      await app.close()
      if (cause instanceof StartError) throw cause
      throw new StartError(`listener ${config.name}: ${bindFailure(config.address, cause)}`, cause)
    }
  }

  /** Where it can be reached; a port of 0 has become a real one. */
  get url(): string {
    return this.config.address.kind === 'unix' ? this.#url : `${this.scheme}://${this.#url}`
  }

  /**
   * Takes on a configuration that differs in what needs no new socket, and whatever certificate its files hold now.
   *
   * @returns false when it differs in more
   * @throws StartError when a certificate cannot be used; the one before stays
   */
  async adopt(config: ListenerConfig): Promise<boolean> {
    if (needsSocket(config) !== needsSocket(this.config)) return false
    if (config.tls !== undefined) {
      try {
        this.#tls?.update(config.tls, config.http2)
      } catch (cause) {
        throw new StartError(`listener ${config.name}: tls: ${(cause as Error).message}`, cause)
      }
    }
    this.#server.headersTimeout = config.headersTimeout
    this.#server.keepAliveTimeout = config.idleTimeout
    this.#http2.idleTimeout = config.idleTimeout
    this.bodyTimeout = config.bodyTimeout
    this.trusted = rangesOf(config.trustedProxies)
    this.forwarded = config.forwarded
    this.via = config.via
    this.serverTiming = config.serverTiming
    this.config = config
    return true
  }

  /** Accepts no more; resolves when every connection has ended. Answers from now on say `connection: close`. */
  async drain(): Promise<void> {
    this.draining = true
    this.#http2.drain()
    // To Node a connection is idle once it has had an answer; one that never asked anything would be waited for.
    for (const socket of this.#sockets) {
      const peer = (socket as Known)[kPeer]
      if (socket.bytesRead === 0 || peer?.requests === 0) socket.destroy()
    }
    await this.#app.close()
    this.#tls?.close()
  }

  /** Only upgraded connections are left. */
  get quiet(): boolean {
    return this.exchanges <= this.#upgraded.size
  }

  upgraded(connection: Upgraded): void {
    this.#upgraded.add(connection)
  }

  upgradeEnded(connection: Upgraded): void {
    this.#upgraded.delete(connection)
  }

  /** Upgraded connections are told to end: WebSockets by a close frame of 1001. */
  goAway(): void {
    for (const connection of this.#upgraded) connection.goAway()
  }

  /** Cuts what is left. */
  async close(): Promise<void> {
    const closed = this.drain()
    for (const connection of this.#upgraded) connection.destroy()
    this.#http2.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #accept(socket: Socket): void {
    if (this.#sockets.size >= this.config.maxConnections) {
      socket.destroy()
      return
    }
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    this.#front.accept(socket)
  }

  #acceptor(tls: ListenerTls): TlsAcceptor {
    try {
      return new TlsAcceptor(tls, this.config.http2, (socket) => this.#secured(socket), this.#parts)
    } catch (cause) {
      throw new StartError(`listener ${this.name}: tls: ${(cause as Error).message}`, cause)
    }
  }

  #secure(socket: Socket, named: Named): void {
    const key = portOf(socket)
    if (key !== undefined) {
      this.#handshakes.set(key, { socket, named })
      socket.once('close', () => this.#handshakes.delete(key))
    }
    this.#tls?.accept(socket)
  }

  /** From here on the connection is the secured one. */
  #secured(socket: Socket): void {
    const key = portOf(socket)
    const begun = key === undefined ? undefined : this.#handshakes.get(key)
    if (begun !== undefined) this.#sockets.delete(begun.socket)
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    this.#front.secured(socket, begun?.named)
  }

  /** @param first what was read of it */
  #serveHttp1(socket: Socket, first: Buffer | undefined): void {
    this.#connectionListener.call(this.#server, socket)
    if (first !== undefined) socket.emit('data', first)
  }

  #serve(incoming: IncomingMessage, outgoing: ServerResponse, target: string, upgrading = false): void {
    const peer = (incoming.socket as Known)[kPeer] as Peer
    this.#parts.handle(this, new Http1Downstream(peer, incoming, outgoing, target, upgrading))
  }

  /** A WebSocket's handshake is a request like any other until its upstream agrees; another upgrade is declined by not hearing it. */
  #upgrade(incoming: IncomingMessage, socket: Socket, head: Buffer): void {
    // An answer to an earlier request may still be on its way; the connection's idle time is none of an upgraded one's.
    const earlier = (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage
    if (earlier) {
      earlier.once('close', () => setImmediate(() => this.#upgrade(incoming, socket, head)))
      return
    }
    if (socket.destroyed) return
    if (!isWebSocket(incoming)) {
      this.#serveHttp1(socket, plainRequest(incoming, head))
      return
    }
    socket.setTimeout(0)
    const outgoing = new ServerResponse(incoming)
    // Whatever is answered but 101 is the last on this connection: Node's server has let go of it.
    outgoing.shouldKeepAlive = false
    outgoing.assignSocket(socket)
    outgoing.once('finish', () => {
      if (outgoing.statusCode !== 101) socket.destroySoon()
    })
    socket.on('error', () => {})
    if (head.length > 0) socket.unshift(head)
    // Read on, or a client that is reset meanwhile would not be seen to go.
    socket.read(0)
    this.#serve(incoming, outgoing, incoming.url as string, true)
  }
}

/** What tells a peer's connections apart; nothing does on a Unix socket. */
function portOf({ remoteAddress, remotePort }: Socket): string | undefined {
  return remotePort === undefined ? undefined : `${remoteAddress} ${remotePort}`
}

/** All but what can be changed on an open socket. */
function needsSocket(config: ListenerConfig): string {
  const {
    headersTimeout,
    bodyTimeout,
    idleTimeout,
    trustedProxies,
    forwarded,
    via,
    serverTiming,
    tls,
    ...rest
  } = config
  return JSON.stringify({ ...rest, tls: tls !== undefined })
}

function isWebSocket({ headers, method }: IncomingMessage): boolean {
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket'
}

function options(config: ListenerConfig): FastifyServerOptions {
  return {
    logger: false,
    keepAliveTimeout: config.idleTimeout,
    // A request's whole time is its route's; that of its header block is `headersTimeout`.
    requestTimeout: 0,
    return503OnClosing: false,
    forceCloseConnections: 'idle' as const,
    clientErrorHandler,
    rewriteUrl: (incoming: Targeted) => {
      incoming[kTarget] = incoming.url as string
      return '/'
    },
    routerOptions: { querystringParser: () => EMPTY },
    http: {
      maxHeaderSize: config.maxHeaderSize,
      connectionsCheckingInterval: 1_000,
      requireHostHeader: false
    }
  } as unknown as FastifyServerOptions
}

/** http-proxy wants one upstream for all; ours are chosen per attempt. */
const NOWHERE = 'http://upstream.invalid'

const EMPTY = Object.freeze(Object.create(null))

/** Bytes that never became a request. */
function clientErrorHandler(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const under = (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage
  const earlier = under?.req.complete === true && !under.writableFinished
  // An answer that has begun cannot be told from the bytes of another.
  if (!socket.writable || (!earlier && under?.headersSent === true)) {
    socket.destroy(error)
    return
  }
  let code: Refusal = 'BAD_REQUEST'
  let message = 'the request is malformed'
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    code = 'HEADERS_TOO_LARGE'
    message = 'the header block is too large'
  } else if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    code = 'REQUEST_TIMEOUT'
    message = 'the request did not arrive in time'
  }
  // These bytes followed a request that is still being answered: its answer comes first.
  if (earlier) under?.once('close', () => refuse(socket, code, message))
  else refuse(socket, code, message)
}

type Refusal = 'BAD_REQUEST' | 'HEADERS_TOO_LARGE' | 'REQUEST_TIMEOUT'

/** Answers what no exchange was made of, and ends the connection. */
function refuse(socket: Socket, code: Refusal, message: string): void {
  const status = statusOf[code]
  const body = JSON.stringify({ error: code, message, requestId: '' })
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: application/json; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nx-outrigger-error: ${code}\r\nconnection: close\r\n\r\n${body}`,
    // A client that keeps its half open would keep the upload's upstream waiting with it.
    () => socket.destroy()
  )
}
