import { type ClientHttp2Stream, constants } from 'node:http2'
import { Readable } from 'node:stream'
import { type ErrorCode, ProxyError } from '../errors.js'
import { systemClock } from '../hooks/clock.js'
import { Deadline, Deadlines } from '../hooks/deadlines.js'
import type { Call, UpstreamListener, UpstreamRequest } from './connection.js'
import { errorOf, type SystemError } from './http2-failure.js'
import { requestHeaders, trailerHeaders, withoutPseudo } from './http2-fields.js'
import type { Session } from './http2-session.js'
import { ask, read, type StreamReader } from './http2-stream.js'
import { Upload, type UploadOwner } from './http2-upload.js'

/** Pauses of response bodies. One coarse clock for all of them, which stands while there are none. */
const pauses = new Deadlines(systemClock)
/** A pause is looked at this often within `idleTimeout`, and so it ends up to a quarter late. */
const LOOKS = 4

/** Times that a request which the peer did not look at is sent again. */
const MAX_REPEATS = 1

const ALONE = { endStream: true }
const WITH_BODY = { endStream: false }
const WITH_TRAILERS = { endStream: false, waitForTrailers: true }

/** Whoever gives it a session. */
export interface CallOwner {
  /** ms that a response body may pause. */
  readonly idleTimeout: number
  /** It wants a session. */
  place(call: Http2Call): void
  /** It waits for none any more. */
  forget(call: Http2Call): void
}

/** One request: it waits for a session, and stands between its stream and the listener. */
export class Http2Call extends Deadline implements Call, StreamReader, UploadOwner {
  sent = false
  stale = false
  readonly httpVersion = '2.0'
  readonly #owner: CallOwner
  readonly #request: UpstreamRequest
  readonly #listener: UpstreamListener
  readonly #upload: Upload | undefined
  #session: Session | undefined = undefined
  #stream: ClientHttp2Stream | undefined = undefined
  #heardBefore = 0
  #repeats = 0
  /** The listener hears nothing more. */
  #over = false
  #responded = false
  /** END_STREAM has come. */
  #complete = false
  #paused = false
  /** The peer was told to wait. */
  #stopped = false
  /** What came while nobody took it: as much as the stream's window let come. */
  #held: Buffer[] | undefined = undefined
  /** The response's fields, and how much of its body has come. */
  #fields: readonly string[] | undefined = undefined
  #received = 0
  #trailers: string[] | undefined = undefined
  /** Its stream no longer counts. */
  #released = false
  #movedAt = 0
  #error: SystemError | undefined = undefined

  constructor(owner: CallOwner, request: UpstreamRequest, listener: UpstreamListener) {
    super()
    this.#owner = owner
    this.#request = request
    this.#listener = listener
    const { body } = request
    this.#upload = body instanceof Readable ? new Upload(body, this) : undefined
  }

  // What the caller wants

  cancel(): void {
    if (this.#over) return
    this.#end()
    if (this.#stream === undefined) this.#owner.forget(this)
    else this.#abandon()
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#flush()
  }

  // What becomes of its way

  /** Starts on a session that has room. */
  begin(session: Session): void {
    const { body, trailers } = this.#request
    const upload = this.#upload
    if (upload?.broken) {
      this.failLater('BAD_REQUEST', 'the request body broke off', upload.cause)
      return
    }
    // A body that is all there has all its trailers with it.
    const trailing = trailers !== undefined && (upload !== undefined || trailers.fields.length > 0)
    let stream: ClientHttp2Stream
    try {
      const headers = requestHeaders(this.#request, session.scheme, session.authority)
      stream = session.request(headers, trailing ? WITH_TRAILERS : body === null ? ALONE : WITH_BODY)
    } catch (error) {
      this.failLater('BAD_REQUEST', 'the request cannot be sent on as it is', error)
      return
    }
    this.#session = session
    this.#stream = stream
    this.#heardBefore = session.heard
    this.#released = false
    this.sent = true
    read(stream, this, trailing)
    if (upload !== undefined) upload.to(stream)
    else if (body !== null) stream.end(body)
    else if (trailing) stream.end()
  }

  fail(error: ProxyError): void {
    if (this.#over) return
    this.#end()
    if (this.#stream === undefined) this.#owner.forget(this)
    else this.#abandon()
    this.#listener.failed(error)
  }

  /** Once whoever called has got hold of this call. */
  failLater(code: ErrorCode, message: string, cause?: unknown): void {
    process.nextTick(failNow, this, new ProxyError(code, message, { cause }))
  }

  /** Its body may have paused for too long. */
  override expire(): void {
    const idleTimeout = this.#request.idleTimeout ?? this.#owner.idleTimeout
    const now = systemClock.now()
    // While the reader waits, so does the upstream.
    if (this.#paused) this.#movedAt = now
    if (now - this.#movedAt < idleTimeout) pauses.watch(this, idleTimeout / LOOKS)
    else this.fail(new ProxyError('RESPONSE_TIMEOUT', 'the service stopped answering'))
  }

  // What the stream says

  information(status: number, raw: string[]): void {
    if (this.#over) return
    this.#hear()
    if (status > 101) this.#listener.information(status, withoutPseudo(raw))
  }

  head(status: number, raw: string[], final: boolean): void {
    if (this.#over) return
    this.#hear()
    if (status < 200) {
      this.fail(new ProxyError('BAD_UPSTREAM_RESPONSE', 'the service ended on an interim response'))
      return
    }
    this.#responded = true
    this.#fields = raw
    if (!this.#listener.responded(status, withoutPseudo(raw), '', final)) this.#paused = true
    if (this.#over) return
    if (!this.#complete) this.#watch()
    if (!this.#paused && this.#held !== undefined) this.#flush()
  }

  received(chunk: Buffer): boolean {
    if (this.#over) return true
    this.#hear()
    this.#received += chunk.length
    if (this.#responded && !this.#paused && this.#held === undefined) {
      if (this.#listener.data(chunk)) return true
      this.#paused = true
    } else {
      this.#held ??= []
      // It is a piece of all that was read from the socket, which would be kept with it.
      this.#held.push(chunk.length * 4 < chunk.buffer.byteLength ? Buffer.from(chunk) : chunk)
    }
    this.#stopped = !this.#over
    return this.#over
  }

  completed(): void {
    if (this.#complete) return
    this.#complete = true
    pauses.unwatch(this)
    process.nextTick(finishNow, this)
  }

  trailed(raw: string[]): void {
    this.#trailers = withoutPseudo(raw)
  }

  wantTrailers(): void {
    const stream = this.#stream as ClientHttp2Stream
    try {
      stream.sendTrailers(trailerHeaders(this.#request.trailers?.fields ?? []))
    } catch {
      // The body has gone out whole: its end must not be lost over a trailer that cannot be sent.
      if (!stream.closed && !stream.destroyed) stream.sendTrailers({})
    }
  }

  errored(error: SystemError): void {
    this.#error = error
  }

  closed(): void {
    const session = this.#session as Session
    const stream = this.#stream as ClientHttp2Stream
    this.#release(session)
    if (this.#isWhole(stream)) {
      this.completed()
    } else if (!this.#over && !this.#complete) {
      const refused = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM || session.overlooked(stream)
      if (refused && !this.#responded) {
        this.#repeat()
      } else {
        this.stale = !this.#responded && session.begun > 1 && session.heard === this.#heardBefore
        this.fail(errorOf(session.whyEnded(stream, this.#error)))
      }
    }
  }

  // What its body says

  uploadBroke(error: Error | null): void {
    // An answer that is all there does not need the rest of what it answers.
    if (this.#over || this.#complete) return
    this.fail(
      ProxyError.is(error)
        ? error
        : new ProxyError('BAD_REQUEST', 'the request body broke off', { cause: error ?? undefined })
    )
  }

  // After END_STREAM

  /** @internal What follows of the upload would be read by nobody. */
  leaveUpload(): void {
    const stream = this.#stream as ClientHttp2Stream
    if (stream.writableFinished) {
      // Its place is free for whoever asks on hearing the end; Node says so some ticks later.
      this.#release(this.#session as Session)
    } else if (!this.#over && !stream.destroyed) {
      if (stream.closed || stream.state.localClose !== 1) this.#abandon()
    }
  }

  /** @internal */
  finish(): void {
    if (this.#over || this.#paused || this.#held !== undefined) return
    this.#end()
    this.#listener.ended(this.#trailers ?? [])
  }

  #release(session: Session): void {
    if (this.#released) return
    this.#released = true
    session.release()
  }

  /** Sends it once more, since nobody has looked at it. */
  #repeat(): void {
    const upload = this.#upload
    this.sent = false
    if (upload?.started === true || this.#repeats >= MAX_REPEATS) {
      this.fail(new ProxyError('UPSTREAM_RESET', 'the service refused the request unseen'))
      return
    }
    this.#repeats++
    this.#session = undefined
    this.#stream = undefined
    this.#error = undefined
    upload?.hold()
    this.#owner.place(this)
  }

  /**
   * Whether all of the response has come although END_STREAM has not: Node's servers may reset a stream with NO_ERROR in
   * its place, when a handler that never reads its request ends the response on 'drain'.
   */
  #isWhole({ rstCode }: ClientHttp2Stream): boolean {
    const fields = this.#fields
    if (this.#over || this.#complete || fields === undefined || rstCode !== constants.NGHTTP2_NO_ERROR)
      return false
    const at = fields.indexOf('content-length')
    return at !== -1 && fields[at + 1] === String(this.#received)
  }

  #hear(): void {
    const session = this.#session as Session
    session.heard++
    if (this.#responded) this.#movedAt = systemClock.now()
  }

  #watch(): void {
    const idleTimeout = this.#request.idleTimeout ?? this.#owner.idleTimeout
    if (!(idleTimeout > 0)) return
    this.#movedAt = systemClock.now()
    pauses.watch(this, idleTimeout / LOOKS)
  }

  /** Hands on what was held back. */
  #flush(): void {
    const held = this.#held
    while (held !== undefined && held.length > 0) {
      if (!this.#listener.data(held.shift() as Buffer)) this.#paused = true
      if (this.#over || this.#paused) return
    }
    this.#held = undefined
    if (this.#complete) {
      this.finish()
    } else if (this.#stopped) {
      this.#stopped = false
      ask(this.#stream as ClientHttp2Stream)
    }
  }

  #end(): void {
    this.#over = true
    this.#held = undefined
    pauses.unwatch(this)
  }

  /** Ends what is under way. A body that was not begun may yet go another way. */
  #abandon(): void {
    const stream = this.#stream
    if (stream === undefined) return
    this.#upload?.drop()
    // Later: within what the session reads, Node 22 aborts the process over a stream that was to have trailers.
    setImmediate(leave, stream)
  }
}

function leave(stream: ClientHttp2Stream): void {
  if (!stream.destroyed && !stream.closed) stream.close(constants.NGHTTP2_CANCEL)
}

function failNow(call: Http2Call, error: ProxyError): void {
  call.fail(error)
}

/** On the tick after its trailers were told. */
function finishNow(call: Http2Call): void {
  call.leaveUpload()
  call.finish()
}
