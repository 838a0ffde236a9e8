// `npm run bench -- plugins`: what each plugin adds to a request, over sockets. `hooks` has it without them.
import { type Candidate, COUNTS, idlers, ours, outrigger } from '../candidates.js'
import { compare } from '../compare.js'
import { type Bench, type BySize, choose, comparisonOf, planOf, roundsOf } from '../mode.js'
import type { Outcome, Part, Target } from '../outcome.js'
import { barChart } from '../plot.js'
import { failures, figure, markdown, type Row } from '../report.js'
import type { Plan } from '../rounds.js'
import { type Listing, type Sidecar, sidecarOf } from '../sidecar.js'
import { median } from '../statistics.js'
import { plainGet } from './scenarios.js'

const PLANS: BySize<Plan> = {
  full: { starts: 2, rounds: 3, seconds: 1, warmUp: 1 },
  short: { starts: 1, rounds: 2, seconds: 1, warmUp: 1 },
  smoke: { starts: 1, rounds: 1, seconds: 1, warmUp: 0 }
}
const SMOKE = ['none', 'sync-20', 'async-20']

/** µs */
const ONE_OF_FIVE = 5
const ONE_IDLE = 0.5

/** The places of a configuration where plugins stand. */
const PLACES: readonly ((sidecar: Sidecar) => { plugins?: Listing[] } | undefined)[] = [
  (sidecar) => sidecar,
  ({ services }) => services.app,
  ({ routes }) => routes[0]
]

export async function plugins(bench: Bench): Promise<Outcome> {
  const plan = planOf(bench, PLANS)
  const [none, five] = ours(bench.build) as [Candidate, Candidate]
  const singles = eachOfFive(bench.build)
  const all = [none, ...idlers(bench.build), ...singles, five]
  const only = bench.options.only ?? (bench.size === 'smoke' ? SMOKE : undefined)
  const [[, rows] = []] = await compare(choose(all, only, 'candidate'), [plainGet], comparisonOf(bench, plan))
  if (rows === undefined) throw new Error('nothing was compared')
  const added = new Map(rows.map((row) => [row.name, addedTo(rows, row)]))
  const head = ['plugins', 'CPU µs/request, best', 'median', 'more than none, µs', 'each, µs', 'failed']
  const parts: Part[] = [roundsOf(plan), markdown(head, rows.map(lineOf(added)))]
  parts.push(...targetsOf(added, singles))
  parts.push({
    file: 'plugins.svg',
    svg: await barChart({
      title: 'What plugins add to a request: processor time',
      y: { title: 'µs, medians' },
      bars: rows
        .filter(({ name }) => name !== 'none')
        .map(({ name }) => ({
          name,
          values: [{ group: 'more than without plugins', value: added.get(name) ?? 0 }]
        }))
    }),
    description: 'Processor time that plugins add to a request'
  })
  return { parts, failed: failures(rows) }
}

/** Each of the five alone, as it is listed with the others. */
function eachOfFive(build: string): Candidate[] {
  return PLACES.flatMap((place, at) =>
    (place(sidecarOf('five'))?.plugins ?? []).map((listing) => {
      const name = typeof listing === 'string' ? listing : (Object.keys(listing)[0] as string)
      return outrigger(name, `outrigger, ${name}`, build, 'none', (sidecar) => {
        const where = PLACES[at]?.(sidecar)
        if (where !== undefined) where.plugins = [listing]
      })
    })
  )
}

/** µs more than without plugins: the median of each round's own difference. */
function addedTo(rows: readonly Row[], row: Row): number {
  const base = rows.find(({ name }) => name === 'none')?.samples ?? []
  return median(row.samples.map(({ cpu = Number.NaN }, round) => cpu - (base[round]?.cpu ?? Number.NaN)))
}

function lineOf(added: ReadonlyMap<string, number>) {
  return ({ name, label, samples }: Row): string[] => {
    const cpus = samples.map(({ cpu = Number.NaN }) => cpu)
    const more = added.get(name) ?? Number.NaN
    const count = countOf(name)
    return [
      label,
      figure(Math.min(...cpus), 1),
      figure(median(cpus), 1),
      name === 'none' ? '-' : figure(more, 2),
      count === undefined ? '-' : figure(more / count, 2),
      String(samples.reduce((sum, { failed }) => sum + failed, 0))
    ]
  }
}

function countOf(name: string): number | undefined {
  if (name === 'none') return undefined
  if (name === 'five') return 5
  return COUNTS.find((count) => name.endsWith(`-${count}`)) ?? 1
}

function targetsOf(added: ReadonlyMap<string, number>, singles: readonly Candidate[]): Target[] {
  const unit = ' µs'
  const targets: Target[] = singles.flatMap(({ name }) => {
    const reached = added.get(name)
    return reached === undefined ? [] : [{ what: `${name} alone`, reached, atMost: ONE_OF_FIVE, unit }]
  })
  const most = COUNTS.at(-1) as number
  const idle = added.get(`sync-${most}`)
  if (idle !== undefined) {
    const what = `a sync plugin that does nothing, one of ${most}`
    targets.push({ what, reached: idle / most, atMost: ONE_IDLE, unit })
  }
  return targets
}
