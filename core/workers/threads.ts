import type { Worker } from 'node:worker_threads'
import type { Piscina, PiscinaTask } from 'piscina'
import { OUT_OF_MEMORY } from './failures.js'
import { HeapWatch } from './heap-watch.js'
import { type Answer, type CallMessage, isStray, restore, type ThreadData } from './protocol.js'

/** Milliseconds that a thread without work is kept; starting one costs 20 to 50. */
const IDLE = 30_000
/** Threads in a row that may fail to start before the call that waits for one fails. */
const MAX_STARTS = 3
const MIB = 1024 * 1024
// `queueOptionsSymbol`, which is not worth importing Piscina for: what a task carries under it is not posted.
const ASIDE = Symbol.for('Piscina.queueOptions')

export interface ThreadsOptions {
  readonly threads: number
  /** Bytes. */
  readonly maxHeap: number
  readonly modules: Readonly<Record<string, URL>>
  readonly begun: Int32Array
  readonly onError: (error: Error) => void
}

/** A call given to a thread. To Piscina it is also the abort signal of its task: an AbortController each would cost more. */
class Posting {
  readonly message: CallMessage
  readonly transfer: ArrayBuffer[]
  readonly answer: Promise<Answer>
  readonly aborted = false
  resolve!: (answer: Answer) => void
  reject!: (reason: unknown) => void
  starts = 0
  /** It was there at the last look. */
  seen = false
  cancelled = false
  #listener: (() => void) | undefined

  constructor(message: CallMessage, transfer: ArrayBuffer[]) {
    this.message = message
    this.transfer = transfer
    this.answer = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }

  addEventListener(_event: 'abort', listener: () => void): void {
    this.#listener = listener
  }

  removeEventListener(): void {
    this.#listener = undefined
  }

  /** Takes the task from Piscina: from its queue, or by the end of the thread that runs it. */
  withdraw(): void {
    this.#listener?.()
  }
}

export type { Posting }

/**
 * The threads themselves, and the one file that knows Piscina. It gets at most as many tasks as it may have threads, so that
 * none waits in its own queue but for a thread that is starting: that queue does not count tasks with a signal against
 * its limit, and forgets them when the thread they wait for cannot start.
 */
export class Threads {
  readonly #options: ThreadsOptions
  /** Tasks that no thread has been given yet. */
  readonly #waiting = new Set<Posting>()
  /** What each busy thread has, by its id. */
  readonly #busy = new Map<number, Posting>()
  /** Threads at rest that were ended over their heaps, and get no more to do. */
  readonly #retired = new Set<number>()
  #opening: Promise<Piscina> | undefined
  #piscina: Piscina | undefined
  #watch: HeapWatch | undefined
  #lastError: Error | undefined

  constructor(options: ThreadsOptions) {
    this.#options = options
  }

  /** @param transfer memory that is moved, once a thread is given the call */
  post(message: CallMessage, transfer: ArrayBuffer[]): Posting {
    const posting = new Posting(message, transfer)
    if (this.#piscina) this.#run(this.#piscina, posting)
    else {
      this.#opening ??= this.#open()
      this.#opening.then((piscina) => this.#run(piscina, posting), posting.reject)
    }
    return posting
  }

  /** Ends the call; the thread that runs it is terminated, as nothing else stops a busy one. */
  cut(posting: Posting, reason: Error): void {
    posting.cancelled = true
    posting.withdraw()
    this.#waiting.delete(posting)
    posting.reject(reason)
  }

  /**
   * Measures the heaps of threads that have been at one call since the last look, or of all, since what grows may
   * also be what a worker keeps from call to call. Past the limit, a busy thread's call is cut, and one at rest ends.
   */
  look(all: boolean): void {
    const watch = this.#watch
    if (!watch || !this.#piscina) return
    for (const worker of this.#piscina.threads) {
      const { threadId } = worker
      const posting = this.#busy.get(threadId)
      if (all || posting?.seen) void this.#measure(watch, worker, posting)
      if (posting) posting.seen = true
    }
  }

  /** Ends every thread; what runs there rejects. */
  async close(): Promise<void> {
    const piscina = await this.#opening?.catch(() => undefined)
    await piscina?.destroy()
    this.#watch?.close()
  }

  async #open(): Promise<Piscina> {
    const { threads, maxHeap, modules, begun, onError } = this.#options
    const { Piscina } = await import('piscina')
    this.#watch = await HeapWatch.open(maxHeap)
    const heap = this.#watch ? maxHeap * HeapWatch.BACKSTOP : maxHeap
    const workerData: ThreadData = {
      modules: Object.fromEntries(Object.entries(modules).map(([name, url]) => [name, url.href])),
      begun
    }
    const piscina = new Piscina({
      ...entry(),
      minThreads: 0,
      maxThreads: threads,
      idleTimeout: IDLE,
      concurrentTasksPerWorker: 1,
      // The faster 'sync' stops a thread's event loop between calls: timers and sockets of a worker's own would hang,
      // and an error of one call would come up in the next.
      atomics: 'disabled',
      recordTiming: false,
      resourceLimits: { maxOldGenerationSizeMb: heap / MIB },
      workerData,
      loadBalancer: (task, workers) => {
        const idle = workers.find(({ currentUsage, id }) => currentUsage === 0 && !this.#retired.has(id))
        if (!idle) return null
        const posting = postingOf(task)
        const { id } = idle
        this.#waiting.delete(posting)
        this.#busy.set(id, posting)
        const rest = () => this.#busy.get(id) === posting && this.#busy.delete(id)
        posting.answer.then(rest, rest)
        return idle
      }
    })
    // Without a listener, the error of a thread at rest would end the process.
    piscina.on('error', (error: Error) => {
      this.#lastError = error
      onError(error)
    })
    piscina.on('message', (message: unknown) => {
      if (isStray(message)) onError(restore(message.stray))
    })
    piscina.on('workerCreate', () => {
      this.#lastError = undefined
    })
    // Emitted before the thread leaves Piscina's list.
    piscina.on('workerDestroy', () => queueMicrotask(() => this.#rescue(piscina)))
    this.#piscina = piscina
    return piscina
  }

  #run(piscina: Piscina, posting: Posting): void {
    if (posting.cancelled) return
    const start = ++posting.starts
    this.#waiting.add(posting)
    try {
      const task = { ...posting.message, [ASIDE]: posting }
      piscina.run(task, { signal: posting, transferList: posting.transfer }).then(
        (answer: Answer) => posting.resolve(answer),
        // A task that was withdrawn to be run anew is not over.
        (error: unknown) => start === posting.starts && posting.reject(error)
      )
    } catch (error) {
      this.cut(posting, error as Error)
    }
  }

  async #measure(watch: HeapWatch, worker: Worker, posting: Posting | undefined): Promise<void> {
    const { threadId } = worker
    const over = await watch.isOver(threadId, posting === undefined)
    // What has come since is not to blame.
    if (!over || this.#busy.get(threadId) !== posting) return
    if (posting)
      return this.cut(posting, Object.assign(new Error('ended over its heap'), { code: OUT_OF_MEMORY }))
    this.#retired.add(threadId)
    await worker.terminate()
    this.#retired.delete(threadId)
  }

  /** Runs anew the tasks whose thread ended before it could be given them, which Piscina leaves waiting. */
  #rescue(piscina: Piscina): void {
    if (piscina.queueSize === 0) return
    for (const posting of [...this.#waiting].slice(-piscina.queueSize)) {
      posting.withdraw()
      if (posting.starts < MAX_STARTS) this.#run(piscina, posting)
      else
        this.cut(
          posting,
          new Error(`no worker thread starts: ${this.#lastError?.message ?? 'it ends at once'}`)
        )
    }
  }
}

function postingOf(task: PiscinaTask): Posting {
  return (task as unknown as Record<symbol, Posting>)[ASIDE] as Posting
}

/**
 * From source, a thread loads TypeScript by itself and takes none of this process's loaders: a test runner's, with the
 * compiler in it, takes seconds in each thread.
 */
function entry(): { filename: string; execArgv?: string[] } {
  if (!import.meta.url.endsWith('.ts')) return { filename: new URL('./entry.js', import.meta.url).href }
  return { filename: new URL('./entry-from-source.mjs', import.meta.url).href, execArgv: [] }
}
