import type { ProxyError } from '../errors.js'
import { type Clock, type ClockTimer, systemClock } from '../hooks/clock.js'
import type { AnyFunction, WorkerFunction, WorkerOptions } from '../hooks/plugin.js'
import { pack, unpack } from './buffers.js'
import { absent, explain, overloaded } from './failures.js'
import { findWorkerFile } from './file.js'
import { labelOf, restore } from './protocol.js'
import { LOAD_TIMEOUT, type Target, type Task, tooLong } from './task.js'
import { Threads } from './threads.js'

/** Milliseconds a call may take by default. */
const TIMEOUT = 5000
/** Milliseconds between two looks at the deadlines: all calls share one timer. */
const SWEEP = 20
/** Of how many looks one is at the heaps of all threads. */
const FULL_LOOK = 5
/** Bytes. With much less, V8 cannot build a thread's heap at all, and ends the process. */
const MIN_HEAP = 16 * 1024 * 1024
/** Milliseconds that a call nobody waits for may go on: what ends by itself within them costs less than a new thread. */
const GRACE = 50

export interface WorkerPoolOptions {
  /** Calls that run at a time. Threads start when they are first needed and end after 30 s without work. */
  readonly threads: number
  /** Calls that may wait for a thread; 0 for none. */
  readonly maxQueue: number
  /** Bytes of a thread's heap, at least 16 MiB, about. Memory of buffers is not part of it. */
  readonly maxHeap: number
  /** Specifier to file, for what authors' worker files import from the proxy. */
  readonly modules: Readonly<Record<string, URL>>
  readonly clock?: Clock
  /** Each call's milliseconds with a thread, however it ended. */
  readonly onTask?: (durationMs: number) => void
  /** Errors in threads that no call can be failed with: late callbacks, threads that do not start. Default: a process warning. */
  readonly onError?: (error: Error) => void
}

/**
 * The process's worker threads. Bounded in threads, in calls that wait (`WORKER_OVERLOADED` at once), in the time a
 * call waits (its `timeout`, then `WORKER_OVERLOADED`) and in the time it runs (its `timeout`, then `PLUGIN_TIMEOUT`).
 * Its time to run is counted from when its function begins, and not from the call: a call that waited long would else be
 * given a short time, and its thread's end would make a full pool slower still.
 */
export class WorkerPool {
  readonly #options: WorkerPoolOptions
  readonly #clock: Clock
  readonly #threads: Threads
  readonly #begun: Int32Array
  readonly #slots: number[]
  readonly #queue = new Set<Task>()
  readonly #running = new Set<Task>()
  #lastId = 0
  #lastEdition = 0
  #sweep: ClockTimer | undefined
  #looks = 0
  #sweptAt = 0
  #sweptLate = false
  #closed: Promise<void> | undefined
  #onIdle: (() => void) | undefined

  /** @throws RangeError on a heap too small for a thread */
  constructor(options: WorkerPoolOptions) {
    const { threads, maxHeap, modules } = options
    if (!(maxHeap >= MIN_HEAP))
      throw new RangeError(`a thread's heap is ${MIN_HEAP} bytes at least, not ${maxHeap}`)
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#begun = new Int32Array(new SharedArrayBuffer(threads * Int32Array.BYTES_PER_ELEMENT))
    this.#slots = Array.from({ length: threads }, (_, slot) => slot)
    const onError = options.onError ?? ((error: Error) => process.emitWarning(error))
    this.#threads = new Threads({ threads, maxHeap, modules, begun: this.#begun, onError })
  }

  /** Calls that wait for a thread. */
  get queueDepth(): number {
    return this.#queue.size
  }

  /** Whether any call has a thread or waits for one. */
  get isBusy(): boolean {
    return this.#running.size > 0 || this.#queue.size > 0
  }

  /**
   * A function that runs in the pool. A reload binds anew, and what is bound later runs the file, and what that
   * imports, as changed since. Where there is no such file, each call rejects.
   *
   * @throws TypeError on a URL that is no file's, or a timeout that is not positive
   */
  bind<F extends AnyFunction>(file: URL, exportName: string, options: WorkerOptions = {}): WorkerFunction<F> {
    const { timeout = TIMEOUT } = options
    if (file.protocol !== 'file:') throw new TypeError(`a worker is a file: URL, not ${file.href}`)
    if (!(timeout > 0 && Number.isFinite(timeout))) {
      throw new TypeError(`a worker's timeout is a positive number of milliseconds, not ${timeout}`)
    }
    const target: Target = {
      url: file,
      exportName,
      timeout,
      edition: ++this.#lastEdition,
      file: findWorkerFile(file)
    }
    const call = (...args: unknown[]) => this.#call(target, args, undefined)
    const bound = Object.assign(call, {
      for: ({ signal }: { readonly signal: AbortSignal }) => {
        return (...args: unknown[]) => this.#call(target, args, signal)
      }
    })
    return bound as WorkerFunction<F>
  }

  /**
   * Refuses further calls, lets accepted ones end (their timeouts bound them) and ends the threads.
   *
   * @param grace ms after which what is left rejects with `WORKER_OVERLOADED`; 0 for at once. May be given by a second call.
   */
  close(grace = Number.POSITIVE_INFINITY): Promise<void> {
    this.#closed ??= this.#drain()
    if (grace === 0) this.#cutAll()
    else if (grace !== Number.POSITIVE_INFINITY) {
      const timer = this.#clock.setTimeout(() => this.#cutAll(), grace)
      void this.#closed.finally(() => timer.cancel())
    }
    return this.#closed
  }

  #call(target: Target, args: unknown[], signal: AbortSignal | undefined): Promise<unknown> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      if (this.#closed !== undefined) throw overloaded('the worker threads are shutting down')
      const free = this.#slots.length > 0
      if (!free && this.#queue.size >= this.#options.maxQueue) throw overloaded('every worker thread is busy')
      target.file ??= findWorkerFile(target.url)
      if (target.file === undefined) throw absent(target.url, target.exportName)
      const { file } = target
      const onAbort = () => this.#abandon(task, signal?.reason)
      const task: Task = {
        target,
        file,
        // Now, and not when a thread is free: what waits must hold neither pooled nor pinned memory.
        packed: pack(args),
        resolve,
        reject,
        unlisten: () => signal?.removeEventListener('abort', onAbort),
        since: this.#clock.now(),
        deadline: 0,
        begun: false,
        settled: false,
        id: 0,
        slot: 0,
        posting: undefined
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      if (free) this.#start(task)
      else this.#wait(task)
      this.#watch()
    })
  }

  #wait(task: Task): void {
    task.deadline = task.since + task.target.timeout
    this.#queue.add(task)
  }

  #start(task: Task): void {
    const now = this.#clock.now()
    this.#lastId = (this.#lastId % 0x7fffffff) + 1
    task.id = this.#lastId
    task.slot = this.#slots.pop() as number
    task.since = now
    task.deadline = now + LOAD_TIMEOUT
    this.#running.add(task)
    const { values, buffers, transfer } = task.packed
    const { exportName, edition } = task.target
    const { id, slot, file } = task
    const message = { id, slot, file, edition, exportName, args: values, buffers }
    task.posting = this.#threads.post(message, transfer)
    task.posting.answer.then(
      (answer) => {
        if (answer.ok) this.#end(task, () => task.resolve(unpack(answer)[0]))
        else this.#end(task, () => task.reject(restore(answer.failure)))
      },
      (error) => {
        const begun = this.#hasBegun(task)
        this.#end(task, () => task.reject(explain(error, labelOf(message), begun, this.#options.maxHeap)))
      }
    )
  }

  /** A thread is done with it. */
  #end(task: Task, settle: () => void): void {
    this.#running.delete(task)
    this.#slots.push(task.slot)
    this.#settle(task, settle)
    const [next] = this.#queue
    if (next) {
      this.#queue.delete(next)
      this.#start(next)
    } else if (this.#running.size === 0) this.#onIdle?.()
    this.#options.onTask?.(this.#clock.now() - task.since)
  }

  #settle(task: Task, settle: () => void): void {
    if (task.settled) return
    task.settled = true
    task.unlisten()
    settle()
  }

  /** Its caller is gone. */
  #abandon(task: Task, reason: unknown): void {
    this.#settle(task, () => task.reject(reason))
    if (this.#queue.delete(task) || this.#callOff(task)) return
    task.deadline = Math.min(task.deadline, this.#clock.now() + GRACE)
  }

  #cut(task: Task, reason: ProxyError): void {
    this.#settle(task, () => task.reject(reason))
    if (!this.#queue.delete(task) && task.posting) this.#threads.cut(task.posting, reason)
  }

  #hasBegun({ slot, id }: Task): boolean {
    return Atomics.load(this.#begun, slot) === id
  }

  /**
   * Keeps a function from being called in a thread that is still loading it. To end such a thread would be to load
   * again for the next call: with clients less patient than the load takes, for ever.
   *
   * @returns false when it has begun
   */
  #callOff({ slot, id }: Task): boolean {
    const seen = Atomics.load(this.#begun, slot)
    return seen !== id && Atomics.compareExchange(this.#begun, slot, seen, -id) === seen
  }

  #watch(): void {
    if (this.#sweep) return
    this.#sweptAt = this.#clock.now()
    this.#sweep = this.#clock.setInterval(() => this.#look(), SWEEP)
  }

  #look(): void {
    const over = this.#running.size === 0
    this.#threads.look(over || ++this.#looks % FULL_LOOK === 0)
    if (over) {
      this.#sweep?.cancel()
      this.#sweep = undefined
      return
    }
    const now = this.#clock.now()
    // After the event loop was held up, answers may lie unread: they get one turn before their calls are late.
    this.#sweptLate = !this.#sweptLate && now - this.#sweptAt > 2 * SWEEP
    this.#sweptAt = now
    for (const task of this.#running) {
      if (!task.begun && this.#hasBegun(task)) {
        task.begun = true
        if (!task.settled) task.deadline = now + task.target.timeout
      }
      if (now >= task.deadline && !this.#sweptLate) this.#cut(task, tooLong(task))
    }
    for (const task of this.#queue) {
      if (now >= task.deadline && !this.#sweptLate)
        this.#cut(task, overloaded('no worker thread became free in time'))
    }
  }

  async #drain(): Promise<void> {
    if (this.#running.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve
      })
    }
    this.#sweep?.cancel()
    await this.#threads.close()
  }

  #cutAll(): void {
    for (const task of [...this.#queue, ...this.#running])
      this.#cut(task, overloaded('the worker threads are shutting down'))
  }
}
