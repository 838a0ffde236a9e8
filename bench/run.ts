// `npm run bench`: the comparison, or one part of it. README.md has the options.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { picks } from './balance/picks.js'
import { slowEndpoint } from './balance/slow-endpoint.js'
import { BASELINE, type Candidate, candidates, setStage } from './candidates.js'
import { type Comparison, compare } from './compare.js'
import { type Cores, spin, takeCores } from './cores.js'
import { measureEventLoop } from './event-loop/measure.js'
import { describeMachine, root } from './machine.js'
import { idle, memory } from './memory/report.js'
import { profile } from './profile/profile.js'
import { compareProtocols } from './protocols/compare.js'
import { manyStreams } from './protocols/many-streams.js'
import { type ProtocolScenario, protocolScenarios, startService } from './protocols/scenarios.js'
import { failures, type Row, ratios, table } from './report.js'
import { type Plan, type Scenario, scenarios } from './rounds.js'

const MODES = [
  'all',
  'profile',
  'event-loop',
  'protocols',
  'h2load',
  'memory',
  'idle',
  'picks',
  'slow-endpoint'
] as const
type Mode = (typeof MODES)[number]
/** By number and not by time. */
const WITHOUT_ROUNDS: ReadonlySet<Mode> = new Set(['h2load', 'memory', 'idle', 'picks'])

interface Settings extends Plan {
  readonly eventLoop: { readonly rounds: number; readonly seconds: number }
  /** Of each run of h2load by number. */
  readonly requests: number
}

const FULL: Settings = {
  starts: 3,
  rounds: 3,
  seconds: 4,
  warmUp: 3,
  eventLoop: { rounds: 3, seconds: 6 },
  requests: 100_000
}
/** There are some thirty pairs of a proxy and a protocol. */
const FULL_PROTOCOLS: Settings = { ...FULL, starts: 2, seconds: 3, warmUp: 2 }
/** To see that everything still runs; its figures mean little. */
const SMOKE: Settings = {
  starts: 1,
  rounds: 1,
  seconds: 1,
  warmUp: 0,
  eventLoop: { rounds: 1, seconds: 2 },
  requests: 1_000
}
const SMOKE_PROTOCOLS: Settings = { ...SMOKE, seconds: 0.4 }
const SMOKE_CANDIDATES = [BASELINE, 'none', 'five']
const SMOKE_PEERS = ['none', 'hook']
/** HTTP/1.1 has a smoke run of its own. */
const SMOKE_PROTOCOL_NAMES = ['http2', 'http2-both', 'unary', 'stream', 'websocket']

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
    packages: { type: 'string' },
    'no-event-loop': { type: 'boolean', default: false }
  }
})

interface Results {
  readonly sections: readonly string[]
  /** Requests. */
  readonly failed: number
}

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
  const [given = 'all', name = 'none'] = positionals
  const mode = MODES.find((one) => one === given)
  if (mode === undefined) throw new Error(`${given}: it is ${MODES.slice(1).join(', ')} or nothing`)
  if (toBeWritten && (smoke || (mode !== 'all' && mode !== 'protocols')))
    throw new Error('only a whole run is written down')
  const plan = planOf(mode)
  const cores = takeCores()
  const stage = await setStage(cores)
  const spinners = spin(cores)
  const spinner = spinners.find(({ core }) => core === cores?.proxy)
  const comparison: Comparison = { stage, plan, spinner, say }
  if (mode === 'profile') {
    console.log(await profiled(name, comparison))
    return
  }
  const { sections, failed } = await resultsOf(mode, plan, comparison)
  const text = [circumstances(mode, plan, cores, spinners.length > 0), ...sections].join('\n\n')
  console.log(`\n${text}`)
  if (smoke)
    console.log(
      '\nA smoke run: nothing was warmed up, so that its figures say nothing of what a request costs.'
    )
  if (toBeWritten) write(mode === 'protocols' ? 'protocols' : 'latest', text)
  if (failed > 0) {
    say(`bench: ${failed} requests failed`)
    process.exitCode = 1
  }
}

function planOf(mode: Mode): Settings {
  const [full, smoke] = mode === 'protocols' ? [FULL_PROTOCOLS, SMOKE_PROTOCOLS] : [FULL, SMOKE]
  const defaults = options.smoke ? smoke : full
  return {
    ...defaults,
    starts: count('starts', defaults.starts),
    rounds: count('rounds', defaults.rounds),
    seconds: count('seconds', defaults.seconds)
  }
}

function resultsOf(mode: Mode, plan: Settings, comparison: Comparison): Promise<Results> {
  switch (mode) {
    case 'protocols':
      return protocols(plan, comparison)
    case 'h2load':
      return manyStreams(comparison.stage, options.dist, plan.requests, say)
    case 'memory':
      return memory(comparison.stage, options.dist, options.smoke, say)
    case 'idle':
      return idle(comparison.stage, options.dist, options.smoke, say)
    case 'picks':
      return picks(comparison.stage, options.dist, options.smoke)
    case 'slow-endpoint':
      return slowEndpoint(comparison.stage, options.dist, plan, say)
    default:
      return requests(mode, plan, comparison)
  }
}

/** HTTP/1.1 with plugins and without, and the event loop. */
async function requests(mode: Mode, plan: Settings, comparison: Comparison): Promise<Results> {
  const { dist: build, smoke } = options
  const sections: string[] = []
  let failed = 0
  if (mode === 'all') {
    const only = options.only?.split(',') ?? (smoke ? SMOKE_CANDIDATES : undefined)
    const chosen = choose(candidates(build, options.against), only, 'candidate')
    const traffic = choose(scenarios, options.scenario?.split(','), 'scenario')
    for (const [scenario, compared] of await compare(chosen, traffic, comparison)) {
      const baseline = compared.find((row) => row.name === BASELINE)
      sections.push(`### ${scenario.label}`, table(compared, baseline))
      if (!smoke) sections.push(...targets(scenario, compared, baseline))
      failed += failures(compared)
    }
  }
  if (!options['no-event-loop']) {
    const result = await measureEventLoop(comparison.stage, build, plan.eventLoop, say)
    failed += result.failed
    sections.push('### What a route feels of the heavy work on another', result.table)
    if (!smoke) {
      sections.push(
        target('p99 beside worker tasks, times its idle', result.ratio, result.ratio <= 2, 'at most 2')
      )
    }
  }
  return { sections, failed }
}

/** Every protocol, and h2load by number where nothing was chosen. */
async function protocols(plan: Settings, comparison: Comparison): Promise<Results> {
  const only = options.only?.split(',') ?? (options.smoke ? SMOKE_PEERS : undefined)
  const names = options.scenario?.split(',') ?? (options.smoke ? SMOKE_PROTOCOL_NAMES : undefined)
  const chosen = choose(protocolsOf(comparison), names, 'scenario')
  const compared = await compareProtocols(chosen, only, comparison)
  if (options.only !== undefined || options.scenario !== undefined) return compared
  const many = await manyStreams(comparison.stage, options.dist, plan.requests, say)
  return {
    sections: [...compared.sections, ...many.sections],
    failed: compared.failed + many.failed
  }
}

function protocolsOf({ stage }: Comparison): ProtocolScenario[] {
  return protocolScenarios({ build: options.dist, packages: options.packages, directory: stage.directory })
}

async function profiled(name: string, comparison: Comparison): Promise<string> {
  const { stage, plan } = comparison
  const [chosen = 'get'] = options.scenario?.split(',') ?? []
  const protocol = protocolsOf(comparison).find((one) => one.name === chosen)
  const all = protocol?.candidates ?? candidates(options.dist, options.against)
  const [candidate] = choose(all, [name], 'candidate') as [Candidate]
  if (protocol === undefined) {
    const [scenario] = choose(scenarios, [chosen], 'scenario') as [Scenario]
    return profile(candidate, stage, scenario, plan.seconds)
  }
  const upstream = await startService(protocol.service, stage)
  return profile(candidate, { ...stage, upstream }, protocol, plan.seconds)
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

function circumstances(mode: Mode, plan: Plan, cores: Cores | undefined, spinning: boolean): string {
  const where =
    cores === undefined
      ? 'nothing is pinned to a core'
      : `the proxies on core ${cores.proxy}, the services and the load on core ${cores.load}`
  const kept = spinning ? 'a spinner at idle priority on each' : 'no spinners'
  const rounds = `${plan.starts * plan.rounds} rounds of ${plan.seconds} s a proxy, taken in turns, all started anew every ${plan.rounds}`
  return [...describeMachine(), [...(WITHOUT_ROUNDS.has(mode) ? [] : [rounds]), where, kept].join('; ')]
    .map((line) => `- ${line}`)
    .join('\n')
}

/** @param part of README.md, as its marks name it */
function write(part: 'latest' | 'protocols', text: string): void {
  const file = join(root, 'bench/README.md')
  const begin = `<!-- ${part}: written by npm run bench -- ${part === 'latest' ? '' : `${part} `}--write -->`
  const end = `<!-- end of ${part} -->`
  const [before, rest] = readFileSync(file, 'utf8').split(begin)
  const after = rest?.split(end)[1]
  if (before === undefined || after === undefined)
    throw new Error(`README.md has lost the marks of its ${part}`)
  writeFileSync(file, `${before}${begin}\n\n${text}\n\n${end}${after}`)
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
