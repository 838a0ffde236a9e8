import { Worker } from 'node:worker_threads'
import type { Ready, Report, Request, ThreadData } from './protocol.js'

/** ms before a thread that died is started again. */
const RESTART_AFTER = 1000
/** ms that the end of the process waits for lines on their way. */
const EXIT_WAIT = 1000
/** ms that a thread may take to start before nobody waits for it: some 50 ms, or seconds where a loader compiles it. */
const START_WITHIN = 5000

/** Whoever hands lines to the thread. */
export interface Member {
  readonly id: number
  /** What tells a new thread of this log. */
  opening(): Request
  reported(report: Report): void
  /** The thread is gone and with it what it had. */
  lost(): void
  /** Hands over what is left. */
  flush(): void
  /** Waits, blocking, for what was handed over. @param until of `performance.now()`, at most */
  waitBlocking(until: number): void
}

/**
 * The one thread that writes every access log of the process. It starts with the first line, does not keep the process
 * alive, and ends with the last log.
 */
class WriterThread {
  readonly #members = new Map<number, Member>()
  #worker: Worker | undefined
  #ready = new Int32Array(new SharedArrayBuffer(4))
  /** Called once the thread can take requests, or has ended. */
  #waiting: (() => void)[] = []
  #startedAt = Number.NEGATIVE_INFINITY
  #lastId = 0
  readonly #onExit = () => this.#flushAll()

  nextId(): number {
    return ++this.#lastId
  }

  join(member: Member): void {
    if (this.#members.size === 0) process.on('exit', this.#onExit)
    this.#members.set(member.id, member)
    this.#worker?.postMessage(member.opening())
  }

  leave(member: Member): void {
    if (!this.#members.delete(member.id) || this.#members.size > 0) return
    process.off('exit', this.#onExit)
    const worker = this.#worker
    this.#worker = undefined
    this.#startedAt = Number.NEGATIVE_INFINITY
    worker?.removeAllListeners()
    worker?.terminate().catch(() => {})
  }

  /** Resolves when the thread can take requests; also when it has ended, or does not come up. */
  started(): Promise<void> {
    if (this.#worker === undefined || Atomics.load(this.#ready, 0) === 1) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, START_WITHIN)
      this.#waiting.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  get running(): boolean {
    return this.#worker !== undefined
  }

  /** @returns false when there is no thread to take it, and none can be started just now */
  post(request: Request): boolean {
    const worker = this.#worker ?? this.#start()
    if (worker === undefined) return false
    worker.postMessage(request)
    return true
  }

  #start(): Worker | undefined {
    const now = performance.now()
    if (now - this.#startedAt < RESTART_AFTER) return undefined
    this.#startedAt = now
    this.#ready = new Int32Array(new SharedArrayBuffer(4))
    const workerData: ThreadData = { ready: this.#ready.buffer as SharedArrayBuffer }
    try {
      // The extension that this file has: sources run as they are under a loader, and threads inherit it.
      const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
      const worker = new Worker(new URL(`./logging.worker${extension}`, import.meta.url), {
        name: 'access-log',
        workerData,
        // It keeps next to nothing; a large nursery would only be memory that the service beside us lacks.
        resourceLimits: { maxYoungGenerationSizeMb: 4 }
      })
      worker.on('message', (message: Report | Ready) => {
        if (message.kind === 'ready') this.#release()
        else this.#members.get(message.id)?.reported(message)
      })
      worker.on('error', () => this.#ended(worker))
      worker.on('exit', () => this.#ended(worker))
      // Last: a listener for messages would keep the process alive again.
      worker.unref()
      this.#worker = worker
      for (const member of this.#members.values()) worker.postMessage(member.opening())
      return worker
    } catch {
      // No more threads to be had. The lines are dropped and counted, and it is tried again.
      return undefined
    }
  }

  #ended(worker: Worker): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    for (const member of this.#members.values()) member.lost()
    this.#release()
  }

  #release(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  #flushAll(): void {
    for (const member of this.#members.values()) member.flush()
    if (this.#worker === undefined) return
    Atomics.wait(this.#ready, 0, 0, START_WITHIN)
    const until = performance.now() + EXIT_WAIT
    for (const member of this.#members.values()) member.waitBlocking(until)
  }
}

export const thread = new WriterThread()
