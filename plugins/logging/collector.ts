import type { Exchange, Result } from '../../core/index.js'
import type { Selection } from './fields.js'
import { ABSENT, type Batch, MAX_VALUE } from './protocol.js'

/** Lines of a batch: enough that handing it over (some 10 µs) is little per line. */
export const BATCH_LINES = 256
/** Characters after which a batch is full before it has its lines. */
const BATCH_TEXT = 128 * 1024
/** What a line takes besides its characters, roughly. */
const LINE_OVERHEAD = 128

/**
 * The lines of one batch in the making. A line costs references and numbers put into arrays that are there already:
 * no object, no string is made for it.
 */
export class Collector {
  readonly #selection: Selection
  readonly #texts: string[]
  readonly #lengths: Uint16Array
  readonly #numbers: Float64Array
  #text = 0
  #number = 0
  lines = 0
  /** Roughly what the batch holds in memory. */
  bytes = 0

  constructor(selection: Selection) {
    this.#selection = selection
    this.#texts = new Array<string>(selection.texts.length * BATCH_LINES).fill('')
    this.#lengths = new Uint16Array(selection.texts.length * BATCH_LINES)
    this.#numbers = new Float64Array(selection.numbers.length * BATCH_LINES)
  }

  get full(): boolean {
    return this.lines === BATCH_LINES || this.bytes >= BATCH_TEXT
  }

  /** Not to be called when full. */
  add(result: Result, exchange: Exchange, now: number): void {
    const { texts, numbers } = this.#selection
    // Read first, count last: a field that throws leaves no half line behind.
    let at = this.#text
    let bytes = LINE_OVERHEAD
    for (let i = 0; i < texts.length; i++) {
      const value = texts[i]?.read(result, exchange)
      if (value === undefined || value === '') {
        this.#texts[at] = ''
        this.#lengths[at++] = ABSENT
      } else {
        const kept = value.length > MAX_VALUE ? `${value.slice(0, MAX_VALUE)}…` : value
        this.#texts[at] = kept
        this.#lengths[at++] = kept.length
        bytes += kept.length
      }
    }
    let n = this.#number
    for (let i = 0; i < numbers.length; i++)
      this.#numbers[n++] = numbers[i]?.read(result, exchange, now) ?? Number.NaN
    this.#text = at
    this.#number = n
    this.lines++
    this.bytes += bytes
  }

  /** The batch, and an empty start for the next. */
  take(): Batch {
    const texts = this.#text === this.#texts.length ? this.#texts : this.#texts.slice(0, this.#text)
    const batch: Batch = {
      lines: this.lines,
      text: texts.join(''),
      lengths: this.#lengths.slice(0, this.#text),
      numbers: this.#numbers.slice(0, this.#number)
    }
    // What was referred to may go: headers of a request that ended long ago, on a proxy that then is idle.
    this.#texts.fill('', 0, this.#text)
    this.#text = this.#number = this.lines = this.bytes = 0
    return batch
  }
}
