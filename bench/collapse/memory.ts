// What a proxy has in memory before a load, under it, and when it has been left alone.
import { type Candidate, enter, ours } from '../candidates.js'
import { scenarios } from '../matrix/scenarios.js'
import { Peak, residentBytes } from '../memory/resident.js'
import { type Bench, type BySize, choose } from '../mode.js'
import type { Outcome, Target } from '../outcome.js'
import { figure, markdown } from '../report.js'
import { target } from '../rounds.js'

const MB = 1e6
/** Of where it was. */
const WITHIN = 1.15

interface Plan {
  /** s that the first load lasts, and how long it is left alone after it. */
  readonly warmUp: number
  readonly rest: number
  /** s of the load that counts, and how long it is left alone after it. */
  readonly load: number
  readonly idle: number
}

const PLANS: BySize<Plan> = {
  full: { warmUp: 5, rest: 10, load: 10, idle: 30 },
  short: { warmUp: 3, rest: 5, load: 5, idle: 30 },
  smoke: { warmUp: 1, rest: 0.2, load: 1, idle: 0.5 }
}

export async function memoryAfterLoad(bench: Bench): Promise<Outcome> {
  const { stage, build, size, say } = bench
  const plan = PLANS[size]
  const wanted = choose(ours(build), ['five'], 'candidate')
  const few = choose(scenarios, ['get'], 'scenario')[0] as (typeof scenarios)[number]
  const many = choose(scenarios, ['1000'], 'scenario')[0] as (typeof scenarios)[number]
  const lines: string[][] = []
  const targets: Target[] = []
  let failed = 0
  for (const candidate of wanted as readonly Candidate[]) {
    say(`memory after load: ${candidate.name}`)
    const proxy = await enter(candidate, stage)
    try {
      const now = () => residentBytes(proxy.pid) ?? Number.NaN
      await seconds(Math.min(2, plan.rest))
      const fresh = now()
      failed += (await few.drive(target(proxy, few), plan.warmUp, proxy.name)).failed
      await seconds(plan.rest)
      const before = now()
      const peak = new Peak(proxy.pid)
      failed += (await many.drive(target(proxy, many), plan.load, proxy.name)).failed
      const most = peak.stop()
      await seconds(plan.idle)
      const after = now()
      lines.push([candidate.label, ...[fresh, before, most, after].map((bytes) => figure(bytes / MB, 1))])
      targets.push({
        what: `${candidate.label}: resident ${plan.idle} s after the load, times before it`,
        reached: after / before,
        atMost: WITHIN
      })
    } finally {
      await proxy.stop()
    }
  }
  const head = ['resident MB', 'started', 'warm and at rest', 'under load, at most', 'left alone again']
  return {
    parts: [
      `### Memory: ${plan.warmUp} s with 50 connections and ${plan.rest} s at rest, ${plan.load} s with 1,000 connections, ${plan.idle} s at rest`,
      markdown(head, lines),
      ...targets
    ],
    failed
  }
}

function seconds(count: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, count * 1000))
}
