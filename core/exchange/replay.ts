const EMPTY = Buffer.alloc(0)

/** Bytes that are kept for a second attempt (Linkerd's replay buffer). */
export const REPLAY_LIMIT = 64 * 1024

/** What of a body is kept, so that another attempt can have it from its first byte. */
export class Replay {
  chunks: Buffer[] = []
  size = 0
  /** A byte was handed on and not kept: no later attempt can have it. */
  lost = false
  #joined: Buffer | undefined

  keep(chunk: Buffer): void {
    this.chunks.push(chunk)
    this.size += chunk.length
    this.#joined = undefined
  }

  /** It is given up. */
  forget(): void {
    this.lost = true
    this.chunks = []
    this.size = 0
    this.#joined = undefined
  }

  /** The chunks stay as they are: a reader may be on its way through them. */
  all(): Buffer {
    if (this.chunks.length < 2) return this.chunks[0] ?? EMPTY
    this.#joined ??= Buffer.concat(this.chunks)
    return this.#joined
  }
}
