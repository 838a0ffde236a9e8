import type { Duplex, Readable } from 'node:stream'
import type { Protocol } from '../config/types.js'
import type { ProxyError } from '../errors.js'
import type { UpstreamTls } from '../tls/upstream.js'

export interface UpstreamOptions {
  /** `http://host:port`, `https://host:port` or `unix:/path`. */
  readonly url: string
  readonly protocol: Protocol
  /** Kept up to date with its files; undefined where the way goes without TLS. */
  readonly tls: UpstreamTls | undefined
  /** ms */
  readonly connectTimeout: number
  /** ms */
  readonly keepAlive: number
  /** ms */
  readonly idleTimeout: number
  readonly maxConnections: number
  /** Plain HTTP/1.1 does not go through undici. */
  readonly fastLane: boolean
}

export interface UpstreamRequest {
  readonly method: string
  /** With its query. */
  readonly path: string
  /** Flat, `host` among them, framing fields but `content-length` taken out. */
  readonly headers: string[]
  readonly body: Buffer | Readable | null
  /** What the client sends after its body, complete once the body has ended. HTTP/1.1 upstreams are sent none. */
  readonly trailers: { readonly fields: readonly string[] } | undefined
  /** The client understands trailers (`TE: trailers`): the upstream is told. */
  readonly acceptsTrailers: boolean
  /** The protocol to change to, `websocket`: answered by `upgraded`, or refused by `responded`. */
  readonly upgrade: string | undefined
  /** ms that the response's body may pause; undefined: as the way itself says. */
  readonly idleTimeout: number | undefined
}

/** What becomes of a request. After `failed`, `ended` or `upgraded` nothing more is called. */
export interface UpstreamListener {
  /** A 1xx other than 100 and 101. */
  information(status: number, headers: string[]): void
  /**
   * @param final the response is its head alone, in HTTP/2's sense: END_STREAM came with it (gRPC's trailers-only)
   * @returns false to hold the body back until `resume`
   */
  responded(status: number, headers: string[], statusText: string, final: boolean): boolean
  /** @returns false to hold the rest back until `resume` */
  data(chunk: Buffer): boolean
  ended(trailers: string[]): void
  failed(error: ProxyError): void
  /** The upstream answered 101. @param socket paused; what it sent behind its head is there to be read */
  upgraded(headers: string[], socket: Duplex): void
}

/** A request under way. */
export interface Call {
  /** Whether a connection was there and the request began to be written. */
  readonly sent: boolean
  /** The connection had served others before and ended with not one byte of an answer: a race with its idle end. */
  readonly stale: boolean
  /** Over which version it goes, `1.1` or `2.0`. */
  readonly httpVersion: string
  /** Ends it, and its connection where that carries nothing else; the listener hears nothing more. */
  cancel(): void
  resume(): void
}

/** The way to one endpoint. */
export interface Connection {
  send(request: UpstreamRequest, listener: UpstreamListener): Call
  /** So many connections from now on; of those there are too many, none is cut. */
  resize(maxConnections: number): void
  /** Takes no more requests; those under way end. */
  close(): void
  /** Cuts what is under way. */
  destroy(): void
}
