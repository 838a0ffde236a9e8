import {
  type Attempt,
  type ClockTimer,
  definePlugin,
  type Endpoint,
  type PluginHooks
} from '../../core/index.js'
import { config, rulesOf } from './config.js'
import { wait } from './reset.js'
import { Track } from './track.js'
import { failedAtOnce, verdictAtEnd } from './verdict.js'

/** ms that a probe's answer must have lasted to be one. Else the place of a call that streams for hours were taken as long. */
const LASTING = 1_000

export default definePlugin({
  name: 'circuit-breaker',
  version: '0.1.0',
  description:
    'leaves an endpoint, or a service, alone once it has failed too often, and bounds what is sent to it',
  config,
  // What is learnt about an endpoint is one service's; on two routes it would be learnt by halves.
  places: ['service'],
  setup({ config, service, clock, random, onClose }): PluginHooks | undefined {
    if (service === undefined) return undefined
    const { per, maxConnections, maxPending, maxRequests, maxRetries } = config
    const limits = { maxConnections, maxPending, maxRequests, maxRetries }
    if (Object.values(limits).some((limit) => limit !== undefined)) service.limit({ per, ...limits })
    const rules = rulesOf(config)
    if (rules.failures === 0 && rules.failureRate === undefined) return undefined

    const whole = new Track(rules)
    // Named for what is counted, so that other rules count anew.
    const trackOf = service.keep(`circuit-breaker ${JSON.stringify(rules)}`, () => new Track(rules))
    const lasting = new Map<Attempt, ClockTimer>()
    onClose(() => {
      for (const timer of lasting.values()) timer.cancel()
    })

    const target = (attempt: Attempt): Endpoint | undefined =>
      per === 'endpoint' ? attempt.endpoint : undefined
    const trackFor = (on: Endpoint | undefined) => (on === undefined ? whole : trackOf(on))
    const isOpen = (on: Endpoint | undefined) => (on ?? service).breaker !== 'closed'

    const open = (on: Endpoint | undefined, track: Track, reason: string) => {
      service.trip(on, wait(track.openings, config, random), reason)
      track.opened(clock.now())
    }

    /** Whether an attempt tells how things are now: of those from before it opened, the news is old. */
    const isNews = (attempt: Attempt, track: Track, on: Endpoint | undefined) =>
      !isOpen(on) && attempt.startedAt > track.openedAt

    const failed = (attempt: Attempt) => {
      const on = target(attempt)
      const track = trackFor(on)
      if (attempt.probe && isOpen(on)) open(on, track, 'the probe failed')
      else if (isNews(attempt, track, on)) {
        const reason = track.failed(clock.now())
        if (reason !== undefined) open(on, track, reason)
      }
    }

    const served = (attempt: Attempt) => {
      const on = target(attempt)
      const track = trackFor(on)
      if (attempt.probe && isOpen(on)) {
        service.reset(on)
        track.closed()
      } else if (isNews(attempt, track, on)) track.served(clock.now())
    }

    return {
      outcome(attempt) {
        if (failedAtOnce(attempt)) failed(attempt)
        else if (attempt.probe && attempt.status !== undefined) {
          lasting.set(
            attempt,
            clock.setTimeout(() => {
              lasting.delete(attempt)
              served(attempt)
            }, LASTING)
          )
        }
      },
      settled(attempt, exchange) {
        if (attempt.probe) {
          lasting.get(attempt)?.cancel()
          lasting.delete(attempt)
        }
        if (failedAtOnce(attempt)) return
        const verdict = verdictAtEnd(attempt, exchange, clock.now())
        if (verdict === 'failed') failed(attempt)
        else if (verdict === 'served') served(attempt)
      }
    }
  }
})
