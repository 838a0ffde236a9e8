import {
  type Attempt,
  type Clock,
  definePlugin,
  type Exchange,
  type PluginHooks,
  Retry
} from '../../core/index.js'
import { type Allowance, PaidIn, ShareOfAttempts } from './allowance.js'
import { Budget } from './budget.js'
import { causes } from './causes.js'
import { config, DEFAULT_ATTEMPT_TIMEOUT, type RetryConfig } from './config.js'
import { Hedging, hasRival, hedgesOf } from './hedging.js'
import { askedWait } from './retry-after.js'

/** RFC 9110 section 9.2.2. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

export default definePlugin({
  name: 'retry',
  version: '0.1.0',
  description: 'tries a failed attempt again, elsewhere first, within a budget; hedges a late one',
  config,
  places: ['top', 'route', 'service'],
  setup({ config, metrics, clock, random, limit, service, serviceNamed }): PluginHooks {
    const { attempts, nonIdempotent, backoff, avoidTried, retryAfter } = config
    const cause = causes(config.on)
    const { allowance, patience } = allowanceOf(config, clock)
    const budget = new Budget(limit('retry budget', allowance.max(0)), allowance, clock, patience)
    const exhausted = metrics.counter({
      name: 'outrigger_retry_budget_exhausted_total',
      help: 'Retries and hedges not made because there were too many',
      labels: ['route', 'reason']
    })
    const hedging =
      config.hedge === undefined
        ? undefined
        : new Hedging(config.hedge, budget, ({ route }) => exhausted.labels(route.name, 'hedge').inc())
    const timed = config.attemptTimeout ?? (config.on.includes('timeout') ? DEFAULT_ATTEMPT_TIMEOUT : 0)
    // One that was asked for holds for all; ours does not cut short what would not be tried again.
    const timesAll = config.attemptTimeout !== undefined

    const repeatable = ({ request }: Exchange) => nonIdempotent || IDEMPOTENT.has(request.method)
    /** A connection that changes protocols is not one of two. */
    const hedgeable = (exchange: Exchange) => exchange.request.upgrade === undefined && repeatable(exchange)

    /** Whether there is anyone to try again: where there is not, another plugin's failover is to have its say. */
    const isUp = ({ service: name }: Attempt) => {
      const tried = service ?? serviceNamed(name)
      return tried === undefined || (tried.breaker !== 'open' && tried.usable().length > 0)
    }

    /** @param named by the gRPC status that `on` names */
    const mayRepeat = (attempt: Attempt, exchange: Exchange, named: boolean) => {
      if (exchange.signal.aborted || !isUp(attempt)) return false
      if (attempt.number >= attempts && attempt.number - hedgesOf(exchange) >= attempts) return false
      // Every gRPC call is a POST: who names a status means them. What never left cannot have been done: it may go out
      // again whatever the method.
      return named || repeatable(exchange) || !attempt.sent
    }

    /**
     * An endpoint that is not there spares nobody by a wait: nothing was sent to it, and another one is asked next. While it waits a
     * retry holds its place in the budget, which is few places.
     */
    const isElsewhere = ({ number, sent, error, service: name }: Attempt) => {
      if (number > 1 || sent || !avoidTried || error?.code !== 'CONNECT_FAILED') return false
      return ((service ?? serviceNamed(name))?.usable().length ?? 0) > 1
    }

    /** Ms that the service asks to be left alone for. Infinity where that is never, or longer than there is time. */
    const asked = ({ responseHeaders }: Attempt, { grpc, deadline }: Exchange): number => {
      if (retryAfter === 0 || responseHeaders === undefined) return 0
      const wait = askedWait(responseHeaders, grpc, clock.wallTime()) ?? 0
      if (wait === 'never' || wait > retryAfter || clock.now() + wait >= deadline)
        return Number.POSITIVE_INFINITY
      return wait
    }

    const decide = (granted: boolean, why: string, wait: number, attempt: Attempt, exchange: Exchange) => {
      if (granted) {
        return new Retry({
          reason: why,
          delay: wait + (isElsewhere(attempt) ? 0 : random() * longestWait(attempt.number, backoff)),
          avoidTried
        })
      }
      exhausted.labels(exchange.route.name, why).inc()
      return undefined
    }

    return {
      attempt(attempt, exchange) {
        budget.began(attempt, exchange)
        if (timed > 0 && timed < attempt.timeout && (timesAll || repeatable(exchange)))
          attempt.timeout = timed
        return hedging !== undefined && hedgeable(exchange) ? hedging.of(attempt, exchange) : undefined
      },
      outcome(attempt, exchange) {
        if (hedging !== undefined && hedgeable(exchange)) hedging.learn(attempt, exchange, attempt.latency)
        const { grpcStatus } = attempt
        const named = grpcStatus === undefined ? undefined : cause.ofStatus(grpcStatus)
        const why = named ?? cause.of(attempt, exchange.grpc)
        if (why === undefined) {
          budget.release(attempt, exchange)
          return undefined
        }
        // The core sends nothing new for it while another attempt may still answer: it only goes by this one's answer.
        if (hasRival(attempt, exchange)) return new Retry({ reason: why })
        const wait = mayRepeat(attempt, exchange, named !== undefined)
          ? asked(attempt, exchange)
          : Number.POSITIVE_INFINITY
        if (wait === Number.POSITIVE_INFINITY) {
          budget.release(attempt, exchange)
          return undefined
        }
        const reserved = budget.reserve(attempt, exchange)
        return reserved instanceof Promise
          ? reserved.then((granted) => decide(granted, why, wait, attempt, exchange))
          : decide(reserved, why, wait, attempt, exchange)
      },
      settled(attempt, exchange) {
        budget.ended(attempt, exchange)
        if (hedging !== undefined && attempt.end === 'cancelled' && hedgeable(exchange))
          hedging.learn(attempt, exchange, clock.now() - attempt.startedAt)
      }
    }
  }
})

/** @returns with `patience`, ms that an exchange waits for a place: one that comes with time is not waited for */
function allowanceOf(
  { budget, backoff }: RetryConfig,
  clock: Clock
): { allowance: Allowance; patience: number } {
  return budget.ttl !== undefined
    ? { allowance: new PaidIn(budget, () => clock.now()), patience: 0 }
    : { allowance: new ShareOfAttempts(budget), patience: backoff.max }
}

/** Envoy's back-off with full jitter: retry N waits from 0 to `min(max, base x (2^N - 1))`, in ms. */
function longestWait(retry: number, { base, max }: { base: number; max: number }): number {
  return Math.min(max, base * (2 ** retry - 1))
}
