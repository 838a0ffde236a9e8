import type { Socket } from 'node:net'
import { type buildConnector, Client, type Dispatcher } from 'undici'
import type { Http1Call, UndiciError } from './http1-call.js'

/** Nobody reads from it for now. */
const kHeld = Symbol('held')
type Holdable = Socket & { [kHeld]?: boolean }

/** Whoever hands out requests. */
export interface SlotOwner {
  /** It takes another request. */
  freed(slot: Slot): void
  /** Its connection has closed while it had no request. */
  closed(slot: Slot): void
}

/** One connection, opened when it is first needed and again after it has closed; one request at a time. */
export class Slot {
  /** A connection that had served others ended, and not one byte had come since the last request went out on it. */
  wasIdle = false
  readonly #client: Client
  readonly #owner: SlotOwner
  #socket: Holdable | undefined = undefined
  #call: Http1Call | undefined = undefined
  #readBefore = 0
  #busy = false
  /** Not a byte of an answer has come since the request went out. */
  #awaited = false

  constructor(origin: string, options: Client.Options, connect: buildConnector.connector, owner: SlotOwner) {
    this.#owner = owner
    this.#client = new Client(origin, {
      ...options,
      connect: (target: buildConnector.Options, callback: buildConnector.Callback) =>
        connect(target, (...result) => {
          const [error, socket] = result
          if (error !== null) {
            callback(disguised(error), null)
            return
          }
          this.#connected(socket)
          callback(null, socket)
        })
    } as Client.Options)
    this.#client.on('drain', () => this.#free())
    this.#client.on('disconnect', () => {
      this.#socket = undefined
      if (!this.#busy) this.#owner.closed(this)
    })
  }

  dispatch(options: Dispatcher.DispatchOptions, call: Http1Call): void {
    this.#busy = true
    this.#call = call
    call.slot = this
    const takesMore = this.#client.dispatch(options, call as unknown as Dispatcher.DispatchHandler)
    // True, or refused by undici before it was queued: it takes another already, and will not say so.
    if (takesMore || this.#call === undefined) this.#free()
  }

  /** The call has nothing more to do with it. */
  left(call: Http1Call): void {
    if (this.#call === call) this.#call = undefined
  }

  /** The request goes out now. */
  began(): void {
    this.wasIdle = false
    this.#readBefore = this.#socket?.bytesRead ?? 0
    this.#awaited = true
  }

  /** Nothing more is read, nor the connection's end seen, until `release`. */
  hold(): void {
    if (this.#socket !== undefined) this.#socket[kHeld] = true
  }

  release(): void {
    const socket = this.#socket
    if (socket?.[kHeld] !== true) return
    socket[kHeld] = false
    // What undici reads on; it was told of it while it could not.
    socket.emit('readable')
  }

  /** The answer is all there: whoever still has to take it has it. */
  completed(): void {
    if (this.#socket?.[kHeld] === true) this.#socket[kHeld] = false
  }

  close(): void {
    this.#client.close().catch(() => {})
  }

  destroy(): void {
    this.#client.destroy().catch(() => {})
  }

  #free(): void {
    // What undici says of the request before may come when the next is on its way.
    if (!this.#busy || this.#call !== undefined) return
    this.#busy = false
    this.#owner.freed(this)
  }

  #connected(socket: Holdable): void {
    this.#socket = socket
    const { read } = socket
    socket.read = (size?: number) => {
      if (socket[kHeld] === true) return null
      const chunk: Buffer | null = read.call(socket, size)
      if (!this.#awaited || chunk === null || this.#socket !== socket) return chunk
      const from = continueIn(chunk)
      if (from === chunk.length) return read.call(socket, size)
      this.#awaited = false
      return from === 0 ? chunk : chunk.subarray(from)
    }
    socket.on('error', (error: UndiciError) => {
      if (this.#socket === socket)
        this.wasIdle = socket.bytesRead > 0 && socket.bytesRead === this.#readBefore
      // undici takes a reset for the end of a body that ends with its connection: half of it would pass for all.
      if (error.code === 'ECONNRESET') error.code = 'EPIPE'
    })
  }
}

/** undici takes this one error for a request's own, and never says that the connection is free for another. */
function disguised(error: Error & { code?: string }): Error {
  return error.code === 'ERR_TLS_CERT_ALTNAME_INVALID' ? new Error(error.message, { cause: error }) : error
}

/**
 * Bytes of `100 Continue` at the start of what an upstream says: some send one that nobody asked for, and undici breaks
 * the connection over it. One that comes in parts is left to undici.
 */
function continueIn(chunk: Buffer): number {
  let from = 0
  while (chunk[from + 9] === ONE && chunk[from + 10] === ZERO && chunk[from + 11] === ZERO) {
    const end = chunk.indexOf('\r\n\r\n', from)
    if (end === -1 || !chunk.toString('latin1', from, from + 12).startsWith('HTTP/1.')) break
    from = end + 4
  }
  return from
}

const ZERO = 0x30
const ONE = 0x31
