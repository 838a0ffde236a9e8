import type { Call, Connection, UpstreamListener, UpstreamOptions, UpstreamRequest } from './connection.js'
import { type CallOwner, Http2Call } from './http2-call.js'
import { errorOf, type Failure } from './http2-failure.js'
import { type SessionTiming, TIMING } from './http2-pulse.js'
import { Session, type SessionOptions, type SessionOwner } from './http2-session.js'
import { placeOf } from './http2-socket.js'

/** ms without another try once a further session could not be had, while there are sessions that work. */
const CALM = 1_000

/** A session that came and went: another one in its place might go on like this for ever. */
const unused: Failure = {
  code: 'CONNECT_FAILED',
  message: 'the service took no request',
  cause: new Error('closed with no request taken')
}

/**
 * The HTTP/2 sessions to one endpoint, over TLS or with prior knowledge. Requests share the first session that has
 * room for a stream; when none has, another is opened, up to `maxConnections`, and the requests wait in turn.
 *
 * An idle session is kept for `keepAlive`, but for 60 s at least: that time is meant for HTTP/1.1, where a connection
 * may end just as it is used again, while HTTP/2 says by GOAWAY which requests it did not see, and these are sent again.
 */
export class Http2Upstream implements Connection, CallOwner, SessionOwner {
  readonly idleTimeout: number
  readonly #options: SessionOptions
  #maxConnections: number
  /** Those that take requests. */
  #sessions: Session[] = []
  readonly #connecting = new Set<Session>()
  /** Those that end what they have. */
  readonly #leaving = new Set<Session>()
  readonly #waiting = new Set<Http2Call>()
  /** Streams that the last session's peer allowed. */
  #learnt: number | undefined
  #failedAt = Number.NEGATIVE_INFINITY
  #closing = false

  /** @param protocols for ALPN; a handshake that does not settle on `h2` fails */
  constructor(options: UpstreamOptions, protocols: string[] = ['h2'], timing: SessionTiming = TIMING) {
    this.idleTimeout = options.idleTimeout
    this.#maxConnections = options.maxConnections
    this.#options = {
      place: placeOf(options.url),
      tls: options.tls,
      protocols,
      connectTimeout: options.connectTimeout,
      timing: { ...timing, idle: Math.max(timing.idle, options.keepAlive) }
    }
  }

  send(request: UpstreamRequest, listener: UpstreamListener): Call {
    const call = new Http2Call(this, request, listener)
    if (request.upgrade !== undefined) {
      call.failLater(
        'BAD_UPSTREAM_RESPONSE',
        'the service speaks HTTP/2, where a connection cannot be upgraded'
      )
    } else if (this.#closing) {
      call.failLater('CONNECT_FAILED', 'the way to the service is closed')
    } else {
      this.place(call)
    }
    return call
  }

  resize(maxConnections: number): void {
    this.#maxConnections = maxConnections
    if (this.#waiting.size > 0) this.#widen()
  }

  close(): void {
    if (this.#closing) return
    this.#closing = true
    this.#closeIdle()
  }

  destroy(): void {
    this.#closing = true
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    const error = new Error('the way to the service was cut')
    for (const session of [...this.#sessions, ...this.#connecting, ...this.#leaving]) session.destroy(error)
    const failure: Failure = {
      code: 'CONNECT_FAILED',
      message: 'the way to the service is closed',
      cause: error
    }
    for (const call of waiting) call.fail(errorOf(failure))
  }

  place(call: Http2Call): void {
    const session = this.#free()
    if (session !== undefined) {
      call.begin(session)
      return
    }
    this.#waiting.add(call)
    this.#widen()
  }

  forget(call: Http2Call): void {
    this.#waiting.delete(call)
    if (this.#closing) this.#closeIdle()
  }

  ready(session: Session): void {
    this.#connecting.delete(session)
    this.#sessions = [...this.#sessions, session]
    this.#learnt = session.limit
    this.roomier(session)
  }

  roomier(_session: Session): void {
    while (this.#waiting.size > 0) {
      const session = this.#free()
      if (session === undefined) {
        this.#widen()
        return
      }
      const call = this.#waiting.values().next().value as Http2Call
      this.#waiting.delete(call)
      call.begin(session)
    }
    if (this.#closing) this.#closeIdle()
  }

  leaving(session: Session): void {
    this.#sessions = this.#sessions.filter((other) => other !== session)
    this.#leaving.add(session)
  }

  gone(session: Session, failure: Failure = unused): void {
    this.#connecting.delete(session)
    this.#leaving.delete(session)
    this.#sessions = this.#sessions.filter((other) => other !== session)
    if (this.#waiting.size === 0) return
    if (session.begun > 0) {
      this.#widen()
      return
    }
    this.#failedAt = performance.now()
    if (this.#sessions.length > 0 || this.#connecting.size > 0) return
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const call of waiting) call.fail(errorOf(failure))
  }

  #free(): Session | undefined {
    for (const session of this.#sessions) if (session.hasRoom) return session
    return undefined
  }

  /** Opens as many sessions as those that wait need, by what a session was found to hold. */
  #widen(): void {
    const connecting = this.#connecting
    // How many streams a session takes is not known before there was one.
    const needed = this.#learnt === undefined ? 1 : Math.ceil(this.#waiting.size / Math.max(1, this.#learnt))
    while (connecting.size < needed && this.#mayConnect()) connecting.add(new Session(this.#options, this))
  }

  #mayConnect(): boolean {
    if (this.#sessions.length + this.#connecting.size >= this.#maxConnections) return false
    if (this.#sessions.length === 0) return true
    // A peer that allows no streams for now would allow none on another session either.
    if (this.#sessions.some(({ limit }) => limit === 0)) return false
    return performance.now() - this.#failedAt >= CALM
  }

  #closeIdle(): void {
    if (this.#waiting.size > 0) return
    for (const session of [...this.#connecting, ...this.#sessions]) session.close()
  }
}
