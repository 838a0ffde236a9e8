import type { ProxyError } from '../errors.js'
import type { UpgradeHooks } from '../hooks/hook-set.js'
import type { Running } from '../hooks/instance.js'
import { type ConnectionOwner, ConnectionView } from './connection.js'
import { Lane, type LaneOwner } from './lane.js'
import { Peer } from './peer.js'
import { otherOf, type Side, type UpgradedEnd, type UpgradedParts, UpgradedSockets } from './upgraded.js'

const GOING_AWAY = 1001
/** ms for the other side's part of an end that one side has begun: as long as the ws package waits. */
const CLOSE_TIMEOUT = 30_000
/** Bytes of plugins' own messages that a side may be behind with: nothing else holds them back. */
const MAX_BACKLOG = 16 * 1024 * 1024

export interface MessageTunnelParts extends UpgradedParts {
  readonly hooks: UpgradeHooks
  readonly exchange: Running
  /** The subprotocol agreed on, or empty. */
  readonly protocol: string
}

/**
 * A WebSocket whose messages plugins see. It is two connections to frames' mind, each with its own masks and
 * fragments, and one in what the sides get: messages, pings, pongs and the close handshake pass in their order. No
 * extension may have been agreed on.
 */
export class MessageTunnel extends UpgradedSockets implements LaneOwner, ConnectionOwner {
  readonly #peers: Record<Side, Peer>
  /** By the side they come from. */
  readonly #lanes: Record<Side, Lane>
  readonly #hooks: UpgradeHooks
  readonly #exchange: Running
  readonly #connection: ConnectionView
  /** `open` is waited for. */
  #opening = false
  #flowing = false

  constructor(parts: MessageTunnelParts) {
    super(parts)
    const { hooks, exchange } = parts
    const client = new Peer('client', parts.client)
    const upstream = new Peer('upstream', parts.upstream)
    this.#peers = { client, upstream }
    this.#lanes = {
      client: new Lane(client, upstream, hooks.fromClient, exchange, this),
      upstream: new Lane(upstream, client, hooks.fromUpstream, exchange, this)
    }
    this.#hooks = hooks
    this.#exchange = exchange
    this.#connection = new ConnectionView(parts.protocol, this)
  }

  override get bytesOut(): number {
    return this.#peers.client.written
  }

  protected override begin(): void {
    const { open } = this.#hooks
    if (open === undefined) {
      this.#flow()
      return
    }
    this.#opening = true
    open.callAsync(this.#connection, this.#exchange, (error) => {
      this.#opening = false
      if (error && !this.leaving) this.failed(error as ProxyError)
      else this.#flow()
    })
  }

  /** Lets the messages come. */
  #flow(): void {
    if (this.#flowing) return
    this.#flowing = true
    for (const side of ['client', 'upstream'] as const) {
      this.read(side)
      this.#lanes[side].pass()
      if (this.socketOf(side).readableEnded) this.#lanes[side].end()
    }
  }

  protected override received(side: Side, chunk: Buffer): void {
    this.#lanes[side].read(chunk)
  }

  protected override drained(side: Side): void {
    this.#peers[side].full = false
    if (this.#flowing) this.#lanes[otherOf(side)].pass()
  }

  protected override ended(side: Side): void {
    if (this.leaving) {
      this.#peers.client.finish()
      this.#peers.upstream.finish()
    } else if (this.#flowing) {
      this.#lanes[side].end()
    }
  }

  protected override gone(side: Side): void {
    const { socket, closeReceived } = this.#peers[side]
    if (this.leaving) {
      super.gone(side)
      return
    }
    if (!this.#flowing || (!socket.readableEnded && !closeReceived)) {
      this.#stop()
      this.brokeOff(side)
      return
    }
    // It had said that it ends: the other side gets what is left of it, and can answer nobody.
    if (!socket.readableEnded) this.#lanes[side].end()
    this.#lanes[otherOf(side)].pass()
    this.bound(CLOSE_TIMEOUT)
  }

  protected override over(): void {
    this.#stop()
  }

  protected override sayGoAway(): boolean {
    return this.#say(GOING_AWAY, '')
  }

  // What the lanes tell

  concluded(): void {
    const { client, upstream } = this.#peers
    // A server ends its connection first.
    if (client.concluded) client.finish()
    if (this.leaving) return
    // Also for what is left: a slow client gets its close frame behind all that waits for it.
    this.bound(CLOSE_TIMEOUT)
    if (!client.concluded || !upstream.concluded) return
    this.because('complete')
    this.leaving = true
    this.#stop()
  }

  finished(): void {
    this.bound(CLOSE_TIMEOUT)
  }

  invalid(peer: Peer, code: number): void {
    if (this.leaving) return
    this.#end('invalid', code, '')
    // No answer of its can be understood any more.
    peer.finish()
  }

  failed(error: ProxyError): void {
    if (!this.leaving) this.#end('plugin', closeCodeFor(error), error.code, error)
  }

  // What plugins ask for

  sendOwn(to: Side, data: Buffer, binary: boolean): void {
    const peer = this.#peers[to]
    if (this.leaving || !peer.open) return
    peer.message(data, binary)
    if (peer.socket.writableLength > MAX_BACKLOG) this.cut('overrun')
  }

  closeOwn(code: number, reason: string): void {
    if (!this.leaving) this.#end('complete', code, reason)
  }

  // The end

  #end(how: UpgradedEnd, code: number, reason: string, error?: ProxyError): void {
    this.leave(how, error)
    this.#say(code, reason)
  }

  /** Nothing but the end passes from here on. */
  #say(code: number, reason: string): boolean {
    const { client, upstream } = this.#peers
    const said = client.open || upstream.open
    this.#stop()
    client.close(code, reason)
    upstream.close(code, reason)
    this.concluded()
    // Both are read for their part of the close handshake, which comes behind what they had sent before.
    this.#flow()
    this.#lanes.client.pass()
    this.#lanes.upstream.pass()
    return said
  }

  #stop(): void {
    if (this.#opening) this.#exchange.waiting?.cancel()
    this.#opening = false
    this.#lanes.client.stop()
    this.#lanes.upstream.stop()
  }
}

/** What both sides are told of what a plugin threw: a refusal it chose, or its failure. */
function closeCodeFor({ status }: ProxyError): number {
  if (status < 500) return 1008
  return status === 503 ? 1013 : 1011
}
