import { connect as connectHttp2 } from 'node:http2'
import { createConnection, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { parseResponse, RawClient, type RawResponse } from '../../support/raw-client.js'

/** How the bytes in front and those behind them are cut: all that comes at first in one piece, or byte by byte. */
export type Cut = 'whole' | 'bytes'

/** A connection that begins with bytes of the test's, and then is whatever its user writes. */
export class Begun extends Duplex {
  readonly #socket: Socket
  readonly #cut: Cut
  #first: Buffer | undefined

  constructor(socket: Socket, first: Buffer, cut: Cut) {
    super()
    this.#socket = socket
    this.#first = first
    this.#cut = cut
    socket.setNoDelay(true)
    socket.on('data', (chunk) => this.push(chunk))
    socket.on('end', () => this.push(null))
    socket.on('error', () => {})
    socket.on('close', () => this.destroy())
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#first === undefined) {
      this.#socket.write(chunk, done)
      return
    }
    const bytes = Buffer.concat([this.#first, chunk])
    this.#first = undefined
    if (this.#cut === 'whole') this.#socket.write(bytes, done)
    else void inPieces(this.#socket, bytes).then(() => done())
  }

  override _final(done: () => void): void {
    this.#socket.end(done)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy()
    done(error)
  }
}

/** One byte a turn of the event loop, so that the other end, which has the same, reads each by itself. */
export async function inPieces(socket: Socket, bytes: Buffer): Promise<void> {
  socket.setNoDelay(true)
  for (const byte of bytes) {
    if (socket.destroyed) return
    socket.write(Buffer.from([byte]))
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** @param from the address of loopback to connect from */
export function dial(url: string, from = '127.0.0.1'): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({
      host: '127.0.0.1',
      port: Number(new URL(url).port),
      localAddress: from
    })
    socket.once('error', reject)
    socket.once('connect', () => resolve(socket))
  })
}

export interface Way {
  readonly url: string
  /** What stands ahead of everything else. */
  readonly first?: Buffer
  readonly cut?: Cut
  /** Of loopback. */
  readonly from?: string
  /** Default `/`. */
  readonly path?: string
  /** Default `shop.example`. */
  readonly host?: string
  /** Fields besides `host`, as lines. */
  readonly fields?: readonly string[]
  /** The CA that the server is verified by, over TLS. */
  readonly ca?: string
}

async function begin({ url, first = Buffer.alloc(0), cut = 'whole', from }: Way): Promise<Begun> {
  return new Begun(await dial(url, from), first, cut)
}

function secured(socket: Duplex, ca: string, alpn: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const tls = connectTls({ socket, ca, servername: 'localhost', ALPNProtocols: [alpn] })
    tls.once('error', reject)
    tls.once('secureConnect', () => resolve(tls))
    socket.once('close', () => reject(new Error('closed before the handshake was done')))
  })
}

/** A GET over HTTP/1.1. */
export async function get(way: Way): Promise<RawResponse> {
  const begun = await begin(way)
  const socket = way.ca === undefined ? begun : await secured(begun, way.ca, 'http/1.1')
  const client = new RawClient(socket as Socket)
  const { path = '/', host = 'shop.example' } = way
  client.write(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\n${lines(way.fields)}\r\n`)
  await client.until((text) => parseResponse(text) !== undefined, 'an answer')
  // The connection is as good as any other: a second request gets its answer.
  const before = client.length
  client.write('GET / HTTP/1.1\r\nhost: shop.example\r\n\r\n')
  await client.until((text) => parseResponse(text.slice(before)) !== undefined, 'a second answer')
  const answer = parseResponse(client.text) as RawResponse
  client.destroy()
  return answer
}

/** The same over HTTP/2. */
export async function get2(way: Way): Promise<RawResponse> {
  const begun = await begin(way)
  const socket = way.ca === undefined ? begun : await secured(begun, way.ca, 'h2')
  const session = connectHttp2('http://shop.example', { createConnection: () => socket as Socket })
  const given: Record<string, string | string[]> = {}
  for (const line of way.fields ?? []) {
    const [name = '', value = ''] = line.split(/: (.*)/s)
    const before = given[name.toLowerCase()]
    given[name.toLowerCase()] = before === undefined ? value : [before, value].flat()
  }
  try {
    return await new Promise((resolve, reject) => {
      session.once('error', reject)
      session.once('close', () => reject(new Error('the session ended without an answer')))
      const stream = session.request({
        ':authority': way.host ?? 'shop.example',
        ':path': way.path ?? '/',
        ...given
      })
      const fields: string[] = []
      let status = 0
      let body = ''
      stream.on('response', (headers) => {
        status = Number(headers[':status'])
        for (const [name, value] of Object.entries(headers)) {
          for (const one of [value].flat()) if (!name.startsWith(':')) fields.push(`${name}: ${one}`)
        }
      })
      stream.setEncoding('utf8').on('data', (chunk) => (body += chunk))
      stream.once('error', reject)
      stream.once('end', () => resolve({ status, fields, body }))
    })
  } finally {
    session.destroy()
  }
}

function lines(fields: readonly string[] = []): string {
  return fields.map((line) => `${line}\r\n`).join('')
}

/** What an answer of `echo` says of the request that the service got, field by field, names in lower case. */
export function seenBy(answer: RawResponse): Record<string, string[]> {
  const { rawHeaders } = JSON.parse(answer.body) as { rawHeaders: string[] }
  const seen: Record<string, string[]> = {}
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase()
    seen[name] = [...(seen[name] ?? []), rawHeaders[i + 1] as string]
  }
  return seen
}
