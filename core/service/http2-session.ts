import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionRequestOptions,
  connect,
  type OutgoingHttpHeaders,
  type SecureClientSessionOptions
} from 'node:http2'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { UpstreamTls } from '../tls/upstream.js'
import {
  connectFailure,
  type Failure,
  NotHttp2Error,
  type SystemError,
  streamFailure,
  timedOut
} from './http2-failure.js'
import { dial, type Place } from './http2-socket.js'

/** Bytes that a stream may send us ahead of its reader, and so what a reader that has stopped costs at most. */
const STREAM_WINDOW = 256 * 1024
/** All streams together: what arrives is handed to its stream at once, so this bounds no memory. */
const CONNECTION_WINDOW = 4 * 1024 * 1024
/** As an HTTP/1.1 upstream's header block. */
const MAX_HEADER_LIST = 64 * 1024
const MAX_FIELDS = 256
/** MB of nghttp2's own for one session: what an upstream does not read of 1,000 bodies of 64 KiB, and some. */
const MAX_MEMORY = 100
/** Streams at once, whatever more the peer allows: past it, another session shares the work. */
const MAX_STREAMS = 1_000
/** Stream ids end at 2^31, and a session that has none left ends badly. */
const MAX_REQUESTS = 2 ** 30 - 2 * MAX_STREAMS
/** Of ORIGIN frames, which Node collects without end. */
const MAX_ORIGINS = 128

/** ms. Tests have shorter ones. */
export interface SessionTiming {
  /** Of silence before a PING. */
  readonly pingAfter: number
  /** For its answer. */
  readonly pingTimeout: number
  /** Between PINGs once `MAX_STRIKES` of them brought nothing but their answers. */
  readonly pingRest: number
  /** Least time that an idle session is kept. */
  readonly idle: number
}

export const TIMING: SessionTiming = {
  pingAfter: 15_000,
  pingTimeout: 5_000,
  pingRest: 330_000,
  idle: 60_000
}

/**
 * PINGs in a row that servers of gRPC put up with while they send nothing themselves; more within 5 min, and they end
 * the connection with too_many_pings (gRPC's keepalive.md).
 */
const MAX_STRIKES = 3

/** ms by which a timer may be late before it says more of us than of the peer. */
const HELD_UP = 1_000

export interface SessionOptions {
  readonly place: Place
  readonly tls: UpstreamTls | undefined
  /** For ALPN. */
  readonly protocols: string[]
  /** ms */
  readonly connectTimeout: number
  readonly timing: SessionTiming
}

export interface SessionOwner {
  /** Its first SETTINGS have come. */
  ready(session: Session): void
  /** It may have room for another stream. */
  roomier(session: Session): void
  /** It takes no more requests; those it has may yet end well. */
  leaving(session: Session): void
  /** It is over. @param failure why it never came to be, where it did not */
  gone(session: Session, failure: Failure | undefined): void
}

/** One HTTP/2 connection to an endpoint. */
export class Session {
  /** Streams that are open. */
  open = 0
  /** Streams that may be. */
  limit = 0
  /** Grows with all that the peer sends on streams. */
  heard = 0
  /** Requests so far. */
  begun = 0
  readonly authority: string
  readonly scheme: string
  readonly #options: SessionOptions
  readonly #owner: SessionOwner
  readonly #socket: Socket
  #state: 'connecting' | 'open' | 'leaving' | 'gone' = 'connecting'
  #http2: ClientHttp2Session | undefined
  #timer: NodeJS.Timeout
  #dueAt: number
  #error: SystemError | undefined
  /** The last stream that the peer has looked at, by its GOAWAY. */
  #lastSeen = Number.POSITIVE_INFINITY
  #idleSince = 0
  #heardBefore = -1
  #strikes = 0
  #pinged = false
  #pingedAt = 0
  #origins = 0

  constructor(options: SessionOptions, owner: SessionOwner) {
    const { place, tls, protocols, connectTimeout } = options
    this.#options = options
    this.#owner = owner
    this.authority = place.authority
    this.scheme = tls === undefined ? 'http' : 'https'
    this.#dueAt = performance.now() + connectTimeout
    this.#timer = setTimeout(() => this.#due(), connectTimeout).unref()
    const socket = dial(place, tls, protocols)
    this.#socket = socket
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => this.#connected())
    socket.on('error', (error) => this.#broke(error))
    socket.once('close', () => this.#broke(undefined))
  }

  /** Whether another request may begin. */
  get hasRoom(): boolean {
    return this.#state === 'open' && this.open < this.limit && !this.#isClosing()
  }

  /** @throws as `ClientHttp2Session.request` */
  request(headers: OutgoingHttpHeaders, options: ClientSessionRequestOptions): ClientHttp2Stream {
    const http2 = this.#http2 as ClientHttp2Session
    const stream = http2.request(headers, options)
    if (this.open++ === 0) http2.ref()
    if (++this.begun >= MAX_REQUESTS) this.close()
    return stream
  }

  /** A stream has closed. */
  release(): void {
    if (--this.open === 0) {
      this.#idleSince = performance.now()
      this.#http2?.unref()
      if (this.#state === 'leaving') this.#arm(this.#options.timing.pingTimeout)
    }
    this.#owner.roomier(this)
  }

  /** Whether the peer has said that it did not look at this stream: it can be repeated whatever it asks for. */
  overlooked(stream: ClientHttp2Stream): boolean {
    const { id } = stream
    return id === undefined || id > this.#lastSeen
  }

  /** Takes no more requests. */
  close(): void {
    if (this.#state === 'connecting') {
      this.destroy(undefined)
    } else if (this.#state === 'open') {
      this.#leave()
      if (this.#http2?.closed === false) this.#http2.close()
    }
  }

  destroy(error: SystemError | undefined): void {
    if (this.#state === 'gone') return
    this.#error ??= error
    this.#http2?.destroy(error)
    // Node waits for what is still to be written, which a peer that is gone never takes.
    this.#socket.destroy()
    this.#gone(undefined)
  }

  #connected(): void {
    const { tls } = this.#options
    if (tls !== undefined) {
      const { alpnProtocol } = this.#socket as TLSSocket
      if (alpnProtocol !== 'h2') {
        this.#fail(
          new NotHttp2Error('ERR_ALPN', `ALPN settled on ${alpnProtocol || 'nothing'} and not on h2`)
        )
        return
      }
    }
    const options: SecureClientSessionOptions = {
      createConnection: () => this.#socket,
      settings: {
        enablePush: false,
        initialWindowSize: STREAM_WINDOW,
        maxHeaderListSize: MAX_HEADER_LIST
      },
      maxSessionMemory: MAX_MEMORY,
      maxHeaderListPairs: MAX_FIELDS,
      // What a client may send is the listener's to say; nghttp2 would end the session over it.
      maxSendHeaderBlockLength: 1024 * 1024
    }
    // A session that is leaving cannot send PINGs any more.
    this.#socket.setKeepAlive(true, this.#options.timing.pingAfter)
    const http2 = connect('http://upstream', options)
    this.#http2 = http2
    http2.setLocalWindowSize(CONNECTION_WINDOW)
    http2.on('error', (error) => this.#broke(error))
    http2.on('close', () => this.#broke(undefined))
    http2.on('remoteSettings', ({ maxConcurrentStreams = MAX_STREAMS }) =>
      this.#settings(maxConcurrentStreams)
    )
    http2.on('goaway', (_, lastStreamID) => {
      this.#lastSeen = Math.min(this.#lastSeen, lastStreamID)
      if (this.#state === 'open') this.#leave()
    })
    http2.on('origin', (origins) => {
      this.#origins += origins.length
      if (this.#origins > MAX_ORIGINS) this.destroy(new Error('ORIGIN frames without end'))
    })
  }

  #settings(maxConcurrentStreams: number): void {
    this.limit = Math.min(maxConcurrentStreams, MAX_STREAMS)
    if (this.#state !== 'connecting') {
      this.#owner.roomier(this)
      return
    }
    this.#state = 'open'
    this.#idleSince = performance.now()
    this.#http2?.unref()
    this.#arm(this.#options.timing.pingAfter)
    this.#owner.ready(this)
  }

  /** It failed or has closed. */
  #broke(error: SystemError | undefined): void {
    this.#error ??= error
    if (this.#state === 'gone') return
    if (this.#state === 'connecting') {
      const { tls } = this.#options
      const cause = this.#error ?? new Error('closed before it was ready')
      // Over TLS, ALPN has settled that it is HTTP/2, so that what is wrong is another thing.
      const wrong = this.#http2 !== undefined && tls === undefined
      this.#fail(
        wrong ? new NotHttp2Error('ERR_NOT_HTTP2', 'no SETTINGS answered the preface', cause) : cause
      )
      return
    }
    this.#gone(undefined)
  }

  /** Connected, and not known to speak HTTP/2: over TLS, ALPN has told. */
  #isUnsettled(): boolean {
    return this.#http2 !== undefined && this.#options.tls === undefined
  }

  #fail(cause: SystemError): void {
    this.#http2?.destroy()
    this.#socket.destroy()
    this.#gone(connectFailure(cause))
  }

  #leave(): void {
    this.#state = 'leaving'
    if (this.open === 0) this.#arm(this.#options.timing.pingTimeout)
    this.#owner.leaving(this)
  }

  #gone(failure: Failure | undefined): void {
    this.#state = 'gone'
    clearTimeout(this.#timer)
    this.#owner.gone(this, failure)
  }

  /** Node closes a session by itself for a frame that it cannot send. */
  #isClosing(): boolean {
    const http2 = this.#http2 as ClientHttp2Session
    if (!http2.closed && !http2.destroyed) return false
    this.#leave()
    return true
  }

  #arm(ms: number): void {
    clearTimeout(this.#timer)
    this.#dueAt = performance.now() + ms
    this.#timer = setTimeout(() => this.#due(), ms).unref()
  }

  #due(): void {
    const { connectTimeout, timing } = this.#options
    const now = performance.now()
    if (this.#state === 'connecting') {
      const what = `no ${this.#http2 === undefined ? 'connection' : 'SETTINGS'} within ${connectTimeout} ms`
      this.#fail(this.#isUnsettled() ? new NotHttp2Error('ETIMEDOUT', what) : timedOut(what))
      return
    }
    const heard = this.heard !== this.#heardBefore
    this.#heardBefore = this.heard
    if (this.open === 0) {
      if (this.#state === 'leaving') {
        this.destroy(undefined)
        return
      }
      if (now - this.#idleSince >= timing.idle) {
        this.close()
        return
      }
    }
    if (heard || this.#state === 'leaving') {
      this.#strikes = 0
      this.#pinged = false
      this.#arm(timing.pingAfter)
    } else if (!this.#pinged) {
      this.#ping(now)
    } else if (now - this.#dueAt > HELD_UP) {
      // The answer may be there, behind whatever kept us from reading it.
      this.#arm(timing.pingTimeout)
    } else {
      this.destroy(timedOut(`no answer to a PING within ${timing.pingTimeout} ms`))
    }
  }

  #ping(now: number): void {
    const { timing } = this.#options
    const rested = this.open > 0 && now - this.#pingedAt >= timing.pingRest
    if (this.#strikes >= MAX_STRIKES && !rested) {
      this.#arm(timing.pingAfter)
      return
    }
    this.#strikes++
    this.#pinged = true
    this.#pingedAt = now
    this.#arm(timing.pingTimeout)
    this.#http2?.ping((error) => {
      if (error !== null || this.#state === 'gone') return
      this.#pinged = false
      this.#arm(timing.pingAfter)
    })
  }

  /** Why a stream of this session ended before its response had. @param own the stream's error */
  whyEnded(stream: ClientHttp2Stream, own: SystemError | undefined): Failure {
    return streamFailure(stream.rstCode ?? 0, own ?? this.#error)
  }
}
