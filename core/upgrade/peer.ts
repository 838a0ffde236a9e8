import type { Duplex } from 'node:stream'
import {
  createReceiver,
  createSender,
  type FrameReceiver,
  type FrameSender,
  type FrameSink
} from './framing.js'
import type { Side } from './upgraded.js'

/** One side of a WebSocket whose messages are read: to the client the proxy is a server, to the upstream a client. */
export class Peer implements FrameSink {
  readonly side: Side
  readonly socket: Duplex
  readonly receiver: FrameReceiver
  /** It takes no more until its socket drains. */
  full = false
  closeSent = false
  closeReceived = false
  /** Bytes written to it. */
  written = 0
  readonly #sender: FrameSender
  readonly #masks: boolean

  constructor(side: Side, socket: Duplex) {
    this.side = side
    this.socket = socket
    this.#masks = side === 'upstream'
    this.receiver = createReceiver(side === 'client')
    this.#sender = createSender(this)
  }

  /** Whether a frame can still be sent to it. */
  get open(): boolean {
    return !this.closeSent && this.socket.writable
  }

  /** The close handshake with it is done. */
  get concluded(): boolean {
    return this.closeSent && this.closeReceived
  }

  /** Bytes from it. Its receiver's listeners have been called when this returns, but for `error`. */
  read(chunk: Buffer): void {
    if (this.closeReceived || this.receiver.errored !== null || this.receiver.destroyed) return
    this.receiver.write(chunk)
  }

  message(data: Buffer, binary: boolean): void {
    if (!this.open) return
    this.#sender.send(data, { binary, fin: true, mask: this.#masks, compress: false })
  }

  ping(data: Buffer): void {
    if (this.open) this.#sender.ping(data, this.#masks)
  }

  pong(data: Buffer): void {
    if (this.open) this.#sender.pong(data, this.#masks)
  }

  /** @param code 1005 for a frame without one */
  close(code: number, reason: Buffer | string): void {
    if (!this.open) return
    this.#sender.close(code === 1005 ? undefined : code, reason, this.#masks)
    this.closeSent = true
  }

  /** Its FIN, behind what is still to be written. */
  finish(): void {
    this.socket.end()
  }

  // What the sender writes through.

  get destroyed(): boolean {
    return this.socket.destroyed
  }

  cork(): void {
    this.socket.cork()
  }

  uncork(): void {
    this.socket.uncork()
  }

  write(bytes: Buffer): boolean {
    this.written += bytes.length
    const room = this.socket.write(bytes)
    if (!room) this.full = true
    return room
  }
}
