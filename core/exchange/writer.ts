import { pipeline as pipe, type Readable, Writable } from 'node:stream'
import { viaField } from './identity.js'
import type { Lifecycle } from './lifecycle.js'
import type { ResponseState } from './response.js'

/** Of an upload that nobody wants: what is still taken so that the client can read the answer (bytes, ms). */
export const DRAIN_BYTES = 64 * 1024
export const DRAIN_MS = 1_000

const none: string[] = []

/** Puts one response on the client's connection. */
export class ResponseWriter {
  /** Bytes of the body. */
  written = 0
  readonly #exchange: Lifecycle
  readonly #response: ResponseState
  /** The body's last piece, kept back a moment so that it leaves in one write with the end. */
  #last: Buffer | undefined
  #left: number
  #drained: (() => void) | undefined

  constructor(exchange: Lifecycle, response: ResponseState) {
    this.#exchange = exchange
    this.#response = response
    this.#left = response.body.length ?? Number.POSITIVE_INFINITY
  }

  /**
   * @param alone nothing follows
   * @param trailers some may follow the body
   */
  head(alone: boolean, trailers: boolean): void {
    const exchange = this.#exchange
    const { downstream, entry } = exchange
    const { status, statusText, headers } = this.#response
    if (status === 204) headers.delete('content-length')
    const { flat } = headers
    if (entry.via !== undefined) flat.push('via', viaField(this.#receivedVersion(), entry.via))
    if (entry.serverTiming) flat.push('server-timing', exchange.timing())
    if (entry.draining && !downstream.multiplexed) flat.push('connection', 'close')
    this.#response.trailing = trailers && !alone
    downstream.head(status, statusText, flat, alone, trailers)
  }

  /** A body that is all there. */
  content(content: Buffer): void {
    const { downstream, clientBody, entry, awaitsContinue, request } = this.#exchange
    const bodiless = request.method === 'HEAD'
    if (!bodiless) this.written = content.length
    const { trailers } = this.#response
    // Where requests share the connection, an upload that nobody reads is in nobody's way.
    const unread =
      clientBody !== undefined && !clientBody.complete && !downstream.multiplexed ? clientBody : undefined
    // What cannot be drained in good time ends the connection, or the client's upload would be read as its next request.
    const closes =
      unread !== undefined && (awaitsContinue || unread.length === undefined || unread.length > DRAIN_BYTES)
    if (closes && !entry.draining) this.#response.headers.flat.push('connection', 'close')
    const alone = (content.length === 0 || bodiless) && trailers.length === 0
    if (trailers.length > 0) this.#response.headers.delete('content-length')
    this.head(alone, trailers.length > 0)
    if (!closes || awaitsContinue) {
      downstream.end(content, trailers)
      return
    }
    // Closing over unread bytes resets the connection, and the answer with it: first the answer, then some reading.
    downstream.write(content)
    unread.drain(DRAIN_BYTES, DRAIN_MS, () => downstream.end(undefined, trailers))
  }

  /** A plugin's body, as it comes. */
  flow(body: Readable): void {
    this.head(false, true)
    const { downstream } = this.#exchange
    const count = new Writable({
      write: (chunk: Buffer, _encoding, callback) => {
        this.written += chunk.length
        if (downstream.write(chunk)) {
          callback()
          return
        }
        this.#drained = callback
        this.#exchange.heldUp()
      },
      final: (callback) => {
        downstream.end(undefined, none)
        callback()
      }
    })
    pipe(body, count, (error) => {
      if (error) downstream.destroy()
    })
  }

  /** There is room again. @returns whether it was a plugin's body that waited for it */
  drained(): boolean {
    const drained = this.#drained
    this.#drained = undefined
    drained?.()
    return drained !== undefined
  }

  relay(chunk: Buffer): boolean {
    this.written += chunk.length
    this.#left -= chunk.length
    if (this.#left === 0) {
      this.#last = chunk
      return true
    }
    return this.#exchange.downstream.write(chunk)
  }

  end(trailers: string[]): void {
    this.#exchange.downstream.end(this.#last, trailers)
  }

  #receivedVersion(): string {
    const { attempts, downstream } = this.#exchange
    return this.#response.local ? downstream.httpVersion : (attempts.at(-1)?.call?.httpVersion ?? '1.1')
  }
}
