// HTTP/2's frames (RFC 9113 sections 4 and 6): how they are written, right or wrong, and how they are read.
import { block, type Field } from './hpack.js'

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

export function number(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length)
  values.forEach((value, at) => void bytes.writeUInt32BE(value, 4 * at))
  return bytes
}

export function reset(stream: number, code: number = CODE.CANCEL): Buffer {
  return frame(TYPE.RST_STREAM, 0, stream, number(code))
}

export function windowUpdate(stream: number, by: number): Buffer {
  return frame(TYPE.WINDOW_UPDATE, 0, stream, number(by))
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

/** Cuts what comes into frames; of one that has not all come, the bytes are kept. */
export class FrameReader {
  #skip: number
  #rest: Buffer = NOTHING

  /** @param skip bytes ahead of the first frame: the preface's. Default 0. */
  constructor(skip = 0) {
    this.#skip = skip
  }

  /** @returns the frames that are whole now; a payload is part of the chunk it came in */
  read(chunk: Buffer): Frame[] {
    const skipped = Math.min(this.#skip, chunk.length)
    this.#skip -= skipped
    const fresh = chunk.subarray(skipped)
    let bytes = this.#rest.length === 0 ? fresh : Buffer.concat([this.#rest, fresh])
    const frames: Frame[] = []
    while (bytes.length >= 9) {
      const end = 9 + bytes.readUIntBE(0, 3)
      if (bytes.length < end) break
      frames.push({
        type: bytes[3] as number,
        flags: bytes[4] as number,
        stream: bytes.readUInt32BE(5) & 0x7fffffff,
        payload: bytes.subarray(9, end)
      })
      bytes = bytes.subarray(end)
    }
    this.#rest = bytes
    return frames
  }
}
