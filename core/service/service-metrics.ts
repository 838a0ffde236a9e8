import type { CounterCell, GaugeCell, MetricFamily, Metrics } from '../hooks/plugin.js'
import type { BreakerState } from '../hooks/types.js'

export const STATE_NUMBERS: Readonly<Record<BreakerState, number>> = { closed: 0, 'half-open': 1, open: 2 }

/** A configuration bounds them, and no client. */
const MAX_SERIES = 20_000

export interface BreakerMetrics {
  readonly state: MetricFamily<GaugeCell>
  readonly trips: MetricFamily<CounterCell>
}

export function ejections(metrics: Metrics): MetricFamily<CounterCell> {
  return metrics.counter({
    name: 'outrigger_ejections_total',
    help: 'Endpoints taken out for a time',
    labels: ['service'],
    maxSeries: MAX_SERIES
  })
}

/** Shown of breakers that were ever opened. */
export function breakerMetrics(metrics: Metrics): BreakerMetrics {
  return {
    state: metrics.gauge({
      name: 'outrigger_breaker_state',
      help: "0 closed, 1 half open, 2 open; of endpoint * the service's own",
      labels: ['service', 'endpoint'],
      maxSeries: MAX_SERIES
    }),
    trips: metrics.counter({
      name: 'outrigger_breaker_trips_total',
      help: 'Times that a breaker was opened',
      labels: ['service'],
      maxSeries: MAX_SERIES
    })
  }
}
