import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import type { Downstream, DownstreamOwner } from '../../core/exchange/downstream.js'
import { Peer } from '../../core/exchange/peer.js'
import { RequestHead } from '../../core/exchange/request.js'
import { type EventClock, Happening } from './event-clock.js'

/** No request of the simulator has a body. */
const NOTHING = Readable.from([])
const NO_FIELDS: readonly string[] = []

/** The far end of a connection that is not there. */
export function peerOf(address: string): Peer {
  return new Peer({ remoteAddress: address, remotePort: 40_000 } as Socket, false)
}

export interface Ask {
  readonly method: string
  /** A path, with its query. */
  readonly target: string
  /** Flat. */
  readonly headers: readonly string[]
  readonly peer: Peer
  /** ms after which the client gives up; Infinity: never. */
  readonly patience: number
}

/** One request of a client, without a stream or a socket: it keeps the status, and when all of the answer was there. */
export class SimulatedDownstream extends Happening implements Downstream {
  readonly peer: Peer
  readonly method: string
  readonly httpVersion = '1.1'
  readonly whole = undefined
  readonly multiplexed = false
  readonly source = NOTHING
  readonly fields = NO_FIELDS
  headersSent = false
  over = false
  finished = false
  gone = false
  /** 0: there was no answer. */
  status = 0
  readonly startedAt: number
  readonly #ask: Ask
  readonly #clock: EventClock
  readonly #ended: (downstream: SimulatedDownstream) => void
  #owner: DownstreamOwner | undefined

  constructor(ask: Ask, clock: EventClock, ended: (downstream: SimulatedDownstream) => void) {
    super()
    this.peer = ask.peer
    this.method = ask.method
    this.startedAt = clock.now()
    this.#ask = ask
    this.#clock = clock
    this.#ended = ended
    if (ask.patience !== Number.POSITIVE_INFINITY) clock.plan(this, ask.patience)
  }

  readHead(): RequestHead {
    const head = new RequestHead(false)
    head.target = this.#ask.target
    head.authority = 'shop.test'
    head.contentLength = 0
    head.headers.flat.push('host', 'shop.test', ...this.#ask.headers)
    return head
  }

  attach(owner: DownstreamOwner): void {
    this.#owner = owner
  }

  head(status: number): void {
    this.status = status
    this.headersSent = true
  }

  write(): boolean {
    return true
  }

  end(): void {
    if (this.over) return
    this.finished = true
    this.#close()
  }

  destroy(): void {
    if (!this.over) this.#close()
  }

  hangUp(): void {
    this.destroy()
  }

  /** Out of patience, or, planned for at once, the end of the answer: whoever answers must not be told from within. */
  override happen(): void {
    if (!this.over) {
      this.gone = true
      this.over = true
    }
    this.#owner?.closed()
    this.#ended(this)
  }

  #close(): void {
    this.over = true
    this.#clock.unplan(this)
    this.#clock.soon(this)
  }

  distrust(): void {}
  wantBody(): void {}
  information(): void {}
  timeUnread(): void {}

  upgrade(): never {
    throw new Error('no request of the simulator asks for an upgrade')
  }
}
