import type { Writable } from 'node:stream'
import * as ws from 'ws'

/** Bytes of a message, put together. One that is larger ends the connection with 1009. */
export const MAX_MESSAGE = 1024 * 1024
/** Fragments of a message, and reads that one frame may come in: as the ws package's own, but that less is held here. */
const MAX_FRAGMENTS = 16 * 1024

/** The ws package's reader of frames: written to, it emits what it has read in the same call. */
export interface FrameReceiver extends Pick<Writable, 'write' | 'errored' | 'destroyed'> {
  on(event: 'message', listener: (data: Buffer, binary: boolean) => void): this
  on(event: 'ping' | 'pong', listener: (data: Buffer) => void): this
  /** A close frame; 1005: it had no code. Nothing comes behind it. */
  on(event: 'conclude', listener: (code: number, reason: Buffer) => void): this
  on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): this
}

/** The ws package's writer of frames. */
export interface FrameSender {
  send(data: Buffer, options: { binary: boolean; fin: boolean; mask: boolean; compress: boolean }): void
  ping(data: Buffer, mask: boolean): void
  pong(data: Buffer, mask: boolean): void
  /** Without a code: a frame that has none. */
  close(code: number | undefined, reason: Buffer | string, mask: boolean): void
}

/** As much of a socket as a FrameSender asks of it. */
export interface FrameSink {
  readonly destroyed: boolean
  cork(): void
  uncork(): void
  write(bytes: Buffer): boolean
}

interface Framing {
  Receiver: new (options: {
    isServer: boolean
    maxPayload: number
    maxFragments: number
    maxBufferedChunks: number
  }) => FrameReceiver
  Sender: {
    new (sink: FrameSink): FrameSender
    frame(data: Buffer, options: { fin: boolean; opcode: number; mask: boolean; readOnly: boolean }): Buffer[]
  }
}

// Exported by the package, and missing from its types.
const { Receiver, Sender } = ws as unknown as Framing

/** @param masked true for what a client sends */
export function createReceiver(masked: boolean): FrameReceiver {
  return new Receiver({
    isServer: masked,
    maxPayload: MAX_MESSAGE,
    maxFragments: MAX_FRAGMENTS,
    maxBufferedChunks: MAX_FRAGMENTS
  })
}

export function createSender(sink: FrameSink): FrameSender {
  return new Sender(sink)
}

/** @param mask true for what goes upstream */
export function closeFrame(code: number, mask: boolean): Buffer {
  const payload = Buffer.of(code >> 8, code & 0xff)
  return Buffer.concat(Sender.frame(payload, { fin: true, opcode: 0x8, mask, readOnly: false }))
}

/** The close code for what a FrameReceiver refused. */
export function closeCodeOf(error: NodeJS.ErrnoException): number {
  switch (error.code) {
    case 'WS_ERR_INVALID_UTF8':
      return 1007
    case 'WS_ERR_TOO_MANY_BUFFERED_PARTS':
      return 1008
    case 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH':
    case 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH':
      return 1009
    default:
      return 1002
  }
}

/** Whether an endpoint may put this code into a close frame (RFC 6455, section 7.4, and IANA's registry). */
export function maySend(code: number): boolean {
  if (!Number.isInteger(code)) return false
  if (code >= 3000 && code <= 4999) return true
  return code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006
}
