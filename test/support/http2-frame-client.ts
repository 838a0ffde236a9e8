// An HTTP/2 client that writes what frames it is told to, right or wrong, and shows those that come back.
import type { Socket } from 'node:net'
import { statusIn } from './hpack.js'
import {
  FLAG,
  type Frame,
  FrameReader,
  frame,
  PREFACE,
  SETTING,
  settings,
  TYPE,
  windowUpdate
} from './http2-frames.js'
import { openSocket } from './open-socket.js'

export interface FrameClientOptions {
  /** Send nothing by itself: neither preface nor SETTINGS, nor an answer to those that come. */
  silent?: boolean
  settings?: readonly (readonly [number, number])[]
  /** Do not give back the window that DATA takes. */
  greedy?: boolean
  socket?: Socket
}

export class FrameClient {
  readonly socket: Socket
  /** All that came. The DATA of an answer is counted in `received`, and of its frames the last alone is kept. */
  readonly frames: Frame[] = []
  /** Bytes of DATA by stream. */
  readonly received = new Map<number, number>()
  ended = false
  readonly #greedy: boolean
  readonly #silent: boolean
  readonly #reader = new FrameReader()
  readonly #waiting = new Set<() => void>()

  constructor(socket: Socket, options: FrameClientOptions = {}) {
    this.socket = socket
    this.#greedy = options.greedy ?? false
    this.#silent = options.silent ?? false
    socket.on('data', (chunk) => this.#read(chunk))
    socket.on('error', () => {})
    socket.on('end', () => this.#end())
    socket.on('close', () => this.#end())
    if (!this.#silent) {
      // Without a table the status of an answer can be read off its header block.
      const table: readonly [number, number] = [SETTING.HEADER_TABLE_SIZE, 0]
      socket.write(Buffer.concat([PREFACE, settings(table, ...(options.settings ?? []))]))
    }
  }

  static async connect(url: string, options?: FrameClientOptions): Promise<FrameClient> {
    return new FrameClient(await openSocket(url), options)
  }

  write(...frames: readonly Buffer[]): this {
    if (!this.ended) this.socket.write(frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames))
    return this
  }

  /** Writes and waits until the peer takes it, or has gone. */
  async flush(...frames: readonly Buffer[]): Promise<void> {
    this.write(...frames)
    if (this.ended || !this.socket.writableNeedDrain) return
    await new Promise<void>((resolve) => {
      const done = () => {
        this.socket.off('drain', done)
        this.#waiting.delete(done)
        resolve()
      }
      this.socket.on('drain', done)
      this.#waiting.add(done)
    })
  }

  of(type: number, stream?: number): Frame[] {
    return this.frames.filter((one) => one.type === type && (stream === undefined || one.stream === stream))
  }

  /** What a stream's answer begins with. */
  status(stream: number): number | undefined {
    const found = this.of(TYPE.HEADERS, stream)[0]
    return found && statusIn(found.payload)
  }

  /** The code that a stream was reset with. */
  resetOf(stream: number): number | undefined {
    return this.of(TYPE.RST_STREAM, stream)[0]?.payload.readUInt32BE(0)
  }

  /** Codes of the GOAWAYs, in order. */
  get goAways(): number[] {
    return this.of(TYPE.GOAWAY).map(({ payload }) => payload.readUInt32BE(4))
  }

  /** Whether a stream's answer has ended: by END_STREAM or a reset. */
  over(stream: number): boolean {
    return this.frames.some(
      (one) =>
        one.stream === stream &&
        (one.type === TYPE.RST_STREAM ||
          ((one.type === TYPE.DATA || one.type === TYPE.HEADERS) && (one.flags & FLAG.END_STREAM) !== 0))
    )
  }

  /** Resolves once it holds. @throws after `ms`, or when the connection ends before */
  async until(holds: () => boolean, what: string, ms = 5_000): Promise<void> {
    await this.#until(() => holds() || this.ended, what, ms)
    if (!holds()) throw new Error(`the connection ended before ${what}: ${this.#seen()}`)
  }

  /** Resolves when the peer has closed. @throws after `ms` */
  closed(ms = 5_000): Promise<void> {
    return this.#until(() => this.ended, 'the end of the connection', ms)
  }

  destroy(): void {
    this.socket.destroy()
  }

  async #until(holds: () => boolean, what: string, ms: number): Promise<void> {
    const late = AbortSignal.timeout(ms)
    while (!holds()) {
      if (late.aborted) throw new Error(`${what} did not come in ${ms} ms: ${this.#seen()}`)
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#waiting.delete(wake)
          late.removeEventListener('abort', wake)
          resolve()
        }
        this.#waiting.add(wake)
        late.addEventListener('abort', wake)
      })
    }
  }

  #seen(): string {
    const last = this.frames.slice(-20).map(({ type, flags, stream, payload }) => {
      return `${Object.keys(TYPE)[type] ?? type}/${flags}@${stream}:${payload.subarray(0, 8).toString('hex')}`
    })
    return `${this.frames.length} frames, ${last.join(' ')}`
  }

  #read(chunk: Buffer): void {
    for (const one of this.#reader.read(chunk)) this.#take(one)
    this.#wake()
  }

  #take({ type, flags, stream, payload }: Frame): void {
    if (type === TYPE.DATA) {
      this.received.set(stream, (this.received.get(stream) ?? 0) + payload.length)
      if (!this.#greedy && payload.length > 0) {
        this.write(windowUpdate(0, payload.length))
        if ((flags & FLAG.END_STREAM) === 0) this.write(windowUpdate(stream, payload.length))
      }
      if ((flags & FLAG.END_STREAM) === 0) return
      this.frames.push({ type, flags, stream, payload: Buffer.alloc(0) })
      return
    }
    if (!this.#silent && (flags & FLAG.ACK) === 0) {
      if (type === TYPE.SETTINGS) this.write(frame(TYPE.SETTINGS, FLAG.ACK, 0))
      if (type === TYPE.PING) this.write(frame(TYPE.PING, FLAG.ACK, 0, payload))
    }
    // A copy: the chunk it is part of is large.
    this.frames.push({ type, flags, stream, payload: Buffer.from(payload) })
  }

  #end(): void {
    this.ended = true
    this.#wake()
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake()
  }
}
