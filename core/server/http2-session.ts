import { constants, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { ListenerConfig } from '../config/types.js'
import { type Http2Connection, Http2Downstream } from '../exchange/http2.js'
import type { Peer } from '../exchange/peer.js'
import { Deadline, type Deadlines } from '../hooks/deadlines.js'
import { Allowance } from './http2-allowance.js'

const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_FLAG_END_STREAM, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR } =
  constants

/** RFC 9113's window of a stream, and of all of a connection's streams together, in bytes. */
export const STREAM_WINDOW = 64 * 1024 - 1
const CONNECTION_WINDOW = 1024 * 1024

/** How often a peer may do what costs us and not it. A request that is seen to its end makes up for one taken back. */
const RESETS = { burst: 200, perSecond: 30 }
const PINGS = { burst: 30, perSecond: 2 }
const SETTINGS = { burst: 20, perSecond: 1 }

/** ms between looks at a connection. */
const LOOK = 2_000
/** Bytes that may come between two looks and be of no request or answer. */
const IDLE_TALK = 1024 * 1024
/** ms for the last words on a connection that its peer has forfeited, or does not use. */
const LAST_WORDS = 1_000
/** ms between the two GOAWAYs of a drain where the peer answers no PING in between. */
const GOAWAY_GRACE = 1_000
const LAST_STREAM = 2 ** 31 - 1

export interface SessionOwner {
  readonly config: ListenerConfig
  readonly deadlines: Deadlines
  handle(downstream: Http2Downstream): void
  /** The connection has closed. */
  ended(session: Http2Session): void
}

/**
 * One connection, looked at now and then: whether it has been idle for too long, whether its peer takes what it asked
 * for, and whether it makes work for nothing. What frames Node tells of are counted as they come.
 */
export class Http2Session extends Deadline implements Http2Connection {
  readonly #session: ServerHttp2Session
  readonly #socket: Socket
  readonly #peer: Peer
  readonly #owner: SessionOwner
  readonly #streams = new Set<Http2Downstream>()
  readonly #resets = new Allowance(RESETS)
  readonly #pings = new Allowance(PINGS)
  readonly #settings = new Allowance(SETTINGS)
  /** Its first SETTINGS, which complete the preface, have come. */
  #greeted = false
  /** There is nothing more to wait for but that what was written leaves. */
  #over = false
  /** A last GOAWAY has gone out: it ends with what is under way. */
  #leaving = false
  /** ms that it has been idle for, as far as was looked. */
  #idle = 0
  /** ms until the next look. */
  #pause = 0
  /** Since the last look. */
  #opened = 0
  /** Bytes in all, at the last look. */
  #read = 0
  #written = 0
  #uploaded = 0
  /** Bytes of requests' bodies, of those that have ended. */
  #received = 0

  constructor(session: ServerHttp2Session, socket: Socket, peer: Peer, owner: SessionOwner) {
    super()
    this.#session = session
    this.#socket = socket
    this.#peer = peer
    this.#owner = owner
    session.setLocalWindowSize(CONNECTION_WINDOW)
    session.on('stream', (stream, _headers, flags, raw?: string[]) =>
      this.#onStream(stream, flags, raw ?? [])
    )
    session.on('ping', () => this.#spend(this.#pings))
    session.on('remoteSettings', () => this.#onSettings())
    socket.on('close', () => {
      owner.deadlines.unwatch(this)
      owner.ended(this)
    })
    // A client that has said its last waits for nothing; Node's session would not notice.
    socket.on('end', () => socket.destroy())
    this.#wait(owner.config.headersTimeout)
  }

  ended(downstream: Http2Downstream): void {
    this.#streams.delete(downstream)
    this.#leave()
    this.#received += downstream.received
    // Asked for and taken back: the work of a request for the price of two frames (CVE-2023-44487), or of one that is
    // made so that we reset it (CVE-2025-8671).
    if (downstream.cancelled) this.#spend(this.#resets)
    else this.#resets.earn()
  }

  /** A PING between two pieces of an answer measures the way, as gRPC's clients do: it is paid for. */
  wrote(): void {
    this.#pings.earn()
  }

  drain(): void {
    const session = this.#session
    if (session.closed || session.destroyed) return
    session.goaway(NGHTTP2_NO_ERROR, LAST_STREAM)
    let ended = false
    // Not Node's `close`: what comes on a session that it has closed, it resets while nghttp2 reads on, and on Node 20
    // that has ended processes.
    const end = () => {
      if (ended) return
      ended = true
      clearTimeout(late)
      if (session.destroyed) return
      session.goaway(NGHTTP2_NO_ERROR)
      this.#leaving = true
      this.#leave()
    }
    const late = setTimeout(end, GOAWAY_GRACE)
    try {
      session.ping(end)
    } catch {
      end()
    }
  }

  /** Tells those whose exchanges are about to be cut what can still be told. */
  cut(): void {
    for (const downstream of this.#streams) downstream.cut()
  }

  /** Cuts what is under way. */
  destroy(): void {
    this.#cut(NGHTTP2_INTERNAL_ERROR)
  }

  override expire(): void {
    const session = this.#session
    if (this.#over) {
      this.#socket.destroy()
      return
    }
    if (session.destroyed) {
      // Node waits for as long as it takes until the peer has taken what was written.
      this.#over = true
      this.#wait(this.#owner.config.bodyTimeout)
      return
    }
    if (!this.#greeted) {
      this.#end(NGHTTP2_NO_ERROR)
      return
    }
    if (this.#talksIdly()) {
      this.#end(NGHTTP2_ENHANCE_YOUR_CALM)
      return
    }
    this.#breakStalled()
    if (this.#isIdle()) {
      this.#end(NGHTTP2_NO_ERROR)
      return
    }
    this.#opened = 0
    this.#look()
  }

  #onSettings(): void {
    this.#spend(this.#settings)
    if (this.#greeted) return
    this.#greeted = true
    if (!this.#over) this.#look()
  }

  #onStream(stream: ServerHttp2Stream, flags: number, raw: readonly string[]): void {
    this.#opened++
    const alone = (flags & NGHTTP2_FLAG_END_STREAM) !== 0
    const downstream = new Http2Downstream(this.#peer, this, stream, raw, alone)
    this.#streams.add(downstream)
    this.#owner.handle(downstream)
  }

  #look(): void {
    this.#wait(Math.min(LOOK, this.#owner.config.idleTimeout))
  }

  #wait(ms: number): void {
    this.#pause = ms
    this.#owner.deadlines.watch(this, ms)
  }

  #leave(): void {
    if (this.#leaving && this.#streams.size === 0 && !this.#over) this.#end(NGHTTP2_NO_ERROR)
  }

  #spend(allowance: Allowance): void {
    if (this.#over || this.#session.destroyed || allowance.spend(performance.now())) return
    this.#end(NGHTTP2_ENHANCE_YOUR_CALM)
  }

  #end(code: number): void {
    this.#over = true
    this.#cut(code)
    this.#wait(LAST_WORDS)
  }

  /** Later: who asks for it may do so in what nghttp2 calls while it reads. */
  #cut(code: number): void {
    setImmediate(() => this.#destroy(code))
  }

  #destroy(code: number): void {
    // Where the error is undefined, Node's default for it makes the code NO_ERROR.
    this.#session.destroy(null as unknown as undefined, code)
  }

  /** Nothing under way since the look before the last. */
  #isIdle(): boolean {
    if (this.#streams.size > 0 || this.#opened > 0) this.#idle = 0
    else this.#idle += this.#pause
    return this.#idle >= this.#owner.config.idleTimeout
  }

  /**
   * Frames that Node does not tell of (PRIORITY, WINDOW_UPDATE, unknown ones, DATA of streams that are closed) are known
   * by the bytes they take: those that requests and what is received and sent do not account for. The header block of
   * a request and what its client had sent when it was refused are its own; every byte of a body may have come in a
   * frame of its own, and for every frame that is sent two may come that open windows.
   */
  #talksIdly(): boolean {
    const { bytesRead, bytesWritten } = this.#socket
    let uploaded = this.#received
    for (const downstream of this.#streams) uploaded += downstream.received
    const accounted =
      2 * (bytesWritten - this.#written) +
      4 * (uploaded - this.#uploaded) +
      this.#opened * (this.#owner.config.maxHeaderSize + STREAM_WINDOW)
    const idle = bytesRead - this.#read - accounted
    this.#read = bytesRead
    this.#written = bytesWritten
    this.#uploaded = uploaded
    return idle > IDLE_TALK
  }

  #breakStalled(): void {
    const { bodyTimeout } = this.#owner.config
    for (const downstream of this.#streams) {
      if (downstream.stalled(this.#pause, bodyTimeout)) downstream.destroy()
    }
  }
}
