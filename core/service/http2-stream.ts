import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2'
import { constants } from 'node:http2'
import { Readable } from 'node:stream'
import type { SystemError } from './http2-failure.js'

/** Who reads a stream. Blocks of fields are flat, as received, pseudo fields first. */
export interface StreamReader {
  /** A 1xx response. */
  information(status: number, raw: string[]): void
  /** @param final END_STREAM came with it */
  head(status: number, raw: string[], final: boolean): void
  /** @returns false for the peer to wait until `ask` */
  received(chunk: Buffer): boolean
  /** END_STREAM has come; `trailed` may follow on the next tick. */
  completed(): void
  trailed(raw: string[]): void
  /** The upload has gone out, and `sendTrailers` ends it. */
  wantTrailers(): void
  errored(error: SystemError): void
  /** It is gone, however that came. */
  closed(): void
}

const kReader = Symbol('reader')

export type ReadStream = ClientHttp2Stream & { [kReader]: StreamReader }

/**
 * Reads a stream without the buffer of Readable, which would hold each chunk once more and end the stream cleanly when
 * it was reset. Every listener is the same for all streams.
 */
export function read(stream: ClientHttp2Stream, reader: StreamReader, trailing: boolean): void {
  ;(stream as ReadStream)[kReader] = reader
  stream.push = push
  stream.on('headers', onHeaders)
  stream.on('response', onResponse)
  stream.on('trailers', onTrailers)
  stream.on('error', onError)
  stream.on('close', onClose)
  if (trailing) stream.on('wantTrailers', onWantTrailers)
  ask(stream)
}

/** Lets the peer send on. */
export function ask(stream: ClientHttp2Stream): void {
  if (!stream.destroyed) stream._read(0)
}

/**
 * In place of the stream's own: an end that comes before the stream counts as closed is END_STREAM. Any other is a
 * reset, which Node passes off as a clean end where its code is NO_ERROR.
 */
function push(this: Readable, chunk: Buffer | null): boolean {
  const stream = this as ReadStream
  if (chunk !== null) return stream[kReader].received(chunk)
  if (!stream.closed) stream[kReader].completed()
  // Node would wait for ever to send the rest of the upload first.
  else if (!stream.writableFinished) process.nextTick(destroyNow, stream)
  return Readable.prototype.push.call(stream, null)
}

function destroyNow(stream: ReadStream): void {
  if (!stream.destroyed) stream.destroy()
}

function onHeaders(
  this: ClientHttp2Stream,
  headers: IncomingHttpHeaders,
  _flags: number,
  ...more: unknown[]
) {
  ;(this as ReadStream)[kReader].information(Number(headers[':status']), more[0] as string[])
}

function onResponse(
  this: ClientHttp2Stream,
  headers: IncomingHttpHeaders,
  flags: number,
  ...more: unknown[]
) {
  const final = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
  ;(this as ReadStream)[kReader].head(Number(headers[':status']), more[0] as string[], final)
}

function onTrailers(this: ClientHttp2Stream, _headers: unknown, _flags: number, ...more: unknown[]): void {
  ;(this as ReadStream)[kReader].trailed(more[0] as string[])
}

function onWantTrailers(this: ClientHttp2Stream): void {
  ;(this as ReadStream)[kReader].wantTrailers()
}

function onError(this: ClientHttp2Stream, error: SystemError): void {
  ;(this as ReadStream)[kReader].errored(error)
}

function onClose(this: ClientHttp2Stream): void {
  ;(this as ReadStream)[kReader].closed()
}
