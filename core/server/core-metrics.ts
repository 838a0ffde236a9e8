import type { CounterCell, GaugeCell, HistogramCell, MetricFamily } from '../hooks/plugin.js'
import type { MetricsRegistry } from '../metrics/registry.js'

/** What the core counts of itself, beside what services and plugins have. */
export interface CoreMetrics {
  /** Connections and requests that no exchange was made of, by listener and reason. */
  readonly refusals: MetricFamily<CounterCell>
  /** Connections that left the fast lane, by listener. */
  readonly handovers: MetricFamily<CounterCell>
  readonly reloads: CounterCell
  readonly reloadFailures: CounterCell
  readonly queueDepth: GaugeCell
  readonly tasks: HistogramCell
}

export function coreMetrics(metrics: MetricsRegistry): CoreMetrics {
  return {
    refusals: metrics.counter({
      name: 'outrigger_refusals_total',
      help: 'Connections and requests that were refused before they were an exchange',
      labels: ['listener', 'reason']
    }),
    handovers: metrics.counter({
      name: 'outrigger_fast_lane_handovers_total',
      help: "Connections that left the fast lane for Node's server",
      labels: ['listener']
    }),
    reloads: metrics
      .counter({
        name: 'outrigger_config_reloads_total',
        help: 'Configurations taken up after the first'
      })
      .labels(),
    reloadFailures: metrics
      .counter({
        name: 'outrigger_config_reload_failures_total',
        help: 'Configurations refused; the one before stayed'
      })
      .labels(),
    queueDepth: metrics
      .gauge({ name: 'outrigger_worker_queue_depth', help: 'Worker calls that wait for a thread' })
      .labels(),
    tasks: metrics
      .histogram({
        name: 'outrigger_worker_task_duration_seconds',
        help: 'Time of a worker call with its thread'
      })
      .labels()
  }
}
