import type { Socket } from 'node:net'
import { errors } from 'undici'
import { BROKEN, ChunkedDecoder, DATA, END, MORE } from '../http1/chunked.js'
import { CHUNKED, headIn, type ResponseStart, readResponseHead } from '../http1/response-head.js'
import { type Carrier, type Http1Call, translate, type UndiciError } from './http1-call.js'
import { type LaneReader, readAsStream, readWith } from './lane-read.js'
import { type LaneRequest, writeLaneRequest } from './lane-request.js'
import { atTurn, type Turning } from './lane-turn.js'

/** Whoever hands out requests. */
export interface LaneOwner {
  /** Its sockets were opened with `laneRead`. */
  readonly lends: boolean
  /** ms that a connection is kept without a request, at most. */
  readonly keepAlive: number
  /** It takes another request. */
  laneFreed(lane: LaneConnection): void
  /** It is none any more. @param unsent the request that it was to take and its call, which was not sent */
  laneClosed(lane: LaneConnection, unsent?: LaneRequest, call?: Http1Call): void
  /** What it reads is for the standard path to judge. @param bytes from where that is to read on */
  laneLeft(lane: LaneConnection, socket: Socket, bytes: Buffer, request: LaneRequest, call: Http1Call): void
}

type Connected = [error: UndiciError, socket: null] | [error: null, socket: Socket]
export type Connect = (callback: (...connected: Connected) => void) => void

type State = 'connecting' | 'idle' | 'queued' | 'awaiting' | 'body' | 'resting' | 'over'

/** Bytes of a body from which on it is not copied. */
const LARGE = 16 * 1024
/** ms that a connection is not used any more before its service would end it: undici's own. */
const MARGIN = 1_000

/**
 * One connection of the fast lane: it writes and reads HTTP/1.1 itself, one request at a time, and takes responses in a
 * strict subset of the grammar alone. Whatever else comes goes on to undici with the connection, from the first byte on.
 * As with undici, a connection that became free waits until all that has come was read, and so does the request that it
 * is given, so that bytes nobody asked for are not taken for its answer.
 */
export class LaneConnection implements Carrier, Turning, LaneReader {
  wasIdle = false
  /** When it closes if it stays idle. */
  expiresAt = 0
  /** ms that it stays idle. */
  keepFor: number
  readonly #owner: LaneOwner
  #state: State = 'connecting'
  #socket: Socket | undefined = undefined
  #request: LaneRequest | undefined = undefined
  #call: Http1Call | undefined = undefined
  /** It has had an answer before. */
  #served = false
  /** It goes on after this answer. */
  #stays = false
  /** Bytes of body that are still to come, or `CHUNKED`. */
  #left = 0
  #chunks: ChunkedDecoder | undefined = undefined
  /** Of a chunked answer. */
  #head = ''
  #paused = false
  /** What is being read is good until it was read alone. */
  #lent = false

  constructor(owner: LaneOwner) {
    this.#owner = owner
    this.keepFor = owner.keepAlive
  }

  /** With the request that it is opened for. */
  connect(connect: Connect, request: LaneRequest, call: Http1Call): void {
    this.#assign(request, call)
    connect((...connected) => this.#connected(...connected))
  }

  /** Only while it is idle. */
  dispatch(request: LaneRequest, call: Http1Call): void {
    this.#assign(request, call)
    this.#state = 'queued'
    this.#socket?.ref()
    atTurn(this)
  }

  /** Only while it is idle. */
  close(): void {
    this.#finish()
  }

  /** Only while it is idle: the connection goes on as another's. */
  leave(): Socket {
    const socket = this.#detach()
    socket.ref()
    return socket
  }

  /** Cuts what is under way. */
  destroy(): void {
    const call = this.#call
    const error = new errors.ClientDestroyedError()
    if (this.#state === 'awaiting' || this.#state === 'body') this.#socket?.destroy(error)
    else {
      this.#finish()
      call?.fail(translate(error, false))
    }
  }

  /** @internal */
  turn(): void {
    if (this.#state === 'resting') {
      this.#state = 'idle'
      this.#owner.laneFreed(this)
      if (this.#state === 'idle') this.#socket?.unref()
    } else if (this.#state === 'queued') {
      this.#write()
    }
  }

  // What its call says

  began(): void {
    this.wasIdle = false
  }

  left(call: Http1Call): void {
    if (this.#call === call) this.#call = undefined
  }

  dropped(call: Http1Call): void {
    if (this.#call !== call) return
    this.#call = this.#request = undefined
    // It is as good as before: another may have it.
    if (this.#state === 'queued') this.#state = 'resting'
  }

  /** What came is read to its end in any case. */
  hold(): void {}

  release(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#socket?.resume()
  }

  completed(): void {}

  readonly #abort = (): void => {
    this.#call = undefined
    this.#finish()
  }

  #assign(request: LaneRequest, call: Http1Call): void {
    this.#request = request
    this.#call = call
    call.on(this)
  }

  // What its socket says

  #connected(...[error, socket]: Connected): void {
    const call = this.#call
    if (error !== null) {
      this.#finish()
      call?.fail(translate(error, false))
      return
    }
    if (this.#state === 'over') {
      socket.destroy()
      return
    }
    this.#socket = socket
    if (this.#owner.lends) readWith(socket, this)
    else socket.on('data', (chunk: Buffer) => this.read(chunk, false))
    socket.on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onClose)
    if (call !== undefined) this.#write()
    else this.#rest()
  }

  /** @internal */
  get streams(): boolean {
    return this.#state === 'body' && (this.#left === CHUNKED || this.#left > LARGE)
  }

  /** @internal */
  read(chunk: Buffer, lent: boolean): void {
    this.#lent = lent
    const call = this.#call
    try {
      if (this.#state === 'awaiting') this.#readHead(chunk, call as Http1Call)
      else if (this.#state === 'body') this.#readBody(chunk, 0, call as Http1Call)
      else this.#lost(new errors.SocketError('bad response'))
    } catch (error) {
      this.#lost(error as Error)
    }
  }

  readonly #onEnd = (): void => this.#lost(new errors.SocketError('other side closed'))
  readonly #onError = (error: Error): void => this.#lost(error)
  readonly #onClose = (): void => this.#lost(new errors.SocketError('closed'))

  #write(): void {
    this.#state = 'awaiting'
    ;(this.#call as Http1Call).onConnect(this.#abort)
    writeLaneRequest(this.#socket as Socket, this.#request as LaneRequest)
  }

  #readHead(chunk: Buffer, call: Http1Call): void {
    const request = this.#request as LaneRequest
    const head = headIn(chunk)
    const start = head === '' ? undefined : readResponseHead(head, request.bodiless)
    if (start === undefined) {
      this.#handOver(this.#kept(chunk, 0, chunk.length), call)
      return
    }
    this.#state = 'body'
    this.#left = start.length
    this.#stays = !request.last && this.#keeps(start)
    if (start.length === CHUNKED) {
      this.#head = head
      this.#chunks ??= new ChunkedDecoder()
    }
    call.head(start.status, start.fields, start.statusText)
    if (this.#call === call) this.#readBody(chunk, head.length, call)
  }

  /** Whether it stays open after the answer, and for how long. */
  #keeps({ close, keepAlive }: ResponseStart): boolean {
    if (close) return false
    const { keepAlive: most } = this.#owner
    this.keepFor = keepAlive === undefined ? most : Math.min(most, keepAlive - MARGIN)
    return this.keepFor > 0
  }

  #readBody(chunk: Buffer, from: number, call: Http1Call): void {
    if (this.#left === CHUNKED) {
      this.#readChunks(chunk, from, call)
      return
    }
    const to = Math.min(chunk.length, from + this.#left)
    this.#left -= to - from
    if (to > from) {
      call.take(this.#kept(chunk, from, to))
      if (this.#call !== call) return
    }
    if (this.#left === 0) this.#complete(call, to < chunk.length)
    else this.#more(call)
  }

  #readChunks(chunk: Buffer, from: number, call: Http1Call): void {
    const chunks = this.#chunks as ChunkedDecoder
    chunks.feed(chunk, from)
    for (;;) {
      switch (chunks.next()) {
        case DATA:
          call.take(this.#kept(chunk, chunks.from, chunks.to))
          if (this.#call !== call) return
          continue
        case MORE:
          this.#more(call)
          return
        case END:
          this.#complete(call, chunks.at < chunk.length)
          return
        case BROKEN:
          this.#lost(new errors.HTTPParserError('a chunk goes on where its size says that it ends'))
          return
        default:
          this.#handOver(Buffer.concat([Buffer.from(this.#head, 'latin1'), chunks.unread]), call)
          return
      }
    }
  }

  /** Of what was read, what is wanted beyond the call. */
  #kept(chunk: Buffer, from: number, to: number): Buffer {
    const piece = from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to)
    return this.#lent ? Buffer.from(piece) : piece
  }

  #more(call: Http1Call): void {
    call.more()
    if (!call.held || this.#paused) return
    this.#paused = true
    this.#socket?.pause()
  }

  /** @param beyond there is more than the answer: nobody asked for it */
  #complete(call: Http1Call, beyond: boolean): void {
    const socket = this.#socket as Socket
    this.#call = this.#request = undefined
    this.#served = true
    // A service that answers without having read all may take the rest of the request for the next one.
    if (this.#stays && !beyond && socket.writableLength === 0 && socket.readable) this.#rest()
    else this.#finish()
    call.onComplete(null)
  }

  #rest(): void {
    this.#state = 'resting'
    atTurn(this)
  }

  /** To undici, with all that is not yet read. */
  #handOver(bytes: Buffer, call: Http1Call): void {
    const request = this.#request as LaneRequest
    this.#owner.laneLeft(this, this.#detach(), bytes, request, call)
  }

  /** It hears nothing more of its socket. */
  #detach(): Socket {
    const socket = this.#socket as Socket
    this.#state = 'over'
    this.#call = this.#request = this.#socket = undefined
    socket.off('end', this.#onEnd).off('error', this.#onError).off('close', this.#onClose)
    if (this.#owner.lends) readAsStream(socket)
    else socket.removeAllListeners('data').pause()
    return socket
  }

  /** The connection is of no use any more. */
  #lost(error: Error): void {
    if (this.#state === 'over') return
    const call = this.#call
    const unsent = this.#state === 'queued' ? this.#request : undefined
    this.wasIdle = this.#state === 'awaiting' && this.#served
    this.#call = undefined
    this.#finish(unsent, call)
    if (unsent === undefined) call?.onError(error)
  }

  #finish(unsent?: LaneRequest, call?: Http1Call): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#request = undefined
    this.#socket?.destroy()
    this.#owner.laneClosed(this, unsent, unsent === undefined ? undefined : call)
  }
}
