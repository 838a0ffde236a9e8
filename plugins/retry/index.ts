import { type Attempt, definePlugin, type Exchange, type PluginHooks, Retry } from '../../core/index.js'
import { Budget } from './budget.js'
import { causes } from './causes.js'
import { config, DEFAULT_ATTEMPT_TIMEOUT } from './config.js'

/** RFC 9110 section 9.2.2. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

interface RetryPluginOptions {
  /** At least 0, less than 1. Default `Math.random`. */
  random?: () => number
}

/** The plugin with a source of chance of one's own, so that a test can say how long a retry waits. */
export function createRetry(options: RetryPluginOptions = {}) {
  const random = options.random ?? Math.random
  return definePlugin({
    name: 'retry',
    version: '0.1.0',
    description: 'tries a failed attempt again, elsewhere first, within a budget',
    config,
    places: ['top', 'route', 'service'],
    setup({ config, metrics, clock }): PluginHooks {
      const { attempts, nonIdempotent, backoff, avoidTried } = config
      const cause = causes(config.on)
      const budget = new Budget(config.budget, clock, backoff.max)
      const exhausted = metrics.counter({
        name: 'outrigger_retry_budget_exhausted_total',
        help: 'Retries not made because too many were under way',
        labels: ['route', 'reason']
      })
      const timed = config.attemptTimeout ?? (config.on.includes('timeout') ? DEFAULT_ATTEMPT_TIMEOUT : 0)
      // One that was asked for holds for all; ours does not cut short what would not be tried again.
      const timesAll = config.attemptTimeout !== undefined

      const repeatable = ({ request }: Exchange) => nonIdempotent || IDEMPOTENT.has(request.method)

      const reason = (attempt: Attempt, exchange: Exchange) => {
        const { grpcStatus } = attempt
        const named = grpcStatus === undefined ? undefined : cause.ofStatus(grpcStatus)
        const found = named ?? cause.of(attempt, exchange.grpc)
        if (found === undefined || attempt.number >= attempts || exchange.signal.aborted) return undefined
        // Every gRPC call is a POST: who names a status means them. What never left cannot have been done: it may go out
        // again whatever the method.
        return named !== undefined || repeatable(exchange) || !attempt.sent ? found : undefined
      }

      const decide = (granted: boolean, why: string, attempt: Attempt, exchange: Exchange) => {
        if (granted) {
          return new Retry({
            reason: why,
            delay: random() * longestWait(attempt.number, backoff),
            avoidTried
          })
        }
        exhausted.labels(exchange.route.name, why).inc()
        return undefined
      }

      return {
        attempt(attempt, exchange) {
          budget.began(attempt)
          if (timed > 0 && timed < attempt.timeout && (timesAll || repeatable(exchange)))
            attempt.timeout = timed
        },
        outcome(attempt, exchange) {
          const why = reason(attempt, exchange)
          if (why === undefined) {
            budget.release(exchange)
            return undefined
          }
          const reserved = budget.reserve(attempt, exchange)
          return reserved instanceof Promise
            ? reserved.then((granted) => decide(granted, why, attempt, exchange))
            : decide(reserved, why, attempt, exchange)
        },
        settled(attempt, exchange) {
          budget.ended(attempt, exchange)
        }
      }
    }
  })
}

/** Envoy's back-off with full jitter: retry N waits from 0 to `min(max, base x (2^N - 1))`, in ms. */
function longestWait(retry: number, { base, max }: { base: number; max: number }): number {
  return Math.min(max, base * (2 ** retry - 1))
}

export default createRetry()
