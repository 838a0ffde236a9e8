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
import { Pulse, type Pulsing, type SessionTiming } from './http2-pulse.js'
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
export class Session implements Pulsing {
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
  readonly #timer: NodeJS.Timeout
  #pulse: Pulse | undefined
  #error: SystemError | undefined
  /** The last stream that the peer has looked at, by its GOAWAY. */
  #lastSeen = Number.POSITIVE_INFINITY
  #origins = 0

  constructor(options: SessionOptions, owner: SessionOwner) {
    const { place, tls, protocols, connectTimeout } = options
    this.#options = options
    this.#owner = owner
    this.authority = place.authority
    this.scheme = tls === undefined ? 'http' : 'https'
    this.#timer = setTimeout(() => this.#tooLate(), connectTimeout).unref()
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

  get leaving(): boolean {
    return this.#state === 'leaving'
  }

  /** @throws as `ClientHttp2Session.request` */
  request(headers: OutgoingHttpHeaders, options: ClientSessionRequestOptions): ClientHttp2Stream {
    const http2 = this.#http2 as ClientHttp2Session
    const stream = http2.request(headers, options)
    if (this.open++ === 0) http2.ref()
    if (++this.begun >= MAX_REQUESTS) this.close()
    return stream
  }

  /** A stream is over. */
  release(): void {
    if (--this.open === 0) {
      this.#pulse?.rest()
      this.#http2?.unref()
      this.#closeUnused()
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
      this.#closeUnused()
    }
  }

  destroy(error: SystemError | undefined): void {
    if (this.#state === 'gone') return
    this.#error ??= error
    this.#cut(error)
    this.#gone(undefined)
  }

  // What its pulse finds

  ping(answered: () => void): void {
    // Node sends none on a session that is leaving; its socket's keep-alive has to do.
    if (this.leaving) answered()
    else this.#http2?.ping((error) => error === null && answered())
  }

  lost(): void {
    this.destroy(timedOut(`no answer to a PING within ${this.#options.timing.pingTimeout} ms`))
  }

  idled(): void {
    // A socket whose other end does not close it would stay.
    if (this.leaving) this.destroy(undefined)
    else this.close()
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
    clearTimeout(this.#timer)
    this.#http2?.unref()
    this.#pulse = new Pulse(this, this.#options.timing)
    this.#owner.ready(this)
  }

  #tooLate(): void {
    const what = this.#http2 === undefined ? 'connection' : 'SETTINGS'
    const message = `no ${what} within ${this.#options.connectTimeout} ms`
    this.#fail(this.#isUnsettled() ? new NotHttp2Error('ETIMEDOUT', message) : timedOut(message))
  }

  /** It failed or has closed. */
  #broke(error: SystemError | undefined): void {
    this.#error ??= error
    if (this.#state === 'gone') return
    if (this.#state === 'connecting') {
      const cause = this.#error ?? new Error('closed before it was ready')
      const what = 'no SETTINGS answered the preface'
      this.#fail(this.#isUnsettled() ? new NotHttp2Error('ERR_NOT_HTTP2', what, cause) : cause)
      return
    }
    this.#gone(undefined)
  }

  /** Connected, and not known to speak HTTP/2: over TLS, ALPN has told. */
  #isUnsettled(): boolean {
    return this.#http2 !== undefined && this.#options.tls === undefined
  }

  #fail(cause: SystemError): void {
    this.#cut(undefined)
    this.#gone(connectFailure(cause))
  }

  #leave(): void {
    this.#state = 'leaving'
    this.#owner.leaving(this)
  }

  /** Not before its last stream has ended: a GOAWAY overtakes requests that were not written yet. */
  #closeUnused(): void {
    const http2 = this.#http2
    if (!this.leaving || this.open > 0 || http2 === undefined) return
    setImmediate(() => http2.close())
  }

  /**
   * Later: who asks for it may do so in what nghttp2 calls while it reads, and Node's resets of the streams would free
   * what it goes on to read (seen on Node 20 by valgrind). CANCEL alone is put off by Node itself.
   */
  #cut(error: SystemError | undefined): void {
    setImmediate(() => {
      this.#http2?.destroy(error)
      // Node waits for what is still to be written, which a peer that is gone never takes.
      this.#socket.destroy()
    })
  }

  #gone(failure: Failure | undefined): void {
    this.#state = 'gone'
    clearTimeout(this.#timer)
    this.#pulse?.stop()
    this.#owner.gone(this, failure)
  }

  /** Node closes a session by itself for a frame that it cannot send. */
  #isClosing(): boolean {
    const http2 = this.#http2 as ClientHttp2Session
    if (!http2.closed && !http2.destroyed) return false
    this.#leave()
    return true
  }

  /** Why a stream of this session ended before its response had. @param own the stream's error */
  whyEnded(stream: ClientHttp2Stream, own: SystemError | undefined): Failure {
    return streamFailure(stream.rstCode ?? 0, own ?? this.#error)
  }
}
