import { type IncomingMessage, METHODS, type Server, ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import httpProxy from '@fastify/http-proxy'
import fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type { ListenerConfig } from '../config/types.js'
import { statusOf } from '../errors.js'
import { Http1Downstream } from '../exchange/http1.js'
import type { LaneDownstream } from '../exchange/lane.js'
import type { Peer } from '../exchange/peer.js'
import type { Deadlines } from '../hooks/deadlines.js'
import { Lane, type LaneOwner } from './lane.js'
import { plainRequest } from './plain-request.js'

/** Where the request's target is while Fastify's router is shown a path that it need not look at. */
const kTarget = Symbol('target')
type Targeted = IncomingMessage & { [kTarget]?: string }

/** Who is at the other end of a socket. */
const kPeer = Symbol('peer')
/** What came on it could not be read on. */
const kBroken = Symbol('broken')
type Known = Socket & { [kPeer]?: Peer; [kBroken]?: true }

type ConnectionListener = (this: Server, socket: Socket) => void

/** Whose connections these are. */
export interface Http1Entry {
  readonly config: ListenerConfig
  readonly draining: boolean
}

/**
 * HTTP/1 on a listener: a Fastify server with one catch-all registration of @fastify/http-proxy, which binds the address.
 * Connections begin on the fast lane, where the configuration does not switch it off, and come to that server with the
 * first request that the lane does not take.
 */
export class Http1Server implements LaneOwner {
  readonly app: FastifyInstance
  readonly #server: Server
  readonly #connectionListener: ConnectionListener
  readonly lanes = new Set<Lane>()
  readonly deadlines: Deadlines
  readonly #entry: Http1Entry
  readonly #onRequest: (downstream: Http1Downstream | LaneDownstream) => void
  readonly #onRefused: (reason: Refusal) => void
  readonly #onHandover: () => void

  /**
   * @param onConnection is given each connection as it comes; `serve` takes those that speak HTTP/1
   * @param onRefused bytes that never became a request
   * @param onHandover a connection leaves the fast lane
   */
  constructor(
    entry: Http1Entry,
    deadlines: Deadlines,
    onConnection: (socket: Socket) => void,
    onRequest: (downstream: Http1Downstream | LaneDownstream) => void,
    onRefused: (reason: Refusal) => void,
    onHandover: () => void
  ) {
    this.#onHandover = onHandover
    const { config } = entry
    this.#entry = entry
    this.deadlines = deadlines
    this.keepAlive = keepAliveFields(config.idleTimeout)
    this.app = fastify(
      options(config, (error, socket) => brokenOff(error, socket, onRefused))
    ) as unknown as FastifyInstance
    this.#onRequest = onRequest
    this.#onRefused = onRefused
    this.#server = this.app.server as Server
    this.#connectionListener = this.#server.listeners('connection')[0] as ConnectionListener
    this.#server.removeAllListeners('connection')
    this.#server.on('connection', onConnection)
    this.#server.headersTimeout = config.headersTimeout
  }

  /** Before it is bound. */
  async prepare(): Promise<void> {
    const { app } = this
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
      this.#serve(incoming, reply.raw, incoming[kTarget] as string, false)
    })
    const httpMethods = app.supportedMethods.filter((method) => method !== 'CONNECT')
    await app.register(httpProxy, { upstream: NOWHERE, httpMethods })
    server.on('connect', (_incoming, socket: Socket) => {
      this.#onRefused('BAD_REQUEST')
      refuseTunnel(socket)
    })
    // The upload is wanted when a plugin or an attempt reads it, and only then is a 100 sent.
    server.on('checkContinue', (incoming, outgoing) => server.emit('request', incoming, outgoing))
    server.on('checkExpectation', (incoming, outgoing) => server.emit('request', incoming, outgoing))
    server.on('upgrade', (incoming: IncomingMessage, socket: Socket, head: Buffer) =>
      this.#upgrade(incoming, socket, head)
    )
  }

  adopt({ headersTimeout, idleTimeout }: ListenerConfig): void {
    this.keepAlive = keepAliveFields(idleTimeout)
    this.#server.headersTimeout = headersTimeout
    this.#server.keepAliveTimeout = idleTimeout
  }

  /** @param first what was read of it */
  serve(socket: Socket, peer: Peer, first: Buffer | undefined): void {
    ;(socket as Known)[kPeer] = peer
    if (this.#entry.config.fastLane) new Lane(this, socket, peer).begin(first)
    else this.#take(socket, first)
  }

  // What a connection on the lane asks for

  /** @internal What says so to a client whose connection is kept. */
  keepAlive: string

  /** @internal */
  get headersTimeout(): number {
    return this.#entry.config.headersTimeout
  }

  /** @internal */
  get idleTimeout(): number {
    return this.#entry.config.idleTimeout
  }

  /** @internal */
  get maxHeaderSize(): number {
    return this.#entry.config.maxHeaderSize
  }

  /** @internal */
  get draining(): boolean {
    return this.#entry.draining
  }

  /** @internal */
  request(downstream: LaneDownstream): void {
    this.#onRequest(downstream)
  }

  /** @internal To Node's server. */
  handOver(socket: Socket, first: Buffer): void {
    this.#onHandover()
    this.#take(socket, first)
  }

  #take(socket: Socket, first: Buffer | undefined): void {
    // Each pipelined request listens for its end.
    socket.setMaxListeners(0)
    this.#begin(socket, first)
  }

  /** @internal */
  refuse(socket: Socket, code: 'BAD_REQUEST' | 'REQUEST_TIMEOUT'): void {
    this.#onRefused(code)
    refuse(socket, code, code === 'BAD_REQUEST' ? MALFORMED : TOO_LATE)
  }

  /** Accepts no more; connections without a request end now, the others with their answer. */
  close(): Promise<void> {
    for (const lane of this.lanes) lane.drain()
    return this.app.close()
  }

  #begin(socket: Socket, first: Buffer | undefined): void {
    this.#connectionListener.call(this.#server, socket)
    if (first !== undefined) socket.emit('data', first)
  }

  #serve(incoming: IncomingMessage, outgoing: ServerResponse, target: string, upgrading: boolean): void {
    const peer = (incoming.socket as Known)[kPeer] as Peer
    // Not answered either: the connection ends with the answer to the one that could not be read.
    if (peer.distrusted) return
    this.#onRequest(new Http1Downstream(peer, incoming, outgoing, target, upgrading))
  }

  /** A WebSocket's handshake is a request like any other until its upstream agrees; another upgrade is declined by not hearing it. */
  #upgrade(incoming: IncomingMessage, socket: Socket, head: Buffer): void {
    // An answer to an earlier request may still be on its way; the connection's idle time is none of an upgraded one's.
    const earlier = (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage
    if (earlier) {
      // Node has taken its own listeners off, and with them what tells the answer that there is room again.
      const drained = () => earlier.emit('drain')
      socket.on('drain', drained)
      earlier.once('close', () => {
        socket.off('drain', drained)
        setImmediate(() => this.#upgrade(incoming, socket, head))
      })
      // Read on, or a client that is reset meanwhile would not be seen to go.
      socket.read(0)
      return
    }
    if (socket.destroyed) return
    if (!isWebSocket(incoming)) {
      this.#begin(socket, plainRequest(incoming, head))
      return
    }
    socket.setTimeout(0)
    const outgoing = new ServerResponse(incoming)
    // Whatever is answered but 101 is the last on this connection: Node's server has let go of it.
    outgoing.shouldKeepAlive = false
    outgoing.assignSocket(socket)
    // Node has taken its own listener off: without one a large answer that is no 101 would stop where the socket is full.
    socket.on('drain', () => {
      if (outgoing.statusCode !== 101) outgoing.emit('drain')
    })
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

/** Whether a connection has never been asked anything. To Node one is idle once it has had an answer, and not before. */
export function isUnasked(socket: Socket): boolean {
  return socket.bytesRead === 0 || (socket as Known)[kPeer]?.requests === 0
}

function isWebSocket({ headers, method, httpVersionMinor }: IncomingMessage): boolean {
  // An HTTP/1.0 request cannot ask for it (RFC 9110 section 7.8).
  return method === 'GET' && httpVersionMinor > 0 && headers.upgrade?.toLowerCase() === 'websocket'
}

function options(
  config: ListenerConfig,
  clientErrorHandler: (error: NodeJS.ErrnoException, socket: Socket) => void
): FastifyServerOptions {
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
function brokenOff(error: NodeJS.ErrnoException, socket: Known, onRefused: (reason: Refusal) => void): void {
  if (error.code === 'ECONNRESET' || socket[kBroken]) return
  // Behind the last request of its connection: nobody reads it, and the answer ends the connection.
  const answering = (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage
  if (error.code === 'HPE_CLOSED_CONNECTION' && answering) return
  // All that comes behind them is an error too.
  socket[kBroken] = true
  onRefused(refusalOf(error)[0])
  endOver(error, socket)
}

function endOver(error: NodeJS.ErrnoException, socket: Known): void {
  if (socket.destroyed) return
  const under = (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage
  const earlier = under?.req.complete === true && !under.writableFinished
  // An answer that has begun cannot be told from the bytes of another.
  if (!socket.writable || (!earlier && under?.headersSent === true)) {
    socket.destroy(error)
    return
  }
  const [code, message] = refusalOf(error)
  // These bytes followed requests that are still being answered: their answers come first.
  if (earlier) under?.once('close', () => setImmediate(endOver, error, socket))
  else refuse(socket, code, message)
}

/** After the answers to what was asked before it. */
function refuseTunnel(socket: Socket): void {
  const earlier = (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage
  if (!earlier) {
    if (!socket.destroyed) refuse(socket, 'BAD_REQUEST', 'there are no tunnels here')
    return
  }
  const drained = () => earlier.emit('drain')
  socket.on('drain', drained)
  earlier.once('close', () => {
    socket.off('drain', drained)
    setImmediate(refuseTunnel, socket)
  })
  socket.read(0)
}

/** What becomes of them. */
function refusalOf({ code }: NodeJS.ErrnoException): [Refusal, string] {
  if (code === 'HPE_HEADER_OVERFLOW') return ['HEADERS_TOO_LARGE', 'the header block is too large']
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return ['REQUEST_TIMEOUT', TOO_LATE]
  return ['BAD_REQUEST', MALFORMED]
}

const TOO_LATE = 'the request did not arrive in time'
const MALFORMED = 'the request is malformed'

/** As Node's server writes them. @param idle ms */
function keepAliveFields(idle: number): string {
  const seconds = Math.floor(idle / 1000)
  return `Connection: keep-alive\r\n${idle > 0 ? `Keep-Alive: timeout=${seconds}\r\n` : ''}`
}

export type Refusal = 'BAD_REQUEST' | 'HEADERS_TOO_LARGE' | 'REQUEST_TIMEOUT'

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
