// `npm run bench -- regress --against DIST`: whether a request costs more than it did in another build. For a developer
// to run by hand on a quiet machine; never for CI, whose machines differ from run to run by more than what it looks for.
import { existsSync } from 'node:fs'
import { type Candidate, ours } from '../candidates.js'
import { compare } from '../compare.js'
import { scenarios } from '../matrix/scenarios.js'
import { type Bench, type BySize, choose, comparisonOf, planOf, roundsOf } from '../mode.js'
import type { Outcome } from '../outcome.js'
import { failures, table } from '../report.js'
import type { Plan } from '../rounds.js'
import { programOf } from '../stage.js'
import { type Pair, pairsOf, refusalOf, regressionTable } from './verdict.js'

const PLANS: BySize<Plan> = {
  full: { starts: 5, rounds: 3, seconds: 2, warmUp: 2 },
  short: { starts: 3, rounds: 2, seconds: 2, warmUp: 1 },
  smoke: { starts: 1, rounds: 1, seconds: 1, warmUp: 0 }
}
const NAMES = ['none', 'five']
const TRAFFIC = ['get', 'post']
const BEFORE = 'before-'

export async function regress(bench: Bench): Promise<Outcome> {
  const { build, options, size } = bench
  const [against, ...more] = options.against
  if (against === undefined || more.length > 0)
    throw new Error('regress holds this build against one other: --against FOLDER, the dist of that build')
  if (!existsSync(programOf(against))) throw new Error(`${against} holds no build`)
  const plan = planOf(bench, PLANS)
  const names = options.only ?? NAMES
  const before = choose(
    ours(against, BEFORE, ' before'),
    names.map((name) => `${BEFORE}${name}`),
    'candidate'
  )
  const chosen: Candidate[] = [...choose(ours(build), names, 'candidate'), ...before]
  const traffic = choose(scenarios, options.scenario ?? TRAFFIC, 'scenario')
  const compared = await compare(chosen, traffic, comparisonOf(bench, plan))
  const pairs = compared.flatMap(([{ name }, rows]): Pair[] => pairsOf(name, rows, BEFORE))
  return {
    parts: [
      roundsOf(plan),
      regressionTable(pairs),
      ...compared.flatMap(([{ label }, rows]) => [`### ${label}`, table(rows, undefined)])
    ],
    failed: failures(compared.flatMap(([, rows]) => rows)),
    refused: size === 'smoke' ? undefined : refusalOf(pairs)
  }
}
