import type { PluginListing } from '../../../core/config/define.js'
import { lineChart } from '../../plot.js'
import { figure, markdown } from '../../report.js'
import { exponential } from '../distribution.js'
import type { Fault } from '../server.js'
import { type Outcome, simulate } from '../simulation.js'
import {
  addedLoad,
  between,
  type Check,
  overTime,
  type Plan,
  type Plot,
  percent,
  type Report,
  type Scenario,
  sum
} from './scenario.js'

/** ms */
const UNTIL = 120_000
const FROM = 30_000
const TO = 60_000
/** Requests a second of one endpoint: half of what its two workers can do. */
const RATE = 20
const WORKERS = 2
const TIME = exponential(50)
const PATIENCE = 5_000

interface Outage {
  readonly name: string
  readonly title: string
  /** @param index of the endpoint */
  fault(index: number): Omit<Fault, 'from' | 'to'> | undefined
}

const OUTAGES: readonly Outage[] = [
  { name: 'all', title: 'All endpoints answer 503', fault: () => ({ kind: 'error' }) },
  {
    name: 'half',
    title: 'Half of the endpoints answer 503',
    fault: (i) => (i % 2 === 0 ? { kind: 'error' } : undefined)
  },
  {
    name: 'slow',
    title: 'All endpoints take four times as long',
    fault: () => ({ kind: 'slow', factor: 4 })
  }
]

interface Result {
  readonly name: string
  readonly outcome: Outcome
}

/** The same retries, and what bounds them. */
const BUDGETS: readonly { name: string; budget: Record<string, unknown> | undefined }[] = [
  { name: 'no retry', budget: undefined },
  { name: 'retry, no budget', budget: { ratio: 1, min: 1_000_000 } },
  { name: "retry, Envoy's budget (default)", budget: { ratio: 0.2, min: 3 } },
  { name: "retry, Linkerd's budget", budget: { ratio: 0.2, perSecond: 10, ttl: '10s' } }
]

/** What a budget has on top of its share, in words. */
function beside({ perSecond }: Record<string, unknown>): string {
  return perSecond === undefined ? '' : ` and its reserve of ${perSecond} a second`
}

/** What an outage may add to the load. */
const MOST_ADDED = 0.2

export const storm: Scenario = {
  name: 'storm',
  title: 'Retries in an outage',
  requests: 240_000,
  async run(plan: Plan): Promise<Report> {
    const lines: string[][] = []
    const plots: Plot[] = []
    const checks: Check[] = []
    for (const outage of OUTAGES) {
      const results: Result[] = []
      for (const { name, budget } of BUDGETS) {
        const outcome = await run(plan, outage, budget)
        const added = addedIn(outcome)
        plan.say(`${outage.name}, ${name}: ${percent(added)} load added`)
        results.push({ name, outcome })
        lines.push(lineOf(outage, name, outcome))
        if (budget !== undefined && (budget.min as number | undefined) !== 1_000_000) {
          checks.push({
            what: `${outage.title}, ${name}: load added, at most ${percent(MOST_ADDED, 0)}${beside(budget)}`,
            reached: percent(added),
            // Linkerd's reserve is on top of its share, and its ten seconds are not those of the outage.
            met: added <= MOST_ADDED + reserve(budget, outcome) + 0.005
          })
        }
      }
      plots.push(...(await plotsOf(outage, results)))
    }
    const head = [
      'outage of 30 s',
      'retries',
      'load added',
      'at most, in a second',
      'success before',
      'during',
      'the 30 s after',
      'p99 ms after'
    ]
    return { tables: [markdown(head, lines)], plots, checks }
  }
}

function run(plan: Plan, outage: Outage, budget: Record<string, unknown> | undefined): Promise<Outcome> {
  const count = Math.max(4, Math.round(plan.requests / (RATE * (UNTIL / 1000))))
  const retry: PluginListing[] =
    budget === undefined
      ? []
      : [
          {
            retry: { attempts: 3, on: ['5xx', 'connect-failure', 'timeout'], attemptTimeout: '500ms', budget }
          }
        ]
  return simulate({
    seed: plan.seed,
    endpoints: Array.from({ length: count }, (_, i) => {
      const fault = outage.fault(i)
      return {
        workers: WORKERS,
        queue: 1_000,
        time: TIME,
        faults: fault === undefined ? [] : [{ ...fault, from: FROM, to: TO }]
      }
    }),
    plugins: { service: [{ 'load-balancer': { policy: 'least-request' } }], route: retry },
    arrivals: [{ from: 0, perSecond: count * RATE }],
    until: UNTIL,
    patience: PATIENCE
  })
}

/** For each request that was made while it lasted, the attempts beyond the first. */
function addedIn({ tally }: Outcome): number {
  const during = between(tally, FROM, TO)
  return sum(during, ({ retries }) => retries) / sum(during, ({ offered }) => offered)
}

function reserve({ perSecond }: Record<string, unknown>, { tally }: Outcome): number {
  const during = between(tally, FROM, TO)
  return typeof perSecond === 'number'
    ? perSecond / (sum(during, ({ offered }) => offered) / during.length)
    : 0
}

function lineOf({ title }: Outage, name: string, outcome: Outcome): string[] {
  const { tally } = outcome
  const success = (from: number, to: number) => {
    const windows = between(tally, from, to)
    const good = sum(windows, (window) => window.good)
    return percent(good / (good + sum(windows, ({ bad }) => bad)))
  }
  const after = between(tally, TO, TO + 30_000)
  const answered = after.filter(({ latency }) => latency.count > 0)
  const worst =
    answered.length === 0 ? Number.NaN : Math.max(...answered.map(({ latency }) => latency.percentile(0.99)))
  return [
    title,
    name,
    percent(addedIn(outcome)),
    percent(Math.max(...between(tally, FROM, TO).map(addedLoad))),
    success(5_000, FROM),
    success(FROM, TO),
    success(TO, TO + 30_000),
    figure(worst, 0)
  ]
}

async function plotsOf({ name, title }: Outage, results: readonly Result[]): Promise<Plot[]> {
  const x = { title: 'time (s)' }
  const bands = [{ from: FROM / 1000, to: TO / 1000, label: 'outage' }]
  const sent = await lineChart({
    title: `${title}: what the service is sent`,
    x,
    y: { title: 'attempts for each request', min: 0 },
    series: results.map(({ name, outcome: { tally } }) => ({
      name,
      points: overTime(tally, ({ attempts, offered }) => attempts / offered, UNTIL)
    })),
    bands,
    lines: [{ at: 1 + MOST_ADDED, label: `${percent(MOST_ADDED, 0)} more` }]
  })
  const success = await lineChart({
    title: `${title}: what clients get`,
    x,
    y: { title: 'requests answered well (%)', min: 0, max: 100 },
    series: results.map(({ name, outcome: { tally } }) => ({
      name,
      points: overTime(tally, ({ good, bad }) => (100 * good) / (good + bad), UNTIL)
    })),
    bands
  })
  return [
    { file: `storm-${name}.svg`, description: `Attempts for each request over time: ${title}`, svg: sent },
    { file: `storm-${name}-success.svg`, description: `Success over time: ${title}`, svg: success }
  ]
}
