import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { Duplex, Readable } from 'node:stream'
import { ProxyError } from '../errors.js'
import type { Downstream, DownstreamOwner } from './downstream.js'
import { isHopByHop } from './hop-by-hop.js'
import type { Peer } from './peer.js'
import { expectsContinue, RequestHead, readField } from './request.js'

/** Fields of a header block; more are 431. */
const MAX_FIELDS = 100

const none: readonly string[] = []

/** A request over HTTP/2: one stream of a session of Node's server. */
export class Http2Downstream implements Downstream {
  readonly peer: Peer
  readonly method: string
  readonly httpVersion = '2.0'
  readonly multiplexed = true
  fields: readonly string[] = none
  readonly #stream: ServerHttp2Stream
  readonly #raw: readonly string[]
  readonly #alone: boolean
  #owner: DownstreamOwner | undefined = undefined
  #trailers: string[] | undefined = undefined
  #trailing = false
  #draining = false

  /**
   * @param raw the header block, flat, pseudo fields first
   * @param alone nothing follows it
   */
  constructor(peer: Peer, stream: ServerHttp2Stream, raw: readonly string[], alone: boolean) {
    this.peer = peer
    this.#stream = stream
    this.#raw = raw
    this.#alone = alone
    this.method = raw[raw.indexOf(':method') + 1] as string
    // Whoever reads the body hears of its end; nobody else need die of it.
    stream.on('error', () => {})
    if (!alone) {
      stream.on('trailers', (_headers, _flags, fields?: readonly string[]) => {
        this.fields = (fields ?? none).filter((_, at, all) => isTrailer(all[at - (at % 2)] as string))
      })
    }
  }

  get source(): Readable {
    return this.#stream
  }

  get headersSent(): boolean {
    return this.#stream.headersSent
  }

  get over(): boolean {
    return this.#stream.destroyed || this.#stream.closed
  }

  get finished(): boolean {
    const stream = this.#stream
    return stream.writableFinished && stream.rstCode === constants.NGHTTP2_NO_ERROR
  }

  get gone(): boolean {
    const stream = this.#stream
    return stream.destroyed || stream.aborted || stream.closed
  }

  get flushed(): boolean {
    return this.#stream.writableLength === 0
  }

  readHead(): RequestHead {
    const raw = this.#raw
    if (raw.length > 2 * MAX_FIELDS) throw new ProxyError('HEADERS_TOO_LARGE', 'too many header fields')
    const head = new RequestHead(this.peer.trusted)
    const { flat } = head.headers
    let host: string | undefined
    let cookieAt = -1
    for (let i = 0; i < raw.length; i += 2) {
      const name = raw[i] as string
      const value = raw[i + 1] as string
      switch (name) {
        case ':path':
          head.target = value
          continue
        case ':authority':
          head.authority = value
          flat.push('host', value)
          continue
        case ':method':
        case ':scheme':
          continue
        case ':protocol':
          refuse('extended CONNECT is not served')
          break
        case 'host':
          if (host !== undefined) refuse('more than one Host header')
          host = value
          continue
        case 'content-length':
          head.contentLength = Number(value)
          flat.push(name, value)
          continue
        case 'expect':
          head.expectsContinue = expectsContinue(value)
          continue
        case 'cookie':
          // Crumbs of one field (RFC 9113 section 8.2.3): HTTP/1 has a single one.
          if (cookieAt >= 0) {
            flat[cookieAt] += `; ${value}`
            continue
          }
          cookieAt = flat.length + 1
          break
      }
      readField(head, name, value)
    }
    if (head.authority === undefined) {
      if (host === undefined) refuse('neither :authority nor a Host header')
      head.authority = host as string
      flat.unshift('host', host as string)
    } else if (host !== undefined && host.toLowerCase() !== head.authority.toLowerCase()) {
      refuse(':authority and the Host header differ')
    }
    head.hasBody = !this.#alone
    if (this.#alone) head.contentLength = 0
    return head
  }

  attach(owner: DownstreamOwner): void {
    this.#owner = owner
    const closed = () => owner.closed()
    this.#stream.on('close', closed)
    // A paused stream that its client resets stays open until it is read on.
    this.#stream.on('aborted', closed)
  }

  /** Frames tell one request from the next whatever this one holds. */
  distrust(): void {}

  wantBody(): void {
    if (!this.#stream.headersSent) this.information(100, [])
  }

  information(status: number, headers: string[]): void {
    const stream = this.#stream
    if (stream.headersSent || stream.closed || stream.destroyed) return
    try {
      stream.additionalHeaders({ ':status': status, ...toObject(headers) })
    } catch {
      // A hint that HTTP/2 cannot carry is only a hint.
    }
  }

  head(status: number, _statusText: string, flat: string[], alone: boolean, trailers: boolean): void {
    const stream = this.#stream
    if (stream.closed || stream.destroyed) return
    const headers = toObject(flat)
    headers[':status'] = status
    this.#trailing = trailers && !alone
    if (this.#trailing) {
      stream.once('wantTrailers', () => {
        // Where there are none, Node ends the stream with an empty frame.
        stream.sendTrailers(this.#trailers === undefined ? {} : toObject(this.#trailers))
        this.#release()
      })
    }
    stream.respond(headers, { endStream: alone, waitForTrailers: this.#trailing })
    // Node ends it by itself where the status or HEAD leaves no room for a body.
    if (alone || stream.writableEnded) this.#release()
  }

  write(chunk: Buffer): boolean {
    const stream = this.#stream
    // Ended from within: what comes is for nobody.
    if (stream.closed || stream.destroyed) return true
    if (stream.write(chunk)) return true
    if (!this.#draining) {
      this.#draining = true
      stream.on('drain', () => this.#owner?.drained())
    }
    return false
  }

  end(last: Buffer | undefined, trailers: string[]): void {
    const stream = this.#stream
    if (stream.closed || stream.destroyed) return
    if (trailers.length > 0) this.#trailers = trailers
    if (stream.writableEnded) return
    if (last === undefined || last.length === 0) stream.end()
    else stream.end(last)
    if (!this.#trailing) this.#release()
  }

  /** The answer is complete: of an upload that still comes, the client is told that nobody reads it (RFC 9113 section 8.1). */
  #release(): void {
    const stream = this.#stream
    if (stream.readableEnded || this.#alone) return
    const quit = () => {
      if (!stream.readableEnded && !stream.closed) stream.close(constants.NGHTTP2_NO_ERROR)
    }
    if (stream.writableFinished) setImmediate(quit)
    else stream.once('finish', () => setImmediate(quit))
  }

  destroy(): void {
    const stream = this.#stream
    if (!stream.closed) stream.close(constants.NGHTTP2_INTERNAL_ERROR)
    // Bytes that wait for the client's window would keep it.
    stream.destroy()
  }

  /** Its connection is others' too. */
  hangUp(): void {}

  upgrade(): Duplex {
    throw new Error('HTTP/2 has no upgrade')
  }
}

/** As Node wants them: in lower case, a repeated field as a list. What belongs to a connection is not HTTP/2's. */
function toObject(flat: readonly string[]): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = Object.create(null)
  for (let i = 0; i < flat.length; i += 2) {
    const name = (flat[i] as string).toLowerCase()
    if (isHopByHop(name)) continue
    const value = flat[i + 1] as string
    const before = headers[name]
    if (before === undefined) headers[name] = value
    else if (Array.isArray(before)) before.push(value)
    else headers[name] = [before as string, value]
  }
  return headers
}

/** Fields that a trailer may not hold are those of the framing and of routing (RFC 9110 section 6.5.1). */
function isTrailer(name: string): boolean {
  return !name.startsWith(':') && name !== 'content-length' && name !== 'host' && !isHopByHop(name)
}

function refuse(message: string): never {
  throw new ProxyError('BAD_REQUEST', message)
}
