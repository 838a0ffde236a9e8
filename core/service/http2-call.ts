import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2'
import { Readable } from 'node:stream'
import { ProxyError } from '../errors.js'
import { systemClock } from '../hooks/clock.js'
import { Deadline, Deadlines } from '../hooks/deadlines.js'
import type { Call, UpstreamListener, UpstreamRequest } from './connection.js'
import { errorOf, type Failure, type SystemError } from './http2-failure.js'
import { requestHeaders, trailerHeaders, withoutPseudo } from './http2-fields.js'
import type { Session } from './http2-session.js'

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

const kCall = Symbol('call')

type Carrying<T> = T & { [kCall]: Http2Call }
type Stream = Carrying<ClientHttp2Stream>
type Body = Carrying<Readable>

/**
 * One request. It stands between node:http2's stream and the listener without the stream's own buffer: what arrives is
 * handed on at once, and what cannot be is kept here, as much as the stream's window lets come.
 */
export class Http2Call extends Deadline implements Call {
  sent = false
  stale = false
  readonly #owner: CallOwner
  readonly #request: UpstreamRequest
  readonly #listener: UpstreamListener
  #session: Session | undefined = undefined
  #stream: Stream | undefined = undefined
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
  #held: Buffer[] | undefined = undefined
  #trailers: string[] | undefined = undefined
  #movedAt = 0
  /** A byte of the body was taken, which cannot be taken again. */
  #bodyRead = false
  #bodyEnded = false
  #error: SystemError | undefined = undefined

  constructor(owner: CallOwner, request: UpstreamRequest, listener: UpstreamListener) {
    super()
    this.#owner = owner
    this.#request = request
    this.#listener = listener
    // It may fail while it waits for a session.
    if (request.body instanceof Readable) request.body.on('error', () => {})
  }

  // What the caller wants

  cancel(): void {
    if (this.#over) return
    this.#end()
    if (this.#session === undefined) this.#owner.forget(this)
    else this.#abandon()
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#flush()
  }

  // What the pool does

  /** Starts on a session that has room. */
  begin(session: Session): void {
    const { body, trailers } = this.#request
    const streamed = body instanceof Readable
    if (streamed && body.destroyed && !body.readableEnded) {
      this.failLater('BAD_REQUEST', 'the request body broke off', body.errored)
      return
    }
    // A body that is all there has all its trailers with it.
    const trailing = trailers !== undefined && (streamed || trailers.fields.length > 0)
    let stream: Stream
    try {
      const headers = requestHeaders(this.#request, session.scheme, session.authority)
      const options = trailing ? WITH_TRAILERS : body === null ? ALONE : WITH_BODY
      stream = session.request(headers, options) as Stream
    } catch (error) {
      this.failLater('BAD_REQUEST', 'the request cannot be sent on as it is', error)
      return
    }
    stream[kCall] = this
    stream.push = push
    stream.on('headers', onHeaders)
    stream.on('response', onResponse)
    stream.on('trailers', onTrailers)
    stream.on('error', onError)
    stream.on('close', onClose)
    if (trailing) stream.on('wantTrailers', onWantTrailers)
    this.#session = session
    this.#stream = stream
    this.#heardBefore = session.heard
    this.sent = true
    // What a reader does: from here on, what is handed on is asked for anew.
    stream._read(0)
    if (streamed && !this.#bodyEnded) this.#pump(body as Body, stream)
    else if (body instanceof Buffer) stream.end(body)
    else if (trailing) stream.end()
  }

  fail(failure: Failure): void {
    this.#fail(errorOf(failure))
  }

  /** Once whoever called has got hold of this call. */
  failLater(code: 'BAD_REQUEST' | 'CONNECT_FAILED', message: string, cause?: unknown): void {
    process.nextTick(failNow, this, new ProxyError(code, message, { cause }))
  }

  /** @internal */
  failWith(error: ProxyError): void {
    this.#fail(error)
  }

  /** Its body has paused for a while. */
  override expire(): void {
    const { idleTimeout } = this.#owner
    const now = systemClock.now()
    // While the reader waits, so does the upstream.
    if (this.#paused) this.#movedAt = now
    if (now - this.#movedAt < idleTimeout) {
      pauses.watch(this, idleTimeout / LOOKS)
      return
    }
    this.#fail(new ProxyError('RESPONSE_TIMEOUT', 'the service stopped answering'))
  }

  // What the stream says

  /** @internal */
  information(stream: Stream, status: number, raw: string[]): void {
    if (this.#over || stream !== this.#stream) return
    this.#hear()
    if (status > 101) this.#listener.information(status, withoutPseudo(raw))
  }

  /** @internal */
  head(stream: Stream, status: number, raw: string[], final: boolean): void {
    if (this.#over || stream !== this.#stream) return
    this.#hear()
    if (status < 200) {
      this.#fail(new ProxyError('BAD_UPSTREAM_RESPONSE', 'the service ended on an interim response'))
      return
    }
    this.#responded = true
    if (!this.#listener.responded(status, withoutPseudo(raw), '', final)) this.#paused = true
    // The body, where it is there already, goes out by the listener's leave.
    if (this.#over) return
    if (!this.#complete) this.#watch()
    if (!this.#paused && this.#held !== undefined) this.#flush()
  }

  /** @internal */
  received(chunk: Buffer): boolean {
    if (this.#over) return true
    this.#hear()
    if (this.#paused || !this.#responded || this.#held !== undefined) {
      this.#held ??= []
      // It is a piece of all that was read from the socket, which would be kept with it.
      this.#held.push(chunk.length * 4 < chunk.buffer.byteLength ? Buffer.from(chunk) : chunk)
    } else if (this.#listener.data(chunk)) {
      return true
    } else {
      this.#paused = true
    }
    this.#stopped = !this.#over
    return this.#over
  }

  /** @internal */
  completed(stream: Stream): void {
    if (stream !== this.#stream || this.#complete) return
    this.#complete = true
    pauses.unwatch(this)
    // Its trailers are told on the next tick.
    process.nextTick(finishNow, this)
  }

  /** @internal */
  trailed(stream: Stream, raw: string[]): void {
    if (stream === this.#stream) this.#trailers = withoutPseudo(raw)
  }

  /** @internal */
  errored(stream: Stream, error: SystemError): void {
    if (stream === this.#stream) this.#error = error
  }

  /** @internal */
  finish(): void {
    if (this.#over || this.#paused || this.#held !== undefined) return
    this.#end()
    this.#listener.ended(this.#trailers ?? [])
  }

  /** @internal It is gone, however that came. */
  closed(stream: Stream): void {
    const session = this.#session as Session
    if (this.#over || this.#complete || stream !== this.#stream) {
      session.release()
      return
    }
    if (
      !this.#responded &&
      (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM || session.overlooked(stream))
    ) {
      this.#repeat()
    } else {
      this.stale = !this.#responded && session.begun > 1 && session.heard === this.#heardBefore
      this.#fail(errorOf(session.whyEnded(stream, this.#error)))
    }
    session.release()
  }

  // The request's body

  /** @internal */
  send(chunk: Buffer): boolean {
    this.#bodyRead = true
    return (this.#stream as Stream).write(chunk)
  }

  /** @internal */
  sendEnd(): void {
    this.#bodyEnded = true
    this.#stream?.end()
  }

  /** @internal */
  drained(): void {
    const { body } = this.#request
    if (!this.#over && body instanceof Readable) body.resume()
  }

  /** @internal */
  bodyBroke(error: Error | null): void {
    if (this.#over || this.#bodyEnded) return
    this.#fail(
      ProxyError.is(error)
        ? error
        : new ProxyError('BAD_REQUEST', 'the request body broke off', { cause: error ?? undefined })
    )
  }

  /** @internal */
  sendTrailers(stream: Stream): void {
    try {
      stream.sendTrailers(trailerHeaders(this.#request.trailers?.fields ?? []))
    } catch {
      // The body has gone out whole: its end must not be lost over a trailer that cannot be sent.
      if (!stream.closed && !stream.destroyed) stream.sendTrailers({})
    }
  }

  #pump(body: Body, stream: Stream): void {
    stream.on('drain', onDrain)
    if (body[kCall] === this) {
      body.resume()
      return
    }
    body[kCall] = this
    body.on('data', onBodyData)
    body.on('end', onBodyEnd)
    body.on('close', onBodyClose)
  }

  /** Sends the request once more, which nobody has looked at. */
  #repeat(): void {
    this.sent = false
    this.#session = undefined
    this.#stream = undefined
    if (this.#bodyRead || this.#repeats >= MAX_REPEATS) {
      this.#fail(new ProxyError('UPSTREAM_RESET', 'the service refused the request unseen'))
      return
    }
    this.#repeats++
    const { body } = this.#request
    if (body instanceof Readable) body.pause()
    this.#error = undefined
    this.#owner.place(this)
  }

  #hear(): void {
    const session = this.#session as Session
    session.heard++
    if (this.#responded) this.#movedAt = systemClock.now()
  }

  #watch(): void {
    const { idleTimeout } = this.#owner
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
      const stream = this.#stream as Stream
      if (!stream.destroyed) stream._read(0)
    }
  }

  #fail(error: ProxyError): void {
    if (this.#over) return
    this.#end()
    this.#abandon()
    this.#listener.failed(error)
  }

  #end(): void {
    this.#over = true
    this.#held = undefined
    pauses.unwatch(this)
  }

  /** Neither the response nor the rest of the upload is wanted. */
  #abandon(): void {
    const stream = this.#stream
    const { body } = this.#request
    if (body instanceof Readable && !this.#bodyEnded) body.destroy()
    if (stream === undefined || stream.destroyed) return
    if (!stream.closed) stream.close(constants.NGHTTP2_CANCEL)
  }

  /** @internal A response that is complete ends the upload too: what follows would be read by nobody. */
  leaveUpload(): void {
    const stream = this.#stream as Stream
    if (this.#over || stream.writableFinished || stream.destroyed) return
    if (!stream.closed && stream.state.localClose === 1) return
    this.#abandon()
  }
}

function failNow(call: Http2Call, error: ProxyError): void {
  call.failWith(error)
}

function finishNow(call: Http2Call): void {
  call.leaveUpload()
  call.finish()
}

function destroyNow(stream: Stream): void {
  if (!stream.destroyed) stream.destroy()
}

/**
 * In place of the stream's own: an end that comes before the stream counts as closed is END_STREAM, any other is a
 * reset, which Node would pass off as a clean end where its code is NO_ERROR.
 */
function push(this: Readable, chunk: Buffer | null): boolean {
  const stream = this as Stream
  if (chunk !== null) return stream[kCall].received(chunk)
  if (!stream.closed) stream[kCall].completed(stream)
  // Node would wait for ever to send the rest of the upload first.
  else if (!stream.writableFinished) process.nextTick(destroyNow, stream)
  return Readable.prototype.push.call(stream, null)
}

function onHeaders(
  this: ClientHttp2Stream,
  headers: IncomingHttpHeaders,
  _flags: number,
  ...rest: unknown[]
) {
  const stream = this as Stream
  stream[kCall].information(stream, Number(headers[':status']), rest[0] as string[])
}

function onResponse(
  this: ClientHttp2Stream,
  headers: IncomingHttpHeaders,
  flags: number,
  ...rest: unknown[]
) {
  const stream = this as Stream
  const final = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
  stream[kCall].head(stream, Number(headers[':status']), rest[0] as string[], final)
}

function onTrailers(this: ClientHttp2Stream, _headers: unknown, _flags: number, ...rest: unknown[]): void {
  const stream = this as Stream
  stream[kCall].trailed(stream, rest[0] as string[])
}

function onError(this: ClientHttp2Stream, error: SystemError): void {
  const stream = this as Stream
  stream[kCall].errored(stream, error)
}

function onClose(this: ClientHttp2Stream): void {
  const stream = this as Stream
  stream[kCall].closed(stream)
}

function onWantTrailers(this: ClientHttp2Stream): void {
  const stream = this as Stream
  stream[kCall].sendTrailers(stream)
}

function onDrain(this: ClientHttp2Stream): void {
  ;(this as Stream)[kCall].drained()
}

function onBodyData(this: Readable, chunk: Buffer): void {
  if (!(this as Body)[kCall].send(chunk)) this.pause()
}

function onBodyEnd(this: Readable): void {
  ;(this as Body)[kCall].sendEnd()
}

function onBodyClose(this: Readable): void {
  ;(this as Body)[kCall].bodyBroke(this.errored)
}
