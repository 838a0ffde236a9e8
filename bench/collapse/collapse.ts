// `npm run bench -- collapse`: whether more connections than usual take throughput away, and whether memory comes back.
import { type Candidate, candidates } from '../candidates.js'
import { compare } from '../compare.js'
import { type RequestScenario, scenarios } from '../matrix/scenarios.js'
import { type Bench, type BySize, choose, comparisonOf, planOf, present, roundsOf } from '../mode.js'
import type { Outcome, Part, Plot, Target } from '../outcome.js'
import { barChart } from '../plot.js'
import { failures, figure, markdown, type Row, rate, table } from '../report.js'
import type { Plan } from '../rounds.js'
import { median, ratioOfRounds } from '../statistics.js'
import { memoryAfterLoad } from './memory.js'

const PLANS: BySize<Plan> = {
  full: { starts: 1, rounds: 3, seconds: 4, warmUp: 3 },
  short: { starts: 1, rounds: 2, seconds: 3, warmUp: 3 },
  smoke: { starts: 1, rounds: 1, seconds: 1, warmUp: 0 }
}
const NAMES: BySize<readonly string[]> = {
  full: ['none', 'five', 'bare', 'nginx', 'haproxy', 'relay'],
  short: ['none', 'five', 'nginx', 'haproxy', 'relay'],
  smoke: ['five']
}
/** By connections. The first is what the others are held against. */
const COUNTS = ['get', '200', '1000']
const FEWEST = 'get'
const MOST = '1000'

/** Of the throughput at 50. */
const KEPT = 0.8
/** p99 by mean. */
const SPREAD = 5

type Compared = readonly (readonly [RequestScenario, Row[]])[]

export async function collapse(bench: Bench): Promise<Outcome> {
  const { options, size, say } = bench
  const plan = planOf(bench, PLANS)
  const all = candidates(bench.build, options.against)
  const chosen = present<Candidate>(choose(all, options.only ?? NAMES[size], 'candidate'), say)
  const compared = await compare(chosen, choose(scenarios, COUNTS, 'scenario'), comparisonOf(bench, plan))
  const memory = await memoryAfterLoad(bench)
  const rows = compared.flatMap(([, rows]) => rows)
  const parts: Part[] = [
    roundsOf(plan),
    summaryOf(compared),
    ...chosen
      .filter(({ name }) => ['none', 'five'].includes(name))
      .flatMap(({ name }) => targetsOf(compared, name)),
    await plotOf(compared),
    ...compared.flatMap(([{ label }, rows]) => [
      `### ${label}`,
      table(
        rows,
        rows.find(({ name }) => name === 'bare')
      )
    ]),
    ...memory.parts
  ]
  return { parts, failed: failures(rows) + memory.failed }
}

function summaryOf(compared: Compared): string {
  const lines = (compared[0]?.[1] ?? []).map(({ name, label }) => {
    const rows = compared.map(([, rows]) => rows.find((row) => row.name === name) as Row)
    const [fewest] = rows as [Row]
    return [
      label,
      ...rows.map((row) => figure(median(row.samples.map(rate)), 0)),
      figure(ratioOfRounds((rows.at(-1) as Row).samples.map(rate), fewest.samples.map(rate)), 2),
      ...rows.map((row) => figure(spreadOf(row), 1))
    ]
  })
  const at = ['50', '200', '1,000']
  const head = [
    'proxy',
    ...at.map((count) => `requests/s at ${count}`),
    '1,000 by 50',
    ...at.map((count) => `p99 by mean at ${count}`)
  ]
  return markdown(head, lines)
}

/** How many times the mean p99 is. */
function spreadOf({ samples }: Row): number {
  return median(samples.map(({ p99, mean }) => p99 / mean))
}

function targetsOf(compared: Compared, name: string): Target[] {
  const find = (scenario: string) =>
    compared.find(([one]) => one.name === scenario)?.[1].find((row) => row.name === name)
  const [few, many] = [find(FEWEST), find(MOST)]
  if (few === undefined || many === undefined) return []
  return [
    {
      what: `${many.label}: throughput of 1,000 connections, times that of 50`,
      reached: ratioOfRounds(many.samples.map(rate), few.samples.map(rate)),
      atLeast: KEPT
    },
    {
      what: `${many.label}: p99 at 1,000 connections, times the mean`,
      reached: spreadOf(many),
      atMost: SPREAD
    }
  ]
}

async function plotOf(compared: Compared): Promise<Plot> {
  const svg = await barChart({
    title: 'Throughput by connections',
    y: { title: 'requests/s, median' },
    bars: (compared[0]?.[1] ?? []).map(({ name }) => ({
      name,
      values: compared.map(([{ name: scenario }, rows]) => ({
        group: `${scenario === FEWEST ? '50' : scenario} connections`,
        value: median((rows.find((row) => row.name === name) as Row).samples.map(rate))
      }))
    }))
  })
  return { file: 'collapse.svg', svg, description: 'Requests a second with 50, 200 and 1,000 connections' }
}
