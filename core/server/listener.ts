import { readFile } from 'node:fs/promises'
import { type IncomingMessage, METHODS, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Server as TlsServer } from 'node:tls'
import httpProxy from '@fastify/http-proxy'
import fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type { ListenerConfig } from '../config/types.js'
import { statusOf } from '../errors.js'
import type { Entry } from '../exchange/pipeline.js'
import { bind, bindFailure } from './bind.js'
import { StartError } from './types.js'

export type Handle = (
  entry: Entry,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  target: string
) => void

/** Where the request's target is while Fastify's router is shown a path that it need not look at. */
const kTarget = Symbol('target')
type Targeted = IncomingMessage & { [kTarget]?: string }

/** One address that requests come in on: a Fastify server with one catch-all registration of @fastify/http-proxy. */
export class Listener implements Entry {
  readonly name: string
  config: ListenerConfig
  readonly scheme: 'http' | 'https'
  bodyTimeout: number
  draining = false
  readonly #app: FastifyInstance
  readonly #sockets = new Set<Socket>()
  #url = ''

  private constructor(config: ListenerConfig, app: FastifyInstance) {
    this.name = config.name
    this.config = config
    this.scheme = config.tls === undefined ? 'http' : 'https'
    this.bodyTimeout = config.bodyTimeout
    this.#app = app
  }

  /** @throws StartError when the address is taken or a certificate cannot be used */
  static async open(config: ListenerConfig, handle: Handle): Promise<Listener> {
    const app = await create(config)
    const listener = new Listener(config, app)
    const known = new Set(app.supportedMethods)
    for (const method of METHODS) {
      if (!known.has(method) && method !== 'CONNECT') app.addHttpMethod(method, { hasBody: true })
    }
    // Ahead of http-proxy's own handler, which builds three URLs a request that nothing here would use, and ahead of
    // Fastify's body parsing, which answers 415 to what it cannot read. README.md has the measurement.
    app.addHook('onRequest', (request, reply, _done) => {
      reply.hijack()
      const incoming = request.raw as Targeted
      handle(listener, incoming, reply.raw, incoming[kTarget] as string)
    })
    const httpMethods = app.supportedMethods.filter((method) => method !== 'CONNECT')
    await app.register(httpProxy, { upstream: NOWHERE, httpMethods })
    const { server } = app as unknown as { server: Server }
    server.headersTimeout = config.headersTimeout
    server.on(config.tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
      listener.#sockets.add(socket)
      socket.once('close', () => listener.#sockets.delete(socket))
    })
    server.on('connect', (_incoming, socket: Socket) =>
      refuse(socket, 'BAD_REQUEST', 'there are no tunnels here')
    )
    // The upload is wanted when a plugin or an attempt reads it, and only then is a 100 sent.
    server.on('checkContinue', (incoming, outgoing) => server.emit('request', incoming, outgoing))
    try {
      listener.#url = await bind(app, config.address)
    } catch (cause) {
      await app.close()
      throw new StartError(`listener ${config.name}: ${bindFailure(config.address, cause)}`, cause)
    }
    return listener
  }

  /** Where it can be reached; a port of 0 has become a real one. */
  get url(): string {
    return this.config.address.kind === 'unix' ? this.#url : `${this.scheme}://${this.#url}`
  }

  /**
   * Takes on a configuration that differs in its timeouts alone, and whatever certificate its files hold now.
   *
   * @returns false when it differs in more
   * @throws StartError when a certificate cannot be used; the one before stays
   */
  async adopt(config: ListenerConfig): Promise<boolean> {
    const rest = (one: ListenerConfig) =>
      JSON.stringify({ ...one, headersTimeout: 0, bodyTimeout: 0, idleTimeout: 0 })
    if (rest(config) !== rest(this.config)) return false
    const server = this.#app.server as Server
    if (config.tls !== undefined) {
      const [cert, key] = await Promise.all([pem(config, 'cert'), pem(config, 'key')])
      try {
        ;(server as unknown as TlsServer).setSecureContext({ cert, key, minVersion: MIN_TLS })
      } catch (cause) {
        throw unusable(config, cause)
      }
    }
    server.headersTimeout = config.headersTimeout
    server.keepAliveTimeout = config.idleTimeout
    this.bodyTimeout = config.bodyTimeout
    this.config = config
    return true
  }

  /** Accepts no more; resolves when every connection has ended. Answers from now on say `connection: close`. */
  async drain(): Promise<void> {
    this.draining = true
    // To Node a connection is idle once it has had an answer; one that never asked anything would be waited for.
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy()
    await this.#app.close()
  }

  /** Cuts what is left. */
  async close(): Promise<void> {
    const closed = this.drain()
    ;(this.#app.server as Server).closeAllConnections()
    await closed
  }
}

async function create(config: ListenerConfig): Promise<FastifyInstance> {
  const chosen = await options(config)
  try {
    return fastify(chosen) as unknown as FastifyInstance
  } catch (cause) {
    if (config.tls === undefined) throw cause
    throw unusable(config, cause)
  }
}

async function options(config: ListenerConfig): Promise<FastifyServerOptions> {
  const shared = {
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
    routerOptions: { querystringParser: () => EMPTY }
  }
  const server = {
    maxHeaderSize: config.maxHeaderSize,
    connectionsCheckingInterval: 1_000,
    requireHostHeader: false
  }
  if (config.tls === undefined) return { ...shared, http: server } as unknown as FastifyServerOptions
  const [cert, key] = await Promise.all([pem(config, 'cert'), pem(config, 'key')])
  return {
    ...shared,
    https: { ...server, cert, key, minVersion: 'TLSv1.2' }
  } as unknown as FastifyServerOptions
}

/** http-proxy wants one upstream for all; ours are chosen per attempt. */
const NOWHERE = 'http://upstream.invalid'

const EMPTY = Object.freeze(Object.create(null))

const MIN_TLS = 'TLSv1.2'

function unusable(config: ListenerConfig, cause: unknown): StartError {
  const { cert, key } = config.tls as { cert: string; key: string }
  return new StartError(
    `listener ${config.name}: tls ${cert} and ${key} cannot be used: ${(cause as Error).message}`,
    cause
  )
}

async function pem(config: ListenerConfig, part: 'cert' | 'key'): Promise<string> {
  const file = config.tls?.[part] as string
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new StartError(`listener ${config.name}: tls.${part} ${file} cannot be read`, cause)
  }
}

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
