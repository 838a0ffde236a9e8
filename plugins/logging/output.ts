import { closeSync, constants, fstatSync, openSync, type Stats, statSync, writeSync } from 'node:fs'
import type { Destination } from './protocol.js'

/** ms between two looks whether the file is still the one at its path. */
const CHECK_EVERY = 1000
/** POSIX: a write of so much to a pipe is not mixed with another process's. */
const PIPE_BUF = 4096

/**
 * The open destination. Nothing here blocks on a reader: a thread that hangs in a write holds up even the end of the process.
 * Every method throws what the system says.
 */
export class Output {
  readonly #destination: Destination
  #fd: number | undefined
  #isFile = false
  #stat: Stats | undefined
  #checkedAt = 0
  /** Half a line was written, and its rest may never follow. */
  #torn = false

  constructor(destination: Destination) {
    this.#destination = destination
  }

  /** Writes from `offset` on. @returns bytes written, perhaps fewer than there are. @throws EAGAIN when nothing fits now */
  write(bytes: Buffer, offset: number): number {
    const fd = this.#descriptor()
    if (this.#torn) {
      writeSync(fd, '\n')
      this.#torn = false
    }
    return writeSync(fd, bytes, offset, this.#piece(bytes, offset))
  }

  /** @param torn whether what was written ends within a line */
  close(torn: boolean): void {
    const fd = this.#fd
    this.#fd = undefined
    this.#torn = torn && this.#isFile
    try {
      if (fd !== undefined && fd > 2) closeSync(fd)
    } catch {
      // It is gone all the same.
    }
  }

  /** Into a file all at once; elsewhere whole lines that fit in one indivisible write. */
  #piece(bytes: Buffer, offset: number): number {
    const left = bytes.length - offset
    if (this.#isFile || left <= PIPE_BUF) return left
    const end = bytes.lastIndexOf(10, offset + PIPE_BUF - 1)
    // A line longer than that cannot be indivisible.
    return end >= offset ? end + 1 - offset : PIPE_BUF
  }

  #descriptor(): number {
    if (this.#fd !== undefined && this.#isFile) this.#followRotation()
    if (this.#fd === undefined) {
      this.#fd = open(this.#destination)
      this.#stat = fstatSync(this.#fd)
      this.#isFile = this.#stat.isFile()
      // A line torn by a full disk in a file that has since been taken away leaves nothing to mend.
      this.#torn &&= this.#isFile && this.#stat.size > 0
      this.#checkedAt = performance.now()
    }
    return this.#fd
  }

  /** The file was renamed or removed: what is written belongs into the one at the path. */
  #followRotation(): void {
    const now = performance.now()
    if (this.#destination === 'stdout' || now - this.#checkedAt < CHECK_EVERY) return
    this.#checkedAt = now
    const at = statSync(this.#destination, { throwIfNoEntry: false })
    if (at === undefined || at.ino !== this.#stat?.ino || at.dev !== this.#stat.dev) this.close(false)
  }
}

function open(destination: Destination): number {
  if (destination !== 'stdout') {
    // Without a reader a FIFO refuses (ENXIO) instead of waiting for one. Log lines tell who did what: not for everybody.
    const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = constants
    return openSync(destination, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0o640)
  }
  // The same pipe once more: the flag set on descriptor 1 itself would hold for every process that shares it.
  return fstatSync(1).isFIFO() ? reopenPipe() : 1
}

function reopenPipe(): number {
  try {
    return openSync('/proc/self/fd/1', constants.O_WRONLY | constants.O_NONBLOCK)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENXIO') throw error
    // Where there is no /proc.
    return 1
  }
}
