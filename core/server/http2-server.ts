import {
  constants,
  createServer,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions
} from 'node:http2'
import type { Socket } from 'node:net'
import type { ListenerConfig } from '../config/types.js'
import type { Peer } from '../exchange/peer.js'
import { Deadline, type Deadlines } from '../hooks/deadlines.js'

/** RFC 9113's window of a stream, and of all of a connection's streams together, in bytes. */
const STREAM_WINDOW = 64 * 1024 - 1
const CONNECTION_WINDOW = 1024 * 1024
/** Memory that a session may hold for its peer, in MB (Node's own unit and default). */
const SESSION_MEMORY = 10
/** Fields of a block that are read at all; past 100 the request is answered 431, past these its stream is reset. */
const FIELDS_READ = 128

/** How often a peer may do what costs us and not it: so many at once, and so many a second from then on. */
const RESETS = { burst: 200, perSecond: 30 }
const PINGS = { burst: 30, perSecond: 2 }
const SETTINGS = { burst: 20, perSecond: 1 }

/** ms between the two GOAWAYs of a drain where the peer answers no PING in between. */
const GOAWAY_GRACE = 1_000
const LAST_STREAM = 2 ** 31 - 1

export type OnStream = (
  peer: Peer,
  stream: ServerHttp2Stream,
  rawHeaders: readonly string[],
  alone: boolean
) => void

/** HTTP/2 on connections that a listener hands over, TLS or not. */
export class Http2Sessions {
  readonly #server: Http2Server
  readonly #sessions = new Set<Session>()
  readonly #deadlines: Deadlines
  readonly #onStream: OnStream
  /** ms */
  idleTimeout: number
  #next: Peer | undefined

  constructor(config: ListenerConfig, deadlines: Deadlines, onStream: OnStream) {
    this.idleTimeout = config.idleTimeout
    this.#deadlines = deadlines
    this.#onStream = onStream
    const options: ServerOptions = {
      settings: {
        maxConcurrentStreams: config.maxStreams,
        initialWindowSize: STREAM_WINDOW,
        maxHeaderListSize: config.maxHeaderSize,
        enablePush: false
      },
      maxHeaderListPairs: FIELDS_READ,
      maxSessionMemory: SESSION_MEMORY,
      maxSettings: 32,
      maxOutstandingPings: 10,
      maxSessionInvalidFrames: 100
    }
    this.#server = createServer(options)
    this.#server.on('session', (session) => {
      const peer = this.#next as Peer
      this.#sessions.add(new Session(session, peer, this))
    })
    // A session that breaks is its peer's trouble; its streams hear of it each.
    this.#server.on('sessionError', () => {})
  }

  /** @param first what was read of it */
  serve(socket: Socket, peer: Peer, first: Buffer | undefined): void {
    if (first !== undefined) {
      // Its session reads the connection below the stream, and what waits in the stream before that.
      socket.pause()
      socket.unshift(first)
    }
    // Node makes the session within the call.
    this.#next = peer
    this.#server.emit('connection', socket)
    this.#next = undefined
  }

  get deadlines(): Deadlines {
    return this.#deadlines
  }

  /** GOAWAY twice: first that no more shall come, then, a round trip later, which was the last. */
  drain(): void {
    for (const session of this.#sessions) session.drain()
  }

  /** Cuts what is left. */
  close(): void {
    for (const session of this.#sessions) session.session.destroy()
  }

  /** @internal */
  opened(peer: Peer, stream: ServerHttp2Stream, raw: readonly string[], alone: boolean): void {
    this.#onStream(peer, stream, raw, alone)
  }

  /** @internal */
  ended(session: Session): void {
    this.#sessions.delete(session)
  }
}

/** One connection, timed while nothing is under way on it and guarded against a peer that makes work for nothing. */
class Session extends Deadline {
  readonly session: ServerHttp2Session
  readonly #peer: Peer
  readonly #owner: Http2Sessions
  #open = 0
  readonly #resets = new Allowance(RESETS)
  readonly #pings = new Allowance(PINGS)
  readonly #settings = new Allowance(SETTINGS)

  constructor(session: ServerHttp2Session, peer: Peer, owner: Http2Sessions) {
    super()
    this.session = session
    this.#peer = peer
    this.#owner = owner
    session.setLocalWindowSize(CONNECTION_WINDOW)
    session.on('stream', (stream, _headers, flags, raw?: string[]) =>
      this.#onStream(stream, flags, raw ?? [])
    )
    session.on('ping', () => this.#spend(this.#pings))
    session.on('remoteSettings', () => this.#spend(this.#settings))
    session.on('close', () => {
      owner.deadlines.unwatch(this)
      owner.ended(this)
    })
    owner.deadlines.watch(this, owner.idleTimeout)
  }

  #onStream(stream: ServerHttp2Stream, flags: number, raw: readonly string[]): void {
    if (this.#open++ === 0) this.#owner.deadlines.unwatch(this)
    stream.on('close', () => {
      if (--this.#open === 0 && !this.session.destroyed)
        this.#owner.deadlines.watch(this, this.#owner.idleTimeout)
      // Asked for and taken back: the work of a request for the price of two frames (CVE-2023-44487).
      if (stream.aborted) this.#spend(this.#resets)
    })
    this.#owner.opened(this.#peer, stream, raw, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0)
  }

  #spend(allowance: Allowance): void {
    if (allowance.spend(performance.now()) || this.session.destroyed) return
    this.session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM)
  }

  /** Idle for too long. */
  override expire(): void {
    this.session.close()
  }

  drain(): void {
    const { session } = this
    if (session.closed || session.destroyed) return
    session.goaway(constants.NGHTTP2_NO_ERROR, LAST_STREAM)
    let ended = false
    const end = () => {
      if (ended) return
      ended = true
      clearTimeout(late)
      if (!session.destroyed) session.close()
    }
    const late = setTimeout(end, GOAWAY_GRACE)
    try {
      session.ping(end)
    } catch {
      end()
    }
  }
}

/** A bucket of tokens. */
class Allowance {
  readonly #burst: number
  readonly #perMs: number
  #left: number
  #at = 0

  constructor({ burst, perSecond }: { burst: number; perSecond: number }) {
    this.#burst = burst
    this.#perMs = perSecond / 1_000
    this.#left = burst
  }

  /** @param now ms @returns false when there was nothing left */
  spend(now: number): boolean {
    this.#left = Math.min(this.#burst, this.#left + (now - this.#at) * this.#perMs)
    this.#at = now
    if (this.#left < 1) return false
    this.#left--
    return true
  }
}
