import { SERVICE_HOOKS } from '../hooks/names.js'
import type {
  CounterCell,
  GaugeCell,
  HistogramCell,
  Logger,
  Place,
  Plugin,
  SetupContext
} from '../hooks/plugin.js'
import type { HookName } from '../hooks/types.js'

/** ms that a `setup` gets to say its hooks. */
const PATIENCE = 1000

/**
 * The hooks a plugin runs in, which only its `setup` knows: it is run with a context in which nothing happens. Timers
 * never fire, lines and numbers go nowhere, workers and requests are refused.
 *
 * @param config validated
 * @param directory what relative paths in it are relative to
 * @returns undefined when it cannot be had this way
 */
export async function hooksOf(
  plugin: Plugin,
  config: unknown,
  directory = process.cwd()
): Promise<HookName[] | undefined> {
  const closing: (() => unknown)[] = []
  const kind: Place = plugin.places?.[0] ?? 'route'
  const context: SetupContext<never> = {
    config: config as never,
    place: { kind, name: 'none' },
    directory,
    log: silent,
    metrics: { counter: () => family, gauge: () => family, histogram: () => family },
    clock: {
      now: () => 0,
      wallTime: () => Date.now(),
      setTimeout: () => ({ cancel: nothing }),
      setInterval: () => ({ cancel: nothing }),
      sleep: () => new Promise(() => {})
    },
    random: () => 0,
    limit: (name, max) => ({
      name,
      max,
      used: 0,
      waiting: 0,
      take: () => false,
      release: nothing,
      refuse: nothing
    }),
    worker: () => Object.assign(refuse, { for: () => refuse }),
    service:
      kind === 'service'
        ? {
            name: 'none',
            endpoints: [],
            breaker: 'closed',
            inFlight: 0,
            usable: () => [],
            mark: nothing,
            eject: nothing,
            restore: nothing,
            trip: nothing,
            reset: nothing,
            weigh: nothing,
            scale: nothing,
            replace: nothing,
            arrange: nothing,
            drawBy: nothing,
            limit: nothing,
            keep: (_name, create) => create
          }
        : undefined,
    // Whichever a plugin's configuration names is there, where the proxy runs.
    serviceNamed: (name) => ({
      name,
      endpoints: [],
      usable: () => [],
      breaker: 'closed',
      inFlight: 0,
      arrange: nothing
    }),
    fetch: refuse,
    onClose: (close) => closing.push(close)
  }
  let timer: NodeJS.Timeout | undefined
  try {
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, PATIENCE, undefined)
    })
    const hooks = await Promise.race([(async () => (await plugin.setup(context)) ?? {})(), late])
    if (hooks === undefined) return undefined
    return Object.keys(hooks).filter((name) => typeof hooks[name as HookName] === 'function') as HookName[]
  } catch {
    return undefined
  } finally {
    clearTimeout(timer)
    for (const close of closing) await Promise.resolve().then(close).catch(nothing)
  }
}

/** Where a plugin may stand: what it says, else wherever its hooks are run. */
export function placesOf(plugin: Plugin, hooks: readonly HookName[] | undefined): readonly Place[] {
  if (plugin.places !== undefined) return plugin.places
  const onServices = hooks?.some((hook) => SERVICE_HOOKS.has(hook)) ?? false
  return onServices ? ['top', 'route', 'service'] : ['top', 'route']
}

const nothing = (): void => {}
const refuse = (): Promise<never> => Promise.reject(new Error('not while plugins are listed'))
const silent: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }
const cell: CounterCell & GaugeCell & HistogramCell = {
  inc: nothing,
  dec: nothing,
  set: nothing,
  observe: nothing
}
const family = { labels: () => cell, remove: () => false }
