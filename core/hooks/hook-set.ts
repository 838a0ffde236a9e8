import { AsyncSeriesBailHook, AsyncSeriesHook, SyncBailHook, SyncHook, SyncWaterfallHook } from 'tapable'
import type { ProxyError } from '../errors.js'
import type { Reply, Retry } from './decisions.js'
import type { PluginInstance } from './instance.js'
import type { PassingMessage } from './message.js'
import { tapAsync, tapCandidates, tapMessage, tapPick, tapSync } from './tap.js'
import type {
  Attempt,
  Endpoint,
  Exchange,
  HookName,
  ProxyResponse,
  Result,
  UpgradedConnection
} from './types.js'

/** Hooks of the exchange. One that no plugin taps is undefined, so that it costs a comparison and no call. */
export interface ExchangeHooks {
  readonly request: AsyncSeriesBailHook<[Exchange, Exchange], Reply> | undefined
  readonly response: AsyncSeriesBailHook<[ProxyResponse, Exchange], Reply> | undefined
  readonly error: AsyncSeriesBailHook<[ProxyError, Exchange], Reply | Retry> | undefined
  readonly finish: SyncHook<[Result, Exchange]> | undefined
}

/** Hooks of an attempt: the route's plugins and those of the service it is made on. */
export interface AttemptHooks {
  readonly candidates: SyncWaterfallHook<[readonly Endpoint[], Exchange]> | undefined
  readonly pick: SyncBailHook<[readonly Endpoint[], Exchange], Endpoint> | undefined
  readonly attempt: AsyncSeriesBailHook<[Attempt, Exchange], Reply> | undefined
  readonly outcome: AsyncSeriesHook<[Attempt, Exchange]> | undefined
  readonly settled: SyncHook<[Attempt, Exchange]> | undefined
}

/** Hooks of an upgraded connection. */
export interface UpgradeHooks {
  readonly open: AsyncSeriesHook<[UpgradedConnection, Exchange]> | undefined
  readonly fromClient: AsyncSeriesHook<[PassingMessage, Exchange]> | undefined
  /** In reverse order, as a response. */
  readonly fromUpstream: AsyncSeriesHook<[PassingMessage, Exchange]> | undefined
}

/** Plugins whose function for `hook` runs, in the order it runs; of `message`, the order of the client's. */
export function orderOf(
  hook: HookName,
  outer: readonly PluginInstance[],
  service: readonly PluginInstance[]
): PluginInstance[] {
  const tapped = (instance: PluginInstance) => instance.hooks[hook] !== undefined
  switch (hook) {
    case 'request':
    case 'open':
    case 'message':
      return outer.filter(tapped)
    case 'response':
    case 'error':
    case 'finish':
      return outer.filter(tapped).reverse()
    case 'candidates':
    case 'pick':
    case 'attempt':
      return [...outer, ...service].filter(tapped)
    case 'outcome':
    case 'settled':
      return [...service, ...outer].filter(tapped)
  }
}

/** @param plugins the top's, then the route's, each in the order listed */
export function compileExchangeHooks(plugins: readonly PluginInstance[]): ExchangeHooks {
  return Object.freeze({
    request: compile(
      'request',
      plugins,
      [],
      () => new AsyncSeriesBailHook<[Exchange, Exchange], Reply>(['subject', 'exchange']),
      tapAsync
    ),
    response: compile(
      'response',
      plugins,
      [],
      () => new AsyncSeriesBailHook<[ProxyResponse, Exchange], Reply>(['subject', 'exchange']),
      tapAsync
    ),
    error: compile(
      'error',
      plugins,
      [],
      () => new AsyncSeriesBailHook<[ProxyError, Exchange], Reply | Retry>(['subject', 'exchange']),
      tapAsync
    ),
    finish: compile(
      'finish',
      plugins,
      [],
      () => new SyncHook<[Result, Exchange]>(['subject', 'exchange']),
      tapSync
    )
  })
}

/** @param outer the top's plugins, then the route's; @param service the service's */
export function compileAttemptHooks(
  outer: readonly PluginInstance[],
  service: readonly PluginInstance[]
): AttemptHooks {
  return Object.freeze({
    candidates: compile(
      'candidates',
      outer,
      service,
      () => new SyncWaterfallHook<[readonly Endpoint[], Exchange]>(['subject', 'exchange']),
      tapCandidates
    ),
    pick: compile(
      'pick',
      outer,
      service,
      () => new SyncBailHook<[readonly Endpoint[], Exchange], Endpoint>(['subject', 'exchange']),
      tapPick
    ),
    attempt: compile(
      'attempt',
      outer,
      service,
      () => new AsyncSeriesBailHook<[Attempt, Exchange], Reply>(['subject', 'exchange']),
      tapAsync
    ),
    outcome: compile(
      'outcome',
      outer,
      service,
      () => new AsyncSeriesHook<[Attempt, Exchange]>(['subject', 'exchange']),
      tapAsync
    ),
    settled: compile(
      'settled',
      outer,
      service,
      () => new SyncHook<[Attempt, Exchange]>(['subject', 'exchange']),
      tapSync
    )
  })
}

/**
 * @param plugins the top's, then the route's, each in the order listed
 * @returns undefined where no plugin has `open` or `message`: bytes then pass as they come
 */
export function compileUpgradeHooks(plugins: readonly PluginInstance[]): UpgradeHooks | undefined {
  const message = () => new AsyncSeriesHook<[PassingMessage, Exchange]>(['subject', 'exchange'])
  const open = compile(
    'open',
    plugins,
    [],
    () => new AsyncSeriesHook<[UpgradedConnection, Exchange]>(['subject', 'exchange']),
    tapAsync
  )
  const fromClient = compile('message', plugins, [], message, tapMessage)
  const fromUpstream = compile('message', [...plugins].reverse(), [], message, tapMessage)
  if (open === undefined && fromClient === undefined) return undefined
  return Object.freeze({ open, fromClient, fromUpstream })
}

function compile<H extends { taps: readonly unknown[] }>(
  name: HookName,
  outer: readonly PluginInstance[],
  service: readonly PluginInstance[],
  create: () => H,
  tap: (hook: H, name: HookName, instance: PluginInstance, last: boolean) => void
): H | undefined {
  const instances = orderOf(name, outer, service)
  if (instances.length === 0) return undefined
  const hook = create()
  for (const instance of instances) tap(hook, name, instance, instance === instances.at(-1))
  // A later tap throws: a running route's order is the one that was checked and shown.
  Object.freeze(hook.taps)
  return hook
}
