const EMPTY = Buffer.alloc(0)

/** Bytes that are kept for a second attempt (Linkerd's replay buffer). */
export const REPLAY_LIMIT = 64 * 1024

/** What of a body is kept, so that another attempt can have it from its first byte. */
export class Replay {
  chunks: Buffer[] = []
  size = 0
  /** A byte was handed on and not kept: no later attempt can have it. */
  lost = false

  keep(chunk: Buffer): void {
    this.chunks.push(chunk)
    this.size += chunk.length
  }

  /** It is given up. */
  forget(): void {
    this.lost = true
    this.chunks = []
    this.size = 0
  }

  all(): Buffer {
    if (this.chunks.length === 0) return EMPTY
    if (this.chunks.length > 1) this.chunks = [Buffer.concat(this.chunks)]
    return this.chunks[0] as Buffer
  }
}
