import { constants, randomBytes } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { createServer, type SecureContext, type Server, type TLSSocket } from 'node:tls'
import type { ListenerTls } from '../config/types.js'
import type { Logger } from '../hooks/plugin.js'
import type { CredentialStore, Held } from './credential-store.js'
import { clientCertificate } from './peer.js'
import { contextOf } from './pem.js'
import { ServerNames } from './server-names.js'

/** ms that a client may take for its handshake. */
const HANDSHAKE_TIMEOUT = 10_000

/** What is offered by ALPN, what is liked best first. HTTP/1.0 is for clients that ask for nothing else. */
const HTTP_1 = ['http/1.1', 'http/1.0']
const HTTP_2 = ['h2', ...HTTP_1]

export interface TlsAcceptorOptions {
  readonly credentials: CredentialStore
  readonly log: Logger
  /** A handshake came to nothing. */
  readonly onRefused?: (reason: string) => void
  /** ms. Default 10 s. */
  readonly handshakeTimeout?: number
}

/** What a listener's connections are taken with. */
interface Terms {
  readonly tls: ListenerTls
  readonly http2: boolean
  readonly main: Held
  readonly others: readonly { readonly names: readonly string[]; readonly held: Held }[]
}

/**
 * Does a listener's handshakes, with its certificates as they are on disk. Each change of them, and each other
 * configuration, is a TLS server anew: handshakes under way end with what they began with, and since the keys of
 * session tickets are new too, nobody resumes what was agreed under another CA.
 */
export class TlsAcceptor {
  readonly #options: TlsAcceptorOptions
  readonly #onSocket: (socket: TLSSocket) => void
  #terms: Terms
  #server: Server

  /**
   * @param http2 whether `h2` is offered
   * @param onSocket is given each connection whose handshake is done, and which under `clientAuth: require` has shown a
   *   certificate that verifies. It listens to its errors from then on. `alpnProtocol` says what was agreed, and is
   *   false for a client that did not ask: HTTP/1.
   * @throws Error that names the file, when a certificate cannot be used
   */
  constructor(
    tls: ListenerTls,
    http2: boolean,
    onSocket: (socket: TLSSocket) => void,
    options: TlsAcceptorOptions
  ) {
    this.#options = options
    this.#onSocket = onSocket
    this.#terms = this.#hold(tls, http2)
    this.#server = this.#begin(this.#terms)
  }

  /**
   * Takes over a connection, and what has been read from it and put back (`unshift`). When the handshake fails it is
   * destroyed, and nobody is told but the log, at level debug.
   *
   * @param raw nobody reads it any more; listeners to its `close` hear of its end
   */
  accept(raw: Duplex): void {
    this.#server.emit('connection', raw)
  }

  /**
   * Takes further connections with these.
   *
   * @throws Error that names the file, when a certificate cannot be used; what was before stays
   */
  update(tls: ListenerTls, http2: boolean): void {
    const before = this.#terms
    if (before.http2 === http2 && JSON.stringify(before.tls) === JSON.stringify(tls)) return
    const terms = this.#hold(tls, http2)
    this.#server = this.#begin(terms)
    this.#terms = terms
    release(before)
  }

  /** Gives its files back. Handshakes under way go on, and so may further ones, with the certificates of now. */
  close(): void {
    release(this.#terms)
  }

  #hold(tls: ListenerTls, http2: boolean): Terms {
    const { credentials } = this.#options
    const { ca, cert, key, sni } = tls
    const main = credentials.acquire({ ca, cert, key })
    const others: Terms['others'][number][] = []
    try {
      for (const each of sni) {
        const held = credentials.acquire({ ca, cert: each.cert, key: each.key })
        others.push({ names: each.names, held })
      }
    } catch (error) {
      release({ main, others })
      throw error
    }
    return { tls, http2, main, others }
  }

  /** The server of these terms, made anew whenever a file of theirs has changed. */
  #begin(terms: Terms): Server {
    try {
      const server = this.#serve(terms)
      const renew = () => this.#renew(terms)
      for (const held of heldBy(terms)) held.onChange(renew)
      return server
    } catch (error) {
      release(terms)
      throw error
    }
  }

  #renew(terms: Terms): void {
    try {
      this.#server = this.#serve(terms)
    } catch (error) {
      this.#options.log.error({ error, cert: terms.tls.cert }, 'the certificates of before stay')
    }
  }

  #serve({ tls, http2, main, others }: Terms): Server {
    const { clientAuth, minVersion } = tls
    const shared = {
      minVersion,
      // Without an identity of its own Node takes the command line's, and OpenSSL refuses resumption where there is none.
      sessionIdContext: randomBytes(16).toString('hex'),
      // Who the client is was settled with the handshake, and HTTP/2 forbids another (RFC 9113 section 9.2.1).
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION
    }
    const names = new ServerNames<SecureContext>()
    for (const each of others) {
      const context = contextOf(each.held.pem, shared)
      for (const name of each.names) names.add(name, context)
    }
    const lookUp = (name: string, done: (error: null, context?: SecureContext) => void) =>
      done(null, names.find(name))
    const { ca, cert, key } = main.pem
    const server = createServer({
      ...shared,
      ...(ca === undefined ? {} : { ca }),
      cert: cert as string,
      key: key as string,
      requestCert: clientAuth !== 'none',
      rejectUnauthorized: clientAuth === 'require',
      ALPNProtocols: http2 ? HTTP_2 : HTTP_1,
      handshakeTimeout: this.#options.handshakeTimeout ?? HANDSHAKE_TIMEOUT,
      ...(others.length === 0 ? {} : { SNICallback: lookUp })
    })
    server.on('secureConnection', (socket) => this.#take(socket, clientAuth))
    server.on('tlsClientError', (error, socket) => this.#refuse(socket, error))
    return server
  }

  #take(socket: TLSSocket, clientAuth: ListenerTls['clientAuth']): void {
    // Read while the connection is sure to be there, and again where Node would let one pass: see `clientCertificate`.
    if (clientAuth !== 'none' && clientCertificate(socket) === undefined && clientAuth === 'require') {
      this.#refuse(socket, new Error('no certificate that is valid now'))
      return
    }
    this.#onSocket(socket)
  }

  #refuse(socket: TLSSocket, error: Error): void {
    socket.on('error', () => {})
    socket.destroy()
    const { authorizationError } = socket as { authorizationError?: unknown }
    const { code } = error as NodeJS.ErrnoException
    // OpenSSL's own words hold places in its sources.
    const reason = String(authorizationError ?? code ?? error.message)
    this.#options.onRefused?.(reason)
    this.#options.log.debug({ cert: this.#terms.tls.cert }, `a TLS handshake failed: ${reason}`)
  }
}

function heldBy({ main, others }: Pick<Terms, 'main' | 'others'>): Held[] {
  return [main, ...others.map(({ held }) => held)]
}

function release(terms: Pick<Terms, 'main' | 'others'>): void {
  for (const held of heldBy(terms)) held.release()
}
