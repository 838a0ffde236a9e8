import type { CounterCell, GaugeCell, HistogramCell, MetricFamily, Metrics } from '../../core/index.js'

export interface Families {
  readonly requests: MetricFamily<CounterCell>
  readonly grpcRequests: MetricFamily<CounterCell>
  readonly requestDuration: MetricFamily<HistogramCell>
  readonly inFlight: MetricFamily<GaugeCell>
  readonly attempts: MetricFamily<CounterCell>
  readonly attemptDuration: MetricFamily<HistogramCell>
  readonly retries: MetricFamily<CounterCell>
}

/** @param buckets upper bounds in seconds; undefined: the core's own */
export function declare(
  metrics: Metrics,
  maxSeries: number,
  buckets: readonly number[] | undefined
): Families {
  const bounds = buckets === undefined ? {} : { buckets }
  return {
    requests: metrics.counter({
      name: 'outrigger_requests_total',
      help: 'Exchanges that ended, by what the client got (499: it left first).',
      labels: ['route', 'service', 'method', 'code'],
      maxSeries
    }),
    grpcRequests: metrics.counter({
      name: 'outrigger_grpc_requests_total',
      help: 'gRPC calls that ended, by their status.',
      labels: ['route', 'service', 'code'],
      maxSeries
    }),
    requestDuration: metrics.histogram({
      name: 'outrigger_request_duration_seconds',
      help: 'From the request to the end of the response, every attempt and wait included.',
      labels: ['route', 'service'],
      maxSeries,
      ...bounds
    }),
    inFlight: metrics.gauge({
      name: 'outrigger_requests_in_flight',
      help: 'Exchanges under way.',
      labels: ['route'],
      maxSeries
    }),
    attempts: metrics.counter({
      name: 'outrigger_attempts_total',
      help: 'Attempts that ended, by how they did.',
      labels: ['service', 'endpoint', 'outcome'],
      maxSeries
    }),
    attemptDuration: metrics.histogram({
      name: 'outrigger_attempt_duration_seconds',
      help: 'From the start of an attempt to the headers of its response, or to its error.',
      labels: ['service', 'endpoint'],
      maxSeries,
      ...bounds
    }),
    retries: metrics.counter({
      name: 'outrigger_retries_total',
      help: 'Attempts after the first of their exchange, by why they were made.',
      labels: ['route', 'reason'],
      maxSeries
    })
  }
}
