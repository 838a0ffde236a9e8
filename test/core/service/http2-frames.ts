// A peer that speaks HTTP/2 frame by frame, rightly or wrongly.
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

export const DATA = 0
export const HEADERS = 1
export const RST_STREAM = 3
export const SETTINGS = 4
export const PING = 6
export const GOAWAY = 7

export const END_STREAM = 1
export const ACK = 1
export const END_HEADERS = 4

export const NO_ERROR = 0
export const REFUSED_STREAM = 7
export const CANCEL = 8

const PREFACE = 24

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

/** `:status: 200` from HPACK's static table. */
export const STATUS_200 = Buffer.from([0x88])

/** A field, literally and not indexed. */
export function field(name: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value)
  ])
}

export function uint32(...values: number[]): Buffer {
  const buffer = Buffer.alloc(4 * values.length)
  for (const [i, value] of values.entries()) buffer.writeUInt32BE(value >>> 0, 4 * i)
  return buffer
}

export class PeerConnection {
  readonly socket: Socket
  /** Frames that have come, those about SETTINGS left out. */
  readonly frames: Frame[] = []
  /** Streams that were opened. */
  readonly streams: number[] = []
  /** Whether PINGs and SETTINGS are answered. */
  answers = true
  #rest = Buffer.alloc(0)
  #preface = false

  constructor(socket: Socket, onFrame: (frame: Frame, connection: PeerConnection) => void) {
    this.socket = socket
    socket.setNoDelay()
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      this.#rest = Buffer.concat([this.#rest, chunk])
      if (!this.#preface) {
        if (this.#rest.length < PREFACE) return
        this.#preface = true
        this.#rest = this.#rest.subarray(PREFACE)
      }
      for (;;) {
        if (this.#rest.length < 9) return
        const length = this.#rest.readUIntBE(0, 3)
        if (this.#rest.length < 9 + length) return
        const frame = {
          type: this.#rest[3] as number,
          flags: this.#rest[4] as number,
          stream: this.#rest.readUInt32BE(5) & 0x7fffffff,
          payload: this.#rest.subarray(9, 9 + length)
        }
        this.#rest = this.#rest.subarray(9 + length)
        if (frame.type === SETTINGS) {
          if ((frame.flags & ACK) === 0 && this.answers) this.send(SETTINGS, ACK, 0)
          continue
        }
        if (frame.type === PING && (frame.flags & ACK) === 0 && this.answers) {
          this.send(PING, ACK, 0, frame.payload)
        }
        this.frames.push(frame)
        if (frame.type === HEADERS) this.streams.push(frame.stream)
        onFrame(frame, this)
      }
    })
  }

  count(type: number): number {
    return this.frames.filter((frame) => frame.type === type).length
  }

  send(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): void {
    const head = Buffer.alloc(9)
    head.writeUIntBE(payload.length, 0, 3)
    head[3] = type
    head[4] = flags
    head.writeUInt32BE(stream, 5)
    this.socket.write(Buffer.concat([head, payload]))
  }

  settings(maxConcurrentStreams?: number): void {
    const payload = Buffer.alloc(maxConcurrentStreams === undefined ? 0 : 6)
    if (maxConcurrentStreams !== undefined) {
      payload.writeUInt16BE(3, 0)
      payload.writeUInt32BE(maxConcurrentStreams, 2)
    }
    this.send(SETTINGS, 0, 0, payload)
  }

  /** A whole answer with a short body. */
  answer(stream: number, body: string): void {
    this.send(HEADERS, END_HEADERS, stream, STATUS_200)
    this.send(DATA, END_STREAM, stream, Buffer.from(body))
  }

  reset(stream: number, code: number): void {
    this.send(RST_STREAM, 0, stream, uint32(code))
  }

  goaway(lastStream: number, code = NO_ERROR): void {
    this.send(GOAWAY, 0, 0, uint32(lastStream, code))
  }
}

export interface PeerOptions {
  /** Default: SETTINGS that say nothing. */
  connected?(connection: PeerConnection): void
  frame?(frame: Frame, connection: PeerConnection): void
}

export class FramePeer {
  readonly connections: PeerConnection[] = []
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  static async listen(options: PeerOptions): Promise<FramePeer> {
    const server = createServer((socket) => {
      const connection = new PeerConnection(socket, (frame, from) => options.frame?.(frame, from))
      peer.connections.push(connection)
      if (options.connected !== undefined) options.connected(connection)
      else connection.settings()
    })
    const peer = new FramePeer(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return peer
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    for (const { socket } of this.connections) socket.destroy()
    this.#server.close()
  }
}
