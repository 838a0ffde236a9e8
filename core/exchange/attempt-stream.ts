import { Readable } from 'node:stream'

/** Who has the bytes, and is told when there is room for more. */
export interface StreamSource {
  pull(reader: AttemptStream): void
}

/** One attempt's view of the body. */
export class AttemptStream extends Readable {
  /** The next kept chunk to hand on. */
  at = 0
  readonly #source: StreamSource

  constructor(source: StreamSource) {
    super()
    this.#source = source
    // Whoever destroys it knows why; an 'error' that nobody hears would take the process with it.
    this.on('error', () => {})
  }

  override _read(): void {
    this.#source.pull(this)
  }
}
