// `npm run bench -- peers` and `-- scenarios`: ours beside every other proxy, with a small GET and with all else.
import { BASELINE, type Candidate, candidates, NODE_PEERS } from '../candidates.js'
import { compare } from '../compare.js'
import { generator } from '../load/generator.js'
import { type Bench, type BySize, choose, comparisonOf, planOf, present, roundsOf } from '../mode.js'
import type { Outcome, Part, Plot } from '../outcome.js'
import { barChart } from '../plot.js'
import { failures, type Row, table } from '../report.js'
import type { Plan } from '../rounds.js'
import { certificateIn } from '../stage.js'
import { median } from '../statistics.js'
import { matrixOf, matrixPlot } from './matrix.js'
import { type RequestScenario, scenarios } from './scenarios.js'
import { targetsOf } from './targets.js'

/** A process is compiled and laid out in memory by luck: what is to be reached is asked of several. */
const PEERS: BySize<Plan> = {
  full: { starts: 3, rounds: 2, seconds: 2, warmUp: 2 },
  short: { starts: 1, rounds: 2, seconds: 2, warmUp: 2 },
  smoke: { starts: 1, rounds: 1, seconds: 1, warmUp: 0 }
}
const SCENARIOS: BySize<Plan> = {
  full: { starts: 1, rounds: 2, seconds: 1, warmUp: 1 },
  short: { starts: 1, rounds: 1, seconds: 1, warmUp: 1 },
  smoke: { starts: 1, rounds: 1, seconds: 1, warmUp: 0 }
}
const FEWER: BySize<readonly string[]> = {
  full: [BASELINE, ...NODE_PEERS, 'none', 'five', 'five-standard', 'nginx', 'haproxy'],
  short: [BASELINE, 'httpxy', 'none', 'five', 'nginx'],
  smoke: ['five']
}
/** The smallest request there is: a proxy's own part is largest in it. */
const FIRST = ['get']
const OTHERS = ['10k', '1m', 'post', 'post-1m', 'headers', 'fresh', 'tls']

type Compared = readonly (readonly [RequestScenario, Row[]])[]

export async function peers(bench: Bench): Promise<Outcome> {
  const plan = planOf(bench, PEERS)
  const compared = await compareAll(bench, plan, bench.options.scenario ?? FIRST, bench.options.only)
  const parts: Part[] = [roundsOf(plan)]
  for (const [scenario, rows] of compared) {
    const baseline = rows.find(({ name }) => name === BASELINE)
    parts.push(`### ${scenario.label}`, table(rows, baseline), ...targetsOf(scenario.name, rows))
    parts.push(await plotOf(scenario, rows))
  }
  return { parts, failed: failures(compared.flatMap(([, rows]) => rows)) }
}

export async function otherScenarios(bench: Bench): Promise<Outcome> {
  const plan = planOf(bench, SCENARIOS)
  const only = bench.options.only ?? FEWER[bench.size]
  const compared = await compareAll(bench, plan, bench.options.scenario ?? OTHERS, only)
  const details = compared.flatMap(([{ label }, rows]) => [
    `### ${label}`,
    table(
      rows,
      rows.find(({ name }) => name === BASELINE)
    )
  ])
  const parts: Part[] = [roundsOf(plan), matrixOf(compared), await matrixPlot(compared), ...details]
  return { parts, failed: failures(compared.flatMap(([, rows]) => rows)) }
}

/** Those without TLS, and then those with it, which every proxy is started anew for. */
async function compareAll(
  bench: Bench,
  plan: Plan,
  names: readonly string[],
  only: readonly string[] | undefined
): Promise<Compared> {
  const traffic = choose(scenarios, names, 'scenario')
  const all = candidates(bench.build, bench.options.against)
  const chosen = present<Candidate>(choose(all, only, 'candidate'), bench.say)
  if (generator() !== 'wrk') bench.say('wrk is not installed: autocannon may be what is measured')
  const comparison = comparisonOf(bench, plan)
  const plain = traffic.filter(({ secure }) => !secure)
  const secured = traffic.filter(({ secure }) => secure)
  const compared = plain.length === 0 ? [] : await compare(chosen, plain, comparison)
  if (secured.length === 0) return compared
  const stage = { ...bench.stage, secure: await certificateIn(bench.stage, bench.build) }
  const able = chosen.filter(({ plain }) => plain !== true)
  return [...compared, ...(await compare(able, secured, { ...comparison, stage }))]
}

async function plotOf({ name, label }: RequestScenario, rows: readonly Row[]): Promise<Plot> {
  const shown = rows.filter(({ samples }) => samples.length > 0)
  const svg = await barChart({
    title: `${label}: processor time per request`,
    y: { title: 'µs, median' },
    bars: shown.map(({ name, samples }) => ({
      name,
      values: [{ group: 'processor time per request', value: median(samples.map(({ cpu = 0 }) => cpu)) }]
    }))
  })
  return { file: `peers-${name}.svg`, svg, description: `Processor time per request of each proxy: ${label}` }
}
