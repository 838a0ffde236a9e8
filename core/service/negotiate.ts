import type { Duplex } from 'node:stream'
import type { ErrorCode, ProxyError } from '../errors.js'
import type { Call, Connection, UpstreamListener, UpstreamOptions, UpstreamRequest } from './connection.js'
import { Http2Upstream } from './http2.js'
import { NotHttp2Error } from './http2-failure.js'
import { Upstream } from './upstream.js'

/** ms for which an endpoint that speaks HTTP/1.1 is not asked again: then one that was upgraded is seen. */
export const REMEMBERED = 600_000

/**
 * An endpoint whose protocol is found out. HTTP/2 is tried first, by ALPN over TLS and by its preface without, while
 * requests wait; where that is not answered in kind, they go over HTTP/1.1, and so do those of the next 10 min, or
 * until one of them fails. Then one request tries HTTP/2 again, and the others do not wait for it. A request that asks
 * for an upgrade goes over HTTP/1.1.
 */
export class Negotiated implements Connection {
  readonly #http2: Connection
  readonly #http1: Connection
  readonly #now: () => number
  /** Whether HTTP/2 was last found not to be spoken, and until when that is believed. */
  #fellBack = false
  #http1Until = 0
  /** Whether a request is on its way to find out anew. */
  #probing = false

  constructor(
    options: UpstreamOptions,
    http2: Connection = new Http2Upstream(options, ['h2', 'http/1.1']),
    http1: Connection = new Upstream({ ...options, protocol: options.tls === undefined ? 'http' : 'https' }),
    now: () => number = () => performance.now()
  ) {
    this.#http2 = http2
    this.#http1 = http1
    this.#now = now
  }

  send(request: UpstreamRequest, listener: UpstreamListener): Call {
    if (request.upgrade !== undefined) return this.#http1.send(request, listener)
    const call = new NegotiatedCall(this, request, listener)
    if (!this.#fellBack) {
      call.overHttp2(this.#http2, false)
    } else if (this.#probing || this.#now() < this.#http1Until) {
      call.overHttp1(this.#http1)
    } else {
      this.#probing = true
      call.overHttp2(this.#http2, true)
    }
    return call
  }

  resize(maxConnections: number): void {
    this.#http2.resize(maxConnections)
    this.#http1.resize(maxConnections)
  }

  close(): void {
    this.#http2.close()
    this.#http1.close()
  }

  destroy(): void {
    this.#http2.destroy()
    this.#http1.destroy()
  }

  /** @internal HTTP/2 is not spoken. @returns the way that is left */
  fallBack(): Connection {
    this.#fellBack = true
    this.#probing = false
    this.#http1Until = this.#now() + REMEMBERED
    return this.#http1
  }

  /** @internal A request that tried HTTP/2 anew was sent over it. */
  found(): void {
    this.#fellBack = false
    this.#probing = false
  }

  /** @internal HTTP/1.1 did not work: what is spoken may be another by now. */
  doubt(): void {
    this.#http1Until = 0
  }

  /** @internal A request that tried HTTP/2 anew was cancelled before it had found out. */
  unknown(): void {
    this.#probing = false
  }
}

/** A request whose way may change as long as it was not sent. */
class NegotiatedCall implements Call, UpstreamListener {
  readonly #owner: Negotiated
  readonly #request: UpstreamRequest
  readonly #listener: UpstreamListener
  #call: Call | undefined = undefined
  #http1 = false
  /** It is the one that tries HTTP/2 anew. */
  #probe = false
  #responded = false
  #over = false

  constructor(owner: Negotiated, request: UpstreamRequest, listener: UpstreamListener) {
    this.#owner = owner
    this.#request = request
    this.#listener = listener
  }

  get sent(): boolean {
    return this.#call?.sent ?? false
  }

  get httpVersion(): string {
    return this.#call?.httpVersion ?? '1.1'
  }

  get stale(): boolean {
    return this.#call?.stale ?? false
  }

  overHttp1(connection: Connection): void {
    this.#http1 = true
    this.#call = undefined
    this.#call = connection.send(this.#request, this)
  }

  overHttp2(connection: Connection, probe: boolean): void {
    this.#probe = probe
    this.#call = connection.send(this.#request, this)
  }

  cancel(): void {
    this.#over = true
    this.#find(this.sent)
    this.#call?.cancel()
  }

  resume(): void {
    this.#call?.resume()
  }

  information(status: number, headers: string[]): void {
    this.#listener.information(status, headers)
  }

  responded(status: number, headers: string[], statusText: string, final: boolean): boolean {
    this.#find(true)
    this.#responded = true
    return this.#listener.responded(status, headers, statusText, final)
  }

  data(chunk: Buffer): boolean {
    return this.#listener.data(chunk)
  }

  ended(trailers: string[]): void {
    this.#listener.ended(trailers)
  }

  upgraded(headers: string[], socket: Duplex): void {
    this.#listener.upgraded(headers, socket)
  }

  failed(error: ProxyError): void {
    if (this.#isUnspoken(error)) {
      this.#probe = false
      this.overHttp1(this.#owner.fallBack())
      return
    }
    this.#find(this.sent)
    if (this.#http1 && !this.#responded && DOUBTFUL.has(error.code)) this.#owner.doubt()
    this.#listener.failed(error)
  }

  /** Whether HTTP/1.1 is to be tried: one request in 10 min must not fail where all the others pass. */
  #isUnspoken({ cause, code }: ProxyError): boolean {
    if (this.#http1 || this.#over || this.sent) return false
    if (cause instanceof NotHttp2Error) return true
    return this.#probe && (code === 'CONNECT_FAILED' || code === 'CONNECT_TIMEOUT')
  }

  /** Once it is known whether HTTP/2 took the request. */
  #find(sent: boolean): void {
    if (!this.#probe) return
    this.#probe = false
    if (sent) this.#owner.found()
    else this.#owner.unknown()
  }
}

/** What an endpoint that no longer speaks HTTP/1.1 comes to. */
const DOUBTFUL: ReadonlySet<ErrorCode> = new Set([
  'CONNECT_FAILED',
  'CONNECT_TIMEOUT',
  'UPSTREAM_RESET',
  'BAD_UPSTREAM_RESPONSE'
])
