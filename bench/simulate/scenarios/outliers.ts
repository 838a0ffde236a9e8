import type { PluginListing } from '../../../core/config/define.js'
import { lineChart } from '../../plot.js'
import { markdown } from '../../report.js'
import { exponential } from '../distribution.js'
import { type Outcome, simulate } from '../simulation.js'
import {
  between,
  overTime,
  type Plan,
  type Plot,
  percent,
  type Report,
  type Scenario,
  sum
} from './scenario.js'

/** ms */
const FROM = 20_000
const TO = 80_000
const UNTIL = 140_000
const WORKERS = 2
const TIME = exponential(50)
/** Requests a second of one endpoint: 30% of what it can do. */
const RATE = 12

interface Case {
  readonly name: string
  readonly title: string
  /** Of ten endpoints, those that lie. */
  readonly lying: number
  readonly defences: readonly { readonly name: string; readonly plugins: PluginListing[] }[]
}

const balanced = (config: Record<string, unknown> = {}): PluginListing => ({
  'load-balancer': { policy: 'least-request', ...config }
})
const detected = (config: Record<string, unknown> = {}): PluginListing => ({ 'outlier-detection': config })

const CASES: readonly Case[] = [
  {
    name: 'few',
    title: 'One endpoint in ten answers 500 at once',
    lying: 1,
    defences: [
      { name: 'nothing', plugins: [balanced()] },
      { name: 'outlier-detection', plugins: [balanced(), detected()] },
      { name: 'maxEjectedPercent 5', plugins: [balanced(), detected({ maxEjectedPercent: 5 })] },
      { name: 'consecutiveErrors 20', plugins: [balanced(), detected({ consecutiveErrors: 20 })] }
    ]
  },
  {
    name: 'many',
    title: 'Six endpoints in ten answer 500 at once',
    lying: 6,
    defences: [
      { name: 'outlier-detection', plugins: [balanced(), detected()] },
      { name: 'maxEjectedPercent 100', plugins: [balanced(), detected({ maxEjectedPercent: 100 })] },
      {
        name: 'maxEjectedPercent 100, panicThreshold 0.5',
        plugins: [balanced({ panicThreshold: 0.5 }), detected({ maxEjectedPercent: 100 })]
      }
    ]
  }
]

export const outliers: Scenario = {
  name: 'outliers',
  title: 'Endpoints that lie',
  requests: 170_000,
  async run(plan: Plan): Promise<Report> {
    const lines: string[][] = []
    const plots: Plot[] = []
    for (const one of CASES) {
      const results: { name: string; outcome: Outcome }[] = []
      for (const { name, plugins } of one.defences) {
        const outcome = await run(plan, one, plugins)
        plan.say(`${one.name}, ${name}: success ${success(outcome, FROM, TO)}`)
        lines.push([
          one.title,
          name,
          success(outcome, 5_000, FROM),
          success(outcome, FROM, FROM + 10_000),
          success(outcome, FROM + 10_000, TO),
          success(outcome, TO, UNTIL)
        ])
        results.push({ name, outcome })
      }
      plots.push(await plotOf(one, results))
    }
    const head = ['who lies, for 60 s', 'defence', 'success before', 'the first 10 s', 'then', 'afterwards']
    return { tables: [markdown(head, lines)], plots, checks: [] }
  }
}

function run(plan: Plan, { lying }: Case, service: PluginListing[]): Promise<Outcome> {
  const count = Math.max(10, Math.round((plan.requests * 1000) / (RATE * UNTIL) / 10) * 10)
  return simulate({
    seed: plan.seed,
    endpoints: Array.from({ length: count }, (_, i) => ({
      workers: WORKERS,
      queue: 1_000,
      time: TIME,
      faults: i % 10 < lying ? [{ kind: 'error', status: 500, from: FROM, to: TO }] : []
    })),
    plugins: { service },
    arrivals: [{ from: 0, perSecond: count * RATE }],
    until: UNTIL,
    patience: 5_000
  })
}

function success({ tally }: Outcome, from: number, to: number): string {
  const windows = between(tally, from, to)
  const good = sum(windows, (window) => window.good)
  return percent(good / (good + sum(windows, ({ bad }) => bad)), 2)
}

async function plotOf({ name, title }: Case, results: readonly { name: string; outcome: Outcome }[]) {
  const svg = await lineChart({
    title,
    x: { title: 'time (s)' },
    y: { title: 'requests answered well (%)', min: 0, max: 100 },
    series: results.map(({ name, outcome: { tally } }) => ({
      name,
      points: overTime(tally, ({ good, bad }) => (100 * good) / (good + bad), UNTIL)
    })),
    bands: [{ from: FROM / 1000, to: TO / 1000, label: 'they lie' }]
  })
  return { file: `outliers-${name}.svg`, description: `Success over time: ${title}`, svg }
}
