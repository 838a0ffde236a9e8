import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import type { Test } from 'tap'
import type { ListenerTls } from '../../../core/config/types.js'
import { CapturedLog } from '../../../core/testing/captured-log.js'
import { CredentialStore } from '../../../core/tls/credential-store.js'
import { clientCertificate, identityOf } from '../../../core/tls/peer.js'
import { TlsAcceptor } from '../../../core/tls/server.js'
import { type Certificate, certificate } from '../../support/certificates.js'

export const ca = certificate({ name: 'test CA', authority: true })
export const otherCa = certificate({ name: 'another CA', authority: true })
export const server = certificate({ name: 'localhost', issuer: ca })

/** What a server says of a connection, as its one answer. */
export interface Seen {
  readonly protocol: string
  readonly alpn: string | false
  readonly identity: string | null
  readonly resumed: boolean
  /** What the client had sent by then. */
  readonly heard: string
}

export interface Accepting {
  readonly port: number
  readonly folder: string
  readonly acceptor: TlsAcceptor
  readonly credentials: CredentialStore
  readonly log: CapturedLog
  /** What of `ListenerTls` it began with. */
  readonly tls: ListenerTls
  /** Writes a pair's two files, by which `tls` calls them. */
  write(base: string, pair: Certificate): { cert: string; key: string }
}

export interface AcceptingOptions {
  readonly tls?: Partial<ListenerTls>
  /** Puts its certificate into its folder. By default `server`'s, as `server.pem` and `server.key`. */
  readonly layout?: (folder: string) => { cert: string; key: string }
  readonly http2?: boolean
  readonly handshakeTimeout?: number
  /** Answers as HTTP/1.1 once it has heard something, for clients that speak it. */
  readonly http?: boolean
  /** What is done with a connection before its handshake. */
  readonly before?: (raw: Socket, go: () => void) => void
  /** Each connection, in place of an answer. */
  readonly onSocket?: (socket: TLSSocket) => void
}

/** A server on a port of its own, in front of an acceptor; closed with the test. */
export async function accepting(t: Test, options: AcceptingOptions = {}): Promise<Accepting> {
  const folder = t.testdir()
  const write = (base: string, { cert, key }: Certificate) => {
    const files = { cert: join(folder, `${base}.pem`), key: join(folder, `${base}.key`) }
    writeFileSync(files.cert, cert)
    writeFileSync(files.key, key)
    return files
  }
  write('ca', ca)
  const log = new CapturedLog()
  const credentials = new CredentialStore({ log, poll: 60_000 })
  const tls: ListenerTls = {
    ...(options.layout?.(folder) ?? write('server', server)),
    ca: undefined,
    clientAuth: 'none',
    minVersion: 'TLSv1.2',
    sni: [],
    ...options.tls
  }
  const { handshakeTimeout, http = false, onSocket = (socket) => answer(socket, http) } = options
  const acceptor = new TlsAcceptor(tls, options.http2 ?? true, onSocket, {
    credentials,
    log,
    ...(handshakeTimeout === undefined ? {} : { handshakeTimeout })
  })
  const raws = new Set<Socket>()
  const listener = createServer((raw) => {
    raws.add(raw)
    raw.once('close', () => raws.delete(raw))
    if (options.before === undefined) acceptor.accept(raw)
    else options.before(raw, () => acceptor.accept(raw))
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  t.teardown(() => {
    for (const raw of raws) raw.destroy()
    acceptor.close()
    credentials.close()
    listener.close()
  })
  return { port: (listener.address() as AddressInfo).port, folder, acceptor, credentials, log, tls, write }
}

function answer(socket: TLSSocket, http: boolean): void {
  socket.on('error', () => {})
  socket.once('data', (chunk) => {
    const certificate = clientCertificate(socket)
    const seen: Seen = {
      protocol: socket.getProtocol() ?? '',
      alpn: socket.alpnProtocol ?? false,
      identity: (certificate && identityOf(certificate)) ?? null,
      resumed: socket.isSessionReused(),
      heard: String(chunk)
    }
    const body = JSON.stringify(seen)
    const head = `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n`
    socket.end(http ? head + body : body)
  })
}

export interface Asked {
  readonly seen: Seen
  /** The common name of what the server showed. */
  readonly shown: string
  /** The last one it gave, to be resumed with. */
  readonly session: Buffer | undefined
}

/** One connection: says `hello`, and hears what the server saw. @throws when the handshake or what follows fails */
export function ask(port: number, options: ConnectionOptions = {}): Promise<Asked> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca: ca.cert, ...options })
    let text = ''
    let session: Buffer | undefined
    let shown = ''
    socket.setTimeout(10_000, () => socket.destroy(new Error('nothing came')))
    socket.on('session', (given) => (session = given))
    socket.once('secureConnect', () => {
      shown = String(socket.getPeerCertificate().subject?.CN ?? '')
      socket.write('hello')
    })
    socket.on('data', (chunk) => (text += chunk))
    socket.once('error', reject)
    socket.once('close', () => {
      if (text === '') reject(new Error('closed without an answer'))
      else resolve({ seen: JSON.parse(text) as Seen, shown, session })
    })
  })
}

/** Waits until it holds. @throws when it has not within 10 s */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 10_000
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`never came to be: ${holds}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
