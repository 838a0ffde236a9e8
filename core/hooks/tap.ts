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
import type { Endpoint, Exchange, HookName } from './types.js'

// biome-ignore lint/suspicious/noExplicitAny: each hook's own types are checked where its functions are declared
type Hook = any
type AsyncHook =
  | AsyncSeriesBailHook<Hook, Reply>
  | AsyncSeriesBailHook<Hook, Reply | Retry>
  | AsyncSeriesHook<Hook>

/** A hook function, found once. Its `this` is the object that `setup` returned. */
type Call = (this: unknown, subject: unknown, exchange: Exchange) => unknown

/**
 * When the hook's last function returned, for the one that begins right behind it: a look at the clock is a good part of
 * what a call costs. NaN wherever something lies between: whoever is first looks for himself.
 */
const handover = { at: Number.NaN }

function startOf(instance: PluginInstance): number {
  const { at } = handover
  if (Number.isNaN(at)) return instance.now()
  handover.at = Number.NaN
  return at
}

/**
 * The function returned nothing, so that the next one runs in the same call.
 *
 * @param last there is no next one
 * @returns ms that it took
 */
function handOver(startedAt: number, instance: PluginInstance, last: boolean): number {
  const at = instance.now()
  if (!last) handover.at = at
  return at - startedAt
}

function keepBack(): void {
  handover.at = Number.NaN
}

/**
 * Of `outcome` every plugin's function runs, and what they ask for is kept on the attempt; so is the first Hedge of `attempt`. A
 * wait in one of the two stands on the attempt: with hedging there are several at once.
 *
 * A function may answer at once or through a promise. At once, nothing is allocated: the chain goes on in the same call. tapable
 * itself would let an `async` function under a plain tap end the chain with its promise.
 *
 * @param last none of the hook's functions runs behind it
 */
export function tapAsync(hook: AsyncHook, name: HookName, instance: PluginInstance, last: boolean): void {
  const duration = instance.duration(name)
  const ofAttempt = name === 'attempt' || name === 'outcome'
  const hooks = instance.hooks as Hook
  const call = hooks[name] as Call
  hook.tapAsync(instance.name, (subject: unknown, exchange: Exchange, callback: Callback) => {
    const running = exchange as Running
    if (!applies(instance, running)) {
      keepBack()
      callback()
      return
    }
    running.caller = instance
    const startedAt = startOf(instance)
    let result: unknown
    try {
      result = call.call(hooks, subject, exchange)
    } catch (cause) {
      duration.observe((instance.now() - startedAt) / 1000)
      fail(instance, name, cause, exchange, callback)
      return
    }
    if (result === undefined) {
      duration.observe(handOver(startedAt, instance, last) / 1000)
      callback()
      return
    }
    if (isThenable(result)) {
      const holder = ofAttempt ? (subject as WaitHolder) : running
      new Wait(instance, name, running, holder, startedAt, callback, subject).on(result)
      return
    }
    duration.observe((instance.now() - startedAt) / 1000)
    finishCall(instance, name, result, exchange, callback, subject)
  })
}

/**
 * Each plugin gets a view of the message: what one that failed or came too late did to it is forgotten with its view.
 * The wait stands on the message, because both directions of a connection may wait at once.
 */
export function tapMessage(hook: AsyncSeriesHook<Hook>, name: HookName, instance: PluginInstance): void {
  const duration = instance.duration(name)
  const hooks = instance.hooks as Hook
  const call = hooks[name] as Call
  hook.tapAsync(instance.name, (message: PassingMessage, exchange: Exchange, callback: Callback) => {
    const running = exchange as Running
    if (message.dropped || !applies(instance, running)) return callback()
    running.caller = instance
    const view = new MessageView(message)
    const startedAt = instance.now()
    let result: unknown
    try {
      result = call.call(hooks, view, exchange)
    } catch (cause) {
      duration.observe((instance.now() - startedAt) / 1000)
      return fail(instance, name, cause, exchange, callback)
    }
    if (isThenable(result)) {
      new Wait(instance, name, running, message, startedAt, callback, view).on(result)
      return
    }
    duration.observe((instance.now() - startedAt) / 1000)
    finishCall(instance, name, result, exchange, callback, view)
  })
}

export function tapCandidates(
  hook: SyncWaterfallHook<Hook>,
  name: HookName,
  instance: PluginInstance,
  last: boolean
): void {
  const call = syncCall(instance, name, last)
  hook.tap(instance.name, (endpoints: readonly Endpoint[], exchange: Exchange) => {
    const result = call(endpoints, exchange)
    if (result === undefined || result === null) return undefined
    if (!Array.isArray(result) || !areAmongOnce(result, endpoints)) {
      return refuse(instance, name, result, 'a list of endpoints', exchange, endpoints)
    }
    return result
  })
}

export function tapPick(
  hook: SyncBailHook<Hook, Endpoint>,
  name: HookName,
  instance: PluginInstance,
  last: boolean
): void {
  const call = syncCall(instance, name, last)
  hook.tap(instance.name, (endpoints: readonly Endpoint[], exchange: Exchange) => {
    const result = call(endpoints, exchange)
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
export function tapSync(hook: SyncHook<Hook>, name: HookName, instance: PluginInstance, last: boolean): void {
  const call = syncCall(instance, name, last)
  hook.tap(instance.name, (subject: unknown, exchange: Exchange) => {
    try {
      call(subject, exchange)
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

function syncCall(
  instance: PluginInstance,
  name: HookName,
  last: boolean
): (subject: unknown, exchange: Exchange) => unknown {
  const duration = instance.duration(name)
  const hooks = instance.hooks as Hook
  const call = hooks[name] as Call
  return (subject, exchange) => {
    const running = exchange as Running
    if (!applies(instance, running)) {
      keepBack()
      return undefined
    }
    // A sync hook may run while another plugin's promise is waited for, whose declaration then still counts.
    const before = running.caller
    running.caller = instance
    const startedAt = startOf(instance)
    let result: unknown
    try {
      result = call.call(hooks, subject, exchange)
    } catch (cause) {
      running.caller = before
      duration.observe((instance.now() - startedAt) / 1000)
      return failSync(instance, name, cause, exchange)
    }
    running.caller = before
    if (result === undefined) {
      duration.observe(handOver(startedAt, instance, last) / 1000)
      return undefined
    }
    duration.observe((instance.now() - startedAt) / 1000)
    if (isThenable(result)) {
      result.then(undefined, () => {})
      const cause = new TypeError(`${name} is a sync hook: an async function's answer comes too late`)
      return failSync(instance, name, cause, exchange)
    }
    return result
  }
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
