import { type Attempt, definePlugin, type Exchange, type Limit, type PluginHooks } from '../../core/index.js'
import { initialLimit } from './adaptive-limit.js'
import { config, DEFAULT_ADAPTIVE } from './config.js'
import { Gate, type Terms } from './gate.js'
import { telling } from './latency.js'
import { priorityOf } from './priority.js'

/** How many may wait for a place that is one of so many. */
const DEFAULT_QUEUE = 50

/** By the limit that a gate keeps: of the same place it is the same one after a reload. */
const gates = new WeakMap<Limit, Gate<Attempt | Exchange>>()

export default definePlugin({
  name: 'concurrency',
  version: '0.1.0',
  description: 'bounds what is under way at once, by a number or by latency, and lets the rest wait or go',
  config,
  places: ['top', 'route', 'service'],
  setup({ config, service, clock, limit, random }): PluginHooks {
    const { adaptive = DEFAULT_ADAPTIVE, priority } = config
    const isAdaptive = config.limit === 'adaptive'
    const terms: Terms = {
      queue: config.queue ?? (isAdaptive ? undefined : DEFAULT_QUEUE),
      timeout: config.queueTimeout,
      limit: config.limit === 'adaptive' ? adaptive : config.limit,
      random
    }
    const bound = limit('concurrency', config.limit === 'adaptive' ? initialLimit(adaptive) : config.limit)
    const gate = gates.get(bound) ?? new Gate<Attempt | Exchange>(bound, clock)
    gates.set(bound, gate)
    let isInUse = false

    const enter = (who: Attempt | Exchange, exchange: Exchange) => {
      // Not at load: a configuration that is refused must leave the running one as it is. And once: what an old
      // one's last exchanges do must not bring its terms back.
      if (!isInUse) {
        isInUse = true
        gate.accept(terms)
      }
      const value = priority === undefined ? undefined : exchange.request.headers.get(priority.header)
      return gate.enter(who, exchange, priorityOf(value), terms)
    }

    if (service !== undefined) {
      const hooks: PluginHooks = {
        attempt(attempt, exchange) {
          // An answer that is thrown away may still be on its way: what is done about it is no work of the service's.
          if (isRetry(attempt))
            for (const earlier of exchange.attempts) if (earlier !== attempt) gate.leave(earlier)
          return enter(attempt, exchange)
        },
        settled: (attempt) => gate.leave(attempt, waited(attempt, clock.now()))
      }
      if (isAdaptive) hooks.outcome = (attempt) => gate.answered(attempt, telling(attempt))
      return hooks
    }

    const hooks: PluginHooks = {
      request: (exchange) => enter(exchange, exchange),
      finish: (_result, exchange) => {
        const last = exchange.attempts.at(-1)
        gate.leave(exchange, last && waited(last, clock.now()))
      }
    }
    if (isAdaptive) {
      hooks.outcome = (attempt, exchange) => {
        const latency = telling(attempt)
        // A retry may say it yet.
        if (latency !== undefined) gate.answered(exchange, latency)
      }
    }
    return hooks
  }
})

/** Whether those before it have ended. */
function isRetry({ reason }: Attempt): boolean {
  return reason !== undefined && reason !== 'hedge'
}

/** For how long an attempt waited for an answer that did not come, in ms. */
function waited({ sent, status, error, startedAt }: Attempt, now: number): number | undefined {
  return sent && status === undefined && error === undefined ? now - startedAt : undefined
}
