import type { CounterCell, Exchange, Logger, Result } from '../../core/index.js'
import type { LineMaker } from './format.js'
import { type Handed, LineBuffer } from './line-buffer.js'
import type { Destination, Report, Request } from './protocol.js'
import { type Member, thread } from './thread.js'

/** ms that a line waits for others to go with it. */
const FLUSH_AFTER = 100
/** Lines that may be on their way, whatever their size. */
const MAX_LINES = 65_536
/** ms that closing waits for the destination to take what is left. */
const CLOSE_WITHIN = 1000
/** ms that the process's end waits for a destination that could not be written before. */
const TROUBLED_WAIT = 100

export interface AccessLogOptions {
  destination: Destination
  maker: LineMaker
  /** Bytes that may be on their way, roughly. */
  maxBytes: number
  dropped: CounterCell
  log: Logger
}

/** The lines of one listing of the plugin, on their way to the writer's thread. Nothing here waits or throws. */
export class AccessLog implements Member {
  readonly id = thread.nextId()
  readonly #options: AccessLogOptions
  readonly #buffer = new LineBuffer()
  /** Counted up by the thread; read here, so that no message need come back per batch. */
  #settled = new Int32Array(new SharedArrayBuffer(4))
  /** Batches that the thread has, the oldest first. */
  #sent: Handed[] = []
  #sentLines = 0
  #sentBytes = 0
  /** Of this thread: batches sent and seen to be settled. */
  #posted = 0
  #seen = 0
  #timer: NodeJS.Timeout | undefined
  readonly #onTimer = () => this.flush()
  #trouble = false
  #outage = false
  #droppedInOutage = 0
  #closed = false
  #onClosed: ((lost: number) => void) | undefined

  constructor(options: AccessLogOptions) {
    this.#options = options
    thread.join(this)
  }

  write(result: Result, exchange: Exchange, now: number): void {
    if (this.#closed) {
      this.#options.dropped.inc()
      return
    }
    if (this.#isFull() && !this.#makeRoom()) {
      this.#drop(1)
      return
    }
    const { maker } = this.#options
    const line = maker.line(result, exchange, now)
    if (!this.#buffer.add(line, maker.wide)) {
      this.flush()
      this.#buffer.add(line, maker.wide)
    }
    this.#timer ??= setTimeout(this.#onTimer, FLUSH_AFTER).unref()
  }

  /** Writes what is left, within a second; what cannot be written by then is dropped and counted. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.flush()
    this.#closed = true
    if (thread.running && this.#posted > 0) {
      await thread.started()
      const lost = await this.#closing()
      if (lost > 0) this.#drop(lost)
    }
    if (this.#outage) {
      const { destination, log } = this.#options
      log.warn(
        { destination, dropped: this.#droppedInOutage },
        'the access log is closed before all of it was written'
      )
    }
    thread.leave(this)
  }

  #closing(): Promise<number> {
    return new Promise((resolve) => {
      // The thread keeps the time; this is for one that does not answer at all.
      const timer = setTimeout(() => {
        this.#makeRoom()
        resolve(this.#sentLines)
      }, CLOSE_WITHIN + 250)
      this.#onClosed = (lost) => {
        clearTimeout(timer)
        resolve(lost)
      }
      if (!thread.post({ kind: 'close', id: this.id, within: CLOSE_WITHIN })) this.#onClosed(this.#sentLines)
    })
  }

  // Of the thread

  opening(): Request {
    const { destination } = this.#options
    return {
      kind: 'open',
      id: this.id,
      destination,
      settled: this.#settled.buffer as SharedArrayBuffer
    }
  }

  reported(report: Report): void {
    switch (report.kind) {
      case 'trouble':
        this.#trouble = true
        this.#warn(
          'the access log cannot be written; its lines wait, and are dropped when too many do',
          report.message
        )
        break
      case 'recovered':
        this.#trouble = false
        this.#makeRoom()
        if (this.#sent.length === 0) this.#recover()
        break
      case 'closed':
        this.#onClosed?.(report.lost)
        break
    }
  }

  lost(): void {
    const lines = this.#sentLines
    this.#settled = new Int32Array(new SharedArrayBuffer(4))
    this.#sent = []
    this.#sentLines = this.#sentBytes = this.#posted = this.#seen = 0
    if (lines > 0) this.#drop(lines, 'the thread that writes it ended')
    this.#onClosed?.(0)
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#buffer.lines === 0) return
    this.#makeRoom()
    const handed = this.#buffer.take()
    const { lines, bytes } = handed
    if (!thread.post({ kind: 'batch', id: this.id, batch: { lines, bytes } })) {
      this.#buffer.giveBack(handed.slot)
      this.#drop(lines, 'the thread that writes it ended')
      return
    }
    this.#sent.push(handed)
    this.#sentLines += lines
    this.#sentBytes += bytes.length
    this.#posted++
  }

  waitBlocking(until: number): void {
    // A destination known to be gone will not be back by then.
    const end = this.#trouble ? Math.min(until, performance.now() + TROUBLED_WAIT) : until
    for (;;) {
      const settled = Atomics.load(this.#settled, 0)
      const left = end - performance.now()
      if (settled >= this.#posted || left <= 0) return
      Atomics.wait(this.#settled, 0, settled, left)
    }
  }

  // How much is under way

  #isFull(): boolean {
    const { lines, bytes } = this.#buffer
    return this.#sentLines + lines >= MAX_LINES || this.#sentBytes + bytes >= this.#options.maxBytes
  }

  /** Looks what the thread has settled since. @returns whether a line fits now */
  #makeRoom(): boolean {
    const settled = Atomics.load(this.#settled, 0)
    let done = 0
    for (; this.#seen < settled && done < this.#sent.length; this.#seen++, done++) {
      const { lines, bytes, slot } = this.#sent[done] as Handed
      this.#sentLines -= lines
      this.#sentBytes -= bytes.length
      this.#buffer.giveBack(slot)
    }
    if (done > 0) this.#sent.splice(0, done)
    if (done > 0 && this.#sent.length === 0 && !this.#trouble) this.#recover()
    return !this.#isFull()
  }

  #drop(lines: number, why = 'its destination is too slow'): void {
    this.#options.dropped.inc(lines)
    this.#droppedInOutage += lines
    this.#warn('lines of the access log are dropped', why)
  }

  /** Once for an outage, however many lines it costs. */
  #warn(message: string, reason: string): void {
    if (this.#outage) return
    this.#outage = true
    this.#options.log.warn({ destination: this.#options.destination, reason }, message)
  }

  #recover(): void {
    if (!this.#outage) return
    this.#outage = false
    const dropped = this.#droppedInOutage
    this.#droppedInOutage = 0
    this.#options.log.info(
      { destination: this.#options.destination, dropped },
      'the access log is written again'
    )
  }
}
