import type { PluginListing } from '../../../core/config/define.js'
import { lineChart } from '../../plot.js'
import { figure, markdown } from '../../report.js'
import { exponential } from '../distribution.js'
import type { Fault } from '../server.js'
import { type Outcome, simulate } from '../simulation.js'
import { between, overTime, type Plan, percent, type Report, type Scenario, sum } from './scenario.js'

/** ms */
const DOWN = 20_000
const BACK = 40_000
const UNTIL = 90_000
/** Of the endpoints, those that are restarted at once. */
const RESTARTED = 5
const WORKERS = 4
const TIME = exponential(40)
/** Requests a second of one endpoint: half of what it can do when it is warm. */
const RATE = 50

/** Down, then back with an empty cache and code that is not compiled yet. */
const RESTART: readonly Fault[] = [
  { kind: 'refuse', from: DOWN, to: BACK },
  { kind: 'slow', factor: 8, from: BACK, to: BACK + 4_000 },
  { kind: 'slow', factor: 4, from: BACK + 4_000, to: BACK + 10_000 },
  { kind: 'slow', factor: 2, from: BACK + 10_000, to: BACK + 20_000 }
]

const BALANCERS: readonly { name: string; config: Record<string, unknown> }[] = [
  { name: 'round-robin', config: { policy: 'round-robin' } },
  { name: 'round-robin, slowStart 30s', config: { policy: 'round-robin', slowStart: '30s' } },
  { name: 'least-request', config: { policy: 'least-request' } },
  { name: 'least-request, slowStart 30s', config: { policy: 'least-request', slowStart: '30s' } },
  { name: 'least-response-time', config: { policy: 'least-response-time' } }
]

export const slowStart: Scenario = {
  name: 'slow-start',
  title: 'Endpoints that come back cold',
  requests: 180_000,
  async run(plan: Plan): Promise<Report> {
    const count = Math.max(RESTARTED, Math.round((plan.requests * 1000) / (RATE * UNTIL)))
    const results: { name: string; outcome: Outcome }[] = []
    for (const { name, config } of BALANCERS) {
      const service: PluginListing[] = [
        { 'load-balancer': config },
        { 'health-check': { http: { path: '/healthz' }, interval: '1s' } }
      ]
      const outcome = await simulate({
        seed: plan.seed,
        endpoints: Array.from({ length: count }, (_, i) => ({
          workers: WORKERS,
          queue: 1_000,
          time: TIME,
          faults: i % RESTARTED === 0 ? RESTART : []
        })),
        plugins: { service, route: ['retry'] },
        arrivals: [{ from: 0, perSecond: count * RATE }],
        until: UNTIL,
        patience: 5_000
      })
      plan.say(`${name}: p99 ${figure(p99(outcome, BACK, BACK + 20_000), 0)} ms after the restart`)
      results.push({ name, outcome })
    }
    const lines = results.map(({ name, outcome }) => [
      name,
      figure(p99(outcome, 5_000, DOWN), 0),
      figure(p99(outcome, BACK, BACK + 10_000), 0),
      figure(p99(outcome, BACK + 10_000, BACK + 20_000), 0),
      figure(p99(outcome, BACK + 20_000, UNTIL), 0),
      failedShare(outcome)
    ])
    const head = ['policy', 'p99 ms before', 'the first 10 s', 'the next 10 s', 'then', 'failed']
    return { tables: [markdown(head, lines)], plots: await plotsOf(results), checks: [] }
  }
}

/** The worst second's. */
function p99({ tally }: Outcome, from: number, to: number): number {
  return Math.max(...between(tally, from, to).map(({ latency }) => latency.percentile(0.99)))
}

function failedShare({ tally }: Outcome): string {
  const windows = between(tally, DOWN, UNTIL)
  const bad = sum(windows, (window) => window.bad)
  return percent(bad / (bad + sum(windows, ({ good }) => good)), 3)
}

async function plotsOf(results: readonly { name: string; outcome: Outcome }[]) {
  const svg = await lineChart({
    title: 'One endpoint in five is restarted, and comes back slow',
    x: { title: 'time (s)' },
    y: { title: 'p99 of each second (ms)', scale: 'log', min: 50 },
    series: results.map(({ name, outcome: { tally } }) => ({
      name,
      points: overTime(tally, ({ latency }) => latency.percentile(0.99), UNTIL)
    })),
    bands: [
      { from: DOWN / 1000, to: BACK / 1000, label: 'down' },
      { from: BACK / 1000, to: BACK / 1000 + 20, label: 'slow' }
    ]
  })
  return [{ file: 'slow-start.svg', description: 'p99 over time as endpoints come back cold', svg }]
}
