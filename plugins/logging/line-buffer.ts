/** Bytes of a slot: enough lines that handing them over (some 60 µs) is little per line. */
const SLOT = 128 * 1024
/** From this many bytes on the slot itself is handed over; of less a copy is, which takes what it needs and no more. */
const SHARED_FROM = SLOT / 2
/** Slots that came back and wait for their next turn. */
const SPARE = 3

/** Lines on their way. */
export interface Handed {
  readonly lines: number
  readonly bytes: Uint8Array
  /** What the bytes stand in, if it is to come back once they are written. */
  readonly slot: Buffer | undefined
}

/**
 * The lines of one batch in the making, as the bytes that are to be written. They stand in memory that both threads see: nothing
 * is copied to hand them over, nothing is garbage afterwards, and the writer's thread has nothing to do but write.
 */
export class LineBuffer {
  readonly #spare: Buffer[] = []
  #slot: Buffer | undefined
  bytes = 0
  lines = 0

  /**
   * @param wide whether any of its characters is beyond ASCII
   * @returns false when it does not fit any more: what is here is to be taken first
   */
  add(line: string, wide: boolean): boolean {
    const room = wide ? line.length * 3 : line.length
    let slot = this.#slot
    if (slot === undefined || this.bytes + room > slot.length) {
      if (this.lines > 0) return false
      slot = this.#slot = room > SLOT ? shared(room) : (this.#spare.pop() ?? shared(SLOT))
    }
    this.bytes += slot.write(line, this.bytes, room, wide ? 'utf8' : 'latin1')
    this.lines++
    return true
  }

  /** The batch, and an empty start for the next. Not to be called without a line. */
  take(): Handed {
    const { lines, bytes } = this
    const slot = this.#slot as Buffer
    this.lines = this.bytes = 0
    if (bytes < SHARED_FROM)
      return { lines, bytes: Uint8Array.prototype.slice.call(slot, 0, bytes), slot: undefined }
    this.#slot = undefined
    return { lines, bytes: new Uint8Array(slot.buffer, 0, bytes), slot }
  }

  /** Its bytes are written. */
  giveBack(slot: Buffer | undefined): void {
    if (slot?.length === SLOT && this.#spare.length < SPARE) this.#spare.push(slot)
  }
}

function shared(size: number): Buffer {
  return Buffer.from(new SharedArrayBuffer(size))
}
