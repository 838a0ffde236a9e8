import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { ProxyError } from '../errors.js'
import { isReasonPhrase } from '../hooks/field.js'
import type { Downstream, DownstreamOwner } from './downstream.js'
import { isHopByHop } from './hop-by-hop.js'
import { readHttp1Head } from './http1-head.js'
import type { Peer } from './peer.js'
import type { RequestHead } from './request.js'

/** Bytes up to which copying a body costs less than a second write. */
const ONE_WRITE = 8 * 1024

/** A request over HTTP/1.0 or 1.1, as Node's server hands it over. */
export class Http1Downstream implements Downstream {
  readonly peer: Peer
  readonly method: string
  readonly multiplexed = false
  readonly source: IncomingMessage
  readonly whole = undefined
  readonly #outgoing: ServerResponse
  readonly #target: string
  /** Node's server has given its socket away for an upgrade. */
  readonly #upgrading: boolean

  /** @param target as the client sent it */
  constructor(
    peer: Peer,
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    target: string,
    upgrading = false
  ) {
    this.peer = peer
    this.method = incoming.method as string
    this.source = incoming
    this.#outgoing = outgoing
    this.#target = target
    this.#upgrading = upgrading
  }

  get httpVersion(): string {
    return this.source.httpVersion
  }

  get fields(): readonly string[] {
    return this.source.rawTrailers
  }

  get headersSent(): boolean {
    return this.#outgoing.headersSent
  }

  get over(): boolean {
    return this.#outgoing.destroyed
  }

  get finished(): boolean {
    return this.#outgoing.writableFinished
  }

  get gone(): boolean {
    return this.source.socket.destroyed || this.source.errored !== null
  }

  readHead(): RequestHead {
    const { rawHeaders, httpVersionMajor, httpVersionMinor } = this.source
    if (httpVersionMajor !== 1) throw new ProxyError('BAD_REQUEST', 'the request is not HTTP/1')
    return readHttp1Head(this.#target, rawHeaders, httpVersionMinor, this.#upgrading, this.peer.trusted)
  }

  attach(owner: DownstreamOwner): void {
    const outgoing = this.#outgoing
    const closed = () => owner.closed()
    outgoing.on('close', closed)
    if (outgoing.socket === null) {
      // A pipelined request's response has no socket yet, and would not be told that the client left.
      const { socket } = this.source
      socket.on('close', closed)
      outgoing.once('close', () => socket.off('close', closed))
    }
    this.#owner = owner
  }

  #owner: DownstreamOwner | undefined = undefined
  #draining = false
  #bodyBegun = false

  distrust(): void {
    this.peer.distrusted = true
    this.#outgoing.shouldKeepAlive = false
  }

  wantBody(): void {
    const outgoing = this.#outgoing
    if (outgoing.headersSent) return
    if (outgoing.socket !== null) {
      outgoing.writeContinue()
      return
    }
    // A pipelined request's turn has not come: Node would put the 100 behind the head of its answer. Where the answer is
    // ready before, Node would end the connection for want of a 100; whether it must end is the writer's to say.
    ;(outgoing as ServerResponse & { _expect_continue?: boolean })._expect_continue = false
    outgoing.once('socket', () => this.wantBody())
  }

  /** As the upstream sent it: Node's own writer of hints knows only the plainest of links. */
  information(status: number, headers: string[]): void {
    const outgoing = this.#outgoing
    // Of a pipelined request the turn may not have come, and HTTP/1.0 knows no 1xx.
    if (outgoing.headersSent || outgoing.socket === null || this.source.httpVersionMinor === 0) return
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
    for (let i = 0; i < headers.length; i += 2) {
      if (!isHopByHop(headers[i] as string)) head += `${headers[i]}: ${headers[i + 1]}\r\n`
    }
    outgoing.socket.write(`${head}\r\n`, 'latin1')
  }

  head(status: number, statusText: string, flat: string[], alone: boolean, open: boolean): void {
    const outgoing = this.#outgoing
    try {
      if (statusText === '' || !isReasonPhrase(statusText)) outgoing.writeHead(status, flat)
      else outgoing.writeHead(status, statusText, flat)
    } catch (error) {
      outgoing.statusMessage = ''
      throw error
    }
    // A body of a known length comes soon or is no stream.
    if (open && !alone) process.nextTick(flush, this)
  }

  /** @internal Node keeps the head for the body's first bytes: a small body leaves with it, a stream may be long in coming. */
  flush(): void {
    const outgoing = this.#outgoing
    if (!this.#bodyBegun && !outgoing.destroyed) outgoing.flushHeaders()
  }

  write(chunk: Buffer): boolean {
    this.#bodyBegun = true
    const outgoing = this.#outgoing
    if (outgoing.write(chunk)) return true
    if (!this.#draining) {
      this.#draining = true
      outgoing.on('drain', () => this.#owner?.drained())
    }
    return false
  }

  end(last: Buffer | undefined, trailers: string[]): void {
    this.#bodyBegun = true
    const outgoing = this.#outgoing
    if (trailers.length > 0) {
      const pairs: [string, string][] = []
      for (let i = 0; i < trailers.length; i += 2)
        pairs.push([trailers[i] as string, trailers[i + 1] as string])
      outgoing.addTrailers(pairs)
    }
    if (last === undefined) {
      outgoing.end()
      return
    }
    const { socket } = outgoing
    if (
      socket === null ||
      socket === undefined ||
      last.length === 0 ||
      last.length > ONE_WRITE ||
      trailers.length > 0
    ) {
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

  /** Node's own time, which looks at what the system has taken; that of an idle connection takes its place at the end. */
  timeUnread(ms: number): void {
    const { socket, writableLength } = this.#outgoing
    if (writableLength > 0) socket?.setTimeout(ms)
  }

  destroy(): void {
    const { socket, httpVersionMinor } = this.source
    // HTTP/1.0 may have nothing but the connection's end to tell where a body ends, so it must not look like one.
    // Node's `resetAndDestroy` ends the connection first, where anything is still to be written; this is the rest of it.
    if (httpVersionMinor === 0 && !(socket instanceof TLSSocket))
      (socket as Socket & { resetAndClosing?: boolean }).resetAndClosing = true

    this.#outgoing.destroy()
  }

  hangUp(): void {
    this.source.socket.destroy()
  }

  upgrade(flat: string[]): Duplex {
    const outgoing = this.#outgoing
    const { socket } = this.source
    let head = 'HTTP/1.1 101 Switching Protocols\r\n'
    for (let i = 0; i < flat.length; i += 2) head += `${flat[i]}: ${flat[i + 1]}\r\n`
    outgoing.detachSocket(socket)
    socket.write(`${head}\r\n`, 'latin1')
    return socket
  }
}

function flush(downstream: Http1Downstream): void {
  downstream.flush()
}
