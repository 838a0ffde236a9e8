const START = 0
const LENGTH = 1
const EXTENDED = 2
const REST = 3

const CLOSE = 0x8

/**
 * Knows where a WebSocket's frames begin and end in the bytes of one direction (RFC 6455, section 5.2), reading their
 * headers and nothing else. What is no frame ends its knowledge and is no error here.
 */
export class FrameTracker {
  /** What came is no frame of this direction: where frames end is not known any more. */
  broken = false
  /** A close frame has begun: no frame comes behind it. */
  closed = false
  readonly #masked: boolean
  #state = START
  #first = 0
  /** Of the length's 16 or 64 bits. */
  #lengthBytes = 0
  /** Bytes of mask and payload still to come; the length while it is read. */
  #left = 0

  /** @param masked true for what a client sends */
  constructor(masked: boolean) {
    this.#masked = masked
  }

  /** The next byte begins a frame. */
  get atBoundary(): boolean {
    return this.#state === START && !this.broken
  }

  /**
   * Reads on.
   *
   * @param once to go no further than the end of a frame
   * @returns how many bytes were read
   */
  scan(chunk: Buffer, once = false): number {
    let at = 0
    while (at < chunk.length && !this.broken) {
      if (this.#state === REST) {
        const taken = Math.min(this.#left, chunk.length - at)
        at += taken
        this.#left -= taken
        if (this.#left === 0) this.#state = START
      } else {
        this.#header(chunk[at++] as number)
      }
      if (once && this.#state === START) break
    }
    return at
  }

  #header(byte: number): void {
    switch (this.#state) {
      case START: {
        this.#first = byte
        const opcode = byte & 0x0f
        // 3 to 7 and 11 to 15 are reserved.
        if ((opcode & 0x7) > 2) this.broken = true
        if (opcode === CLOSE) this.closed = true
        this.#state = LENGTH
        return
      }
      case LENGTH: {
        const length = byte & 0x7f
        const control = (this.#first & 0x08) !== 0
        if (byte >> 7 !== Number(this.#masked)) this.broken = true
        // A control frame is short and whole.
        if (control && (length > 125 || this.#first < 0x80)) this.broken = true
        if (length < 126) {
          this.#payload(length)
          return
        }
        this.#lengthBytes = length === 126 ? 2 : 8
        this.#left = 0
        this.#state = EXTENDED
        return
      }
      default:
        this.#left = this.#left * 256 + byte
        if (this.#left > Number.MAX_SAFE_INTEGER) this.broken = true
        else if (--this.#lengthBytes === 0) this.#payload(this.#left)
    }
  }

  #payload(length: number): void {
    this.#left = length + (this.#masked ? 4 : 0)
    this.#state = this.#left === 0 ? START : REST
  }
}
