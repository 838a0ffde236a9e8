// `npm run bench -- profile`: where a request's time goes, by layer; of one proxy that is named, by function too.
import { type Candidate, candidates } from '../candidates.js'
import { plainGet, scenarios } from '../matrix/scenarios.js'
import { type Bench, type BySize, choose } from '../mode.js'
import type { Outcome } from '../outcome.js'
import { protocolsOf } from '../protocols/mode.js'
import { startService } from '../protocols/scenarios.js'
import { markdown } from '../report.js'
import type { Scenario } from '../rounds.js'
import { unbundled } from '../unbundled.js'
import { type Profiled, profile } from './profile.js'

const SECONDS: BySize<number> = { full: 5, short: 3, smoke: 1 }
const NAMES: BySize<readonly string[]> = {
  full: ['none', 'five', 'none-standard', 'bare'],
  short: ['none', 'five'],
  smoke: ['five']
}

export async function profileMode(given: Bench): Promise<Outcome> {
  const bench = { ...given, build: await unbundled(given.build, given.say) }
  const { options, size, whole } = bench
  const seconds = options.seconds ?? SECONDS[size]
  const { subject } = options
  if (subject === undefined || whole) {
    const all = candidates(bench.build, options.against)
    const profiles: Profiled[] = []
    for (const candidate of choose(all, options.only ?? NAMES[size], 'candidate')) {
      bench.say(`profile: ${candidate.name}`)
      profiles.push(
        await profile(candidate, bench.stage, plainGet, seconds, size === 'smoke' ? 1 : undefined)
      )
    }
    const failed = profiles.reduce((sum, one) => sum + one.failed, 0)
    return { parts: [byLayer(profiles)], failed }
  }
  const one = await named(bench, subject, seconds)
  return { parts: [one.text], failed: one.failed }
}

/** One proxy with one kind of traffic, HTTP/1.1 or another. */
async function named(bench: Bench, subject: string, seconds: number): Promise<Profiled> {
  const { build, options, stage } = bench
  const [chosen = 'get'] = options.scenario ?? []
  const protocol = protocolsOf(bench).find(({ name }) => name === chosen)
  const all = protocol?.candidates ?? candidates(build, options.against)
  const [candidate] = choose(all, [subject], 'candidate') as [Candidate]
  if (protocol === undefined) {
    const [scenario] = choose<Scenario>(scenarios, [chosen], 'scenario') as [Scenario]
    return profile(candidate, stage, scenario, seconds)
  }
  const upstream = await startService(protocol.service, stage)
  return profile(candidate, { ...stage, upstream }, protocol, seconds)
}

/** µs of a request in each layer, a proxy a column. */
function byLayer(profiles: readonly Profiled[]): string {
  const totals = new Map<string, number>()
  for (const { layers } of profiles)
    for (const [name, us] of layers) totals.set(name, Math.max(us, totals.get(name) ?? 0))
  const names = [...totals].sort(([, one], [, other]) => other - one).map(([name]) => name)
  const lines = names.map((name) => [
    name,
    ...profiles.map(({ layers }) => layers.get(name)?.toFixed(2) ?? '-')
  ])
  const sum = ({ layers }: Profiled) => [...layers.values()].reduce((total, us) => total + us, 0)
  lines.push(['all of it', ...profiles.map((one) => sum(one).toFixed(2))])
  return [
    "Self time, µs a request, under V8's profiler, which adds to it.",
    markdown(['layer', ...profiles.map(({ label }) => label)], lines)
  ].join('\n\n')
}
