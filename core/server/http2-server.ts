import { createServer, type Http2Server, type ServerHttp2Session, type ServerOptions } from 'node:http2'
import type { Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import type { ListenerConfig } from '../config/types.js'
import type { Http2Downstream } from '../exchange/http2.js'
import type { Peer } from '../exchange/peer.js'
import type { Deadlines } from '../hooks/deadlines.js'
import { Http2Session, type SessionOwner, STREAM_WINDOW } from './http2-session.js'

/**
 * Memory that a session may hold for its peer, in MB: Node's own unit and default, or as many times the 64 KiB piece
 * and the 16 KiB behind it that each of its streams may hold for a slow reader. Past it streams are refused.
 */
function sessionMemory({ maxStreams }: ListenerConfig): number {
  return Math.max(10, Math.ceil(maxStreams / 10))
}

/** Fields of a block that are read at all; past 100 the request is answered 431, past these its stream is reset. */
const FIELDS_READ = 128
/**
 * Frames that nghttp2 refuses, in all of a connection's life (Node's own default): empty DATA, malformed requests,
 * streams past what was agreed.
 */
const INVALID_FRAMES = 1_000

/** HTTP/2 on connections that a listener hands over, TLS or not. */
export class Http2Sessions implements SessionOwner {
  /** In force for what begins or is looked at from now on. */
  config: ListenerConfig
  readonly deadlines: Deadlines
  readonly handle: (downstream: Http2Downstream) => void
  readonly #options: ServerOptions
  #server: Http2Server | undefined
  readonly #sessions = new Set<Http2Session>()
  #opened: ServerHttp2Session | undefined

  constructor(config: ListenerConfig, deadlines: Deadlines, handle: (downstream: Http2Downstream) => void) {
    this.config = config
    this.deadlines = deadlines
    this.handle = handle
    this.#options = {
      settings: {
        maxConcurrentStreams: config.maxStreams,
        initialWindowSize: STREAM_WINDOW,
        maxHeaderListSize: config.maxHeaderSize,
        enablePush: false
      },
      maxHeaderListPairs: FIELDS_READ,
      maxSessionMemory: sessionMemory(config),
      maxSettings: 32,
      maxOutstandingPings: 10,
      maxSessionInvalidFrames: INVALID_FRAMES
    }
  }

  /** @param first what was read of it */
  serve(socket: Socket, peer: Peer, first: Buffer | undefined): void {
    if (first !== undefined) {
      // Its session reads the connection below the stream, and what waits in the stream before that.
      socket.pause()
      socket.unshift(first)
    }
    // Node makes the session within the call.
    this.#opened = undefined
    this.#server ??= this.#open()
    this.#server.emit('connection', socket)
    if (this.#opened === undefined) socket.destroy()
    else this.#sessions.add(new Http2Session(this.#opened, socket, peer, this))
  }

  /** GOAWAY twice: first that no more shall come, then, a round trip later, which was the last. */
  drain(): void {
    for (const session of this.#sessions) session.drain()
  }

  /** Cuts what is left, once what can still be told has been. */
  async close(): Promise<void> {
    for (const session of this.#sessions) session.cut()
    // Frames are written at the end of a turn.
    await turn()
    for (const session of this.#sessions) session.destroy()
    await turn()
  }

  ended(session: Http2Session): void {
    this.#sessions.delete(session)
  }

  /** For the first connection: on most listeners there is none, and Node's HTTP/2 takes 2 MB. */
  #open(): Http2Server {
    const server = createServer(this.#options)
    server.on('session', (session) => {
      this.#opened = session
    })
    // A session that breaks is its peer's trouble; its streams hear of it each.
    server.on('sessionError', () => {})
    return server
  }
}
