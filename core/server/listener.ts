import type { BlockList, Socket } from 'node:net'
import { rangesOf } from '../config/ranges.js'
import type { ListenerConfig, ListenerTls } from '../config/types.js'
import type { Downstream } from '../exchange/downstream.js'
import type { Entry } from '../exchange/pipeline.js'
import type { Clock } from '../hooks/clock.js'
import type { Deadlines } from '../hooks/deadlines.js'
import type { CounterCell, Logger, MetricFamily } from '../hooks/plugin.js'
import type { CredentialStore } from '../tls/credential-store.js'
import { TlsAcceptor } from '../tls/server.js'
import type { Upgraded } from '../upgrade/upgraded.js'
import { Arrivals } from './arrivals.js'
import { bind, bindFailure } from './bind.js'
import { Front, type Named } from './front.js'
import { Http1Server, isUnasked } from './http1-server.js'
import { Http2Sessions } from './http2-server.js'
import { StartError } from './types.js'

export type Handle = (entry: Entry, downstream: Downstream) => void

/** What the listeners of a process share. */
export interface ListenerParts {
  readonly handle: Handle
  readonly deadlines: Deadlines
  readonly credentials: CredentialStore
  readonly log: Logger
  readonly clock: Clock
  /** Connections and requests that no exchange was made of, by listener and reason. */
  readonly refusals: MetricFamily<CounterCell>
  /** Connections that left the fast lane, by listener. */
  readonly handovers: MetricFamily<CounterCell>
}

/** ms between lines about the same. */
const QUIET = 10_000

/**
 * One address that requests come in on. Its front finds out what each connection speaks, and a server for that takes
 * it.
 */
export class Listener implements Entry {
  readonly name: string
  config: ListenerConfig
  readonly scheme: 'http' | 'https'
  bodyTimeout: number
  draining = false
  cutting = false
  exchanges = 0
  trusted: BlockList | undefined
  forwarded: boolean
  via: string | undefined
  serverTiming: boolean
  readonly #parts: ListenerParts
  readonly #http1: Http1Server
  readonly #front: Front
  readonly #arrivals: Arrivals
  readonly #http2: Http2Sessions
  #tls: TlsAcceptor | undefined
  readonly #sockets = new Set<Socket>()
  /** TCP connections, or those of a Unix socket, whatever is spoken on them. */
  #connections = 0
  readonly #upgraded = new Set<Upgraded>()
  /** TCP connections whose TLS handshake is under way, or done. */
  readonly #handshakes = new Map<string, { readonly socket: Socket; readonly named: Named }>()
  #url = ''
  /** Until when a reason is not told again, on the clock. */
  readonly #quiet = new Map<string, number>()

  private constructor(config: ListenerConfig, parts: ListenerParts) {
    this.name = config.name
    this.config = config
    this.#parts = parts
    this.scheme = config.tls === undefined ? 'http' : 'https'
    this.bodyTimeout = config.bodyTimeout
    this.trusted = rangesOf(config.trustedProxies)
    this.forwarded = config.forwarded
    this.via = config.via
    this.serverTiming = config.serverTiming
    this.#http1 = new Http1Server(
      this,
      parts.deadlines,
      (socket) => this.#accept(socket),
      (downstream) => parts.handle(this, downstream),
      (reason) => this.#refused(reason),
      () => parts.handovers.labels(this.name).inc()
    )
    this.#http2 = new Http2Sessions(config, parts.deadlines, (downstream) => parts.handle(this, downstream))
    this.#front = new Front(
      {
        deadlines: parts.deadlines,
        timeout: () => this.config.headersTimeout,
        trusted: () => this.trusted,
        proxyProtocol: config.proxyProtocol,
        refused: () =>
          this.#refused('PROXY_HEADER', 'a trusted peer began with no PROXY header that can be read')
      },
      {
        tls: config.tls === undefined ? undefined : (socket, named) => this.#secure(socket, named),
        http1: (socket, peer, first) => this.#http1.serve(socket, peer, first),
        http2: config.http2 ? (socket, peer, first) => this.#http2.serve(socket, peer, first) : undefined
      }
    )
    this.#arrivals = new Arrivals((socket) => this.#front.accept(socket))
  }

  /** @throws StartError when the address is taken or a certificate cannot be used */
  static async open(config: ListenerConfig, parts: ListenerParts): Promise<Listener> {
    const listener = new Listener(config, parts)
    await listener.#open()
    return listener
  }

  async #open(): Promise<void> {
    const { config } = this
    const { app } = this.#http1
    await this.#http1.prepare()
    try {
      if (config.tls !== undefined) this.#tls = this.#acceptor(config.tls)
      this.#url = await bind(app, config.address)
    } catch (cause) {
      this.#tls?.close()
      await app.close()
      if (cause instanceof StartError) throw cause
      throw new StartError(`listener ${config.name}: ${bindFailure(config.address, cause)}`, cause)
    }
  }

  /** Where it can be reached; a port of 0 has become a real one. */
  get url(): string {
    return this.config.address.kind === 'unix' ? this.#url : `${this.scheme}://${this.#url}`
  }

  /**
   * Takes on a configuration that differs in what needs no new socket, and whatever certificate its files hold now.
   *
   * @returns false when it differs in more
   * @throws StartError when a certificate cannot be used; the one before stays
   */
  async adopt(config: ListenerConfig): Promise<boolean> {
    if (needsSocket(config) !== needsSocket(this.config)) return false
    if (config.tls !== undefined) {
      try {
        this.#tls?.update(config.tls, config.http2)
      } catch (cause) {
        throw new StartError(`listener ${config.name}: tls: ${(cause as Error).message}`, cause)
      }
    }
    this.#http1.adopt(config)
    this.#http2.config = config
    this.bodyTimeout = config.bodyTimeout
    this.trusted = rangesOf(config.trustedProxies)
    this.forwarded = config.forwarded
    this.via = config.via
    this.serverTiming = config.serverTiming
    this.config = config
    return true
  }

  /** Accepts no more; resolves when every connection has ended. Answers from now on say `connection: close`. */
  async drain(): Promise<void> {
    this.draining = true
    this.#http2.drain()
    this.#arrivals.release()
    // They would be waited for.
    for (const socket of this.#sockets) if (isUnasked(socket)) socket.destroy()
    for (const { socket } of this.#handshakes.values()) if (this.#sockets.has(socket)) socket.destroy()
    await this.#http1.close()
    this.#tls?.close()
  }

  /** Only upgraded connections are left. */
  get quiet(): boolean {
    return this.exchanges <= this.#upgraded.size
  }

  upgraded(connection: Upgraded): void {
    this.#upgraded.add(connection)
  }

  upgradeEnded(connection: Upgraded): void {
    this.#upgraded.delete(connection)
  }

  /** Upgraded connections are told to end: WebSockets by a close frame of 1001. */
  goAway(): void {
    for (const connection of this.#upgraded) connection.goAway()
  }

  /** Cuts what is left. */
  async close(): Promise<void> {
    const closed = this.drain()
    this.cutting = true
    for (const connection of this.#upgraded) connection.destroy()
    await this.#http2.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #accept(socket: Socket): void {
    if (this.#connections >= this.config.maxConnections) {
      this.#refused('TOO_MANY_CONNECTIONS', `there are ${this.config.maxConnections} connections already`)
      socket.destroy()
      return
    }
    this.#connections++
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#connections--
      this.#sockets.delete(socket)
    })
    // Until someone serves it, and after: what fails on it is the connection's end and nobody's else.
    socket.on('error', ignore)
    this.#arrivals.take(socket)
  }

  #acceptor(tls: ListenerTls): TlsAcceptor {
    try {
      const { credentials, log } = this.#parts
      return new TlsAcceptor(tls, this.config.http2, (socket) => this.#secured(socket), {
        credentials,
        log,
        onRefused: (reason) => this.#refused('TLS_HANDSHAKE', `a TLS handshake failed: ${reason}`)
      })
    } catch (cause) {
      throw new StartError(`listener ${this.name}: tls: ${(cause as Error).message}`, cause)
    }
  }

  /** Counted, and told once in a while: who is refused tries again. @param told undefined: strangers may say what they like */
  #refused(reason: string, told?: string): void {
    const { clock, log, refusals } = this.#parts
    refusals.labels(this.name, reason).inc()
    const now = clock.now()
    if (told === undefined || now < (this.#quiet.get(reason) ?? 0)) return
    this.#quiet.set(reason, now + QUIET)
    log.warn({ listener: this.name, reason }, `listener ${this.name}: ${told}`)
  }

  #secure(socket: Socket, named: Named): void {
    const key = portOf(socket)
    if (key !== undefined) {
      this.#handshakes.set(key, { socket, named })
      socket.once('close', () => {
        if (this.#handshakes.get(key)?.socket === socket) this.#handshakes.delete(key)
      })
    }
    this.#tls?.accept(socket)
  }

  /** From here on the connection is the secured one. */
  #secured(socket: Socket): void {
    const key = portOf(socket)
    const begun = key === undefined ? undefined : this.#handshakes.get(key)
    if (begun !== undefined) this.#sockets.delete(begun.socket)
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    this.#front.secured(socket, begun?.named)
  }
}

function ignore(): void {}

/** What tells connections apart, those of one peer to two addresses of ours too; nothing does on a Unix socket. */
function portOf({ localAddress, remoteAddress, remotePort }: Socket): string | undefined {
  return remotePort === undefined ? undefined : `${localAddress} ${remoteAddress} ${remotePort}`
}

/** All but what can be changed on an open socket. */
function needsSocket(config: ListenerConfig): string {
  const {
    headersTimeout,
    bodyTimeout,
    idleTimeout,
    trustedProxies,
    forwarded,
    via,
    serverTiming,
    fastLane,
    tls,
    ...rest
  } = config
  return JSON.stringify({ ...rest, tls: tls !== undefined })
}
