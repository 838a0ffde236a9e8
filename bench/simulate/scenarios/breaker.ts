import type { PluginListing } from '../../../core/config/define.js'
import { lineChart } from '../../plot.js'
import { figure, markdown } from '../../report.js'
import { exponential } from '../distribution.js'
import { Histogram } from '../histogram.js'
import { type Outcome, simulate } from '../simulation.js'
import {
  between,
  type Check,
  overTime,
  type Plan,
  type Plot,
  type Report,
  type Scenario,
  sum
} from './scenario.js'

/** ms */
const FROM = 30_000
const TO = 60_000
const UNTIL = 150_000
const WORKERS = 4
const TIME = exponential(40)
/** Requests a second of one endpoint: half of what it can do. */
const RATE = 50
/** ms that the route waits for an answer. */
const TIMEOUT = 1_000

const DEFAULT = 'circuit-breaker (5 failures, 60s)'

const BREAKERS: readonly { name: string; plugins: PluginListing[] }[] = [
  { name: 'no breaker', plugins: [] },
  { name: DEFAULT, plugins: ['circuit-breaker'] },
  { name: 'reset 10s', plugins: [{ 'circuit-breaker': { failures: 5, reset: '10s' } }] },
  {
    name: 'failureRate 0.2',
    plugins: [{ 'circuit-breaker': { failureRate: 0.2, window: '10s', minRequests: 5, reset: '10s' } }]
  }
]

const OUTAGES = [
  { name: 'hang', title: 'takes requests and never answers', fault: { kind: 'hang' } },
  { name: 'error', title: 'answers 503 at once', fault: { kind: 'error' } }
] as const

interface Result {
  readonly name: string
  readonly outcome: Outcome
}

export const breaker: Scenario = {
  name: 'breaker',
  title: 'A service of which nothing answers',
  requests: 300_000,
  async run(plan: Plan): Promise<Report> {
    const count = Math.max(2, Math.round((plan.requests * 1000) / (RATE * UNTIL)))
    const lines: string[][] = []
    const plots: Plot[] = []
    const checks: Check[] = []
    for (const { name: outage, title, fault } of OUTAGES) {
      const results: Result[] = []
      for (const { name, plugins } of BREAKERS) {
        const outcome = await simulate({
          seed: plan.seed,
          endpoints: Array.from({ length: count }, () => ({
            workers: WORKERS,
            queue: 1_000,
            time: TIME,
            faults: [{ ...fault, from: FROM, to: TO }]
          })),
          plugins: { service: [{ 'load-balancer': { policy: 'least-request' } }, ...plugins] },
          timeout: TIMEOUT,
          arrivals: [{ from: 0, perSecond: count * RATE }],
          until: UNTIL
        })
        const { attempts, median, recovered } = figuresOf(outcome, count)
        plan.say(`${outage}, ${name}: ${figure(attempts, 1)} attempts per endpoint`)
        const well = recovered === undefined ? 'not yet' : `${recovered} s`
        if (outage === 'error' && name === DEFAULT) {
          checks.push({
            // Answers to what was asked before it began still come, and each begins the count anew.
            what: `${name}: an endpoint that fails at once is sent five in a row, and fewer than ten in all`,
            reached: figure(attempts, 1),
            met: attempts >= 5 && attempts < 10
          })
        }
        lines.push([title, name, figure(attempts, 1), figure(median, 0), well])
        results.push({ name, outcome })
      }
      // The other one looks the same.
      if (outage === 'hang') plots.push(...(await plotsOf(results, count)))
    }
    const head = [
      'service, for 30 s',
      'breaker',
      'attempts per endpoint',
      'p50 ms until the client is told',
      'well again after'
    ]
    return { tables: [markdown(head, lines)], plots, checks }
  }
}

interface Figures {
  /** For each endpoint, while nothing answers. */
  readonly attempts: number
  /** ms that half of the clients wait for their error at most. */
  readonly median: number
  /** Seconds after it is over until 99% of the requests of a second are answered well. */
  readonly recovered: number | undefined
}

function figuresOf({ tally }: Outcome, count: number): Figures {
  // What was under way when it began is no matter of the breaker's.
  const during = between(tally, FROM, TO)
  const told = new Histogram()
  for (const window of during) told.merge(window.refusal)
  const recovered = between(tally, TO, UNTIL).findIndex(({ good, bad }) => good / (good + bad) >= 0.99)
  return {
    attempts: sum(during, ({ attempts }) => attempts) / count,
    median: told.percentile(0.5),
    recovered: recovered === -1 ? undefined : recovered
  }
}

async function plotsOf(results: readonly Result[], count: number): Promise<Plot[]> {
  const x = { title: 'time (s)' }
  const bands = [{ from: FROM / 1000, to: TO / 1000, label: 'nothing answers' }]
  const sent = await lineChart({
    title: 'What a service that does not answer is sent',
    x,
    y: { title: 'attempts per second and endpoint' },
    series: results.map(({ name, outcome: { tally } }) => ({
      name,
      points: overTime(tally, ({ attempts }) => attempts / count, UNTIL)
    })),
    bands
  })
  const success = await lineChart({
    title: 'What clients get of it',
    x,
    y: { title: 'requests answered well (%)', min: 0, max: 100 },
    series: results.map(({ name, outcome: { tally } }) => ({
      name,
      points: overTime(tally, ({ good, bad }) => (100 * good) / (good + bad), UNTIL)
    })),
    bands
  })
  return [
    {
      file: 'breaker-attempts.svg',
      description: 'Attempts over time, with and without a breaker',
      svg: sent
    },
    {
      file: 'breaker-success.svg',
      description: 'Success over time, with and without a breaker',
      svg: success
    }
  ]
}
