import { STATUS_CODES } from 'node:http'
import { pipeline as pipe, type Readable, Writable } from 'node:stream'
import { isReasonPhrase } from '../hooks/field.js'
import { isHopByHop } from './hop-by-hop.js'
import type { Lifecycle } from './lifecycle.js'
import type { ResponseState } from './response.js'

/** Of an upload that nobody wants: what is still taken so that the client can read the answer (bytes, ms). */
export const DRAIN_BYTES = 64 * 1024
export const DRAIN_MS = 1_000

/** Bytes up to which copying a body costs less than a second write. */
const ONE_WRITE = 8 * 1024

/** Puts one response on the client's connection. */
export class ResponseWriter {
  /** Bytes of the body. */
  written = 0
  readonly #exchange: Lifecycle
  readonly #response: ResponseState
  /** The body's last piece, kept back a moment so that it leaves in one write with the end. */
  #last: Buffer | undefined
  #left: number
  #listening = false

  constructor(exchange: Lifecycle, response: ResponseState) {
    this.#exchange = exchange
    this.#response = response
    this.#left = response.body.length ?? Number.POSITIVE_INFINITY
  }

  /** A 1xx, as the upstream sent it: Node's own writer of hints knows only the plainest of links. */
  static information(exchange: Lifecycle, status: number, headers: string[]): void {
    const { outgoing, incoming } = exchange
    // Of a pipelined request the turn may not have come, and HTTP/1.0 knows no 1xx.
    if (outgoing.headersSent || outgoing.socket === null || incoming.httpVersionMinor === 0 || status === 101)
      return
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
    for (let i = 0; i < headers.length; i += 2) {
      if (!isHopByHop(headers[i] as string)) head += `${headers[i]}: ${headers[i + 1]}\r\n`
    }
    outgoing.socket.write(`${head}\r\n`, 'latin1')
  }

  head(): void {
    const { outgoing, entry } = this.#exchange
    const { status, statusText, headers } = this.#response
    if (status === 204) headers.delete('content-length')
    const { flat } = headers
    if (entry.draining) flat.push('connection', 'close')
    if (statusText === '' || !isReasonPhrase(statusText)) outgoing.writeHead(status, flat)
    else outgoing.writeHead(status, statusText, flat)
  }

  /** A body that is all there. */
  content(content: Buffer): void {
    const { outgoing, clientBody, entry, awaitsContinue } = this.#exchange
    const bodiless = this.#exchange.request.method === 'HEAD'
    if (!bodiless) this.written = content.length
    const unread = clientBody !== undefined && !clientBody.complete
    // What cannot be drained in good time ends the connection, or the client's upload would be read as its next request.
    const closes =
      unread && (awaitsContinue || clientBody.length === undefined || clientBody.length > DRAIN_BYTES)
    if (closes && !entry.draining) this.#response.headers.flat.push('connection', 'close')
    this.head()
    if (!closes || awaitsContinue) {
      outgoing.end(content)
      return
    }
    // Closing over unread bytes resets the connection, and the answer with it: first the answer, then some reading.
    outgoing.write(content)
    clientBody.drain(DRAIN_BYTES, DRAIN_MS, () => outgoing.end())
  }

  /** A plugin's body, as it comes. */
  flow(body: Readable): void {
    this.head()
    const { outgoing } = this.#exchange
    const count = new Writable({
      write: (chunk: Buffer, _encoding, callback) => {
        this.written += chunk.length
        if (outgoing.write(chunk)) callback()
        else outgoing.once('drain', callback)
      },
      final: (callback) => {
        outgoing.end()
        callback()
      }
    })
    outgoing.once('close', () => body.destroy())
    pipe(body, count, (error) => {
      if (error) outgoing.destroy()
    })
  }

  relay(chunk: Buffer): boolean {
    const { outgoing } = this.#exchange
    this.written += chunk.length
    this.#left -= chunk.length
    if (this.#left === 0) {
      this.#last = chunk
      return true
    }
    if (outgoing.write(chunk)) return true
    if (!this.#listening) {
      this.#listening = true
      outgoing.on('drain', () => this.#exchange.drained())
    }
    return false
  }

  end(trailers: string[]): void {
    const { outgoing } = this.#exchange
    if (trailers.length > 0) {
      const pairs: [string, string][] = []
      for (let i = 0; i < trailers.length; i += 2)
        pairs.push([trailers[i] as string, trailers[i + 1] as string])
      outgoing.addTrailers(pairs)
    }
    const last = this.#last
    if (last === undefined) {
      outgoing.end()
      return
    }
    const { socket } = outgoing
    if (socket === null || socket === undefined || last.length > ONE_WRITE || trailers.length > 0) {
      outgoing.end(last)
      return
    }
    // Node puts a string and the head into one piece, and `end` with a piece would add an empty second one, which makes
    // it a gathered write: this way it is one plain write. latin1 keeps every byte.
    socket.cork()
    outgoing.write(last.toString('latin1'), 'latin1')
    socket.uncork()
    outgoing.end()
  }
}
