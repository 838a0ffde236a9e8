import type { Duplex } from 'node:stream'
import { FrameTracker } from './frame-tracker.js'
import { closeFrame } from './framing.js'
import { otherOf, type Side, type UpgradedParts, UpgradedSockets } from './upgraded.js'

const GOING_AWAY = 1001

export interface TunnelParts extends UpgradedParts {
  /** The protocol is WebSocket: `goAway` can say so. */
  readonly websocket: boolean
}

/** Bytes as they come, both ways, each side held back by the other. */
export class Tunnel extends UpgradedSockets {
  override bytesOut = 0
  /** By the side they come from. */
  readonly #flows: Record<Side, Flow>

  constructor(parts: TunnelParts) {
    super(parts)
    const { client, upstream, websocket } = parts
    this.#flows = {
      client: new Flow(client, upstream, websocket ? new FrameTracker(true) : undefined),
      upstream: new Flow(upstream, client, websocket ? new FrameTracker(false) : undefined)
    }
  }

  protected override begin(): void {
    for (const side of ['client', 'upstream'] as const) {
      // First, since what is read may pause it again.
      this.socketOf(side).resume()
      this.read(side)
    }
  }

  protected override received(side: Side, chunk: Buffer): void {
    const passed = this.#flows[side].pass(chunk)
    if (side === 'upstream') this.bytesOut += passed
  }

  protected override drained(side: Side): void {
    this.socketOf(otherOf(side)).resume()
  }

  protected override ended(side: Side): void {
    this.socketOf(otherOf(side)).end()
  }

  protected override sayGoAway(): boolean {
    const { client, upstream } = this.#flows
    const toUpstream = client.say(closeFrame(GOING_AWAY, true))
    const toClient = upstream.say(closeFrame(GOING_AWAY, false))
    if (toClient !== undefined) this.bytesOut += toClient
    return toUpstream !== undefined || toClient !== undefined
  }
}

/** One direction. */
class Flow {
  readonly #source: Duplex
  readonly #sink: Duplex
  readonly #tracker: FrameTracker | undefined
  /** Goes out at the next end of a frame. */
  #farewell: Buffer | undefined
  /** It went out: no frame may follow it. */
  #over = false

  constructor(source: Duplex, sink: Duplex, tracker: FrameTracker | undefined) {
    this.#source = source
    this.#sink = sink
    this.#tracker = tracker
  }

  /** @returns bytes written */
  pass(chunk: Buffer): number {
    if (this.#over || !this.#sink.writable) return 0
    const tracker = this.#tracker
    if (tracker === undefined || tracker.closed) return this.#write(chunk)
    if (this.#farewell === undefined) {
      tracker.scan(chunk)
      return this.#write(chunk)
    }
    const read = tracker.scan(chunk, true)
    if (!tracker.atBoundary) return this.#write(chunk)
    return this.#write(chunk.subarray(0, read)) + this.#end(this.#farewell)
  }

  /**
   * Puts a last frame in, now or at the next end of a frame.
   *
   * @returns bytes written; undefined when that cannot be
   */
  say(frame: Buffer): number | undefined {
    const tracker = this.#tracker
    if (tracker === undefined || tracker.broken || tracker.closed || !this.#sink.writable) return undefined
    if (tracker.atBoundary) return this.#end(frame)
    this.#farewell = frame
    return 0
  }

  #end(frame: Buffer): number {
    const written = this.#write(frame)
    this.#over = true
    // The rest is read only to see its end.
    this.#source.resume()
    return written
  }

  #write(bytes: Buffer): number {
    if (!this.#sink.write(bytes)) this.#source.pause()
    return bytes.length
  }
}
