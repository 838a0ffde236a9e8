/** What `next` came upon. */
export const DATA = 0
/** All of the piece was read, and more is to come. */
export const MORE = 1
/** The last chunk was read. */
export const END = 2
/** What other readers may take and this one does not: extensions, trailers, sizes past 8 digits, anything. */
export const OTHER = 3
/** A chunk goes on where its size says that it ends: nobody can read on. */
export const BROKEN = 4

type ChunkEvent = typeof DATA | typeof MORE | typeof END | typeof OTHER | typeof BROKEN

const IN_SIZE = 0
const AFTER_SIZE = 1
const IN_DATA = 2
const AFTER_DATA = 3
const AFTER_DATA_CR = 4
const AFTER_LAST = 5
const AFTER_LAST_CR = 6

const LF = 0x0a
const CR = 0x0d
const MOST_DIGITS = 8

type LatinBuffer = Buffer & { latin1Slice(start: number, end: number): string }

/**
 * Reads chunked bodies (RFC 9112 section 7.1) in a strict subset of the grammar: sizes of 1 to 8 hexadecimal digits, no
 * extensions, a last chunk of one `0`, no trailers. Pieces are cut wherever they may be. For each piece `feed`, then
 * `next` until it is not `DATA`.
 */
export class ChunkedDecoder {
  /** Where the data of a `DATA` is in the piece. */
  from = 0
  to = 0
  #piece: Buffer = NOTHING
  #at = 0
  #state = IN_SIZE
  #size = 0
  #digits = 0
  /** What of the line that is being read came in earlier pieces. */
  #carried = ''
  /** Where that line goes on in this piece. */
  #line = 0

  feed(piece: Buffer, from: number): void {
    this.#piece = piece
    this.#at = this.#line = from
  }

  /** How far the piece was read. */
  get at(): number {
    return this.#at
  }

  /** The bytes from the line on that an `OTHER` was found in. */
  get unread(): Buffer {
    const rest = this.#piece.subarray(this.#line)
    return this.#carried === '' ? rest : Buffer.concat([Buffer.from(this.#carried, 'latin1'), rest])
  }

  next(): ChunkEvent {
    const piece = this.#piece
    const { length } = piece
    while (this.#at < length) {
      const byte = piece[this.#at] as number
      switch (this.#state) {
        case IN_SIZE: {
          const digit = hexadecimal(byte)
          if (digit >= 0 && this.#digits < MOST_DIGITS) {
            this.#size = this.#size * 16 + digit
            this.#digits++
          } else if (byte === CR && this.#digits > 0) {
            this.#state = AFTER_SIZE
          } else return OTHER
          break
        }
        case AFTER_SIZE:
          if (byte !== LF || (this.#size === 0 && this.#digits > 1)) return OTHER
          this.#state = this.#size === 0 ? AFTER_LAST : IN_DATA
          break
        case IN_DATA:
          return this.#data(length)
        case AFTER_DATA:
          if (byte !== CR) return BROKEN
          this.#state = AFTER_DATA_CR
          break
        case AFTER_DATA_CR:
          if (byte !== LF) return BROKEN
          this.#begin()
          break
        case AFTER_LAST:
          if (byte !== CR) return OTHER
          this.#state = AFTER_LAST_CR
          break
        default:
          if (byte !== LF) return OTHER
          this.#at++
          this.#begin()
          this.#piece = NOTHING
          return END
      }
      this.#at++
    }
    if (this.#state <= AFTER_SIZE || this.#state >= AFTER_LAST)
      this.#carried += (piece as LatinBuffer).latin1Slice(this.#line, length)
    this.#line = length
    this.#piece = NOTHING
    return MORE
  }

  #data(length: number): ChunkEvent {
    this.from = this.#at
    this.to = Math.min(length, this.#at + this.#size)
    this.#size -= this.to - this.from
    this.#at = this.to
    if (this.#size === 0) this.#state = AFTER_DATA
    return DATA
  }

  #begin(): void {
    this.#state = IN_SIZE
    this.#size = 0
    this.#digits = 0
    this.#carried = ''
    this.#line = this.#at + 1
  }
}

const NOTHING = Buffer.alloc(0)

/** -1 for what is no digit. */
function hexadecimal(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}
