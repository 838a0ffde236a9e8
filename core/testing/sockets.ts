// Requests and responses without sockets: as much of node:http as an exchange touches.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { Readable, Writable } from 'node:stream'
import { Peer } from '../exchange/peer.js'
import type { ClientCertificate } from '../hooks/types.js'

export interface SentRequest {
  method?: string
  /** Path and query, or a whole URL for its host. Default `/`. */
  url?: string
  headers?: Record<string, string | string[]>
  /** An object is sent as JSON; a list of pieces arrives as pieces, chunked. */
  body?: string | Uint8Array | object | Uint8Array[]
  /** Who asks. Default 127.0.0.1, without a certificate. */
  client?: { address?: string; certificate?: Partial<ClientCertificate> }
}

/** The far end of no connection. */
export class FakePeer extends Peer {
  readonly #shown: ClientCertificate | undefined

  constructor({ address = '127.0.0.1', certificate }: NonNullable<SentRequest['client']> = {}) {
    super(new Socket(), false, { address, port: 40_000 })
    this.#shown = certificate && {
      subject: '',
      uris: [],
      dnsNames: [],
      fingerprint: '0'.repeat(64),
      ...certificate
    }
  }

  override get certificate(): ClientCertificate | undefined {
    return this.#shown
  }
}

export function fakeIncoming(sent: SentRequest): IncomingMessage {
  const raw: string[] = []
  for (const [name, value] of Object.entries(sent.headers ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) raw.push(name, one)
  }
  const has = (name: string) => raw.some((field, i) => i % 2 === 0 && field.toLowerCase() === name)
  const { body } = sent
  let pieces: Uint8Array[] = []
  if (Array.isArray(body)) {
    pieces = body
    raw.push('transfer-encoding', 'chunked')
  } else if (body !== undefined) {
    const isPlain = typeof body === 'string' || body instanceof Uint8Array
    if (!isPlain && !has('content-type')) raw.push('content-type', 'application/json')
    const bytes = Buffer.from(isPlain ? (body as string) : JSON.stringify(body))
    pieces = [bytes]
    if (!has('content-length')) raw.push('content-length', String(bytes.length))
  }
  if (!has('host')) raw.push('host', 'test.local')
  const incoming = Readable.from(pieces, { objectMode: false }) as unknown as IncomingMessage
  return Object.assign(incoming, {
    method: (sent.method ?? (body === undefined ? 'GET' : 'POST')).toUpperCase(),
    rawHeaders: raw,
    httpVersion: '1.1',
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    socket: { remoteAddress: '127.0.0.1', remotePort: 40000, destroyed: false, destroy: () => {} }
  }) as unknown as IncomingMessage
}

/** Keeps what would have been written. */
export class FakeOutgoing extends Writable {
  status = 0
  statusMessage = ''
  headers: string[] = []
  trailers: [string, string][] = []
  headersSent = false
  shouldKeepAlive = true
  continued = false
  /** 1xx responses, as they would have been written. */
  readonly informational: string[] = []
  readonly socket = {
    write: (text: string) => this.informational.push(text),
    cork: () => {},
    uncork: () => {}
  }
  readonly #chunks: Buffer[] = []
  readonly #bodiless: boolean

  /** @param method of the request: as in node:http, what is written as the body of an answer to HEAD goes nowhere */
  constructor(method = 'GET') {
    super()
    this.#bodiless = method === 'HEAD'
  }

  /** How much of an answer there is so far, for who asks whether there is more of it than before. */
  get progress(): number {
    return Number(this.headersSent) + this.#chunks.length
  }

  get body(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  /** All that is written is there at once. */
  flushHeaders(): void {}

  writeHead(status: number, ...rest: (string | string[])[]): this {
    this.status = status
    this.headers = rest.at(-1) as string[]
    this.headersSent = true
    return this
  }

  writeContinue(): void {
    this.continued = true
  }

  addTrailers(trailers: [string, string][]): void {
    this.trailers.push(...trailers)
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    if (!this.#bodiless) this.#chunks.push(chunk)
    callback()
  }

  asResponse(): ServerResponse {
    return this as unknown as ServerResponse
  }
}
