import type { AsyncSeriesBailHook, AsyncSeriesHook, SyncBailHook, SyncHook, SyncWaterfallHook } from 'tapable'
import {
  type Callback,
  describe,
  fail,
  finishCall,
  isFailure,
  isThenable,
  Wait,
  type WaitHolder
} from './async-call.js'
import type { Reply, Retry } from './decisions.js'
import { applies, type PluginInstance, pluginError, type Running } from './instance.js'
import { MessageView, type PassingMessage } from './message.js'
import type { HistogramCell } from './plugin.js'
import type { Endpoint, Exchange, HookName } from './types.js'

// biome-ignore lint/suspicious/noExplicitAny: each hook's own types are checked where its functions are declared
type Hook = any
type AsyncHook =
  | AsyncSeriesBailHook<Hook, Reply>
  | AsyncSeriesBailHook<Hook, Reply | Retry>
  | AsyncSeriesHook<Hook>

/**
 * Of `outcome` every plugin's function runs, and what they ask for is kept on the attempt; so is the first Hedge of `attempt`. A
 * wait in one of the two stands on the attempt: with hedging there are several at once.
 */
export function tapAsync(hook: AsyncHook, name: HookName, instance: PluginInstance): void {
  const duration = instance.duration(name)
  const ofAttempt = name === 'attempt' || name === 'outcome'
  hook.tapAsync(instance.name, (subject: unknown, exchange: Exchange, callback: Callback) => {
    const running = exchange as Running
    const holder = ofAttempt ? (subject as WaitHolder) : running
    if (applies(instance, running)) callAsync(instance, name, duration, subject, running, holder, callback)
    else callback()
  })
}

/**
 * Each plugin gets a view of the message: what one that failed or came too late did to it is forgotten with its view.
 * The wait stands on the message, because both directions of a connection may wait at once.
 */
export function tapMessage(hook: AsyncSeriesHook<Hook>, name: HookName, instance: PluginInstance): void {
  const duration = instance.duration(name)
  hook.tapAsync(instance.name, (message: PassingMessage, exchange: Exchange, callback: Callback) => {
    const running = exchange as Running
    if (message.dropped || !applies(instance, running)) return callback()
    callAsync(instance, name, duration, new MessageView(message), running, message, callback)
  })
}

/**
 * A hook function that may answer at once or through a promise. At once, it allocates nothing: the chain goes on in
 * the same call. tapable itself would let an `async` function under a plain tap end the chain with its promise.
 */
function callAsync(
  instance: PluginInstance,
  name: HookName,
  duration: HistogramCell,
  subject: unknown,
  exchange: Running,
  holder: WaitHolder,
  callback: Callback
): void {
  exchange.caller = instance
  const startedAt = instance.now()
  let result: unknown
  try {
    result = (instance.hooks as Hook)[name](subject, exchange)
  } catch (cause) {
    duration.observe((instance.now() - startedAt) / 1000)
    return fail(instance, name, cause, exchange, callback)
  }
  if (isThenable(result)) {
    new Wait(instance, name, exchange, holder, startedAt, callback, subject).on(result)
    return
  }
  duration.observe((instance.now() - startedAt) / 1000)
  finishCall(instance, name, result, exchange, callback, subject)
}

export function tapCandidates(hook: SyncWaterfallHook<Hook>, name: HookName, instance: PluginInstance): void {
  const duration = instance.duration(name)
  hook.tap(instance.name, (endpoints: readonly Endpoint[], exchange: Exchange) => {
    const result = callSync(instance, name, duration, endpoints, exchange)
    if (result === undefined || result === null) return undefined
    if (!Array.isArray(result) || !areAmongOnce(result, endpoints)) {
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

/** Frozen lists that were found to be among another one: a plugin that keeps its subsets is not checked for ever. */
const known = new WeakMap<readonly unknown[], readonly Endpoint[]>()

function areAmongOnce(values: readonly unknown[], endpoints: readonly Endpoint[]): boolean {
  if (values === endpoints || known.get(values) === endpoints) return true
  if (!areAmong(values, endpoints)) return false
  if (Object.isFrozen(values) && Object.isFrozen(endpoints)) known.set(values, endpoints)
  return true
}

function areAmong(values: readonly unknown[], endpoints: readonly Endpoint[]): boolean {
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
