import type { Clock, ClockTimer, Logger } from '../../core/index.js'
import type { KeyReader } from './key-reader.js'
import { type KeySet, readKeySet } from './key-set.js'

/** One coarse timer looks after all times here, in ms. */
const TICK = 1_000
/** What a request, or the plugin's setup, waits for a reading that is under way, in ms, about. Less than a hook may take. */
const PATIENCE = 2_000
/** Until the first key set is there, the wait doubles from here, in ms. */
const FIRST_WAIT = 1_000

export interface KeySourceOptions {
  readonly reader: KeyReader
  readonly algorithms: readonly string[]
  /** ms from one reading to the next, when all is well. */
  readonly every: number
  /** The least ms between two readings, once there is a key set. */
  readonly cooldown: number
  /** ms for one reading. */
  readonly timeout: number
  /** ms that a key set serves after the last reading that went well. */
  readonly maxStale: number
  readonly clock: Clock
  readonly log: Logger
}

interface Reading {
  readonly startedAt: number
  readonly abort: AbortController
  /** Resolves when it has ended, or has taken longer than anyone waits. */
  readonly patience: Promise<void>
  readonly endPatience: () => void
}

/** A key set that is kept up to date behind the requests' back. The same text read again leaves the same `KeySet`. */
export class KeySource {
  readonly #options: KeySourceOptions
  readonly #ticker: ClockTimer
  #keys: KeySet | undefined
  #text: string | undefined
  #reading: Reading | undefined
  #startedAt = Number.NEGATIVE_INFINITY
  #dueAt = 0
  /** When a reading last went well. */
  #confirmedAt = 0
  #failures = 0
  #problem: string | undefined
  #closed = false

  constructor(options: KeySourceOptions) {
    this.#options = options
    // An interval, since a virtual clock would leap to a timer while a file is still being read.
    this.#ticker = options.clock.setInterval(() => this.#tick(), TICK)
  }

  /** Undefined before the first could be had, and when the last has not been confirmed for `maxStale`. */
  get keys(): KeySet | undefined {
    return this.#keys
  }

  /** Why there are none, in the operator's words. */
  get problem(): string | undefined {
    return this.#keys === undefined ? (this.#problem ?? 'it could not be read in time') : undefined
  }

  /** Begins, and waits a little for the first key set. Never rejects. */
  open(): Promise<void> {
    return this.#begin().patience
  }

  /** Waits a little for a key set that is being read; undefined when none is. */
  underWay(): Promise<void> | undefined {
    return this.#reading?.patience
  }

  /** The same for one newer than now; reads it where `cooldown` allows. */
  newer(): Promise<void> | undefined {
    const { clock, cooldown } = this.#options
    if (this.#reading !== undefined) return this.#reading.patience
    if (this.#closed || clock.now() - this.#startedAt < cooldown) return undefined
    return this.#begin().patience
  }

  close(): void {
    this.#closed = true
    this.#ticker.cancel()
    this.#reading?.abort.abort(new Error('closed'))
    this.#reading?.endPatience()
    this.#options.reader.close()
  }

  #tick(): void {
    const { clock, timeout, maxStale, log } = this.#options
    const now = clock.now()
    const reading = this.#reading
    if (reading === undefined) {
      if (now >= this.#dueAt) this.#begin()
    } else {
      const took = now - reading.startedAt
      if (took >= PATIENCE) reading.endPatience()
      if (took >= timeout) reading.abort.abort(new Error(`no answer within ${timeout} ms`))
    }
    if (this.#keys !== undefined && now - this.#confirmedAt > maxStale) {
      this.#keys = undefined
      this.#text = undefined
      log.error('the key set has not been had for too long: tokens are refused until it is')
    }
  }

  #begin(): Reading {
    const abort = new AbortController()
    let endPatience = () => {}
    const patience = new Promise<void>((resolve) => {
      endPatience = resolve
    })
    this.#startedAt = this.#options.clock.now()
    const reading = { startedAt: this.#startedAt, abort, patience, endPatience }
    this.#reading = reading
    void this.#read(reading)
    return reading
  }

  async #read({ abort: { signal }, startedAt, endPatience }: Reading): Promise<void> {
    const { reader, algorithms, every, clock, log } = this.#options
    try {
      const text = await reader.read(signal)
      if (text !== this.#text) {
        const keys = await readKeySet(text, algorithms, log)
        if (this.#closed) return
        this.#keys = keys
        this.#text = text
        log.info({ keys: keys.size }, 'the key set is taken up')
      }
      this.#confirmedAt = clock.now()
      this.#failures = 0
      this.#problem = undefined
      this.#dueAt = startedAt + every
    } catch (error) {
      if (!this.#closed) this.#failed(signal.aborted ? signal.reason : error)
    } finally {
      this.#reading = undefined
      endPatience()
    }
  }

  #failed(error: unknown): void {
    const { clock, cooldown, every, log } = this.#options
    const wait = Math.min(every, cooldown)
    this.#dueAt =
      clock.now() + (this.#keys === undefined ? Math.min(wait, FIRST_WAIT * 2 ** this.#failures) : wait)
    this.#failures++
    const problem = reasonOf(error)
    // One that stays is told once.
    if (problem !== this.#problem) {
      const then = this.#keys === undefined ? 'tokens are refused until it is' : 'the one before still serves'
      log.warn({ problem }, `the key set could not be had: ${then}`)
    }
    this.#problem = problem
  }
}

/** undici and Node put the reason behind a general message, or behind none (an AggregateError of both IP families). */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { message, code, cause } = error as Error & { code?: string }
  if (message === '') return code ?? error.name
  return cause instanceof Error && cause.message !== '' ? `${message}: ${cause.message}` : message
}
