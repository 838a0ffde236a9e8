import type { Readable } from 'node:stream'
import type { ErrorCode, ProxyError } from '../errors.js'
import type { Hedge, Reply, Retry } from './decisions.js'
import type { Key } from './key.js'

type Awaitable<T> = T | Promise<T>

/** Header fields in their order, with the casing and the repetitions they came with. Names are compared without case. */
export interface HeaderList extends Iterable<[name: string, value: string]> {
  /** The value; of a repeated field, all of them joined by `, `. */
  get(name: string): string | undefined
  /** Each value of a repeated field (`set-cookie`), in order. */
  getAll(name: string): string[]
  has(name: string): boolean
  /**
   * Replaces every field of this name by one, and with them those that some services take for it (`x_user`, `X.User` for
   * `x-user`). @throws TypeError on a name or value that HTTP does not allow (CR, LF, NUL).
   */
  set(name: string, value: string): void
  /** Adds a field behind the others. @throws TypeError as `set`. */
  append(name: string, value: string): void
  /** With those that some services take for it, as `set`. */
  delete(name: string): boolean
}

/** What a plugin may do with a body. Without a declaration, bodies pass by unseen. */
export interface BodyDeclaration {
  request?: 'buffer' | 'stream'
  response?: 'buffer' | 'stream'
  /** Bytes that `bytes()` may hold. Default 1 MiB. Past it: 413 on the request side, 502 on the response side. */
  maxBytes?: number
}

export interface Body {
  /** From `content-length`; undefined when the sender did not say. */
  readonly length: number | undefined
  /** The whole body. Needs `body: { request | response: 'buffer' }`. Held by the core: read it, do not write into it. */
  bytes(): Promise<Buffer>
  /** `bytes()` as UTF-8. */
  text(): Promise<string>
  /** `bytes()` as JSON. @throws SyntaxError */
  json<T = unknown>(): Promise<T>
  /**
   * The whole body where it is here anyway (of what a client sends, up to 64 KiB are kept for a retry), else undefined. Needs no
   * declaration, reads nothing and waits for nothing; in `finish`, too. Held by the core: read it, do not write into it.
   */
  kept(): Buffer | undefined
  /** The body as it flows. Needs 'stream'; whoever takes it must `replace()` it by what is to flow on. */
  stream(): Readable
  /** Sends this instead; `content-length` follows by itself. Needs a declaration of either kind. */
  replace(body: string | Uint8Array | Readable): void
}

export interface ExchangeRequest {
  readonly method: string
  /** `websocket` on a handshake, in lower case; undefined on a plain request. */
  readonly upgrade: string | undefined
  /** `http` or `https`, as the client spoke to us. */
  readonly scheme: 'http' | 'https'
  /** `1.0`, `1.1` or `2.0`, as the client spoke to us. */
  readonly httpVersion: string
  /** Lower case, without the port. */
  readonly host: string
  /** Normalised; what was matched is what the upstream sees. Assign to rewrite. @throws TypeError on what is no path. */
  path: string
  /** With its `?`, or empty. */
  query: string
  /** Hop-by-hop fields are already gone. */
  readonly headers: HeaderList
  readonly body: Body
}

export interface ProxyResponse {
  status: number
  readonly headers: HeaderList
  readonly body: Body
  /** True for what the proxy or a plugin answers itself. */
  readonly local: boolean
  /** Set when this answers an error. */
  readonly error: ProxyError | undefined
}

export type BreakerState = 'closed' | 'open' | 'half-open'

/** One instance of a service. Marked, ejected, weighed and replaced through `ServiceHandle` alone. */
export interface Endpoint {
  /** As configured: its identity in metrics, logs and `/services`. */
  readonly url: string
  readonly service: string
  /** From 0; default 1, with `ServiceHandle.scale` counted in. Of an endpoint with 0 nothing is asked while another is usable. */
  readonly weight: number
  readonly zone: string | undefined
  /** 0 is tried first; the next number when none of it is usable. */
  readonly priority: number
  readonly tags: Readonly<Record<string, string>>
  readonly healthy: boolean
  /** On the clock, in ms; 0 when not ejected. */
  readonly ejectedUntil: number
  /** `open`: nothing is sent there. `half-open`: one attempt at a time is, to see whether it serves again. */
  readonly breaker: BreakerState
  /** Since when it can be used, on the clock in ms: when it came in, or was last out for any of the reasons above. */
  readonly availableSince: number
  /** Attempts under way. */
  readonly inFlight: number
  /** Milliseconds to the response's headers, of the last attempt that got any; undefined before. */
  readonly latency: number | undefined
}

export type AttemptEnd = 'complete' | 'discarded' | 'cancelled' | 'broken' | 'failed'

/** One try against one endpoint. */
export interface Attempt {
  /** From 1. */
  readonly number: number
  readonly service: string
  readonly endpoint: Endpoint
  /** This attempt's own request headers: a change here is not seen by the next one. */
  readonly headers: HeaderList
  /** Milliseconds until the response's headers must be there. Set it in `attempt`. Default: what is left of the exchange. */
  timeout: number
  /** Milliseconds until a connection must be there, waiting for one included. Set it in `attempt`. Default: the service's for one to open. */
  connectTimeout: number
  /** Milliseconds that the response's body may pause. Set it in `attempt`. Default: the service's. */
  idleTimeout: number
  /** The Retry's reason, or `hedge`; undefined for the first. */
  readonly reason: string | undefined
  /** The one attempt that a half-open breaker, the endpoint's or the service's, lets through. */
  readonly probe: boolean
  /** On the clock, in ms: when it is sent, once that has been. */
  readonly startedAt: number
  /** Milliseconds to the response's headers or the error. */
  readonly latency: number
  /** The upstream's; undefined when there was no response. */
  readonly status: number | undefined
  /** The upstream's headers; undefined when there was no response. */
  readonly responseHeaders: HeaderList | undefined
  readonly error: ProxyError | undefined
  /** Whether any byte of the request can have reached the endpoint. */
  readonly sent: boolean
  /**
   * A gRPC call's status code: known in `outcome` where the response is its trailers alone, in `settled` otherwise.
   * Undefined on what is no gRPC call, and where the upstream gave none.
   */
  readonly grpcStatus: number | undefined
  /** Known in `settled`: how the response's body ended. `failed`: there was none. */
  readonly end: AttemptEnd | undefined
}

export interface Client {
  /**
   * Who asked: the peer, or whom a trusted peer names (PROXY protocol, then `X-Forwarded-For` read from the right past
   * every trusted address). Empty on a Unix socket.
   */
  readonly address: string
  /** 0 where it is not known. */
  readonly port: number
  /** Whose connection it is, from its verified certificate: the SPIFFE ID, else the first DNS name. */
  readonly identity: string | undefined
  /** Undefined on a plain connection, and where the client showed none or one that did not verify. */
  readonly certificate: ClientCertificate | undefined
}

/** A client's verified certificate. */
export interface ClientCertificate {
  /** As RFC 2253 writes it: `CN=orders,O=shop`. */
  readonly subject: string
  /** URI names, SPIFFE IDs among them. */
  readonly uris: readonly string[]
  readonly dnsNames: readonly string[]
  /** SHA-256 of the certificate, 64 hex digits. */
  readonly fingerprint: string
}

export interface RouteInfo {
  /** `-` when no route matched. */
  readonly name: string
  readonly service: string | undefined
}

/** One request and its response, as it passes through a pipeline. */
export interface Exchange {
  /** A UUIDv7; sent upstream as `x-request-id`. */
  readonly id: string
  readonly listener: string
  readonly client: Client
  /** Whether this is a gRPC call: its content type says so. */
  readonly grpc: boolean
  readonly route: RouteInfo
  /**
   * The service that is tried: the route's, or the one a Retry named. Assign in `request` to send it to another one.
   * @throws RangeError where none of this name is configured
   */
  service: string | undefined
  /** Milliseconds for the whole of it, from its start (or from when its body was there). Default: the route's. Infinity for none. */
  timeout: number
  readonly request: ExchangeRequest
  readonly attempts: readonly Attempt[]
  /** On the clock, in ms. */
  readonly startedAt: number
  /** On the clock, in ms; Infinity without a timeout. */
  readonly deadline: number
  /** Aborts when the client leaves, the deadline passes or the exchange ends. */
  readonly signal: AbortSignal
  get<T>(key: Key<T>): T | undefined
  set<T>(key: Key<T>, value: T): void
}

/** How an exchange ended. */
export interface Result {
  /** What the client got; 499 when it left first. */
  readonly status: number
  /** The proxy's own code, when it answered an error itself; `CLIENT_CLOSED` with 499. */
  readonly code: ErrorCode | undefined
  readonly error: ProxyError | undefined
  /** What a gRPC call ended with; undefined on what is no gRPC call. */
  readonly grpcStatus: number | undefined
  /** Milliseconds. */
  readonly duration: number
  /** Bytes of the request's body taken from the client. */
  readonly bytesIn: number
  /** Bytes of the response's body given to the client. */
  readonly bytesOut: number
  /** Of the last attempt; undefined when there was none. */
  readonly endpoint: Endpoint | undefined
  /** True when no upstream's answer went out. */
  readonly local: boolean
}

/** A connection that was upgraded: a WebSocket, once both sides have agreed. */
export interface UpgradedConnection {
  /** The subprotocol agreed on, or empty. */
  readonly protocol: string
  /** Sends a message of the plugin's own, which no plugin is shown. */
  send(to: 'client' | 'upstream', data: string | Uint8Array): void
  /** Ends it towards both sides with a close frame. Default code 1000. @throws RangeError on a code no endpoint may send */
  close(code?: number, reason?: string): void
}

/** One message, whole: its fragments are put together, pings and pongs pass by unseen. */
export interface UpgradedMessage {
  readonly from: 'client' | 'upstream'
  readonly binary: boolean
  readonly data: Buffer
  /** `data` as UTF-8. */
  text(): string
  /** Sends this instead. A string goes as text, bytes as binary. */
  replace(data: string | Uint8Array): void
  /** Sends nothing in its place. */
  drop(): void
}

/** What `setup` returns. Order, reversal and bounds are the core's; see plugin-api.md. */
export interface PluginHooks {
  request?(exchange: Exchange): Awaitable<Reply | undefined | void>
  candidates?(endpoints: readonly Endpoint[], exchange: Exchange): readonly Endpoint[] | undefined | void
  pick?(endpoints: readonly Endpoint[], exchange: Exchange): Endpoint | undefined | void
  attempt?(attempt: Attempt, exchange: Exchange): Awaitable<Reply | Hedge | undefined | void>
  outcome?(attempt: Attempt, exchange: Exchange): Awaitable<Retry | undefined | void>
  settled?(attempt: Attempt, exchange: Exchange): void
  response?(response: ProxyResponse, exchange: Exchange): Awaitable<Reply | undefined | void>
  error?(error: ProxyError, exchange: Exchange): Awaitable<Reply | Retry | undefined | void>
  finish?(result: Result, exchange: Exchange): void
  /** Once per upgraded connection, before its first message. */
  open?(connection: UpgradedConnection, exchange: Exchange): Awaitable<void>
  /** Each message, in its order; the next one of its direction waits. The client's in the order listed, the upstream's in reverse. */
  message?(message: UpgradedMessage, exchange: Exchange): Awaitable<void>
}

export type HookName = keyof PluginHooks
