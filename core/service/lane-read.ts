import type { Socket } from 'node:net'
import { Readable } from 'node:stream'

const kReader = Symbol('reader')
type Read = Socket & { [kReader]?: LaneReader | undefined }

/** Whoever reads from a socket that was opened with `laneRead`. */
export interface LaneReader {
  /** It reads a body that may be large. */
  readonly streams: boolean
  /** @param lent the bytes are good for this call alone */
  read(bytes: Buffer, lent: boolean): void
}

const SIZE = 64 * 1024
/** Bytes up to which a copy costs less than a buffer that is given away. */
const COPIED = 16 * 1024

/** What all sockets read into that stream no large body. */
const shared = Buffer.allocUnsafeSlow(SIZE)
/** What the socket that has just read is to read into next. */
let upcoming: Buffer = shared

/**
 * `onread` of `net.connect`: what comes is read into one buffer for all sockets, in place of a new one each time that is cut
 * to size behind it, which costs more than all else of reading a small answer. While it streams a large body, a socket has a
 * buffer of its own, which goes with what was read. A socket without a reader is a stream like any other.
 */
export const laneRead = {
  /** Asked when a socket is made, and right behind each `callback`. */
  buffer: (): Uint8Array => {
    const buffer = upcoming
    upcoming = shared
    return buffer
  },
  callback(this: unknown, length: number, buffer: Uint8Array): boolean {
    const socket = this as Read
    const bytes = (buffer as Buffer).subarray(0, length)
    const reader = socket[kReader]
    if (reader === undefined) return socket.push(Buffer.from(bytes))
    const own = buffer !== shared
    const given = own && length > COPIED
    reader.read(bytes, !given)
    if (reader.streams) upcoming = own && !given ? (buffer as Buffer) : Buffer.allocUnsafeSlow(SIZE)
    return true
  }
}

export function readWith(socket: Socket, reader: LaneReader): void {
  ;(socket as Read)[kReader] = reader
}

/** From now on it is a stream like any other. */
export function readAsStream(socket: Socket): void {
  ;(socket as Read)[kReader] = undefined
  // It goes on reading: what comes before someone listens waits in the stream.
  Readable.prototype.pause.call(socket)
}
