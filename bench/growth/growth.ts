// `npm run bench -- growth`: what a request costs among many routes and endpoints, and what loading those costs.
import { type Candidate, outrigger } from '../candidates.js'
import { compare } from '../compare.js'
import { drive } from '../load/generator.js'
import { type Bench, type BySize, choose, comparisonOf, planOf, roundsOf } from '../mode.js'
import type { Outcome, Part, Target } from '../outcome.js'
import { barChart } from '../plot.js'
import { failures, figure, markdown, type Row } from '../report.js'
import type { Plan, Scenario } from '../rounds.js'
import { startUpstream } from '../stage.js'
import { median, ratioOfRounds } from '../statistics.js'
import { manyEndpoints, manyRoutes } from './configurations.js'
import { loading } from './loading.js'

const PLANS: BySize<Plan> = {
  // Every endpoint has to have been connected to, and not once only.
  full: { starts: 2, rounds: 2, seconds: 2, warmUp: 4 },
  short: { starts: 1, rounds: 2, seconds: 2, warmUp: 3 },
  smoke: { starts: 1, rounds: 1, seconds: 1, warmUp: 0 }
}
const ROUTES: BySize<readonly number[]> = {
  full: [1, 10, 100, 10_000],
  short: [10, 10_000],
  smoke: [10_000]
}
const ENDPOINTS: BySize<readonly number[]> = {
  full: [2, 10, 10_000],
  short: [10, 10_000],
  smoke: [10_000]
}
/** What the most is held against. */
const FEW = 10
const MANY = 10_000
const WITHIN = 1.15

type Kind = 'routes' | 'endpoints'

export async function growth(bench: Bench): Promise<Outcome> {
  const { size, build, options } = bench
  const plan = planOf(bench, PLANS)
  const everywhere = await startUpstream('0.0.0.0')
  const url = everywhere.urls.get('a') as string
  try {
    const parts: Part[] = [roundsOf(plan)]
    let failed = 0
    for (const kind of ['routes', 'endpoints'] as const) {
      const counts = (kind === 'routes' ? ROUTES : ENDPOINTS)[size]
      const chosen = choose(
        counts.map((count) => candidateOf(kind, count, build, url)),
        options.only?.filter((name) => name.startsWith(kind)),
        'candidate'
      )
      if (chosen.length === 0) continue
      const rows = await rowsOf(bench, plan, kind, chosen)
      failed += failures(rows)
      parts.push(
        `### ${kind === 'routes' ? 'Routes, asked at random' : 'Endpoints, in turn'}`,
        tableOf(rows, kind)
      )
      parts.push(...targetsOf(rows, kind), await plotOf(rows, kind))
    }
    if (options.only === undefined) {
      const loaded = await loading(bench, url)
      parts.push(...loaded.parts)
      failed += loaded.failed
    }
    return { parts, failed }
  } finally {
    await everywhere.stop()
  }
}

function candidateOf(kind: Kind, count: number, build: string, url: string): Candidate {
  const label = `${count.toLocaleString('en')} ${count === 1 ? kind.slice(0, -1) : kind}`
  const change = kind === 'routes' ? manyRoutes(count) : manyEndpoints(count, url)
  return outrigger(`${kind}-${count}`, label, build, 'none', change)
}

async function rowsOf(bench: Bench, plan: Plan, kind: Kind, chosen: readonly Candidate[]): Promise<Row[]> {
  const scenario: Scenario = {
    name: kind,
    label: kind,
    path: '/orders/1?full=1',
    // Which routes there are to ask for depends on the candidate.
    drive: (url, seconds, name) => {
      const routes = kind === 'routes' ? Number(name.split('-')[1]) : 0
      return drive(url, { method: 'GET', bodyBytes: 0, connections: 50, routes }, seconds)
    }
  }
  const [[, rows] = []] = await compare(chosen, [scenario], comparisonOf(bench, plan))
  return rows ?? []
}

const cpusOf = ({ samples }: Row) => samples.map(({ cpu = Number.NaN }) => cpu)

function tableOf(rows: readonly Row[], kind: Kind): string {
  const few = rows.find(({ name }) => name === `${kind}-${FEW}`)
  const head = [
    '',
    'CPU µs/request, best',
    'median',
    `times that of ${FEW}`,
    'requests/s, median',
    'p99 ms',
    'failed'
  ]
  const lines = rows.map((row) => [
    row.label,
    figure(Math.min(...cpusOf(row)), 1),
    figure(median(cpusOf(row)), 1),
    few === undefined ? '-' : figure(ratioOfRounds(cpusOf(row), cpusOf(few)), 2),
    figure(median(row.samples.map(({ requests, seconds }) => requests / seconds)), 0),
    figure(median(row.samples.map(({ p99 }) => p99)), 1),
    String(failures([row]))
  ])
  return markdown(head, lines)
}

function targetsOf(rows: readonly Row[], kind: Kind): Target[] {
  const [few, many] = [FEW, MANY].map((count) => rows.find(({ name }) => name === `${kind}-${count}`))
  if (few === undefined || many === undefined) return []
  return [
    {
      what: `CPU time among ${many.label}, times among ${few.label}`,
      reached: ratioOfRounds(cpusOf(many), cpusOf(few)),
      atMost: WITHIN
    }
  ]
}

async function plotOf(rows: readonly Row[], kind: Kind): Promise<Part> {
  const svg = await barChart({
    title: `Processor time per request, by ${kind}`,
    y: { title: 'µs, median' },
    bars: rows.map((row) => ({
      name: row.label,
      values: [{ group: 'processor time per request', value: median(cpusOf(row)) }]
    }))
  })
  return {
    file: `growth-${kind}.svg`,
    svg,
    description: `Processor time per request by how many ${kind} there are`
  }
}
