import { constants, type ServerHttp2Stream } from 'node:http2'
import type { Duplex, Readable } from 'node:stream'
import type { Downstream, DownstreamOwner } from './downstream.js'
import { combined, isRepetition, toObject, trailersOf } from './http2-fields.js'
import { readBlock } from './http2-head.js'
import type { Peer } from './peer.js'
import type { RequestHead } from './request.js'

const { NGHTTP2_NO_ERROR } = constants

/** To Node any error is the code INTERNAL_ERROR. */
const brokenOff = new Error('the answer broke off')

const none: readonly string[] = []

/** Bytes a ms that a client reads at the least. */
const SLOWEST = 4

/** Whose stream it is, for listeners that all streams share. */
const kDownstream = Symbol('downstream')
type Stream = ServerHttp2Stream & { [kDownstream]: Http2Downstream }

/** The connection that requests share. */
export interface Http2Connection {
  /** Once for each. */
  ended(downstream: Http2Downstream): void
  /** Something of an answer went out. */
  wrote(): void
}

/** What its exchange knows of the upload. */
type Owner = DownstreamOwner & { readonly clientBody?: { readonly received: number } | undefined }

/** A request over HTTP/2: one stream of a session of Node's server. */
export class Http2Downstream implements Downstream {
  readonly peer: Peer
  readonly method: string
  readonly httpVersion = '2.0'
  readonly whole = undefined
  readonly multiplexed = true
  fields: readonly string[] = none
  readonly #connection: Http2Connection
  readonly #stream: ServerHttp2Stream
  readonly #raw: readonly string[]
  readonly #alone: boolean
  /** Of the body, where the client says. */
  #length: number | undefined = undefined
  #owner: Owner | undefined = undefined
  #trailers: string[] | undefined = undefined
  #trailing = false
  #draining = false
  /** Nothing is to be added to the answer. */
  #complete = false
  #broken = false
  /** Bytes that waited when `stalled` was asked last, and the ms for which they have. */
  #waiting = 0
  #waited = 0

  /**
   * @param raw the header block, flat, pseudo fields first
   * @param alone nothing follows it
   */
  constructor(
    peer: Peer,
    connection: Http2Connection,
    stream: ServerHttp2Stream,
    raw: readonly string[],
    alone: boolean
  ) {
    this.peer = peer
    this.#connection = connection
    this.#stream = stream
    this.#raw = raw
    this.#alone = alone
    this.method = raw[raw.indexOf(':method') + 1] as string
    ;(stream as Stream)[kDownstream] = this
    stream.on('close', onClose)
    // A paused stream that its client resets stays open until it is read on.
    stream.on('aborted', onAborted)
    // Whoever reads the body hears of its end; nobody else need die of it.
    stream.on('error', ignore)
    if (!alone) stream.on('trailers', onTrailers)
  }

  get source(): Readable {
    return this.#stream
  }

  get headersSent(): boolean {
    return this.#stream.headersSent
  }

  get over(): boolean {
    return this.#stream.destroyed || this.#stream.closed
  }

  get finished(): boolean {
    const stream = this.#stream
    // Node may close a stream before it says that the last of it was written.
    const sent = stream.closed || stream.writableFinished
    return this.#complete && sent && stream.rstCode === NGHTTP2_NO_ERROR
  }

  get gone(): boolean {
    const stream = this.#stream
    return stream.destroyed || stream.aborted || stream.closed
  }

  /** The proxy is about to end. */
  cut(): void {
    this.#owner?.cut()
  }

  /** The client took the request back, or broke it. */
  get cancelled(): boolean {
    return !this.#broken && !this.finished
  }

  /** Bytes of the request's body. */
  get received(): number {
    return this.#owner?.clientBody?.received ?? 0
  }

  /**
   * Whether its client has left lying for too long what it was sent: nothing of it for `limit` ms, or less than 4 KiB/s
   * of what was handed over in one piece. Of an answer that is relayed the exchange times the pauses itself.
   *
   * @param ms since it was asked last
   */
  stalled(ms: number, limit: number): boolean {
    const stream = this.#stream
    const { writableLength } = stream
    if ((!this.#complete && !stream.writableNeedDrain) || writableLength !== this.#waiting) {
      this.#waiting = writableLength
      this.#waited = 0
      return false
    }
    this.#waited += ms
    return this.#waited >= limit + writableLength / SLOWEST
  }

  readHead(): RequestHead {
    const head = readBlock(this.#raw, this.peer.trusted, this.#alone)
    this.#length = head.contentLength
    return head
  }

  attach(owner: DownstreamOwner): void {
    this.#owner = owner
  }

  /** Frames tell one request from the next whatever this one holds. */
  distrust(): void {}

  wantBody(): void {
    this.information(100, [])
  }

  information(status: number, headers: string[]): void {
    const stream = this.#stream
    if (stream.headersSent || stream.closed || stream.destroyed) return
    const fields = toObject(headers)
    fields[':status'] = status
    try {
      stream.additionalHeaders(fields)
    } catch {
      // A hint that HTTP/2 cannot carry is only a hint.
    }
  }

  head(status: number, _statusText: string, flat: string[], alone: boolean, trailers: boolean): void {
    const stream = this.#stream
    if (stream.closed || stream.destroyed) return
    const headers = toObject(flat)
    headers[':status'] = status
    // Of HEAD Node has ended it already, and these have no body either.
    const bodiless = alone || stream.writableEnded || status === 204 || status === 205 || status === 304
    const options = { endStream: bodiless, waitForTrailers: trailers && !bodiless }
    try {
      stream.respond(headers, options)
    } catch (error) {
      if (!isRepetition(error)) throw error
      stream.respond(combined(headers), options)
    }
    if (options.waitForTrailers) {
      this.#trailing = true
      stream.on('wantTrailers', onWantTrailers)
    }
    if (bodiless) {
      this.#complete = true
      this.#release()
    }
  }

  write(chunk: Buffer): boolean {
    const stream = this.#stream
    // Ended from within: what comes is for nobody.
    if (stream.writableEnded || stream.closed || stream.destroyed) return true
    this.#connection.wrote()
    if (stream.write(chunk)) return true
    if (!this.#draining) {
      this.#draining = true
      stream.on('drain', onDrain)
    }
    return false
  }

  end(last: Buffer | undefined, trailers: string[]): void {
    const stream = this.#stream
    if (stream.writableEnded || stream.closed || stream.destroyed) return
    this.#complete = true
    if (trailers.length > 0) this.#trailers = trailersOf(trailers)
    if (last === undefined || last.length === 0) stream.end()
    else stream.end(last)
    if (!this.#trailing) this.#release()
  }

  /** The answer is complete: of an upload that still comes, the client is told that nobody reads it (RFC 9113 section 8.1). */
  #release(): void {
    const stream = this.#stream
    if (stream.readableEnded || this.#alone) return
    if (stream.writableFinished) setImmediate(quit, this)
    else stream.once('finish', onFinish)
  }

  /** @internal */
  quit(): void {
    const stream = this.#stream
    if (stream.readableEnded || stream.closed) return
    if (this.#length !== undefined && this.received >= this.#length) {
      // All but the word that this was all, which is on its way.
      stream.resume()
      return
    }
    stream.close(NGHTTP2_NO_ERROR)
    // What came and nobody read would keep it.
    stream.destroy()
  }

  destroy(): void {
    this.#broken = true
    // Not `close`: it would end what was written as if it were whole before it resets the stream.
    this.#stream.destroy(brokenOff)
  }

  /** Its connection looks after all of them. */
  timeUnread(): void {}

  /** Its connection is others' too. */
  hangUp(): void {}

  upgrade(): Duplex {
    throw new Error('HTTP/2 has no upgrade')
  }

  /** @internal */
  closed(): void {
    this.#owner?.closed()
    this.#connection.ended(this)
  }

  /** @internal */
  aborted(): void {
    this.#owner?.closed()
    // What it sent of an upload and nobody read would keep the stream; Node is still at closing it.
    process.nextTick(discard, this.#stream)
  }

  /** @internal */
  drained(): void {
    this.#owner?.drained()
  }

  /** @internal Called by Node in the midst of sending: what is thrown here is thrown at the process. */
  sendTrailers(): void {
    const stream = this.#stream
    // Where there are none, Node ends the stream with an empty frame.
    const trailers = toObject(this.#trailers ?? none)
    try {
      stream.sendTrailers(trailers)
    } catch (error) {
      if (isRepetition(error)) stream.sendTrailers(combined(trailers))
      else this.destroy()
    }
    this.#release()
  }
}

function onClose(this: ServerHttp2Stream): void {
  ;(this as Stream)[kDownstream].closed()
}

function onAborted(this: ServerHttp2Stream): void {
  ;(this as Stream)[kDownstream].aborted()
}

function onDrain(this: ServerHttp2Stream): void {
  ;(this as Stream)[kDownstream].drained()
}

function onWantTrailers(this: ServerHttp2Stream): void {
  ;(this as Stream)[kDownstream].sendTrailers()
}

function onTrailers(
  this: ServerHttp2Stream,
  _headers: object,
  _flags: number,
  flat?: readonly string[]
): void {
  ;(this as Stream)[kDownstream].fields = trailersOf(flat ?? none)
}

function onFinish(this: ServerHttp2Stream): void {
  setImmediate(quit, (this as Stream)[kDownstream])
}

function quit(downstream: Http2Downstream): void {
  downstream.quit()
}

function discard(stream: ServerHttp2Stream): void {
  stream.destroy()
}

function ignore(): void {}
