import type { BlockList, Socket } from 'node:net'
import { isTrusted, Peer, plain } from '../exchange/peer.js'
import { Deadline, type Deadlines } from '../hooks/deadlines.js'
import { readProxyHeader } from './proxy-protocol.js'

/** Whom a PROXY header names. */
export type Named = { readonly address: string; readonly port: number } | undefined

/** What becomes of a connection, once it is known what it speaks. `first`: what was read of it to find out. */
export interface Next {
  /** Undefined: TLS is not spoken here. */
  tls: ((socket: Socket, named: Named) => void) | undefined
  http1(socket: Socket, peer: Peer, first: Buffer | undefined): void
  /** Undefined: HTTP/2 is not spoken here. */
  http2: ((socket: Socket, peer: Peer, first: Buffer | undefined) => void) | undefined
}

export interface FrontOptions {
  readonly deadlines: Deadlines
  /** ms for the first bytes of a connection. */
  readonly timeout: () => number
  readonly trusted: () => BlockList | undefined
  /** Trusted peers begin with a PROXY header. */
  readonly proxyProtocol: boolean
  /** A trusted peer began with no PROXY header, or a broken one. */
  readonly refused: () => void
}

/** Finds out what a new connection speaks: a PROXY header first, then TLS, HTTP/2 by its preface, or HTTP/1. */
export class Front {
  readonly #options: FrontOptions
  readonly #next: Next

  constructor(options: FrontOptions, next: Next) {
    this.#options = options
    this.#next = next
  }

  accept(socket: Socket): void {
    const trusted = isTrusted(this.#options.trusted(), plain(socket.remoteAddress))
    if (trusted && this.#options.proxyProtocol) {
      new ProxyHeaderReader(socket, this.#options, (named, rest) => this.#begin(socket, trusted, named, rest))
    } else {
      this.#begin(socket, trusted, undefined, undefined)
    }
  }

  /** What a connection speaks inside TLS, ALPN has settled. */
  secured(socket: Socket & { alpnProtocol?: string | false | null }, named: Named): void {
    socket.on('error', ignore)
    const { http1, http2 } = this.#next
    const peer = this.#peer(socket, isTrusted(this.#options.trusted(), plain(socket.remoteAddress)), named)
    if (socket.alpnProtocol === 'h2' && http2 !== undefined) http2(socket, peer, undefined)
    else http1(socket, peer, undefined)
  }

  #begin(socket: Socket, trusted: boolean, named: Named, rest: Buffer | undefined): void {
    const { tls, http1, http2 } = this.#next
    if (tls !== undefined) {
      if (rest !== undefined) {
        socket.pause()
        socket.unshift(rest)
      }
      tls(socket, named)
      return
    }
    const peer = this.#peer(socket, trusted, named)
    if (http2 === undefined) {
      http1(socket, peer, rest)
      return
    }
    new PrefaceReader(socket, this.#options, rest, (first, isHttp2) => {
      if (isHttp2) http2(socket, peer, first)
      else http1(socket, peer, first)
    })
  }

  /** A PROXY header is the word of a trusted peer; whom it names need not be one. */
  #peer(socket: Socket, trusted: boolean, named: Named): Peer {
    if (named === undefined) return new Peer(socket, trusted)
    return new Peer(socket, isTrusted(this.#options.trusted(), plain(named.address)), named)
  }
}

/** Reads ahead until it can tell. */
abstract class Reader extends Deadline {
  protected readonly socket: Socket
  readonly #deadlines: Deadlines
  #bytes: Buffer | undefined

  constructor(socket: Socket, options: FrontOptions) {
    super()
    this.socket = socket
    this.#deadlines = options.deadlines
    this.#deadlines.watch(this, options.timeout())
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.on('close', this.#onClose)
  }

  /** Ends by `release` once it can tell. */
  protected abstract look(bytes: Buffer): void

  protected release(): void {
    this.#deadlines.unwatch(this)
    this.socket.off('data', this.#onData)
    this.socket.off('end', this.#onEnd)
    this.socket.off('close', this.#onClose)
  }

  override expire(): void {
    this.socket.destroy()
  }

  protected read(chunk: Buffer): void {
    this.#bytes = this.#bytes === undefined ? chunk : Buffer.concat([this.#bytes, chunk])
    this.look(this.#bytes)
  }

  readonly #onData = (chunk: Buffer): void => this.read(chunk)
  // Nothing that could be answered has come.
  readonly #onEnd = (): void => void this.socket.destroy()
  readonly #onClose = (): void => this.release()
}

class ProxyHeaderReader extends Reader {
  readonly #refused: () => void
  readonly #done: (named: Named, rest: Buffer | undefined) => void

  constructor(socket: Socket, options: FrontOptions, done: (named: Named, rest: Buffer | undefined) => void) {
    super(socket, options)
    this.#done = done
    this.#refused = options.refused
  }

  protected override look(bytes: Buffer): void {
    try {
      const header = readProxyHeader(bytes)
      if (header === undefined) return
      this.release()
      this.#done(header.source, header.length < bytes.length ? bytes.subarray(header.length) : undefined)
    } catch {
      this.#refused()
      this.socket.destroy()
    }
  }
}

/** `PRI` begins HTTP/2's preface (RFC 9113 section 3.4) and no method of HTTP/1; its session reads the rest. */
const PREFACE = Buffer.from('PRI')

class PrefaceReader extends Reader {
  readonly #done: (first: Buffer, isHttp2: boolean) => void

  constructor(
    socket: Socket,
    options: FrontOptions,
    first: Buffer | undefined,
    done: (first: Buffer, isHttp2: boolean) => void
  ) {
    super(socket, options)
    this.#done = done
    if (first !== undefined) this.read(first)
  }

  protected override look(bytes: Buffer): void {
    const length = Math.min(bytes.length, PREFACE.length)
    const alike = bytes.compare(PREFACE, 0, length, 0, length) === 0
    if (alike && length < PREFACE.length) return
    this.release()
    this.#done(bytes, alike)
  }
}

function ignore(): void {}
