import type { Duplex, Readable } from 'node:stream'
import type { Peer } from './peer.js'
import type { RequestHead } from './request.js'

/** Whoever answers through it. */
export interface DownstreamOwner {
  /** The answer is out, or nobody waits for it any more. May be called more than once. */
  closed(): void
  /** There is room to write again. */
  drained(): void
  /** The proxy ends before the exchange has. */
  cut(): void
}

/**
 * The client's side of one exchange: what was asked and the way to answer, in HTTP/1 or HTTP/2. Its `fields` are the
 * request's trailers, flat, there once the body has ended.
 */
export interface Downstream {
  readonly peer: Peer
  readonly method: string
  readonly httpVersion: string
  /** Many exchanges share its connection: ending one is not ending the others, and no upload is in another's way. */
  readonly multiplexed: boolean
  /** The request's body, as it comes. */
  readonly source: Readable
  readonly fields: readonly string[]
  /** All of the body, where it came in one piece with the head: `source` has nothing then. */
  readonly whole: Buffer | undefined
  readonly headersSent: boolean
  /** Nothing can be sent any more. */
  readonly over: boolean
  /** All of an answer was sent. */
  readonly finished: boolean
  /** The client left, or what it sends cannot be read on: `closed` is on its way. */
  readonly gone: boolean

  /** @throws ProxyError BAD_REQUEST, HEADERS_TOO_LARGE */
  readHead(): RequestHead
  /** Called once, before anything is sent. */
  attach(owner: DownstreamOwner): void
  /** What was asked cannot be read well, so the connection ends with the answer: the next bytes may not be what they seem. */
  distrust(): void
  /** Asks for the body (100). */
  wantBody(): void
  /** A 1xx, where the client's protocol has it. */
  information(status: number, headers: string[]): void
  /**
   * @param flat the fields, the receiver's to keep
   * @param alone nothing follows
   * @param open the body's length is not known beforehand: it may be long in coming, and trailers may follow it
   * @throws when a field cannot be sent; then nothing was
   */
  head(status: number, statusText: string, flat: string[], alone: boolean, open: boolean): void
  /** @returns false to wait for `drained` */
  write(chunk: Buffer): boolean
  /** @param last undefined: nothing more of the body */
  end(last: Buffer | undefined, trailers: string[]): void
  /** Of what was written and has not left, something must leave within `ms`, and again: the client has ended otherwise. */
  timeUnread(ms: number): void
  /** Breaks it off, so that the client can tell. */
  destroy(): void
  /** Ends the connection of a client whose upload nobody reads. */
  hangUp(): void
  /** Answers 101. @returns the client's socket */
  upgrade(flat: string[]): Duplex
}
