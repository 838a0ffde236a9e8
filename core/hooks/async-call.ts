import { Deadline } from './deadlines.js'
import { Hedge, Reply, Retry } from './decisions.js'
import { type PluginInstance, pluginError, pluginTimeout, type Running } from './instance.js'
import type { MessageView } from './message.js'
import type { Exchange, HookName } from './types.js'

export type Callback = (error?: Error | null, result?: Reply | Retry) => void
/** An attempt, as what plugins decide of it is kept: none of them ends the hook for the others. */
type DecisionKeeper = { retries?: Retry[] | undefined; hedge?: Hedge | undefined }

export interface WaitHolder {
  waiting: Running['waiting']
}

/** A hook function has answered. @param subject what it was called for: an attempt, a message's view */
export function finishCall(
  instance: PluginInstance,
  name: HookName,
  result: unknown,
  exchange: Exchange,
  callback: Callback,
  subject: unknown
): void {
  if (result === undefined || result === null) {
    if (name === 'message') (subject as MessageView).keep()
    return callback()
  }
  let wanted = 'a Reply or nothing'
  if (name === 'outcome') {
    if (Retry.is(result)) {
      const keeper = subject as DecisionKeeper
      if (keeper.retries === undefined) keeper.retries = [result]
      else keeper.retries.push(result)
      return callback()
    }
    wanted = 'a Retry or nothing'
  } else if (name === 'attempt' && Hedge.is(result)) {
    ;(subject as DecisionKeeper).hedge ??= result
    return callback()
  } else if (name === 'open' || name === 'message') {
    wanted = 'nothing'
  } else if (Reply.is(result) || (name === 'error' && Retry.is(result))) {
    return callback(null, result)
  }
  const cause = new TypeError(`${name} returns ${wanted}, not ${describe(result)}`)
  fail(instance, name, cause, exchange, callback)
}

export function fail(
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
export function isFailure(error: { code: string }): boolean {
  return error.code === 'PLUGIN_FAILED' || error.code === 'PLUGIN_TIMEOUT'
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
  )
}

export function describe(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value === 'object') return value.constructor?.name ?? 'an object'
  return `${typeof value} ${typeof value === 'string' ? JSON.stringify(value) : String(value)}`
}

/**
 * A hook's promise, waited for no longer than the plugin's `hookTimeout`. `holder` says who can suspend or cancel it: the
 * exchange, or a message.
 */
export class Wait extends Deadline {
  readonly #instance: PluginInstance
  readonly #name: HookName
  readonly #exchange: Running
  readonly #holder: WaitHolder
  readonly #startedAt: number
  readonly #callback: Callback
  readonly #subject: unknown
  #settled = false
  #left: number
  #watchedAt: number

  constructor(
    instance: PluginInstance,
    name: HookName,
    exchange: Running,
    holder: WaitHolder,
    startedAt: number,
    callback: Callback,
    subject: unknown
  ) {
    super()
    this.#instance = instance
    this.#name = name
    this.#exchange = exchange
    this.#holder = holder
    this.#startedAt = startedAt
    this.#callback = callback
    this.#subject = subject
    this.#left = instance.hookTimeout
    this.#watchedAt = startedAt
  }

  on(promise: PromiseLike<unknown>): void {
    this.#holder.waiting = this
    // A read of the body may have begun inside the call itself.
    if (this.#exchange.bodyAwaited === 0) this.resume()
    // A plugin's thenable may throw where a promise would reject; this makes it one.
    Promise.resolve(promise).then(
      (result) => {
        if (this.#settle())
          finishCall(this.#instance, this.#name, result, this.#exchange, this.#callback, this.#subject)
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
    if (this.#holder.waiting === this) this.#holder.waiting = undefined
    this.#instance.duration(this.#name).observe((this.#instance.now() - this.#startedAt) / 1000)
    return true
  }
}
