// The one file that knows undici's dispatch API. It uses the handler form with raw header buffers: the other form
// parses them into an object, which loses casing and order and costs more than all the rest of a small request.

import { isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { buildConnector, type Dispatcher, Pool } from 'undici'
import { ProxyError } from '../errors.js'
import type { UpstreamTls } from '../tls/upstream.js'
import type { Call, Connection, UpstreamListener, UpstreamOptions, UpstreamRequest } from './connection.js'

class UpstreamCall implements Call {
  readonly listener: UpstreamListener
  sent = false
  stale = false
  #abort: ((reason?: Error) => void) | undefined = undefined
  #resume: (() => void) | undefined = undefined
  #cancelled = false
  #responded = false
  #bodiless = false

  constructor(listener: UpstreamListener) {
    this.listener = listener
  }

  cancel(): void {
    if (this.#cancelled) return
    this.#cancelled = true
    this.#abort?.(cancelled)
  }

  resume(): void {
    this.#resume?.()
  }

  onConnect(abort: (reason?: Error) => void): void {
    if (this.#cancelled) {
      abort(cancelled)
      return
    }
    this.#abort = abort
    this.sent = true
  }

  onHeaders(status: number, headers: Buffer[], resume: () => void, statusText: string): boolean {
    if (this.#cancelled) return true
    this.#resume = resume
    if (status < 200) {
      this.listener.information(status, decode(headers))
      return true
    }
    this.#responded = true
    this.#bodiless = status === 204 || status === 304
    return this.listener.responded(status, decode(headers), statusText, false)
  }

  onData(chunk: Buffer): boolean {
    return this.#cancelled || this.listener.data(chunk)
  }

  onUpgrade(_status: number, headers: Buffer[], socket: Duplex): void {
    if (this.#cancelled) {
      socket.destroy()
      return
    }
    this.#responded = true
    this.listener.upgraded(decode(headers), socket)
    // From here on the socket is the listener's: undici knows it no more.
    this.#cancelled = true
  }

  onComplete(trailers: Buffer[] | string[] | null): void {
    if (this.#cancelled) return
    this.listener.ended(trailers === null || trailers.length === 0 ? none : decode(trailers))
  }

  onError(error: ToldError): void {
    if (this.#cancelled) return
    this.#cancelled = true
    // A 304 may say how long the body is that it leaves out (RFC 9110 section 8.6); undici misses it.
    if (this.#bodiless && error.code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') {
      this.listener.ended(none)
      return
    }
    if (this.sent && !this.#responded && isReset(error.code) && error.idle === true) this.stale = true
    this.listener.failed(translate(error, this.sent))
  }
}

const none: string[] = []
const cancelled = new Error('cancelled')

/** The connections to one endpoint. */
export class Upstream implements Connection {
  readonly #pool: Pool
  readonly #serverName: string | null
  #closing = false

  constructor({ url, tls, connectTimeout, keepAlive, idleTimeout, maxConnections }: UpstreamOptions) {
    const socketPath = url.startsWith('unix:') ? url.slice('unix:'.length) : undefined
    const scheme = tls === undefined ? 'http' : 'https'
    const origin = socketPath === undefined ? url : `${scheme}://localhost`
    // Without it undici takes the name from the request's Host, which is the client's word.
    this.#serverName =
      tls === undefined ? null : (tls.serverName ?? new URL(origin).hostname.replace(/^\[|\]$/g, ''))
    this.#pool = new Pool(origin, {
      connections: maxConnections,
      pipelining: 1,
      // Attempts carry deadlines of their own.
      headersTimeout: 0,
      bodyTimeout: idleTimeout,
      keepAliveTimeout: keepAlive,
      keepAliveMaxTimeout: Math.max(keepAlive, 60_000),
      keepAliveTimeoutThreshold: 1_000,
      maxHeaderSize: 64 * 1024,
      connect: tellingConnector(
        { timeout: connectTimeout, ...(socketPath === undefined ? {} : { socketPath }) },
        tls
      )
    } as Pool.Options)
  }

  send(request: UpstreamRequest, listener: UpstreamListener): Call {
    const call = new UpstreamCall(listener)
    const options: Dispatcher.DispatchOptions & { servername?: string } = {
      method: request.method as Dispatcher.HttpMethod,
      path: request.path,
      headers: request.headers,
      body: request.body
    }
    if (request.acceptsTrailers) options.headers = [...request.headers, 'te', 'trailers']
    if (request.upgrade !== undefined) options.upgrade = request.upgrade
    if (this.#serverName !== null) options.servername = this.#serverName
    this.#pool.dispatch(options, call as unknown as Dispatcher.DispatchHandler)
    return call
  }

  close(): void {
    if (this.#closing) return
    this.#closing = true
    this.#pool.close().catch(() => {})
  }

  destroy(): void {
    this.#closing = true
    this.#pool.destroy().catch(() => {})
  }
}

/** What a connection ended with. */
type ToldError = Error & {
  code?: string
  /** It had served others, and not one byte had come since the last request went out on it. */
  idle?: boolean
}

/** Bytes that a connection had read when it was written to last. */
const kRead = Symbol('read')
type Read = Socket & { [kRead]?: number }

/** Connections whose errors tell whether they were idle. */
function tellingConnector(
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
    connect(named, (...result) => {
      const [, socket] = result
      if (socket) tell(socket)
      callback(...result)
    })
  }
}

function tell(socket: Read): void {
  const { write } = socket
  socket.write = function (this: Read, ...args: unknown[]): boolean {
    this[kRead] = this.bytesRead
    return (write as (...args: unknown[]) => boolean).apply(this, args)
  } as typeof write
  socket.on('error', (error: ToldError) => {
    error.idle = socket.bytesRead > 0 && socket.bytesRead === socket[kRead]
    // undici takes a reset for the end of a body that ends with its connection: half of it would pass for all.
    if (error.code === 'ECONNRESET') error.code = 'EPIPE'
  })
}

function tlsOptions(tls: UpstreamTls): object {
  return { rejectUnauthorized: !tls.insecure, secureContext: tls.context }
}

/** What `toString('latin1')` comes to, without asking each of a dozen times a response what 'latin1' means. */
type LatinBuffer = Buffer & { latin1Slice(start: number, end: number): string }

function decode(raw: (Buffer | string)[]): string[] {
  const { length } = raw
  const flat = new Array<string>(length)
  for (let i = 0; i < length; i++) {
    const part = raw[i] as Buffer | string
    flat[i] = typeof part === 'string' ? part : (part as LatinBuffer).latin1Slice(0, part.length)
  }
  return flat
}

function isReset(code: string | undefined): boolean {
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE'
}

/** To the proxy's own codes. The cause is for the log; the message is the client's and names no address. */
function translate(error: Error & { code?: string }, sent: boolean): ProxyError {
  const { code } = error
  if (ProxyError.is(error)) return error
  if (code === 'UND_ERR_CONNECT_TIMEOUT') {
    return new ProxyError('CONNECT_TIMEOUT', 'the service did not accept a connection in time', {
      cause: error
    })
  }
  if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH') {
    return new ProxyError('BAD_REQUEST', 'the request cannot be sent on as it is', { cause: error })
  }
  if (!sent) return new ProxyError('CONNECT_FAILED', 'the service could not be reached', { cause: error })
  if (code === 'UND_ERR_BODY_TIMEOUT' || code === 'UND_ERR_HEADERS_TIMEOUT') {
    return new ProxyError('RESPONSE_TIMEOUT', 'the service stopped answering', { cause: error })
  }
  if (error.name === 'HTTPParserError' || code === 'UND_ERR_HEADERS_OVERFLOW') {
    return new ProxyError('BAD_UPSTREAM_RESPONSE', 'the service answered with something that is not HTTP', {
      cause: error
    })
  }
  return new ProxyError('UPSTREAM_RESET', 'the service closed the connection before it had answered', {
    cause: error
  })
}
