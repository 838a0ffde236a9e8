import type { Socket } from 'node:net'
import { Readable } from 'node:stream'

const kReader = Symbol('reader')
type Read = Socket & { [kReader]?: LaneReader | undefined }

/** Whoever reads from a socket that was opened with `laneRead`. */
export interface LaneReader {
  /** @param bytes good for this call alone */
  read(bytes: Buffer): void
}

/**
 * `onread` of `net.connect`: what comes is read into one buffer for all sockets, in place of a new one each time that is cut
 * to size behind it, which costs more than all else of reading a small answer. A socket without a reader is a stream like any
 * other.
 */
export const laneRead = {
  buffer: Buffer.allocUnsafeSlow(64 * 1024),
  callback(this: unknown, length: number, buffer: Uint8Array): boolean {
    const socket = this as Read
    const bytes = (buffer as Buffer).subarray(0, length)
    const reader = socket[kReader]
    if (reader === undefined) return socket.push(Buffer.from(bytes))
    reader.read(bytes)
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
