import type { Readable } from 'node:stream'
import { ProxyError } from '../errors.js'
import { Deadline, type Deadlines } from '../hooks/deadlines.js'
import { AttemptStream } from './attempt-stream.js'
import { REPLAY_LIMIT, Replay } from './replay.js'
import { UploadDrain } from './upload-drain.js'

export interface RequestBodyOptions {
  readonly deadlines: Deadlines
  /** ms that the client may pause. */
  readonly pauseLimit: number
  /** The client is asked for the body now: `Expect: 100-continue` is answered. */
  wanted(): void
  /** The sender has paused for too long: whether it may, since the answer flows meanwhile. */
  excused(): boolean
  /** The sender is waited for, or no longer. */
  awaiting(on: boolean): void
  /** The client broke off, paused too long or framed it wrongly. */
  broken(error: ProxyError): void
}

/**
 * What the client uploads, read from its socket only when someone wants it. Each attempt gets a stream of its own
 * over it; what fits `REPLAY_LIMIT` is kept, so that the next attempt starts at the first byte.
 */
export class RequestBody extends Deadline {
  /** Bytes taken from the client. */
  received = 0
  /** From `content-length`; undefined when chunked. */
  readonly length: number | undefined
  readonly #options: RequestBodyOptions
  readonly #source: Readable | undefined
  /** The source is the client's own, which has its connection's listeners and is not ours to destroy. */
  readonly #clients: boolean
  readonly #replay = new Replay()
  #ended = false
  #flowing = false
  #awaiting = false
  #error: ProxyError | undefined
  #reader: AttemptStream | undefined
  #collecting: Collector | undefined
  #whole: Promise<Buffer> | undefined
  #peek: (() => void) | undefined

  constructor(
    source: Readable | undefined,
    length: number | undefined,
    options: RequestBodyOptions,
    clients = false
  ) {
    super()
    this.#source = source
    this.length = length
    this.#ended = source === undefined
    this.#options = options
    this.#clients = clients
    // A plugin's stream may fail before anyone reads it.
    if (source !== undefined && !clients) source.on('error', () => {})
  }

  /** Whether another attempt can be given all of it. */
  get replayable(): boolean {
    return !this.#replay.lost && this.#error === undefined
  }

  /** Why it cannot be had. */
  get failure(): ProxyError | undefined {
    return this.#error
  }

  /** All of it, where it has come and was kept. */
  get held(): Buffer | undefined {
    return this.#ended && this.replayable ? this.#replay.all() : undefined
  }

  /** All of it has been taken from the client. */
  get complete(): boolean {
    return this.#ended
  }

  /** A body that is all there. */
  static of(content: Buffer, options: RequestBodyOptions): RequestBody {
    const body = new RequestBody(undefined, content.length, options)
    body.#replay.keep(content)
    body.received = content.length
    return body
  }

  /**
   * Calls back once it is known whether the first read holds all of it, which most bodies' does: then it goes out as
   * one buffer, at a quarter of a stream's cost. Calls back at once where waiting could hold up a stream.
   */
  ready(callback: () => void): void {
    if (this.#ended || this.length === undefined || this.length > REPLAY_LIMIT || this.#replay.size > 0) {
      callback()
      return
    }
    this.#peek = callback
    this.#flow()
  }

  /**
   * For one attempt; the previous one's stream ends here, unless all of it is there for both (a hedge). Null when the body is empty.
   */
  open(): Buffer | Readable | null {
    if (this.#ended) {
      return this.#replay.size === 0 ? null : this.#replay.all()
    }
    this.#reader?.destroy()
    this.#reader = new AttemptStream(this)
    return this.#reader
  }

  /** The whole of it, up to `limit` bytes. @throws ProxyError BODY_TOO_LARGE */
  bytes(limit: number): Promise<Buffer> {
    if (this.#error !== undefined) return Promise.reject(this.#error)
    if ((this.length ?? 0) > limit || this.#replay.size > limit) return Promise.reject(tooLarge(limit))
    if (this.#ended) return Promise.resolve(this.#replay.all())
    // Two that ask at once get the same bytes; the first one's limit holds for what is kept.
    this.#whole ??= new Promise((resolve, reject) => {
      this.#collecting = { limit, resolve, reject }
      this.#flow()
    })
    const whole = this.#whole.then((bytes) => {
      if (bytes.length > limit) throw tooLarge(limit)
      return bytes
    })
    // Who asked may be gone by then.
    whole.catch(() => {})
    return whole
  }

  /** The present attempt takes no more; what the sender goes on to send waits. */
  detach(): void {
    this.#reader?.destroy()
    this.#reader = undefined
    if (this.#flowing && !this.#ended) this.#pause()
  }

  /** Takes what is left and throws it away, up to `limit` bytes and for `ms`; then calls back, once. */
  drain(limit: number, ms: number, callback: (complete: boolean) => void): void {
    this.#reader?.destroy()
    const source = this.#source
    if (this.#ended || source === undefined) {
      callback(true)
      return
    }
    this.#unread()
    new UploadDrain(source, limit, this.#options.deadlines, (complete) => {
      this.#ended = complete
      callback(complete)
    }).start(ms)
  }

  /** Nobody wants it any more. */
  abandon(): void {
    this.#rest()
    this.#peek = undefined
    this.#collecting?.reject(new ProxyError('CLIENT_CLOSED', 'the exchange has ended'))
    this.#collecting = undefined
    if (!this.#clients) this.#source?.destroy()
    this.#reader?.destroy()
    this.#reader = undefined
    this.#replay.forget()
  }

  override expire(): void {
    if (this.#options.excused()) this.#await()
    else this.#fail(new ProxyError('REQUEST_TIMEOUT', 'the request body did not arrive in time'))
  }

  /** @internal The reader has room. */
  pull(reader: AttemptStream): void {
    while (reader.at < this.#replay.chunks.length) {
      if (!reader.push(this.#replay.chunks[reader.at++])) return
    }
    if (!this.#replay.lost && this.#replay.size > REPLAY_LIMIT) this.#forget(reader)
    if (this.#ended) {
      reader.push(null)
      return
    }
    this.#flow()
  }

  #flow(): void {
    const source = this.#source
    if (source === undefined) return
    if (source.errored) {
      this.#onError(source.errored)
      return
    }
    // Of an empty one HTTP/2 says so before anyone listens.
    if (source.readableEnded) {
      this.#onEnd()
      return
    }
    if (this.#flowing) {
      if (source.isPaused()) {
        source.resume()
        this.#await()
      }
      return
    }
    this.#flowing = true
    this.#options.wanted()
    this.#await()
    source.on('data', this.#onData)
    source.on('end', this.#onEnd)
    source.on('error', this.#onError)
    source.on('close', this.#onClose)
  }

  #unread(): void {
    const source = this.#source
    this.#rest()
    if (source === undefined || !this.#flowing) return
    source.off('data', this.#onData)
    source.off('end', this.#onEnd)
    source.off('error', this.#onError)
    source.off('close', this.#onClose)
    // A source without an 'error' listener would take the process with it.
    source.on('error', () => {})
    source.resume()
    this.#flowing = false
  }

  readonly #onData = (chunk: Buffer): void => {
    this.received += chunk.length
    const collecting = this.#collecting
    if (collecting !== undefined) {
      this.#replay.keep(chunk)
      this.#await()
      if (this.#replay.size > collecting.limit) {
        this.#collecting = undefined
        this.#replay.forget()
        this.#error = tooLarge(collecting.limit)
        this.#pause()
        collecting.reject(this.#error)
      }
      return
    }
    const reader = this.#reader
    if (reader === undefined) {
      // Read ahead of any attempt: kept whatever its size, since nobody has it yet.
      this.#replay.keep(chunk)
      if (this.#replay.size === this.length) {
        this.#rest()
        this.#ended = true
      } else {
        this.#pause()
      }
      this.#peeked()
      return
    }
    if (!this.#replay.lost && this.#replay.size + chunk.length <= REPLAY_LIMIT) {
      this.#replay.keep(chunk)
      reader.at = this.#replay.chunks.length
    } else {
      this.#forget(reader)
    }
    if (reader.push(chunk)) this.#await()
    else this.#pause()
  }

  readonly #onEnd = (): void => {
    this.#rest()
    const already = this.#ended
    this.#ended = true
    const collecting = this.#collecting
    this.#collecting = undefined
    collecting?.resolve(this.#replay.all())
    this.#peeked()
    if (!already && this.#reader !== undefined && this.#reader.at >= this.#replay.chunks.length)
      this.#reader.push(null)
  }

  readonly #onError = (cause: Error): void => {
    this.#fail(new ProxyError('BAD_REQUEST', 'the request body broke off', { cause }))
  }

  readonly #onClose = (): void => {
    if (!this.#ended) this.#fail(new ProxyError('BAD_REQUEST', 'the request body broke off'))
  }

  #fail(error: ProxyError): void {
    if (this.#error !== undefined || this.#ended) return
    this.#error = error
    this.#rest()
    const collecting = this.#collecting
    this.#collecting = undefined
    this.#peek = undefined
    this.#reader?.destroy()
    collecting?.reject(error)
    this.#options.broken(error)
  }

  #await(): void {
    this.#options.deadlines.watch(this, this.#options.pauseLimit)
    if (this.#awaiting) return
    this.#awaiting = true
    this.#options.awaiting(true)
  }

  #rest(): void {
    this.#options.deadlines.unwatch(this)
    if (!this.#awaiting) return
    this.#awaiting = false
    this.#options.awaiting(false)
  }

  #peeked(): void {
    const peek = this.#peek
    this.#peek = undefined
    peek?.()
  }

  #pause(): void {
    this.#source?.pause()
    this.#rest()
  }

  #forget(reader: AttemptStream): void {
    this.#replay.forget()
    reader.at = 0
  }
}

interface Collector {
  readonly limit: number
  resolve(body: Buffer): void
  reject(error: ProxyError): void
}

function tooLarge(limit: number): ProxyError {
  return new ProxyError('BODY_TOO_LARGE', `the request body is larger than the ${limit} bytes allowed`)
}
