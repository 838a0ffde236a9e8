/** ms of one slice: a request that comes meanwhile waits as long, a few times over. */
const SLICE = 1

export interface PaceParts {
  /** ms; never goes back. Default: the process's. */
  now?(): number
  /** Lets everything else have its turn. Default: the event loop's next one. */
  turn?(): Promise<void>
  /** ms of one slice. Default 1. */
  slice?: number
  /** Asked behind each turn: what it throws ends the work. */
  goOn?(): void
}

/**
 * Cuts long work into slices, so that a configuration of ten thousand routes is taken up while requests pass:
 *
 * @example
 * for (const each of thousands) {
 *   work(each)
 *   if (pace.due) await pace.turn()
 * }
 */
export class Pace {
  readonly #now: () => number
  readonly #turn: () => Promise<void>
  readonly #slice: number
  readonly #goOn: () => void
  #until: number

  constructor(parts: PaceParts = {}) {
    this.#now = parts.now ?? (() => performance.now())
    this.#turn = parts.turn ?? nextTurn
    this.#slice = parts.slice ?? SLICE
    this.#goOn = parts.goOn ?? (() => {})
    this.#until = this.#now() + this.#slice
  }

  /** Whether the slice is over. */
  get due(): boolean {
    return this.#now() >= this.#until
  }

  async turn(): Promise<void> {
    await this.#turn()
    this.#goOn()
    this.#until = this.#now() + this.#slice
  }

  /** A turn, if the slice is over. */
  async rest(): Promise<void> {
    if (this.due) await this.turn()
  }

  /** Runs work that yields every few hundred of its steps. What ends it is thrown into it, too. */
  async run<T>(work: Generator<void, T>): Promise<T> {
    for (;;) {
      const step = work.next()
      if (step.done === true) return step.value
      if (!this.due) continue
      try {
        await this.turn()
      } catch (error) {
        work.throw(error)
        throw error
      }
    }
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
