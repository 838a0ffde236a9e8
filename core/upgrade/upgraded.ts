import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ProxyError } from '../errors.js'
import { Deadline, type Deadlines } from '../hooks/deadlines.js'

/** ms that both sides get to end once the proxy has told them to. */
const LINGER = 2_000

export type Side = 'client' | 'upstream'

/**
 * How an upgraded connection ended, by its first cause.
 *
 * - `complete`: the sides or a plugin ended it
 * - `client`, `upstream`: that side broke off
 * - `idle`: no byte for the idle time, or a close handshake that one side left half done
 * - `drained`: it was told to go away
 * - `invalid`: one side broke the protocol, or sent a message that is too large
 * - `plugin`: a plugin failed, or refused by throwing a ProxyError
 * - `overrun`: a plugin sent more than a side takes
 * - `destroyed`: it was cut
 */
export type UpgradedEnd =
  | 'complete'
  | 'client'
  | 'upstream'
  | 'idle'
  | 'drained'
  | 'invalid'
  | 'plugin'
  | 'overrun'
  | 'destroyed'

/** A connection between both sides of an upgrade. */
export interface Upgraded {
  /** Bytes taken from the client. */
  readonly bytesIn: number
  /** Bytes given to the client. */
  readonly bytesOut: number
  /** Begins; from here on both sockets are its own. Called once. */
  start(): void
  /** Tells a WebSocket's sides to go (close code 1001) and cuts what has not ended 2 s later. */
  goAway(): void
  /** Cuts both sides now. */
  destroy(): void
}

export interface UpgradedOwner {
  /** Both sockets are closed. Called exactly once. @param error what a plugin failed with, or refused with */
  closed(bytesIn: number, bytesOut: number, how: UpgradedEnd, error: ProxyError | undefined): void
}

export interface UpgradedParts {
  /** What it still has to be read comes behind `clientHead`. */
  readonly client: Duplex
  readonly upstream: Duplex
  /** Bytes read from the client behind its request. */
  readonly clientHead: Buffer
  /** Bytes read from the upstream behind its 101. */
  readonly upstreamHead: Buffer
  /** ms without a byte either way. */
  readonly idleTimeout: number
  readonly deadlines: Deadlines
  readonly owner: UpgradedOwner
}

/** The two sockets: how they are prepared, watched, reset and let go. What passes between them is the subclass's. */
export abstract class UpgradedSockets extends Deadline implements Upgraded {
  bytesIn = 0
  abstract readonly bytesOut: number
  protected readonly client: Duplex
  protected readonly upstream: Duplex
  /** All has been said: what comes now is read for its end alone. */
  protected leaving = false
  readonly #heads: Record<Side, Buffer>
  readonly #deadlines: Deadlines
  readonly #idleTimeout: number
  readonly #owner: UpgradedOwner
  #bounded = false
  #open = 2
  #how: UpgradedEnd | undefined
  #error: ProxyError | undefined

  constructor(parts: UpgradedParts) {
    super()
    this.client = parts.client
    this.upstream = parts.upstream
    this.#heads = { client: parts.clientHead, upstream: parts.upstreamHead }
    this.#idleTimeout = parts.idleTimeout
    this.#deadlines = parts.deadlines
    this.#owner = parts.owner
  }

  /** Both sockets are watched, and paused. */
  protected abstract begin(): void
  protected abstract received(side: Side, chunk: Buffer): void
  /** The side's FIN. */
  protected abstract ended(side: Side): void
  /** The side takes more again. */
  protected abstract drained(side: Side): void
  /** @returns false when there is no way to say it to either side */
  protected abstract sayGoAway(): boolean

  start(): void {
    this.#watch('client')
    this.#watch('upstream')
    this.touch()
    this.begin()
  }

  goAway(): void {
    if (this.leaving) return
    this.leave('drained')
    this.sayGoAway()
  }

  destroy(): void {
    this.cut('destroyed')
  }

  override expire(): void {
    if (this.#bounded) {
      this.cut('idle')
      return
    }
    this.leave('idle')
    if (!this.sayGoAway()) this.cut('idle')
  }

  /** Takes what comes from a side from now on, and what had come behind its head. Whether it flows is up to the caller. */
  protected read(side: Side): void {
    // Not before: a `readable` listener of its former owner that is taken off resumes whoever has one for `data`.
    this.socketOf(side).on('data', (chunk: Buffer) => {
      this.touch()
      this.#take(side, chunk)
    })
    const head = this.#heads[side]
    if (head.length > 0) this.#take(side, head)
  }

  #take(side: Side, chunk: Buffer): void {
    if (side === 'client') this.bytesIn += chunk.length
    this.received(side, chunk)
  }

  /** Something moved. */
  protected touch(): void {
    if (!this.#bounded && this.#open > 0) this.#deadlines.watch(this, this.#idleTimeout)
  }

  /** Gives it `ms` more from now, whatever moves. The first bound holds, but for `leave`. */
  protected bound(ms: number): void {
    if (this.#bounded) return
    this.#bounded = true
    this.#deadlines.watch(this, ms)
  }

  protected leave(how: UpgradedEnd, error?: ProxyError): void {
    this.because(how, error)
    this.leaving = true
    this.#bounded = false
    this.bound(LINGER)
  }

  /** The first cause counts. */
  protected because(how: UpgradedEnd, error?: ProxyError): void {
    if (this.#how !== undefined) return
    this.#how = how
    this.#error = error
  }

  protected cut(how: UpgradedEnd): void {
    this.because(how)
    this.client.destroy()
    this.upstream.destroy()
  }

  /** A side's socket is closed, the other's is not yet. */
  protected gone(side: Side): void {
    const other = this.socketOf(otherOf(side))
    if (this.leaving) other.end()
    else if (!this.socketOf(side).readableEnded) this.brokeOff(side)
    // After a FIN and then an error the other side has its FIN already, and is read to its own end.
    other.resume()
  }

  protected brokeOff(side: Side): void {
    this.because(side)
    reset(this.socketOf(otherOf(side)))
  }

  /** Both are closed. */
  protected over(): void {}

  protected socketOf(side: Side): Duplex {
    return side === 'client' ? this.client : this.upstream
  }

  #watch(side: Side): void {
    const socket = this.socketOf(side)
    // One side's FIN ends one direction; by default Node would end the other with it.
    socket.allowHalfOpen = true
    if (socket instanceof Socket) {
      socket.setTimeout(0)
      socket.setNoDelay(true)
    }
    socket.pause()
    // What an error means is seen at the close that follows it.
    socket.on('error', () => {})
    socket.on('drain', () => {
      this.touch()
      this.drained(side)
    })
    socket.on('end', () => this.ended(side))
    socket.on('close', () => this.#closed(side))
    if (socket.readableEnded) process.nextTick(() => this.ended(side))
    if (socket.closed) process.nextTick(() => this.#closed(side))
  }

  #closed(side: Side): void {
    if (--this.#open > 0) {
      this.gone(side)
      return
    }
    this.#deadlines.unwatch(this)
    this.over()
    this.#owner.closed(this.bytesIn, this.bytesOut, this.#how ?? 'complete', this.#error)
  }
}

export function otherOf(side: Side): Side {
  return side === 'client' ? 'upstream' : 'client'
}

/** The peer sees a reset where there can be one: on TCP, without TLS. */
function reset(socket: Duplex): void {
  if (socket instanceof Socket && !socket.destroyed) {
    try {
      socket.resetAndDestroy()
    } catch {
      // Node throws on a handle that knows no reset.
    }
  }
  // Also after a reset: by itself that waits for all that is still to be written.
  socket.destroy()
}
