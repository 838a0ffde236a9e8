import { Output } from './output.js'
import type { Batch, Destination, Report } from './protocol.js'

/** ms before a destination that refused is tried again. */
const RETRY_AFTER = 1000
/** ms before a reader that is behind is looked at again. */
const BUSY_AFTER = 10

/** What one log has to write, in its order. Lines stay until they are written or the log closes. */
export class Sink {
  readonly #output: Output
  readonly #settled: Int32Array
  readonly #report: (report: Report) => void
  readonly #id: number
  #queue: Batch[] = []
  #bytes: Buffer | undefined
  #offset = 0
  #timer: NodeJS.Timeout | undefined
  #trouble = false
  #closing: NodeJS.Timeout | undefined

  constructor(
    id: number,
    destination: Destination,
    settled: SharedArrayBuffer,
    report: (report: Report) => void
  ) {
    this.#id = id
    this.#output = new Output(destination)
    this.#settled = new Int32Array(settled)
    this.#report = report
  }

  add(batch: Batch): void {
    this.#queue.push(batch)
    if (this.#timer === undefined) this.#pump()
  }

  close(within: number): void {
    this.#closing ??= setTimeout(() => this.#end(), within)
    if (this.#queue.length === 0) this.#end()
  }

  readonly #pump = (): void => {
    this.#timer = undefined
    try {
      while (this.#queue.length > 0) this.#writeBatch(this.#queue[0] as Batch)
    } catch (error) {
      this.#failed(error as NodeJS.ErrnoException)
      return
    }
    if (this.#trouble) {
      this.#trouble = false
      this.#report({ kind: 'recovered', id: this.#id })
    }
    if (this.#closing !== undefined) this.#end()
  }

  #writeBatch(batch: Batch): void {
    const { buffer, byteOffset, length } = batch.bytes
    this.#bytes ??= Buffer.from(buffer, byteOffset, length)
    while (this.#offset < this.#bytes.length) this.#offset += this.#output.write(this.#bytes, this.#offset)
    this.#settleFirst()
  }

  #settleFirst(): void {
    this.#queue.shift()
    this.#bytes = undefined
    this.#offset = 0
    Atomics.add(this.#settled, 0, 1)
    Atomics.notify(this.#settled, 0)
  }

  #failed(error: NodeJS.ErrnoException): void {
    if (error.code === 'EAGAIN') {
      this.#timer = setTimeout(this.#pump, BUSY_AFTER)
      return
    }
    // The line that was cut is written again from its start.
    const written = this.#offset
    if (this.#bytes !== undefined && written > 0) this.#offset = this.#bytes.lastIndexOf(10, written - 1) + 1
    this.#output.close(written > this.#offset)
    this.#timer = setTimeout(this.#pump, RETRY_AFTER)
    if (this.#trouble) return
    this.#trouble = true
    this.#report({ kind: 'trouble', id: this.#id, message: explain(error) })
  }

  /** What is still here is lost. */
  #end(): void {
    clearTimeout(this.#timer)
    clearTimeout(this.#closing)
    let lost = 0
    while (this.#queue.length > 0) {
      lost +=
        this.#bytes === undefined ? (this.#queue[0] as Batch).lines : linesFrom(this.#bytes, this.#offset)
      this.#settleFirst()
    }
    this.#output.close(false)
    this.#report({ kind: 'closed', id: this.#id, lost })
  }
}

function linesFrom(bytes: Buffer, offset: number): number {
  let lines = 0
  for (let at = bytes.indexOf(10, offset); at !== -1; at = bytes.indexOf(10, at + 1)) lines++
  return lines
}

function explain(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ENXIO':
      return 'nobody reads it (ENXIO)'
    case 'EPIPE':
      return 'its reader is gone (EPIPE)'
    case 'ENOSPC':
      return 'there is no space left on the device (ENOSPC)'
    case 'ENOENT':
      return 'its folder does not exist (ENOENT)'
    default:
      return error.message
  }
}
