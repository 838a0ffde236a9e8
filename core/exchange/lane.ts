import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { type Duplex, Readable } from 'node:stream'
import { answerHead, type Framing } from '../http1/answer-head.js'
import { isFieldName, isFieldValue } from '../http1/fields.js'
import type { RequestStart } from '../http1/request-head.js'
import type { Downstream, DownstreamOwner } from './downstream.js'
import { isHopByHop } from './hop-by-hop.js'
import { readHttp1Head } from './http1-head.js'
import type { Peer } from './peer.js'
import type { RequestHead } from './request.js'

/** Bytes up to which copying a body costs less than a second piece to write. */
const ONE_WRITE = 8 * 1024

/** The connection that requests come in on, one at a time. */
export interface LaneConnection {
  readonly socket: Socket
  /** `Connection` and `Keep-Alive` of an answer after which it stays. */
  readonly keepAlive: string
  /** Called back by the system once the end of the answer has left. */
  readonly flushed: (error?: Error | null) => void
  /** The body's reader has room again. */
  resume(body: LaneBody): void
}

type LatinBuffer = Buffer & { latin1Slice(start: number, end: number): string }

const none: readonly string[] = []

/** A request over HTTP/1.1 that was read and is answered without Node's server in between. */
export class LaneDownstream implements Downstream {
  readonly peer: Peer
  readonly method: string
  readonly httpVersion = '1.1'
  readonly multiplexed = false
  readonly fields = none
  /** All of the body, where it came in one piece with the head. */
  readonly whole: Buffer | undefined
  headersSent = false
  finished = false
  /** The connection ends with the answer. */
  close: boolean
  readonly #connection: LaneConnection
  readonly #start: RequestStart
  #owner: DownstreamOwner | undefined = undefined
  /** Somebody reads the body, or has thrown it away. */
  asked = false
  #body: LaneBody | undefined = undefined
  /** The head, until there is something to send with it. */
  #head = ''
  #framing: Framing = 'none'
  #waiting = false
  #ended = false
  #lost = false

  constructor(connection: LaneConnection, peer: Peer, start: RequestStart, whole: Buffer | undefined) {
    this.#connection = connection
    this.#start = start
    this.peer = peer
    this.method = start.method
    this.whole = whole
    this.close = start.close
  }

  get source(): LaneBody {
    this.asked = true
    return this.body
  }

  /** @internal What the connection feeds. */
  get body(): LaneBody {
    this.#body ??= new LaneBody(this.#connection)
    return this.#body
  }

  get over(): boolean {
    return this.#lost || this.#connection.socket.destroyed
  }

  get gone(): boolean {
    return this.#connection.socket.destroyed || (this.#body !== undefined && this.#body.errored !== null)
  }

  /** All of the answer was given to the connection. */
  get ended(): boolean {
    return this.#ended
  }

  readHead(): RequestHead {
    return readHttp1Head(this.#start.target, this.#start.fields, 1, false, this.peer.trusted)
  }

  attach(owner: DownstreamOwner): void {
    this.#owner = owner
  }

  distrust(): void {
    this.peer.distrusted = true
    this.close = true
  }

  /** Whoever expects a 100 is not here. */
  wantBody(): void {}

  information(status: number, headers: string[]): void {
    if (this.headersSent) return
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
    for (let i = 0; i < headers.length; i += 2) {
      if (!isHopByHop(headers[i] as string)) head += `${headers[i]}: ${headers[i + 1]}\r\n`
    }
    this.#connection.socket.write(`${head}\r\n`, 'latin1')
  }

  head(status: number, statusText: string, flat: string[], alone: boolean, open: boolean): void {
    const bodiless = this.method === 'HEAD' || status === 204 || status === 304
    const head = answerHead(status, statusText, flat, bodiless, this.close, this.#connection.keepAlive)
    this.#head = head.text
    this.#framing = head.framing
    this.close = head.close
    this.headersSent = true
    // A body of a known length comes soon or is no stream; a stream's first bytes may be long in coming.
    if (open && !alone) process.nextTick(flush, this)
  }

  /** @internal */
  flush(): void {
    if (this.#head === '' || this.#ended) return
    this.#connection.socket.write(this.#take(), 'latin1')
  }

  write(chunk: Buffer): boolean {
    const { length } = chunk
    if (this.#framing === 'none' || length === 0) return true
    const { socket } = this.#connection
    const chunked = this.#framing === 'chunked'
    const before = chunked ? `${this.#take()}${length.toString(16)}\r\n` : this.#take()
    const after = chunked ? '\r\n' : ''
    let room: boolean
    if (before === '') room = socket.write(chunk)
    else if (length <= ONE_WRITE) room = socket.write(before + latin1(chunk) + after, 'latin1')
    else {
      socket.cork()
      socket.write(before, 'latin1')
      room = socket.write(chunk)
      if (chunked) room = socket.write(after, 'latin1')
      socket.uncork()
    }
    if (!room) this.#waiting = true
    return room
  }

  end(last: Buffer | undefined, trailers: string[]): void {
    if (this.#ended) return
    const { socket, flushed } = this.#connection
    const body = this.#framing === 'none' || last === undefined || last.length === 0 ? undefined : last
    const chunked = this.#framing === 'chunked'
    const tail = chunked ? lastChunk(trailers) : ''
    this.#ended = true
    let before = this.#take()
    if (body === undefined) {
      socket.write(before + tail, 'latin1', flushed)
      return
    }
    if (chunked) before += `${body.length.toString(16)}\r\n`
    const after = chunked ? `\r\n${tail}` : ''
    if (body.length <= ONE_WRITE) {
      socket.write(before + latin1(body) + after, 'latin1', flushed)
      return
    }
    socket.cork()
    if (before !== '') socket.write(before, 'latin1')
    if (after === '') socket.write(body, flushed)
    else {
      socket.write(body)
      socket.write(after, 'latin1', flushed)
    }
    socket.uncork()
  }

  /** Node's own time, which looks at what the system has taken; the connection takes it off with the answer's end. */
  timeUnread(ms: number): void {
    const { socket } = this.#connection
    if (socket.writableLength > 0) socket.setTimeout(ms)
  }

  destroy(): void {
    this.#connection.socket.destroy()
  }

  hangUp(): void {
    this.#connection.socket.destroy()
  }

  upgrade(): Duplex {
    throw new Error('no upgrade comes by this way')
  }

  // What becomes of the connection

  /** @internal All of the answer has left. */
  finish(): void {
    this.finished = true
    this.#owner?.closed()
  }

  /** @internal There is room to write again. */
  drained(): void {
    if (!this.#waiting) return
    this.#waiting = false
    this.#owner?.drained()
  }

  /** @internal The connection is gone. */
  lose(): void {
    if (this.finished) return
    this.#lost = true
    if (this.#body !== undefined && !this.#body.readableEnded) this.#body.destroy(new Error('aborted'))
    this.#owner?.closed()
  }

  #take(): string {
    const head = this.#head
    this.#head = ''
    return head
  }
}

/** The body of a request that did not come in one piece with its head. */
export class LaneBody extends Readable {
  readonly #connection: LaneConnection

  constructor(connection: LaneConnection) {
    super()
    this.#connection = connection
    // Whoever reads it listens for its end and its errors; one that nobody reads may break all the same.
    this.on('error', () => {})
  }

  override _read(): void {
    this.#connection.resume(this)
  }
}

function flush(downstream: LaneDownstream): void {
  downstream.flush()
}

/** Keeps every byte, so that a small body is one string with its head. */
function latin1(bytes: Buffer): string {
  return (bytes as LatinBuffer).latin1Slice(0, bytes.length)
}

function lastChunk(trailers: readonly string[]): string {
  if (trailers.length === 0) return '0\r\n\r\n'
  let text = '0\r\n'
  for (let i = 0; i < trailers.length; i += 2) {
    const name = trailers[i] as string
    const value = trailers[i + 1] as string
    if (!isFieldName(name) || !isFieldValue(value)) throw new TypeError(`trailer ${name} cannot be sent`)
    text += `${name}: ${value}\r\n`
  }
  return `${text}\r\n`
}
