import {
  definePlugin,
  duration,
  type Exchange,
  type PluginHooks,
  ProxyError,
  RollingWindow,
  z
} from '../../core/index.js'
import { rejection } from './rejection.js'
import { ranOutOfTime, verdict, wasKnown } from './verdict.js'

/** Steps in which the window passes. */
const BUCKETS = 30

const config = z.strictObject({
  successRate: z
    .number()
    .gt(0)
    .max(1)
    .default(0.95)
    .describe('What share must go well; below it, requests are rejected at random. Default 0.95.'),
  window: duration({ min: 1_000, max: 3_600_000 })
    .default('30s')
    .describe('How far back it looks. From 1s to 1h. Default 30s.'),
  maxRejection: z
    .number()
    .min(0)
    .max(1)
    .default(0.8)
    .describe(
      'No larger share is rejected, so that some go through and show when things are well again. Default 0.8.'
    ),
  minRequests: z
    .number()
    .int()
    .min(0)
    .max(1_000_000)
    .default(20)
    .describe('Requests that the window must hold for any to be rejected. Default 20.')
})

export default definePlugin({
  name: 'admission',
  version: '0.1.0',
  description: 'rejects a part of the requests to a service that fails, before they are sent',
  config,
  places: ['top', 'route', 'service'],
  setup({ config, service, place, clock, random, metrics }): PluginHooks {
    const window = new RollingWindow(config.window, BUCKETS)
    const labels = ['place', 'on']
    const rejected = metrics
      .counter({
        name: 'outrigger_admission_rejected_total',
        help: 'Requests rejected because others failed',
        labels
      })
      .labels(place.kind, place.name)
    const share = metrics
      .gauge({
        name: 'outrigger_admission_rejection_ratio',
        help: 'How likely the last request was to be rejected',
        labels
      })
      .labels(place.kind, place.name)
    share.set(0)
    let told = 0

    const admit = () => {
      window.pass(clock.now())
      const likely = rejection(window.total, window.marked, config)
      if (likely !== told) share.set((told = likely))
      if (likely === 0 || random() >= likely) return
      rejected.inc()
      throw new ProxyError('OVERLOADED', 'too many requests have failed lately', {
        headers: { 'retry-after': '1' }
      })
    }

    if (service !== undefined) {
      return {
        attempt: admit,
        outcome(attempt, exchange) {
          const went = verdict(attempt, exchange)
          if (went !== undefined) window.add(clock.now(), went)
        },
        settled(attempt, exchange) {
          if (wasKnown(attempt, exchange)) return
          const went = ranOutOfTime(attempt, exchange, clock.now()) ? false : verdict(attempt, exchange)
          if (went !== undefined) window.add(clock.now(), went)
        }
      }
    }
    return {
      request: admit,
      finish(_result, exchange) {
        const went = wentOf(exchange, clock.now())
        if (went !== undefined) window.add(clock.now(), went)
      }
    }
  }
})

/** Of several attempts one that went well is enough: what a retry or a hedge made good, is good. */
function wentOf(exchange: Exchange, now: number): boolean | undefined {
  let went: boolean | undefined
  for (const attempt of exchange.attempts) {
    const one = ranOutOfTime(attempt, exchange, now) ? false : verdict(attempt, exchange)
    if (one === true) return true
    went ??= one
  }
  return went
}
