import type { Socket } from 'node:net'
import { type LaneBody, type LaneConnection, LaneDownstream } from '../exchange/lane.js'
import type { Peer } from '../exchange/peer.js'
import { DRAIN_BYTES, DRAIN_MS } from '../exchange/writer.js'
import { Deadline, type Deadlines } from '../hooks/deadlines.js'
import { readRequestHead } from '../http1/request-head.js'

/** Bytes of a head; a longer one is the standard path's, whose limit is a configured one. */
const LONGEST_HEAD = 16 * 1024

/** Bytes of further requests with which no more are read: what is read at once comes on top of it. */
const AHEAD = 64 * 1024
/** Pieces of them: however small, what each is kept in is not. */
const PIECES = 64

const END = Buffer.from('\r\n\r\n')

type LatinBuffer = Buffer & { latin1Slice(start: number, end: number): string }

/** The listener whose connections take the lane. */
export interface LaneOwner {
  readonly deadlines: Deadlines
  readonly lanes: Set<Lane>
  /** ms for a first request. */
  readonly headersTimeout: number
  /** ms between requests. */
  readonly idleTimeout: number
  /** `Connection` and `Keep-Alive` of an answer after which the connection stays. */
  readonly keepAlive: string
  /** Bytes of a header block. */
  readonly maxHeaderSize: number
  readonly draining: boolean
  request(downstream: LaneDownstream): void
  /** Nothing of `first` was acted on. */
  handOver(socket: Socket, first: Buffer): void
  /** No request came in time, or one that broke off. */
  refuse(socket: Socket, code: 'BAD_REQUEST' | 'REQUEST_TIMEOUT'): void
}

/**
 * One connection of HTTP/1.1 whose requests are read here for as long as they are in the strict grammar and each head
 * comes in one piece. The first that does not is handed to Node's server with all that is behind it, before a byte of it
 * was acted on, and the connection stays there.
 */
export class Lane extends Deadline implements LaneConnection {
  readonly socket: Socket
  readonly flushed: (error?: Error | null) => void
  readonly #owner: LaneOwner
  readonly #peer: Peer
  #current: LaneDownstream | undefined = undefined
  /** Bytes of the present request's body that have not come. */
  #left = 0
  /** The body's reader takes more. */
  #room = true
  /** Bytes of a body that nobody wants, and that came behind its answer. */
  #unwanted = 0
  /** What came behind the present request, and its bytes. */
  #ahead: Buffer[] = []
  #aheadBytes = 0

  constructor(owner: LaneOwner, socket: Socket, peer: Peer) {
    super()
    this.#owner = owner
    this.socket = socket
    this.#peer = peer
    this.flushed = (error) => this.#flushed(error)
    owner.lanes.add(this)
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.on('close', this.#onClose)
    socket.on('drain', this.#onDrain)
    socket.on('timeout', this.#onTimeout)
    owner.deadlines.watch(this, owner.headersTimeout)
  }

  get keepAlive(): string {
    return this.#owner.keepAlive
  }

  /** What was read before it was known to be HTTP/1. */
  begin(first: Buffer | undefined): void {
    if (first !== undefined) this.#onData(first)
  }

  /** Nothing more is to come; what is under way ends with its answer. */
  drain(): void {
    if (this.#current === undefined || this.#current.finished) this.socket.destroy()
  }

  /** The body's reader has room. */
  resume(body: LaneBody): void {
    if (this.#current?.body !== body) return
    this.#room = true
    this.#flow()
  }

  /** No request came for too long, or no end of one that has had its answer. */
  override expire(): void {
    if (this.#peer.requests > 0) this.socket.destroy()
    else {
      this.#release()
      this.#owner.refuse(this.socket, 'REQUEST_TIMEOUT')
    }
  }

  readonly #onData = (chunk: Buffer): void => {
    const bytes = this.#left > 0 ? this.#feed(chunk) : chunk
    if (bytes === undefined) return
    if (this.#current === undefined) this.#read(bytes)
    else {
      this.#wait(bytes)
      this.#flow()
    }
  }

  #wait(bytes: Buffer): void {
    if (this.#ahead.length === PIECES) this.#ahead = [Buffer.concat(this.#ahead)]
    this.#ahead.push(bytes)
    this.#aheadBytes += bytes.length
  }

  /** Reads on, or not: while a body comes its reader says so, and otherwise how much waits. */
  #flow(): void {
    const { socket } = this
    const wanted = this.#left > 0 ? this.#room : this.#aheadBytes <= AHEAD
    if (wanted !== socket.isPaused()) return
    if (wanted) socket.resume()
    else socket.pause()
  }

  /** @param bytes beginning where a request does */
  #read(bytes: Buffer): void {
    const end = bytes.indexOf(END)
    const size = end + END.length
    const start =
      end === -1 || size > LONGEST_HEAD || 2 * size > this.#owner.maxHeaderSize
        ? undefined
        : readRequestHead((bytes as LatinBuffer).latin1Slice(0, size))
    if (start === undefined) {
      this.#leave(bytes)
      return
    }
    this.#owner.deadlines.unwatch(this)
    const behind = size + start.length
    const whole = start.length > 0 && behind <= bytes.length ? bytes.subarray(size, behind) : undefined
    const downstream = new LaneDownstream(this, this.#peer, start, whole)
    this.#current = downstream
    if (behind < bytes.length) this.#wait(bytes.subarray(behind))
    else if (behind > bytes.length) {
      this.#left = start.length
      this.#room = true
      if (size < bytes.length) this.#feed(bytes.subarray(size))
    }
    this.#owner.request(downstream)
  }

  /**
   * To Node's server, which reads past the stream: what the stream holds comes after these bytes and before all that is
   * still to be read.
   *
   * @param bytes of which nothing was acted on
   */
  #leave(bytes: Buffer): void {
    const { socket } = this
    this.#release()
    const parts = [bytes]
    for (let more = socket.read() as Buffer | null; more !== null; more = socket.read()) parts.push(more)
    if (socket.isPaused()) socket.resume()
    this.#owner.handOver(socket, parts.length === 1 ? bytes : Buffer.concat(parts))
  }

  /** @returns what is behind the body */
  #feed(chunk: Buffer): Buffer | undefined {
    const downstream = this.#current as LaneDownstream
    const taken = Math.min(this.#left, chunk.length)
    this.#left -= taken
    const rest = taken < chunk.length ? chunk.subarray(taken) : undefined
    if (downstream.finished && !downstream.asked) {
      this.#unwanted += taken
      if (this.#unwanted > DRAIN_BYTES) this.socket.destroy()
    } else {
      const { body } = downstream
      this.#room = body.push(taken === chunk.length ? chunk : chunk.subarray(0, taken))
      if (this.#left === 0) body.push(null)
    }
    if (this.#left > 0) {
      this.#flow()
      return undefined
    }
    if (!downstream.finished) return rest
    if (rest !== undefined) this.#wait(rest)
    this.#next()
    return undefined
  }

  #flushed(error: Error | null | undefined): void {
    const downstream = this.#current
    if (downstream === undefined || error) return
    if (this.socket.timeout) this.socket.setTimeout(0)
    downstream.finish()
    if (this.#current !== downstream) return
    if (this.#left === 0) this.#next()
    else this.#linger(downstream)
  }

  /** The answer has left before all of the request has come: what is missing is waited for, and not for long. */
  #linger({ asked }: LaneDownstream): void {
    // Whoever has asked for it goes on reading, for as long, and hangs up then.
    this.#owner.deadlines.watch(this, asked ? 2 * DRAIN_MS : DRAIN_MS)
    if (asked) return
    this.#unwanted = 0
    this.#room = true
    this.#flow()
  }

  /** The answer has left and all of the request has come. */
  #next(): void {
    const downstream = this.#current as LaneDownstream
    this.#current = undefined
    if (downstream.close || this.#owner.draining) {
      this.#release()
      this.socket.destroySoon()
      return
    }
    this.#owner.deadlines.watch(this, this.#owner.idleTimeout)
    const ahead = this.#ahead
    if (ahead.length > 0) {
      const bytes = ahead.length === 1 ? (ahead[0] as Buffer) : Buffer.concat(ahead)
      this.#ahead = []
      this.#aheadBytes = 0
      this.#read(bytes)
      // Node's server has it otherwise.
      if (!this.#owner.lanes.has(this)) return
    }
    this.#flow()
  }

  /** A client that closes its half has left. */
  readonly #onEnd = (): void => {
    if (this.#left === 0 || this.#current === undefined) {
      this.socket.end()
      return
    }
    // Its upload broke off, and it may still read what is said of it.
    if (this.#current.headersSent) this.socket.destroy()
    else this.#owner.refuse(this.socket, 'BAD_REQUEST')
  }

  readonly #onClose = (): void => {
    const downstream = this.#current
    this.#release()
    this.#current = undefined
    this.#ahead = []
    downstream?.lose()
  }

  readonly #onDrain = (): void => {
    this.#current?.drained()
  }

  readonly #onTimeout = (): void => {
    this.socket.destroy()
  }

  /** It is no connection of the lane's any more. */
  #release(): void {
    const { socket } = this
    this.#owner.lanes.delete(this)
    this.#owner.deadlines.unwatch(this)
    socket.off('data', this.#onData)
    socket.off('end', this.#onEnd)
    socket.off('close', this.#onClose)
    socket.off('drain', this.#onDrain)
    socket.off('timeout', this.#onTimeout)
  }
}
