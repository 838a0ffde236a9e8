import { type ErrorCode, ProxyError } from '../errors.js'
import type { Deadlines } from './deadlines.js'
import type { CounterCell, HistogramCell, Logger } from './plugin.js'
import type { BodyDeclaration, Exchange, HookName, PluginHooks } from './types.js'

/** An exchange as the hooks' machinery sees it. */
export interface Running extends Exchange {
  /** Whose function runs now, or is waited for. */
  caller: PluginInstance | undefined
  /** Reads of the client's body under way: while there is one, the time of the call that is waited for stands still. */
  bodyAwaited: number
  waiting: { suspend(): void; resume(): void; cancel(): void } | undefined
  /** Whether each plugin with a `when` applies to this exchange, once asked. */
  conditions: Map<PluginInstance, boolean> | undefined
}

/** One plugin in one place where it is listed. */
export interface PluginInstance {
  readonly name: string
  readonly hooks: PluginHooks
  readonly body: BodyDeclaration | undefined
  /** From the listing's `when`; undefined: always. */
  readonly when: ((exchange: Exchange) => boolean) | undefined
  readonly onFailure: 'close' | 'skip'
  /** ms */
  readonly hookTimeout: number
  readonly log: Logger
  readonly deadlines: Deadlines
  now(): number
  /** Where the time of one hook's calls goes, in seconds. */
  duration(hook: HookName): HistogramCell
  failures(hook: HookName): CounterCell
}

export function applies(instance: PluginInstance, exchange: Running): boolean {
  if (instance.when === undefined) return true
  exchange.conditions ??= new Map()
  let applied = exchange.conditions.get(instance)
  if (applied === undefined) exchange.conditions.set(instance, (applied = instance.when(exchange)))
  return applied
}

/** The plugin failed: logged and counted here, and only here. A ProxyError that it threw by intent keeps its code. */
export function pluginError(
  instance: PluginInstance,
  hook: HookName,
  cause: unknown,
  exchange: Exchange
): ProxyError {
  if (ProxyError.is(cause) && (cause.code === 'PLUGIN_TIMEOUT' || cause.code === 'PLUGIN_FAILED')) {
    // A worker call that went wrong is the plugin's failure like any other.
    return failure(instance, hook, cause.code, cause.message, cause.cause ?? cause, exchange)
  }
  if (ProxyError.is(cause) && cause.plugin === undefined) {
    return new ProxyError(cause.code, cause.message, {
      status: cause.status,
      plugin: instance.name,
      hook,
      cause: cause.cause,
      ...(cause.headers === undefined ? {} : { headers: cause.headers })
    })
  }
  if (ProxyError.is(cause)) return cause
  return failure(instance, hook, 'PLUGIN_FAILED', 'a plugin failed', cause, exchange)
}

export function pluginTimeout(instance: PluginInstance, hook: HookName, exchange: Exchange): ProxyError {
  const cause = new Error(`no answer within ${instance.hookTimeout} ms`)
  return failure(instance, hook, 'PLUGIN_TIMEOUT', 'a plugin took too long', cause, exchange)
}

function failure(
  instance: PluginInstance,
  hook: HookName,
  code: ErrorCode,
  message: string,
  cause: unknown,
  exchange: Exchange
): ProxyError {
  instance.failures(hook).inc()
  const fields = { hook, exchange: exchange.id, on: exchange.route.name, error: cause }
  instance.log.error(fields, `plugin ${instance.name} failed in ${hook}`)
  return new ProxyError(code, message, { plugin: instance.name, hook, cause })
}
