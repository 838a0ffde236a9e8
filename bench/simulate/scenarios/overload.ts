import type { PluginListing } from '../../../core/config/define.js'
import { lineChart } from '../../plot.js'
import { figure, markdown } from '../../report.js'
import { exponential } from '../distribution.js'
import { type Outcome, simulate } from '../simulation.js'
import { between, overTime, type Plan, percent, type Report, type Scenario, sum } from './scenario.js'

/** ms */
const FROM = 20_000
const TO = 80_000
const UNTIL = 160_000
/** Of what the service can do. */
const NORMAL = 0.6
const OVERLOAD = 3
const WORKERS = 8
const TIME = exponential(20)
/** Requests a second that one endpoint can do. */
const CAPACITY = (WORKERS * 1000) / TIME.mean
/** Of one endpoint, over the whole of it. */
const REQUESTS = (CAPACITY * (NORMAL * (UNTIL - TO + FROM) + OVERLOAD * (TO - FROM))) / 1000
/** ms after which clients give up: the service works on all the same. */
const PATIENCE = 1_000

const LEAST_GOODPUT = 0.9
const MOST_P99 = 3

const ADAPTIVE = 'concurrency: { limit: adaptive }'

const PROTECTIONS: readonly { name: string; plugins: (endpoints: number) => PluginListing[] }[] = [
  { name: 'nothing', plugins: () => [] },
  { name: ADAPTIVE, plugins: () => [{ concurrency: { limit: 'adaptive' } }] },
  {
    name: 'concurrency: a limit that fits, queue: 50',
    plugins: (endpoints) => [{ concurrency: { limit: Math.ceil(1.5 * WORKERS * endpoints), queue: 50 } }]
  }
]

export const overload: Scenario = {
  name: 'overload',
  title: 'Three times what a service can do',
  requests: 4 * REQUESTS,
  async run(plan: Plan): Promise<Report> {
    const endpoints = Math.max(1, Math.round(plan.requests / REQUESTS))
    const capacity = endpoints * CAPACITY
    const results: { name: string; outcome: Outcome; figures: Figures }[] = []
    for (const { name, plugins } of PROTECTIONS) {
      const outcome = await simulate({
        seed: plan.seed,
        endpoints: Array.from({ length: endpoints }, () => ({ workers: WORKERS, queue: 10_000, time: TIME })),
        plugins: { service: [{ 'load-balancer': { policy: 'least-request' } }, ...plugins(endpoints)] },
        arrivals: [
          { from: 0, perSecond: NORMAL * capacity },
          { from: FROM, perSecond: OVERLOAD * capacity },
          { from: TO, perSecond: NORMAL * capacity }
        ],
        until: UNTIL,
        patience: PATIENCE
      })
      const figures = figuresOf(outcome, capacity)
      plan.say(`${name}: goodput ${percent(figures.goodput)} of capacity, p99 ${figure(figures.p99, 0)} ms`)
      results.push({ name, outcome, figures })
    }
    const lines = results.map(({ name, figures }) => [
      name,
      percent(figures.goodput),
      figure(figures.normalP99, 0),
      figure(figures.p99, 0),
      figure(figures.p99 / figures.normalP99, 1),
      percent(figures.wasted),
      figures.recovered === undefined ? 'not yet' : `${figures.recovered} s`
    ])
    const head = [
      'protection',
      'goodput, of capacity',
      'p99 ms before',
      'p99 ms',
      'times',
      'work done for nobody',
      'well again after'
    ]
    return {
      tables: [markdown(head, lines)],
      plots: await plotsOf(results, capacity),
      checks: checksOf(results)
    }
  }
}

interface Figures {
  readonly goodput: number
  readonly normalP99: number
  readonly p99: number
  readonly wasted: number
  /** Seconds after the overload until 99% of the requests of a second are answered. */
  readonly recovered: number | undefined
}

function figuresOf({ tally, servers }: Outcome, capacity: number): Figures {
  const during = between(tally, FROM, TO)
  const after = between(tally, TO, UNTIL)
  const served = servers.reduce((total, server) => total + server.served, 0)
  const recovered = after.findIndex(({ good, bad }) => good / (good + bad) >= 0.99)
  return {
    goodput: sum(during, ({ good }) => good) / ((capacity * (TO - FROM)) / 1000),
    normalP99: worstP99(between(tally, 5_000, FROM)),
    p99: worstP99(during),
    wasted: servers.reduce((total, server) => total + server.wasted, 0) / served,
    recovered: recovered === -1 ? undefined : recovered
  }
}

/** The median of the seconds' own: one bad second is none of the rest. */
function worstP99(windows: ReturnType<typeof between>): number {
  const each = windows
    .map(({ latency }) => latency.percentile(0.99))
    .filter((ms) => !Number.isNaN(ms))
    .sort((one, other) => one - other)
  return each[each.length >> 1] ?? Number.NaN
}

function checksOf(results: readonly { name: string; figures: Figures }[]): Report['checks'] {
  const adaptive = results.find(({ name }) => name === ADAPTIVE)?.figures
  const nothing = results.find(({ name }) => name === 'nothing')?.figures
  if (adaptive === undefined || nothing === undefined) return []
  const times = adaptive.p99 / adaptive.normalP99
  return [
    {
      what: `${ADAPTIVE}: goodput at least ${percent(LEAST_GOODPUT, 0)} of capacity`,
      reached: percent(adaptive.goodput),
      met: adaptive.goodput >= LEAST_GOODPUT
    },
    {
      what: `${ADAPTIVE}: p99 at most ${MOST_P99} times the one before`,
      reached: figure(times, 2),
      met: times <= MOST_P99
    },
    {
      what: 'nothing: it collapses, to less than half of capacity',
      reached: percent(nothing.goodput),
      met: nothing.goodput < 0.5
    }
  ]
}

async function plotsOf(results: readonly { name: string; outcome: Outcome }[], capacity: number) {
  const x = { title: 'time (s)' }
  const bands = [{ from: FROM / 1000, to: TO / 1000, label: `${OVERLOAD} times capacity` }]
  const goodput = await lineChart({
    title: 'What clients get of an overloaded service',
    x,
    y: { title: 'good answers (requests per second)' },
    series: results.map(({ name, outcome: { tally } }) => ({
      name,
      points: overTime(tally, ({ good }) => good, UNTIL)
    })),
    bands,
    lines: [{ at: capacity, label: 'capacity' }]
  })
  const latency = await lineChart({
    title: 'How long the good answers take',
    x,
    y: { title: 'p99 of each second (ms)', scale: 'log', min: 10 },
    series: results.map(({ name, outcome: { tally } }) => ({
      name,
      points: overTime(tally, ({ latency }) => latency.percentile(0.99), UNTIL)
    })),
    bands
  })
  return [
    {
      file: 'overload-goodput.svg',
      description: 'Good answers a second over time, by protection',
      svg: goodput
    },
    {
      file: 'overload-latency.svg',
      description: 'p99 of good answers over time, by protection',
      svg: latency
    }
  ]
}
