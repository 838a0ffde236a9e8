import { type Candidate, enter } from './candidates.js'
import type { Spinner } from './cores.js'
import type { Row } from './report.js'
import { measure, type Plan, type Scenario, target } from './rounds.js'
import type { Stage } from './stage.js'

export interface Comparison {
  readonly stage: Stage
  readonly plan: Plan
  /** The one on the proxies' core. */
  readonly spinner: Spinner | undefined
  readonly say: (text: string) => void
}

/** What a scenario may want to know of each proxy before it is measured. */
export interface Checked {
  /** @throws Error when it answers otherwise than it must */
  check?(url: string): Promise<void>
}

/** Starts all candidates, and anew as often as planned, and drives them with each scenario in turns. */
export async function compare<T extends Scenario & Checked>(
  chosen: readonly Candidate[],
  scenarios: readonly T[],
  { stage, plan, spinner, say }: Comparison
): Promise<[T, Row[]][]> {
  const rows = scenarios.map((scenario): [T, Row[]] => [
    scenario,
    chosen.map(({ name, label }) => ({ name, label, samples: [] }))
  ])
  for (let start = 1; start <= plan.starts; start++) {
    say(`start ${start} of ${plan.starts}: ${chosen.length} proxies`)
    const proxies = await Promise.all(chosen.map((candidate) => enter(candidate, stage)))
    for (const [scenario, compared] of rows) {
      for (const proxy of proxies) await checked(proxy.name, () => scenario.check?.(target(proxy, scenario)))
      const samples = await measure(proxies, scenario, plan, spinner, say)
      for (const [at, row] of compared.entries()) row.samples.push(...(samples[at] ?? []))
    }
    await Promise.all(proxies.map((proxy) => proxy.stop()))
  }
  return rows
}

async function checked(name: string, check: () => Promise<void> | undefined): Promise<void> {
  try {
    await check()
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`)
  }
}
