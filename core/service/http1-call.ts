import type { Duplex } from 'node:stream'
import { ProxyError } from '../errors.js'
import { systemClock } from '../hooks/clock.js'
import { Deadline, Deadlines } from '../hooks/deadlines.js'
import type { Call, UpstreamListener } from './connection.js'

/** Pauses of response bodies. One coarse clock for all of them, which stands while there are none. */
const pauses = new Deadlines(systemClock)

/** What undici ends a request with. */
export type UndiciError = Error & { code?: string }

const none: string[] = []
const cancelled = new Error('cancelled')

/** Whoever has it wait for a connection. */
export interface CallOwner {
  forget(call: Http1Call): void
}

/** The connection that a call is on, or will be. */
export interface Carrier {
  /** A connection that had served others ended, and not one byte had come since the last request went out on it. */
  readonly wasIdle: boolean
  /** The request goes out now. */
  began(): void
  /** The call has nothing more to do with it. */
  left(call: Http1Call): void
  /** The call was cancelled before it began. */
  dropped(call: Http1Call): void
  /** Nothing more is wanted for now. */
  hold(): void
  release(): void
  /** The answer is all there: whoever still has to take it has it. */
  completed(): void
}

/**
 * One request, and what its answer comes to. It is fed by a connection of the fast lane or is undici's handler, in the
 * older form, which gets raw header buffers: the other form parses them into an object, which loses casing and order and
 * costs more than all the rest of a small request. An answer may begin on the one and go on on the other.
 *
 * undici is never asked to pause: its parser asserts that it is not paused when the connection ends, and an upstream
 * that ends its answer with its connection would end the process. The connection is held back instead, and what had
 * been read from it waits here.
 */
export class Http1Call extends Deadline implements Call {
  sent = false
  stale = false
  readonly httpVersion = '1.1'
  readonly #owner: CallOwner
  readonly #listener: UpstreamListener
  readonly #idleTimeout: number
  #carrier: Carrier | undefined = undefined
  #abort: ((reason?: Error) => void) | undefined = undefined
  /** The listener hears nothing more. */
  #over = false
  #responded = false
  #bodiless = false
  #held = false
  #waiting: Buffer[] | undefined = undefined
  /** The upstream's part is done; the listener hears of it once it has taken what waits. */
  #trailers: string[] | undefined = undefined

  /** @param idleTimeout ms that the response's body may pause */
  constructor(owner: CallOwner, listener: UpstreamListener, idleTimeout: number) {
    super()
    this.#owner = owner
    this.#listener = listener
    this.#idleTimeout = idleTimeout
  }

  /** What comes of the answer waits here, and no more of it is wanted. */
  get held(): boolean {
    return this.#held
  }

  on(carrier: Carrier): void {
    this.#carrier = carrier
    this.#abort = undefined
  }

  cancel(): void {
    if (this.#over) return
    this.#end()
    if (this.#abort !== undefined) this.#abort(cancelled)
    else if (this.#carrier !== undefined) this.#carrier.dropped(this)
    else this.#owner.forget(this)
  }

  resume(): void {
    if (!this.#held || this.#over) return
    this.#held = false
    while (this.#waiting !== undefined && this.#waiting.length > 0) {
      if (this.#listener.data(this.#waiting.shift() as Buffer)) continue
      this.#held = !this.#over
      return
    }
    if (this.#over) return
    if (this.#trailers !== undefined) this.#finish(this.#trailers)
    else {
      this.#watch()
      this.#carrier?.release()
    }
  }

  override expire(): void {
    const error = new ProxyError('RESPONSE_TIMEOUT', 'the service stopped answering')
    this.cancel()
    this.#listener.failed(error)
  }

  /** It will not be sent. */
  fail(error: ProxyError): void {
    if (this.#over) return
    this.#end()
    this.#listener.failed(error)
  }

  // What a connection of the fast lane says, beside `onConnect`, `onComplete` and `onError`

  head(status: number, headers: string[], statusText: string): void {
    this.#responded = true
    if (!this.#listener.responded(status, headers, statusText, false)) this.#hold()
  }

  take(chunk: Buffer): void {
    if (this.#over) return
    if (this.#held) {
      this.#waiting ??= []
      this.#waiting.push(chunk)
    } else if (!this.#listener.data(chunk)) {
      this.#hold()
    }
  }

  /** What had come was taken, and more is to come. */
  more(): void {
    if (!this.#over && !this.#held) this.#watch()
  }

  // What undici says

  onConnect(abort: (reason?: Error) => void): void {
    if (this.#over) {
      abort(cancelled)
      return
    }
    this.#abort = abort
    this.sent = true
    this.#carrier?.began()
  }

  onHeaders(status: number, headers: Buffer[], _resume: () => void, statusText: string): boolean {
    if (this.#over) return true
    // An answer that began on the fast lane and goes on here brings its head along, and pauses from here on as any other.
    if (this.#responded) {
      this.more()
      return true
    }
    if (status < 200) {
      if (status < 100) this.#refuse('the service answered with a status that is none')
      else this.#listener.information(status, decode(headers))
      return true
    }
    this.#bodiless = status === 204 || status === 304
    this.head(status, decode(headers), statusText)
    this.more()
    return true
  }

  onUpgrade(_status: number, headers: Buffer[], socket: Duplex): void {
    this.#leave()
    if (this.#over) {
      socket.destroy()
      return
    }
    // From here on the socket is the listener's: undici knows it no more.
    this.#end()
    this.#listener.upgraded(decode(headers), socket)
  }

  onData(chunk: Buffer): boolean {
    this.take(chunk)
    this.more()
    return true
  }

  onComplete(trailers: Buffer[] | string[] | null): void {
    this.#leave()?.completed()
    if (this.#over) return
    const fields = trailers === null || trailers.length === 0 ? none : decode(trailers)
    if (this.#held) this.#trailers = fields
    else this.#finish(fields)
  }

  onError(error: UndiciError): void {
    const carrier = this.#leave()
    if (this.#over) return
    // A 304 may say how long the body is that it leaves out (RFC 9110 section 8.6); undici misses it.
    if (this.#bodiless && error.code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') {
      if (this.#held) this.#trailers = none
      else this.#finish(none)
      return
    }
    this.#end()
    this.stale = this.sent && !this.#responded && isReset(error.code) && carrier?.wasIdle === true
    this.#listener.failed(translate(error, this.sent))
  }

  #leave(): Carrier | undefined {
    const carrier = this.#carrier
    this.#carrier = undefined
    this.#abort = undefined
    carrier?.left(this)
    return carrier
  }

  #hold(): void {
    if (this.#over) return
    this.#held = true
    pauses.unwatch(this)
    this.#carrier?.hold()
  }

  #watch(): void {
    pauses.watch(this, this.#idleTimeout)
  }

  #finish(trailers: string[]): void {
    this.#end()
    this.#listener.ended(trailers)
  }

  #refuse(message: string): void {
    this.cancel()
    this.#listener.failed(new ProxyError('BAD_UPSTREAM_RESPONSE', message))
  }

  #end(): void {
    this.#over = true
    this.#waiting = undefined
    pauses.unwatch(this)
  }
}

/** What `toString('latin1')` comes to, without asking each of a dozen times a response what 'latin1' means. */
type LatinBuffer = Buffer & { latin1Slice(start: number, end: number): string }

/** Space behind a value is none of it (RFC 9110 section 5.5), and undici leaves it there. */
function decode(raw: (Buffer | string)[]): string[] {
  const { length } = raw
  const flat = new Array<string>(length)
  for (let i = 0; i < length; i++) {
    const part = raw[i] as Buffer | string
    flat[i] = typeof part === 'string' ? part : (part as LatinBuffer).latin1Slice(0, endOf(part))
  }
  return flat
}

function endOf(part: Buffer): number {
  let end = part.length
  while (end > 0 && (part[end - 1] === SP || part[end - 1] === HTAB)) end--
  return end
}

const SP = 0x20
const HTAB = 0x09

function isReset(code: string | undefined): boolean {
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE'
}

/** To the proxy's own codes. The cause is for the log; the message is the client's and names no address. */
export function translate(error: UndiciError, sent: boolean): ProxyError {
  const { code } = error
  if (ProxyError.is(error)) return error
  const disguised = error.cause as UndiciError | undefined
  if (disguised?.code === 'ERR_TLS_CERT_ALTNAME_INVALID') return translate(disguised, sent)
  if (code === 'UND_ERR_CONNECT_TIMEOUT') {
    return new ProxyError('CONNECT_TIMEOUT', 'the service did not accept a connection in time', {
      cause: error
    })
  }
  if (
    code === 'UND_ERR_INVALID_ARG' ||
    code === 'UND_ERR_NOT_SUPPORTED' ||
    code === 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH'
  ) {
    return new ProxyError('BAD_REQUEST', 'the request cannot be sent on as it is', { cause: error })
  }
  if (!sent) return new ProxyError('CONNECT_FAILED', 'the service could not be reached', { cause: error })
  if (error.name === 'HTTPParserError' || code === 'UND_ERR_HEADERS_OVERFLOW') {
    return new ProxyError('BAD_UPSTREAM_RESPONSE', 'the service answered with something that is not HTTP', {
      cause: error
    })
  }
  return new ProxyError('UPSTREAM_RESET', 'the service closed the connection before it had answered', {
    cause: error
  })
}
