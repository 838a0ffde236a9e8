// A peer that speaks HTTP/2 frame by frame, rightly or wrongly.
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { STATUS_200 } from '../../support/hpack.js'
import {
  CODE,
  FLAG,
  type Frame,
  FrameReader,
  frame,
  number,
  PREFACE,
  reset,
  SETTING,
  settings,
  TYPE
} from '../../support/http2-frames.js'

export class PeerConnection {
  readonly socket: Socket
  /** Frames that have come, those about SETTINGS left out. */
  readonly frames: Frame[] = []
  /** Streams that were opened. */
  readonly streams: number[] = []
  /** Whether PINGs and SETTINGS are answered. */
  answers = true

  constructor(socket: Socket, onFrame: (frame: Frame, connection: PeerConnection) => void) {
    this.socket = socket
    const reader = new FrameReader(PREFACE.length)
    socket.setNoDelay()
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      for (const one of reader.read(chunk)) this.#take(one, onFrame)
    })
  }

  #take(one: Frame, onFrame: (frame: Frame, connection: PeerConnection) => void): void {
    const { type, flags, stream, payload } = one
    const asks = (flags & FLAG.ACK) === 0 && this.answers
    if (type === TYPE.SETTINGS) {
      if (asks) this.send(TYPE.SETTINGS, FLAG.ACK, 0)
      return
    }
    if (type === TYPE.PING && asks) this.send(TYPE.PING, FLAG.ACK, 0, payload)
    this.frames.push(one)
    if (type === TYPE.HEADERS) this.streams.push(stream)
    onFrame(one, this)
  }

  count(type: number): number {
    return this.frames.filter((frame) => frame.type === type).length
  }

  send(type: number, flags: number, stream: number, payload?: Buffer): void {
    this.socket.write(frame(type, flags, stream, payload))
  }

  settings(maxConcurrentStreams?: number): void {
    const most = maxConcurrentStreams
    this.socket.write(most === undefined ? settings() : settings([SETTING.MAX_CONCURRENT_STREAMS, most]))
  }

  /** A whole answer with a short body. */
  answer(stream: number, body: string): void {
    this.send(TYPE.HEADERS, FLAG.END_HEADERS, stream, STATUS_200)
    this.send(TYPE.DATA, FLAG.END_STREAM, stream, Buffer.from(body))
  }

  reset(stream: number, code: number): void {
    this.socket.write(reset(stream, code))
  }

  goaway(lastStream: number, code: number = CODE.NO_ERROR): void {
    this.send(TYPE.GOAWAY, 0, 0, number(lastStream, code))
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
      const connection = new PeerConnection(socket, (one, from) => options.frame?.(one, from))
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
