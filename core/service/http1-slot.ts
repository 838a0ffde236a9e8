import type { Socket } from 'node:net'
import { type buildConnector, Client, type Dispatcher } from 'undici'
import type { Carrier, Http1Call, UndiciError } from './http1-call.js'

/** Nobody reads from it for now. */
const kHeld = Symbol('held')
/** undici has it, and does not know yet of the request whose answer is there to be read. */
const kTaken = Symbol('taken')
type Holdable = Socket & { [kHeld]?: boolean; [kTaken]?: boolean }

/** Whoever hands out requests. */
export interface SlotOwner {
  /** It takes another request. */
  freed(slot: Slot): void
  /** Its connection has closed while it had no request. */
  closed(slot: Slot): void
}

/** One connection, opened when it is first needed and again after it has closed; one request at a time. */
export class Slot implements Carrier {
  wasIdle = false
  readonly #client: Client
  readonly #owner: SlotOwner
  #socket: Holdable | undefined = undefined
  #call: Http1Call | undefined = undefined
  /** What it takes in place of a connection of its own, until it has it. */
  #given: Holdable | undefined = undefined
  #readBefore = 0
  #busy = false
  /** Not a byte of an answer has come since the request went out. */
  #awaited = false

  constructor(origin: string, options: Client.Options, connect: buildConnector.connector, owner: SlotOwner) {
    this.#owner = owner
    this.#client = new Client(origin, {
      ...options,
      connect: (target: buildConnector.Options, callback: buildConnector.Callback) => {
        const anew = () =>
          connect(target, (...result) => {
            const [error, socket] = result
            if (error !== null) {
              callback(disguised(error), null)
              return
            }
            this.#connected(socket)
            callback(null, socket)
          })
        if (this.#given === undefined) anew()
        else this.#take(this.#given, callback, anew)
      }
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
    call.on(this)
    const takesMore = this.#client.dispatch(options, call as unknown as Dispatcher.DispatchHandler)
    // True, or refused by undici before it was queued: it takes another already, and will not say so.
    if (takesMore || this.#call === undefined) this.#free()
  }

  /** Goes on with a connection that has no request, in place of one of its own. */
  use(socket: Holdable): void {
    this.#given = socket
    this.#connected(socket)
  }

  /**
   * Goes on with a connection in the first request that is out on it.
   *
   * @param options the request without its body and its fields, which undici writes to nowhere
   * @param bytes of the answer: what undici is to begin with
   */
  adopt(socket: Holdable, bytes: Buffer, options: Dispatcher.DispatchOptions, call: Http1Call): void {
    socket[kTaken] = true
    this.use(socket)
    if (call.held) this.hold()
    socket.unshift(bytes)
    socket.write = () => {
      // Its own name for what its class has.
      delete (socket as Partial<Socket>).write
      // undici counts the request as its own only once this has returned.
      queueMicrotask(() => {
        socket[kTaken] = false
        if (socket[kHeld] !== true) socket.emit('readable')
      })
      return true
    }
    this.dispatch(options, call)
  }

  /** undici goes on only where it is called back later. */
  #take(socket: Holdable, callback: buildConnector.Callback, anew: () => void): void {
    this.#given = undefined
    if (socket[kTaken] === true) {
      queueMicrotask(() => {
        // With any other error undici would connect anew, and send what is out already.
        if (socket.destroyed) callback(new Error('the connection was lost', { cause: socket.errored }), null)
        else callback(null, socket)
      })
      return
    }
    // What has come on it unasked is to be there before the request goes out.
    setImmediate(() => {
      if (socket.destroyed) anew()
      else callback(null, socket)
    })
  }

  left(call: Http1Call): void {
    if (this.#call === call) this.#call = undefined
  }

  /** undici asks it itself, once there is a connection. */
  dropped(_call: Http1Call): void {}

  began(): void {
    const socket = this.#socket
    this.wasIdle = false
    // Where the answer has begun, a race with the connection's idle end is over.
    this.#readBefore = socket === undefined || socket[kTaken] === true ? -1 : socket.bytesRead
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
    if (socket[kTaken] !== true) socket.emit('readable')
  }

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
      if (socket[kHeld] === true || socket[kTaken] === true) return null
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
