import { barChart } from '../../plot.js'
import { figure, markdown } from '../../report.js'
import { lognormal } from '../distribution.js'
import { type Listings, type Outcome, type SimulatedEndpoint, simulate } from '../simulation.js'
import { failed, latencies, type Plan, percent, type Report, type Scenario, variation } from './scenario.js'

const ENDPOINTS = 1_000
const ZONES = ['a', 'b', 'c', 'd']
/** Not all machines are new, and all of one zone are behind. */
const SPEEDS = [0.8, 1, 1.2, 1.4]
const SLOW_ZONE = { zone: 'd', factor: 0.6 }
/** Mean and sigma of a lognormal: p99 is 10 times the median. */
const TIME = lognormal(100, 1)
const WORKERS = 2
/** Of what all endpoints together can do. At 0.4 the slowest ones are still below what they can do by themselves. */
const LOAD = 0.4

const users = { header: 'x-user' }

const POLICIES: readonly { name: string; plugins: (zone: string | undefined) => Listings }[] = [
  of('round-robin'),
  of('random'),
  of('least-request'),
  of('least-response-time'),
  of('ring-hash', { hashOn: users }),
  of('bounded ring-hash', { policy: 'ring-hash', hashOn: users, boundedLoad: 1.25 }),
  of('maglev', { hashOn: users }),
  {
    name: 'zone-aware',
    plugins: (zone) => ({ service: [{ 'load-balancer': { policy: 'zone-aware', zone } }] })
  }
]

function of(name: string, config: Record<string, unknown> = {}) {
  return { name, plugins: () => ({ service: [{ 'load-balancer': { policy: name, ...config } }] }) }
}

export const policies: Scenario = {
  name: 'policies',
  title: 'Policies side by side',
  requests: 300_000,
  async run(plan: Plan): Promise<Report> {
    const endpoints = Array.from({ length: ENDPOINTS }, (_, i): SimulatedEndpoint => {
      const zone = ZONES[i % ZONES.length] as string
      const speed = SPEEDS[Math.floor(i / ZONES.length) % SPEEDS.length] as number
      return {
        zone,
        workers: WORKERS,
        queue: 200,
        time: TIME,
        speed: zone === SLOW_ZONE.zone ? speed * SLOW_ZONE.factor : speed
      }
    })
    const capacity = endpoints.reduce(
      (sum, { speed = 1, workers }) => sum + (workers * speed * 1000) / TIME.mean,
      0
    )
    const results: { name: string; outcome: Outcome }[] = []
    for (const { name, plugins } of POLICIES) {
      const outcome = await simulate({
        seed: plan.seed,
        endpoints,
        plugins,
        arrivals: [{ from: 0, perSecond: LOAD * capacity }],
        requests: plan.requests,
        proxies: ZONES,
        network: { near: 1, far: 3 },
        clients: 100_000,
        warmUp: Math.min(10_000, (plan.requests / (LOAD * capacity)) * 200)
      })
      plan.say(`${name}: p99 ${figure(outcome.tally.all.latency.percentile(0.99), 0)} ms`)
      results.push({ name, outcome })
    }
    return { tables: [tableOf(results)], plots: await plotsOf(results), checks: [] }
  }
}

function tableOf(results: readonly { name: string; outcome: Outcome }[]): string {
  const head = [
    'policy',
    'requests per endpoint, variation',
    'utilisation, variation',
    'busiest endpoint',
    'p50 ms',
    'p99 ms',
    'p99.9 ms',
    'failed'
  ]
  return markdown(
    head,
    results.map(({ name, outcome }) => {
      const used = utilisations(outcome)
      return [
        name,
        percent(variation(outcome.servers.map(({ received }) => received))),
        percent(variation(used)),
        percent(Math.max(...used), 0),
        ...latencies(outcome.tally),
        failed(outcome.tally)
      ]
    })
  )
}

/** Of each endpoint, the part of its workers' time in which they worked. */
function utilisations({ servers, lasted }: Outcome): number[] {
  return servers.map(({ busyTime, plan }) => Math.min(1, busyTime / (plan.workers * lasted)))
}

async function plotsOf(results: readonly { name: string; outcome: Outcome }[]) {
  const svg = await barChart({
    title: '1,000 endpoints of unequal speed, one slow zone, long-tailed service times',
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
  const description = 'Latency percentiles of each load balancing policy'
  return [{ file: 'policies.svg', description, svg }]
}
