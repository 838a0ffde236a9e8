import type { AsyncSeriesBailHook, AsyncSeriesHook, SyncBailHook, SyncHook, SyncWaterfallHook } from 'tapable'
import { Deadline } from './deadlines.js'
import { Reply, Retry } from './decisions.js'
import { applies, type PluginInstance, pluginError, pluginTimeout, type Running } from './instance.js'
import type { HistogramCell } from './plugin.js'
import type { Endpoint, Exchange, HookName } from './types.js'

type Callback = (error?: Error | null, result?: Reply) => void
// biome-ignore lint/suspicious/noExplicitAny: each hook's own types are checked where its functions are declared
type Hook = any
type AsyncHook = AsyncSeriesBailHook<Hook, Reply> | AsyncSeriesHook<Hook>
/** An attempt, as the outcomes of all plugins write to it. */
type RetryKeeper = { retry?: Retry | undefined }

/**
 * A hook function that may answer at once or through a promise. At once, it allocates nothing: the chain goes on in
 * the same call. tapable itself would let an `async` function under a plain tap end the chain with its promise.
 * Of `outcome` every plugin's function runs, and the first Retry is kept on the attempt.
 */
export function tapAsync(hook: AsyncHook, name: HookName, instance: PluginInstance): void {
  const duration = instance.duration(name)
  const keepsRetry = name === 'outcome'
  hook.tapAsync(instance.name, (subject: unknown, exchange: Exchange, callback: Callback) => {
    const running = exchange as Running
    if (!applies(instance, running)) return callback()
    running.caller = instance
    const attempt = keepsRetry ? (subject as RetryKeeper) : undefined
    const startedAt = instance.now()
    let result: unknown
    try {
      result = (instance.hooks as Hook)[name](subject, exchange)
    } catch (cause) {
      duration.observe((instance.now() - startedAt) / 1000)
      return fail(instance, name, cause, exchange, callback)
    }
    if (isThenable(result)) {
      new Wait(instance, name, running, startedAt, callback, attempt).on(result)
      return
    }
    duration.observe((instance.now() - startedAt) / 1000)
    finishCall(instance, name, result, exchange, callback, attempt)
  })
}

export function tapCandidates(hook: SyncWaterfallHook<Hook>, name: HookName, instance: PluginInstance): void {
  const duration = instance.duration(name)
  hook.tap(instance.name, (endpoints: readonly Endpoint[], exchange: Exchange) => {
    const result = callSync(instance, name, duration, endpoints, exchange)
    if (result === undefined || result === null) return undefined
    if (!Array.isArray(result) || !areAmong(result, endpoints)) {
      return refuse(instance, name, result, 'a list of endpoints', exchange, endpoints)
    }
    return result
  })
}

export function tapPick(hook: SyncBailHook<Hook, Endpoint>, name: HookName, instance: PluginInstance): void {
  const duration = instance.duration(name)
  hook.tap(instance.name, (endpoints: readonly Endpoint[], exchange: Exchange) => {
    const result = callSync(instance, name, duration, endpoints, exchange)
    // SyncBailHook's type has no undefined, which is how a bail hook goes on.
    const none = undefined as unknown as Endpoint
    if (result === undefined || result === null) return none
    if (!isAmong(result, endpoints)) {
      return refuse(instance, name, result, 'one of the endpoints it was given', exchange, none)
    }
    return result as Endpoint
  })
}

/** `settled` and `finish`: nothing waits for them and nothing they throw changes what the client gets. */
export function tapSync(hook: SyncHook<Hook>, name: HookName, instance: PluginInstance): void {
  const duration = instance.duration(name)
  hook.tap(instance.name, (subject: unknown, exchange: Exchange) => {
    try {
      callSync(instance, name, duration, subject, exchange)
    } catch {
      // Logged and counted by pluginError.
    }
  })
}

/** Lists up to this long are looked through; of longer ones a set is kept. */
const SHORT = 32
const members = new WeakMap<readonly Endpoint[], Set<unknown>>()

function isAmong(value: unknown, endpoints: readonly Endpoint[]): boolean {
  return endpoints.length <= SHORT ? endpoints.includes(value as Endpoint) : membersOf(endpoints).has(value)
}

function areAmong(values: readonly unknown[], endpoints: readonly Endpoint[]): boolean {
  if (values === endpoints) return true
  for (const value of values) if (!isAmong(value, endpoints)) return false
  return true
}

function membersOf(endpoints: readonly Endpoint[]): Set<unknown> {
  let set = members.get(endpoints)
  if (set === undefined) members.set(endpoints, (set = new Set(endpoints)))
  return set
}

function callSync(
  instance: PluginInstance,
  name: HookName,
  duration: HistogramCell,
  subject: unknown,
  exchange: Exchange
): unknown {
  const running = exchange as Running
  if (!applies(instance, running)) return undefined
  // A sync hook may run while another plugin's promise is waited for, whose declaration then still counts.
  const before = running.caller
  running.caller = instance
  const startedAt = instance.now()
  let result: unknown
  try {
    result = (instance.hooks as Hook)[name](subject, exchange)
  } catch (cause) {
    result = failSync(instance, name, cause, exchange)
  } finally {
    running.caller = before
  }
  duration.observe((instance.now() - startedAt) / 1000)
  if (isThenable(result)) {
    result.then(undefined, () => {})
    return failSync(
      instance,
      name,
      new TypeError(`${name} is a sync hook: an async function's answer comes too late`),
      exchange
    )
  }
  return result
}

function failSync(instance: PluginInstance, name: HookName, cause: unknown, exchange: Exchange): undefined {
  const error = pluginError(instance, name, cause, exchange)
  if (instance.onFailure === 'skip' && isFailure(error)) return undefined
  throw error
}

function refuse<T>(
  instance: PluginInstance,
  name: HookName,
  result: unknown,
  wanted: string,
  exchange: Exchange,
  instead: T
): T {
  failSync(
    instance,
    name,
    new TypeError(`${name} returns ${wanted} or nothing, not ${describe(result)}`),
    exchange
  )
  return instead
}

function finishCall(
  instance: PluginInstance,
  name: HookName,
  result: unknown,
  exchange: Exchange,
  callback: Callback,
  attempt?: RetryKeeper | undefined
): void {
  if (result === undefined || result === null) return callback()
  if (attempt !== undefined) {
    if (Retry.is(result)) {
      attempt.retry ??= result
      return callback()
    }
  } else if (Reply.is(result)) {
    return callback(null, result)
  }
  const wanted = attempt === undefined ? 'a Reply' : 'a Retry'
  fail(
    instance,
    name,
    new TypeError(`${name} returns ${wanted} or nothing, not ${describe(result)}`),
    exchange,
    callback
  )
}

function fail(
  instance: PluginInstance,
  name: HookName,
  cause: unknown,
  exchange: Exchange,
  callback: Callback
): void {
  const error = pluginError(instance, name, cause, exchange)
  if (instance.onFailure === 'skip' && isFailure(error)) callback()
  else callback(error)
}

/** A code that a plugin chose is an answer, and `onFailure` is not about answers. */
function isFailure(error: { code: string }): boolean {
  return error.code === 'PLUGIN_FAILED' || error.code === 'PLUGIN_TIMEOUT'
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
  )
}

function describe(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value === 'object') return value.constructor?.name ?? 'an object'
  return `${typeof value} ${typeof value === 'string' ? JSON.stringify(value) : String(value)}`
}

/** A hook's promise, waited for no longer than the plugin's `hookTimeout`. */
class Wait extends Deadline {
  readonly #instance: PluginInstance
  readonly #name: HookName
  readonly #exchange: Running
  readonly #startedAt: number
  readonly #callback: Callback
  readonly #attempt: RetryKeeper | undefined
  #settled = false
  #left: number
  #watchedAt: number

  constructor(
    instance: PluginInstance,
    name: HookName,
    exchange: Running,
    startedAt: number,
    callback: Callback,
    attempt?: RetryKeeper | undefined
  ) {
    super()
    this.#instance = instance
    this.#name = name
    this.#exchange = exchange
    this.#startedAt = startedAt
    this.#callback = callback
    this.#attempt = attempt
    this.#left = instance.hookTimeout
    this.#watchedAt = startedAt
  }

  on(promise: PromiseLike<unknown>): void {
    this.#exchange.waiting = this
    // A read of the body may have begun inside the call itself.
    if (this.#exchange.bodyAwaited === 0) this.resume()
    // A plugin's thenable may throw where a promise would reject; this makes it one.
    Promise.resolve(promise).then(
      (result) => {
        if (this.#settle())
          finishCall(this.#instance, this.#name, result, this.#exchange, this.#callback, this.#attempt)
      },
      (cause) => {
        if (this.#settle()) fail(this.#instance, this.#name, cause, this.#exchange, this.#callback)
      }
    )
  }

  /** The client's body is waited for now: that time is not the plugin's. */
  suspend(): void {
    if (this.list === undefined) return
    this.#left -= this.#instance.now() - this.#watchedAt
    this.#instance.deadlines.unwatch(this)
  }

  resume(): void {
    if (this.#settled) return
    this.#watchedAt = this.#instance.now()
    this.#instance.deadlines.watch(this, Math.max(0, this.#left))
  }

  /** The exchange has moved on: whatever comes of the call is dropped, and is no failure. */
  cancel(): void {
    this.#settle()
  }

  override expire(): void {
    if (!this.#settle()) return
    const error = pluginTimeout(this.#instance, this.#name, this.#exchange)
    if (this.#instance.onFailure === 'skip') this.#callback()
    else this.#callback(error)
  }

  #settle(): boolean {
    if (this.#settled) return false
    this.#settled = true
    this.#instance.deadlines.unwatch(this)
    if (this.#exchange.waiting === this) this.#exchange.waiting = undefined
    this.#instance.duration(this.#name).observe((this.#instance.now() - this.#startedAt) / 1000)
    return true
  }
}
