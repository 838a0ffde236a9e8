// Runs in each thread of the pool, and in no other place: importing it changes the process's handlers and streams.

import { AsyncLocalStorage } from 'node:async_hooks'
import { pathToFileURL } from 'node:url'
import { parentPort, workerData } from 'node:worker_threads'
import type { AnyFunction } from '../hooks/plugin.js'
import type { ModuleLoader } from '../modules/load.js'
import { standBack } from './background.js'
import { pack, unpack } from './buffers.js'
import {
  type Answer,
  type CallMessage,
  describe,
  labelOf,
  type StrayMessage,
  type ThreadData
} from './protocol.js'

standBack()

type Exports = Record<string, unknown>

/** Strays that a thread reports before it falls silent: a timer that throws each millisecond must not fill the log. */
const MAX_STRAYS = 10
/** Editions of a file that a thread keeps. Routes that list a plugin bind its file once each. */
const MAX_EDITIONS = 100

const { modules, begun } = workerData as ThreadData
const builtIn = new URL('../../plugins/', import.meta.url).href
const loaded = new Map<string, Map<number, Promise<Exports>>>()
const calls = new AsyncLocalStorage<Call>()
let current: Call | undefined
let loader: Promise<ModuleLoader> | undefined
let strays = 0

class Call {
  readonly #message: CallMessage
  readonly label: string
  #reject: (reason: unknown) => void = () => {}

  constructor(message: CallMessage) {
    this.#message = message
    this.label = labelOf(message)
  }

  run(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#reject = reject
      calls.run(this, () => this.#invoke()).then(resolve, reject)
    })
  }

  /** Ends the call with an error that was thrown where the function could not catch it. */
  fail(reason: unknown): void {
    const failure = describe(reason)
    this.#reject(new Error(`${this.label}: uncaught, in a callback: ${failure.message}`, { cause: reason }))
  }

  async #invoke(): Promise<unknown> {
    const { id, slot, exportName } = this.#message
    const exports = await this.#load()
    const exported = exports[exportName]
    if (typeof exported !== 'function') throw new Error(this.#missing(exported, exports))
    const args = unpack({ values: this.#message.args, buffers: this.#message.buffers })
    if (Atomics.exchange(begun, slot, id) === -id) return undefined
    return (exported as AnyFunction)(...args)
  }

  async #load(): Promise<Exports> {
    try {
      return await exportsOf(this.#message)
    } catch (error) {
      throw new Error(`${this.label}: the file does not load: ${describe(error).message}`, { cause: error })
    }
  }

  #missing(exported: unknown, exports: Exports): string {
    if (exported !== undefined)
      return `${this.label}: the export is of type ${typeof exported}, not a function`
    const names = Object.keys(exports).filter((name) => typeof exports[name] === 'function')
    return `${this.label}: the file has no such export; its functions are: ${names.join(', ') || '(none)'}`
  }
}

/** A file's exports, as of its binding: the calls of a configuration that retires run what they ran before. */
function exportsOf({ file, edition }: CallMessage): Promise<Exports> {
  const editions = loaded.get(file) ?? new Map<number, Promise<Exports>>()
  const known = editions.get(edition)
  if (known) return known
  const exports = load(file, editions.size > 0)
  loaded.set(file, editions.set(edition, exports))
  for (const oldest of editions.keys()) {
    if (editions.size > MAX_EDITIONS) editions.delete(oldest)
  }
  // A file that failed to load may be whole the next time.
  exports.catch(() => editions.delete(edition))
  return exports
}

async function load(file: string, fresh: boolean): Promise<Exports> {
  const { href } = pathToFileURL(file)
  // Files of this package never change while it runs, and need no compiler.
  if (href.startsWith(builtIn)) return (await import(href)) as Exports
  loader ??= import('../modules/load.js').then(
    ({ ModuleLoader }) =>
      new ModuleLoader(Object.fromEntries(Object.entries(modules).map(([name, url]) => [name, new URL(url)])))
  )
  return (await loader).import(file, { fresh })
}

/** An error that nothing caught. With it unhandled, the thread would end, and with it whatever call runs there by then. */
function onUncaught(error: unknown): void {
  // A microtask's throw carries no call on Node 20 and 22; with a call under way, it is that one's.
  const call = calls.getStore() ?? current
  if (call !== undefined && call === current) call.fail(error)
  else if (call === undefined && describe(error).name === 'DataCloneError') end(error)
  else stray(error, call)
}

/** The answer could not be posted, so the call is still waiting: it fails by the end of its thread. */
function end(error: unknown): void {
  process.off('uncaughtException', onUncaught)
  // A DOMException itself does not survive the way to the other thread.
  const { name, message } = describe(error)
  setImmediate(() => {
    throw Object.assign(new Error(message), { name })
  })
}

function stray(error: unknown, call: Call | undefined): void {
  strays += 1
  if (strays > MAX_STRAYS) return
  const failure = describe(error)
  const message = `${call?.label ?? 'a worker thread'}: uncaught, after its call had ended: ${failure.message}`
  parentPort?.postMessage({ stray: { ...failure, message, proxy: undefined } } satisfies StrayMessage)
}

process.on('uncaughtException', onUncaught)
process.on('unhandledRejection', onUncaught)
// What a worker prints must not mix with the proxy's own lines.
Object.defineProperty(process, 'stdout', { configurable: true, enumerable: true, get: () => process.stderr })

export default async function run(message: CallMessage): Promise<Answer | object> {
  const call = new Call(message)
  current = call
  try {
    const { values, transfer, buffers } = pack([await call.run()])
    const answer: Answer = { ok: true, values, buffers }
    if (transfer.length === 0) return answer
    const { move, transferableSymbol, valueSymbol } = await import('piscina')
    const moved: object = { [transferableSymbol]: transfer, [valueSymbol]: answer }
    return move(moved as Parameters<typeof move>[0])
  } catch (error) {
    return { ok: false, failure: describe(error) } satisfies Answer
  } finally {
    // Lines that are still here when the thread's next call never returns would be lost with it.
    if (process.stderr.writableLength > 0)
      await new Promise<void>((resolve) => process.stderr.write('', () => resolve()))
    current = undefined
  }
}
