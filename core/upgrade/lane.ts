import type { AsyncSeriesHook } from 'tapable'
import type { ProxyError } from '../errors.js'
import { PassingMessage } from '../hooks/message.js'
import type { Exchange } from '../hooks/types.js'
import { closeCodeOf } from './framing.js'
import type { Peer } from './peer.js'

type Item =
  | { readonly kind: 'message'; readonly data: Buffer; readonly binary: boolean }
  | { readonly kind: 'ping' | 'pong'; readonly data: Buffer }
  | { readonly kind: 'close'; readonly code: number; readonly reason: Buffer }
  /** What came is not the protocol, or too much of it. */
  | { readonly kind: 'invalid'; readonly code: number }
  /** A FIN. */
  | { readonly kind: 'end' }

export interface LaneOwner {
  /** A close frame from `peer` has come and what was before it has passed; or, once stopped, it has come. */
  concluded(): void
  invalid(peer: Peer, code: number): void
  finished(): void
  failed(error: ProxyError): void
}

/**
 * One direction of a connection whose messages plugins see: everything in its order, one at a time. While a hook is
 * waited for or the other side is full, nothing more is read, so that what waits here came with one read.
 */
export class Lane {
  readonly #from: Peer
  readonly #to: Peer
  readonly #hook: AsyncSeriesHook<[PassingMessage, Exchange]> | undefined
  readonly #exchange: Exchange
  readonly #owner: LaneOwner
  #queue: Item[] = []
  #next = 0
  /** In the plugins' hands. */
  #message: PassingMessage | undefined
  #passing = false
  #stopped = false
  /** One for all messages: there is one at a time. */
  readonly #asked = (error?: Error | null): void => this.#answered(error)

  constructor(
    from: Peer,
    to: Peer,
    hook: AsyncSeriesHook<[PassingMessage, Exchange]> | undefined,
    exchange: Exchange,
    owner: LaneOwner
  ) {
    this.#from = from
    this.#to = to
    this.#hook = hook
    this.#exchange = exchange
    this.#owner = owner
    const { receiver } = from
    receiver.on('message', (data, binary) => this.#push({ kind: 'message', data, binary }))
    receiver.on('ping', (data) => this.#push({ kind: 'ping', data }))
    receiver.on('pong', (data) => this.#push({ kind: 'pong', data }))
    receiver.on('conclude', (code, reason) => {
      from.closeReceived = true
      this.#push({ kind: 'close', code, reason })
      if (this.#stopped) owner.concluded()
    })
    // Of all of them this one comes later than the read, in a tick of its own.
    receiver.on('error', (error) => {
      this.#push({ kind: 'invalid', code: closeCodeOf(error) })
      this.pass()
    })
  }

  read(chunk: Buffer): void {
    this.#from.read(chunk)
    this.pass()
  }

  /** The source's FIN: the other side gets it behind all that came before it. */
  end(): void {
    this.#push({ kind: 'end' })
    this.pass()
  }

  /** What waits is dropped, and so is what still comes. */
  stop(): void {
    this.#stopped = true
    this.#queue = []
    this.#next = 0
    this.#message?.waiting?.cancel()
    this.#message = undefined
  }

  /** Passes on what can be, and holds the source back or lets it go on. */
  pass(): void {
    // A hook that answers at once comes back here from within.
    if (this.#passing) return
    this.#passing = true
    while (this.#next < this.#queue.length && this.#message === undefined && !this.#held) {
      this.#passOne(this.#queue[this.#next++] as Item)
    }
    if (this.#next > 0 && this.#next === this.#queue.length) {
      this.#queue = []
      this.#next = 0
    }
    this.#passing = false
    const { socket } = this.#from
    if (this.#message !== undefined || this.#held) socket.pause()
    else socket.resume()
  }

  /** A side that is gone takes nothing and holds nobody back. */
  get #held(): boolean {
    return this.#to.full && this.#to.socket.writable
  }

  #push(item: Item): void {
    if (!this.#stopped) this.#queue.push(item)
  }

  #passOne(item: Item): void {
    const to = this.#to
    switch (item.kind) {
      case 'message':
        if (this.#hook === undefined) {
          to.message(item.data, item.binary)
        } else if (to.open) {
          this.#message = new PassingMessage(this.#from.side, item.data, item.binary)
          this.#hook.callAsync(this.#message, this.#exchange, this.#asked)
        }
        return
      case 'ping':
        to.ping(item.data)
        return
      case 'pong':
        to.pong(item.data)
        return
      case 'close':
        to.close(item.code, item.reason)
        this.#owner.concluded()
        return
      case 'invalid':
        this.#owner.invalid(this.#from, item.code)
        return
      case 'end':
        to.finish()
        this.#owner.finished()
    }
  }

  #answered(error: Error | null | undefined): void {
    const message = this.#message
    // It was stopped meanwhile.
    if (message === undefined) return
    this.#message = undefined
    if (error) this.#owner.failed(error as ProxyError)
    else if (!message.dropped) this.#to.message(message.data, message.binary)
    this.pass()
  }
}
