import type { Readable } from 'node:stream'
import { Deadline, type Deadlines } from '../hooks/deadlines.js'

/** Throws away what is left of an upload that nobody wants, so that its client can read the answer. */
export class UploadDrain extends Deadline {
  readonly #source: Readable
  readonly #deadlines: Deadlines
  readonly #callback: (complete: boolean) => void
  #left: number
  #over = false

  /**
   * @param limit bytes that it takes at most
   * @param callback called once: whether that was all of it
   */
  constructor(source: Readable, limit: number, deadlines: Deadlines, callback: (complete: boolean) => void) {
    super()
    this.#source = source
    this.#left = limit
    this.#deadlines = deadlines
    this.#callback = callback
  }

  /** @param ms that it takes at most */
  start(ms: number): void {
    const source = this.#source
    source.on('data', (chunk: Buffer) => {
      this.#left -= chunk.length
      if (this.#left < 0) this.#finish(false)
    })
    source.once('end', () => this.#finish(true))
    source.once('close', () => this.#finish(false))
    source.resume()
    this.#deadlines.watch(this, ms)
  }

  override expire(): void {
    this.#finish(false)
  }

  #finish(complete: boolean): void {
    if (this.#over) return
    this.#over = true
    this.#deadlines.unwatch(this)
    this.#callback(complete)
  }
}
