// `npm run bench -- picks`: what the choice of an endpoint costs, policy by policy, of 10 endpoints and of 10,000.
import { fileURLToPath } from 'node:url'
import { output } from '../children.js'
import { pinned } from '../cores.js'
import type { Bench } from '../mode.js'
import type { Outcome } from '../outcome.js'
import { figure, markdown } from '../report.js'
import { unbundled } from '../unbundled.js'

/** ns of 10 endpoints and of 10,000, by what their weights are. */
type Costs = Readonly<Record<string, readonly [few: number, many: number]>>

const hashOn = { header: 'x-user' }
const POLICIES: Readonly<Record<string, object>> = {
  'round-robin': { policy: 'round-robin' },
  random: { policy: 'random' },
  'least-request': { policy: 'least-request' },
  'least-response-time': { policy: 'least-response-time' },
  'ring-hash': { policy: 'ring-hash', hashOn },
  'ring-hash, bounded load': { policy: 'ring-hash', hashOn, boundedLoad: 1.25 },
  maglev: { policy: 'maglev', hashOn },
  'maglev, bounded load': { policy: 'maglev', hashOn, boundedLoad: 1.25 }
}

/** How many times the cost at 10 endpoints it may be at 10,000. */
const WITHIN = 2
const ROUNDS = { full: 40, short: 10, smoke: 1 }

export async function picks({ stage: { cores }, build, size, say }: Bench): Promise<Outcome> {
  const smoke = size === 'smoke'
  const script = fileURLToPath(new URL('./picks.mjs', import.meta.url))
  const modules = await unbundled(build, say)
  const rounds = String(ROUNDS[size])
  const lines: string[][] = []
  for (const [label, config] of Object.entries(POLICIES)) {
    const args = [script, modules, rounds, JSON.stringify(config)]
    const command = pinned(cores === undefined ? [] : [cores.proxy], process.execPath, args)
    const costs: Costs = JSON.parse(await output(command.file, command.args))
    for (const [weights, [few, many]] of Object.entries(costs)) {
      const ratio = many / few
      const verdict = smoke || ratio <= WITHIN ? '' : ' (missed)'
      lines.push([label, weights, figure(few, 0), figure(many, 0), figure(ratio, 1) + verdict])
    }
  }
  const head = ['policy', 'weights', 'of 10, ns', 'of 10,000, ns', `times, at most ${WITHIN}`]
  return {
    parts: ['### A pick, in processor time, its least disturbed round', markdown(head, lines)],
    failed: 0
  }
}
