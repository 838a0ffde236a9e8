// An HTTP/2 client that writes what frames it is told to, right or wrong, and shows those that come back (RFC 9113).
import { createConnection, type Socket } from 'node:net'

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

export const TYPE = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9
} as const

export const FLAG = { ACK: 1, END_STREAM: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 0x20 } as const

export const CODE = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  ENHANCE_YOUR_CALM: 11
} as const

export const SETTING = { HEADER_TABLE_SIZE: 1, MAX_CONCURRENT_STREAMS: 3, INITIAL_WINDOW_SIZE: 4 } as const

const NOTHING = Buffer.alloc(0)

export function frame(type: number, flags: number, stream: number, payload: Buffer = NOTHING): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

export function settings(...pairs: readonly (readonly [number, number])[]): Buffer {
  const payload = Buffer.alloc(6 * pairs.length)
  pairs.forEach(([id, value], at) => {
    payload.writeUInt16BE(id, 6 * at)
    payload.writeUInt32BE(value, 6 * at + 2)
  })
  return frame(TYPE.SETTINGS, 0, 0, payload)
}

export function number(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

export function reset(stream: number, code: number = CODE.CANCEL): Buffer {
  return frame(TYPE.RST_STREAM, 0, stream, number(code))
}

export function windowUpdate(stream: number, by: number): Buffer {
  return frame(TYPE.WINDOW_UPDATE, 0, stream, number(by))
}

export type Field = readonly [name: string, value: string]

/** Fields as HPACK's literals, not indexed and not Huffman coded (RFC 7541 section 6.2.2). */
export function block(fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]))
}

/** One literal field that goes into the table, where it is entry 62 until the next (section 6.2.1). */
export function indexed(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0x40]), literal(name), literal(value)])
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  return Buffer.concat([integer(bytes.length, 7, 0), bytes])
}

/** HPACK's integers (section 5.1). */
function integer(value: number, bits: number, first: number): Buffer {
  const most = 2 ** bits - 1
  if (value < most) return Buffer.from([first | value])
  const bytes = [first | most]
  let rest = value - most
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  bytes.push(rest)
  return Buffer.from(bytes)
}

/** The fields that every request has, `more` behind them. */
export function request(path = '/', more: readonly Field[] = [], method = 'GET'): Field[] {
  return [[':method', method], [':scheme', 'http'], [':authority', 'shop.test'], [':path', path], ...more]
}

export function headers(stream: number, fields: readonly Field[], end = true): Buffer {
  return frame(TYPE.HEADERS, FLAG.END_HEADERS | (end ? FLAG.END_STREAM : 0), stream, block(fields))
}

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

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
  #rest: Buffer = NOTHING
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
    const { hostname, port } = new URL(url)
    const socket = createConnection({ host: hostname, port: Number(port), noDelay: true })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return new FrameClient(socket, options)
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
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    while (bytes.length >= 9) {
      const length = bytes.readUIntBE(0, 3)
      if (bytes.length < 9 + length) break
      this.#take(
        bytes[3] as number,
        bytes[4] as number,
        bytes.readUInt32BE(5) & 0x7fffffff,
        bytes.subarray(9, 9 + length)
      )
      bytes = bytes.subarray(9 + length)
    }
    this.#rest = bytes
    this.#wake()
  }

  #take(type: number, flags: number, stream: number, payload: Buffer): void {
    if (type === TYPE.DATA) {
      this.received.set(stream, (this.received.get(stream) ?? 0) + payload.length)
      if (!this.#greedy && payload.length > 0) {
        this.write(windowUpdate(0, payload.length))
        if ((flags & FLAG.END_STREAM) === 0) this.write(windowUpdate(stream, payload.length))
      }
      if ((flags & FLAG.END_STREAM) === 0) return
      this.frames.push({ type, flags, stream, payload: NOTHING })
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

/** Statuses that HPACK's static table has, from entry 8 on. */
const STATUSES = [200, 204, 206, 304, 400, 404, 500]

/** Of a header block that begins with `:status`: indexed, or a literal by the table's name, plain or in Huffman digits. */
function statusIn(payload: Buffer): number | undefined {
  let at = 0
  // Changes of the table's size come first (RFC 7541 section 6.3).
  while (at < payload.length && ((payload[at] as number) & 0xe0) === 0x20) {
    if (((payload[at++] as number) & 0x1f) === 0x1f) while (((payload[at++] as number) & 0x80) !== 0);
  }
  const first = payload[at] as number
  if (first >= 0x88 && first <= 0x8e) return STATUSES[first - 0x88]
  const length = payload[at + 1] as number
  const value = payload.subarray(at + 2, at + 2 + (length & 0x7f))
  if ((length & 0x80) === 0) return Number(value.toString('latin1'))
  let bits = ''
  for (const byte of value) bits += byte.toString(2).padStart(8, '0')
  let digits = ''
  for (let i = 0; digits.length < 3; ) {
    // '0' to '2' are five bits, the others six (appendix B).
    const five = Number.parseInt(bits.slice(i, i + 5), 2)
    if (five <= 2) digits += five
    else digits += Number.parseInt(bits.slice(i, i + 6), 2) - 0x19 + 3
    i += five <= 2 ? 5 : 6
  }
  return Number(digits)
}
