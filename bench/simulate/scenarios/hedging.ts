import type { PluginListing } from '../../../core/config/define.js'
import { barChart } from '../../plot.js'
import { figure, markdown } from '../../report.js'
import { lognormal, mixture } from '../distribution.js'
import { type Outcome, simulate } from '../simulation.js'
import { addedLoad, failed, latencies, type Plan, percent, type Report, type Scenario } from './scenario.js'

const ENDPOINTS = 100
const WORKERS = 4
/** One in fifty takes a second, whatever it is asked: a pause, a lock, a cold cache. */
const TIME = mixture([
  { share: 0.98, of: lognormal(20, 0.4) },
  { share: 0.02, of: lognormal(1_000, 0.2) }
])
const LOAD = 0.3

const MOST_ADDED = 0.05

const HEDGES: readonly { name: string; hedge: Record<string, unknown> | undefined }[] = [
  { name: 'no hedge', hedge: undefined },
  { name: 'after p95, max 1', hedge: { after: 'p95', max: 1 } },
  { name: 'after p90, max 1', hedge: { after: 'p90', max: 1 } },
  { name: 'after p99, max 1', hedge: { after: 'p99', max: 1 } },
  { name: 'after 50ms, max 1', hedge: { after: '50ms', max: 1 } }
]

export const hedging: Scenario = {
  name: 'hedging',
  title: 'Hedging on a long tail',
  requests: 300_000,
  async run(plan: Plan): Promise<Report> {
    const perSecond = (LOAD * ENDPOINTS * WORKERS * 1000) / TIME.mean
    const results: { name: string; outcome: Outcome }[] = []
    for (const { name, hedge } of HEDGES) {
      const outcome = await simulate({
        seed: plan.seed,
        endpoints: Array.from({ length: ENDPOINTS }, () => ({ workers: WORKERS, queue: 1_000, time: TIME })),
        plugins: {
          service: [{ 'load-balancer': { policy: 'least-request' } }],
          route: hedge === undefined ? [] : ([{ retry: { hedge } }] as PluginListing[])
        },
        arrivals: [{ from: 0, perSecond }],
        requests: plan.requests,
        warmUp: Math.min(5_000, (plan.requests / perSecond) * 200)
      })
      plan.say(`${name}: p99 ${figure(outcome.tally.all.latency.percentile(0.99), 0)} ms`)
      results.push({ name, outcome })
    }
    const lines = results.map(({ name, outcome: { tally } }) => [
      name,
      ...latencies(tally),
      percent(addedLoad(tally.all)),
      failed(tally)
    ])
    const head = ['retry', 'p50 ms', 'p99 ms', 'p99.9 ms', 'load added', 'failed']
    return { tables: [markdown(head, lines)], plots: await plotsOf(results), checks: checksOf(results) }
  }
}

function checksOf(results: readonly { name: string; outcome: Outcome }[]): Report['checks'] {
  const p99 = (at: number) => results[at]?.outcome.tally.all.latency.percentile(0.99) ?? Number.NaN
  const all = results[1]?.outcome.tally.all
  if (all === undefined) return []
  return [
    {
      what: 'after p95, max 1: p99 at most half of what it is without',
      reached: `${figure(p99(1), 0)} of ${figure(p99(0), 0)} ms`,
      met: p99(1) <= p99(0) / 2
    },
    {
      what: `after p95, max 1: at most ${percent(MOST_ADDED, 0)} more load`,
      reached: percent(addedLoad(all), 2),
      met: addedLoad(all) <= MOST_ADDED
    }
  ]
}

async function plotsOf(results: readonly { name: string; outcome: Outcome }[]) {
  const svg = await barChart({
    title: 'One request in fifty takes a second',
    y: { title: 'latency (ms)', scale: 'log', min: 10 },
    bars: results.map(({ name, outcome: { tally } }) => ({
      name,
      values: [
        { group: 'p50', value: tally.all.latency.percentile(0.5) },
        { group: 'p99', value: tally.all.latency.percentile(0.99) },
        { group: 'p99.9', value: tally.all.latency.percentile(0.999) }
      ]
    }))
  })
  return [{ file: 'hedging.svg', description: 'Latency percentiles with and without hedging', svg }]
}
