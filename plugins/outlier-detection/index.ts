import { type Attempt, definePlugin, type ErrorCode, grpcStatusName } from '../../core/index.js'
import { failed, hung, succeeded } from './blame.js'
import { config } from './config.js'
import { Detector, type Reason } from './detector.js'
import { Tally } from './tally.js'

type Marked = Attempt & { [mark: symbol]: boolean }

export default definePlugin({
  name: 'outlier-detection',
  version: '0.1.0',
  description: 'takes out for a time whichever endpoint fails more than the others',
  config,
  places: ['service'],
  setup({ config, service, clock, metrics, onClose }) {
    if (service === undefined) return undefined
    const ejections = metrics.counter({
      name: 'outrigger_outlier_ejections_total',
      help: 'Endpoints ejected as outliers, by why',
      labels: ['service', 'reason']
    })
    const refusals = metrics.counter({
      name: 'outrigger_outlier_ejections_refused_total',
      help: 'Outliers that stayed because as many as may be were ejected already',
      labels: ['service', 'reason']
    })
    const detector = new Detector(config, {
      service,
      tallyOf: service.keep('outlier-detection', () => new Tally()),
      clock,
      ejections: (reason: Reason) => ejections.labels(service.name, reason),
      refusals: (reason: Reason) => refusals.labels(service.name, reason)
    })
    onClose(() => detector.close())
    /** Marks an attempt that was counted before it had ended. */
    const counted = Symbol('counted')

    return {
      outcome(attempt) {
        // How a breaker's probe ends is the breaker's to judge.
        if (attempt.probe || !failed(attempt)) return
        ;(attempt as Marked)[counted] = true
        detector.failed(attempt.endpoint, wordsFor(attempt))
      },
      settled(attempt, exchange) {
        if (attempt.probe || (attempt as Marked)[counted] === true) return
        // A body that broke off, or a status that came in the trailers: the head alone was no error.
        if (failed(attempt)) detector.failed(attempt.endpoint, wordsFor(attempt))
        else if (succeeded(attempt, exchange.grpc)) detector.succeeded(attempt.endpoint)
        else if (hung(attempt, exchange, clock.now())) detector.failed(attempt.endpoint, 'no answer in time')
      }
    }
  }
})

const WORDS: Readonly<Partial<Record<ErrorCode, string>>> = {
  CONNECT_FAILED: 'no connection',
  CONNECT_TIMEOUT: 'no connection in time',
  UPSTREAM_RESET: 'the connection broke',
  BAD_UPSTREAM_RESPONSE: 'a response that is not HTTP',
  RESPONSE_TIMEOUT: 'no answer in time'
}

function wordsFor({ status, error, grpcStatus }: Attempt): string {
  if (error !== undefined) return WORDS[error.code] ?? error.code
  if (grpcStatus !== undefined && grpcStatus !== 0)
    return grpcStatusName(grpcStatus) ?? `grpc-status ${grpcStatus}`
  return String(status)
}
