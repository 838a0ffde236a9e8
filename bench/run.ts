// `npm run bench`: the comparison, or one part of it. README.md has the options.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { BASELINE, type Candidate, candidates, enter, type Stage, setStage } from './candidates.js'
import { type Cores, type Spinner, spin, takeCores } from './cores.js'
import { measureEventLoop } from './event-loop/measure.js'
import { generator } from './load/generator.js'
import { describeMachine, root } from './machine.js'
import { profile } from './profile/profile.js'
import { failures, type Row, ratios, table } from './report.js'
import { measure, type Plan, type Scenario, scenarios } from './rounds.js'

const BEGIN = '<!-- latest: written by npm run bench -- --write -->'
const END = '<!-- end of latest -->'

interface Settings extends Plan {
  readonly eventLoop: { readonly rounds: number; readonly seconds: number }
}

const FULL: Settings = { starts: 3, rounds: 3, seconds: 4, warmUp: 3, eventLoop: { rounds: 3, seconds: 6 } }
/** To see that everything still runs; its figures mean little. */
const SMOKE: Settings = { starts: 1, rounds: 1, seconds: 1, warmUp: 0, eventLoop: { rounds: 1, seconds: 2 } }
const SMOKE_CANDIDATES = [BASELINE, 'none', 'five']

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    smoke: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    only: { type: 'string' },
    scenario: { type: 'string' },
    starts: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    dist: { type: 'string', default: join(root, 'dist') },
    against: { type: 'string', multiple: true, default: [] },
    'no-event-loop': { type: 'boolean', default: false }
  }
})

const say = (text: string) => process.stderr.write(`${text}\n`)

try {
  await main()
} catch (error) {
  say(`bench: ${(error as Error).message}`)
  process.exit(1)
}
// Spinners and the upstream end with it.
process.exit()

async function main(): Promise<void> {
  const { dist: build, smoke, write: toBeWritten } = options
  if (!existsSync(join(build, 'plugins/bin.js')))
    throw new Error(`${build} holds no build: run npm run build`)
  const [mode = 'all', name = 'none'] = positionals
  if (!['all', 'profile', 'event-loop'].includes(mode))
    throw new Error(`${mode}: it is profile NAME, event-loop or nothing`)
  if (toBeWritten && (smoke || mode !== 'all')) throw new Error('only a whole run is written down')
  const defaults = smoke ? SMOKE : FULL
  const plan = {
    ...defaults,
    starts: count('starts', defaults.starts),
    rounds: count('rounds', defaults.rounds),
    seconds: count('seconds', defaults.seconds)
  }
  const all = candidates(build, options.against)
  const only = options.only?.split(',') ?? (smoke ? SMOKE_CANDIDATES : undefined)
  const chosen = choose(all, mode === 'profile' ? [name] : only, 'candidate')
  const traffic = choose(scenarios, options.scenario?.split(','), 'scenario')
  const cores = takeCores()
  const stage = await setStage(cores)
  const spinners = spin(cores)
  if (mode === 'profile') {
    console.log(await profile(chosen[0] as Candidate, stage, traffic[0] as Scenario, plan.seconds))
    return
  }
  const sections: string[] = []
  let failed = 0
  if (mode === 'all') {
    const spinner = spinners.find(({ core }) => core === cores?.proxy)
    const rows = await compare(chosen, traffic, stage, plan, spinner)
    for (const [scenario, compared] of rows) {
      const baseline = compared.find((row) => row.name === BASELINE)
      sections.push(`### ${scenario.label}`, table(compared, baseline))
      if (!smoke) sections.push(...targets(scenario, compared, baseline))
      failed += failures(compared)
    }
  }
  if (!options['no-event-loop']) {
    const result = await measureEventLoop(stage, build, plan.eventLoop, say)
    failed += result.failed
    sections.push('### What a route feels of the heavy work on another', result.table)
    if (!smoke) {
      sections.push(
        target('p99 beside worker tasks, times its idle', result.ratio, result.ratio <= 2, 'at most 2')
      )
    }
  }
  const text = [circumstances(plan, cores, spinners.length > 0), ...sections].join('\n\n')
  console.log(`\n${text}`)
  if (smoke)
    console.log(
      '\nA smoke run: nothing was warmed up, so that its figures say nothing of what a request costs.'
    )
  if (toBeWritten) write(text)
  if (failed > 0) {
    say(`bench: ${failed} requests failed`)
    process.exitCode = 1
  }
}

async function compare(
  chosen: readonly Candidate[],
  traffic: readonly Scenario[],
  stage: Stage,
  plan: Plan,
  spinner: Spinner | undefined
): Promise<[Scenario, Row[]][]> {
  const rows = traffic.map((scenario): [Scenario, Row[]] => [
    scenario,
    chosen.map(({ name, label }) => ({ name, label, samples: [] }))
  ])
  for (let start = 1; start <= plan.starts; start++) {
    say(`start ${start} of ${plan.starts}: ${chosen.length} proxies`)
    const proxies = await Promise.all(chosen.map((candidate) => enter(candidate, stage)))
    for (const [scenario, compared] of rows) {
      const samples = await measure(proxies, scenario, plan, spinner, say)
      for (const [at, row] of compared.entries()) row.samples.push(...(samples[at] ?? []))
    }
    await Promise.all(proxies.map((proxy) => proxy.stop()))
  }
  return rows
}

/** What ours has to reach. */
function targets(scenario: Scenario, rows: readonly Row[], baseline: Row | undefined): string[] {
  if (scenario.name !== 'get' || baseline === undefined) return []
  const wanted = [
    { name: 'none', throughput: 1.4 },
    { name: 'five', throughput: 1.1 }
  ]
  return wanted.flatMap(({ name, throughput }) => {
    const row = rows.find((one) => one.name === name)
    if (row === undefined) return []
    const reached = ratios(row, baseline).throughput.median
    return [
      target(
        `throughput of ${row.label}, times bare`,
        reached,
        reached >= throughput,
        `at least ${throughput}`
      )
    ]
  })
}

function target(what: string, reached: number, met: boolean, wanted: string): string {
  return `${what}: ${reached.toFixed(2)}, ${wanted}: **${met ? 'met' : 'missed'}**`
}

function circumstances(plan: Plan, cores: Cores | undefined, spinning: boolean): string {
  const where =
    cores === undefined
      ? 'nothing is pinned to a core'
      : `the proxies on core ${cores.proxy}, the service and ${generator} on core ${cores.load}`
  const kept = spinning ? 'a spinner at idle priority on each' : 'no spinners'
  return [
    ...describeMachine(),
    `${plan.starts * plan.rounds} rounds of ${plan.seconds} s a proxy, taken in turns, all started anew every ${plan.rounds}; ${where}; ${kept}`
  ]
    .map((line) => `- ${line}`)
    .join('\n')
}

function write(text: string): void {
  const file = join(root, 'bench/README.md')
  const [before, rest] = readFileSync(file, 'utf8').split(BEGIN)
  const after = rest?.split(END)[1]
  if (before === undefined || after === undefined)
    throw new Error('README.md has lost the marks of its latest')
  writeFileSync(file, `${before}${BEGIN}\n\n${text}\n\n${END}${after}`)
}

function choose<T extends { readonly name: string }>(
  from: readonly T[],
  names: readonly string[] | undefined,
  what: string
): readonly T[] {
  if (names === undefined) return from
  return names.map((name) => {
    const found = from.find((one) => one.name === name)
    if (found === undefined) throw new Error(`no ${what} ${name}: ${from.map((one) => one.name).join(', ')}`)
    return found
  })
}

function count(option: 'starts' | 'rounds' | 'seconds', otherwise: number): number {
  const text = options[option]
  if (text === undefined) return otherwise
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${option} is a whole number, not ${text}`)
  return value
}
