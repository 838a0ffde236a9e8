// `npm run bench -- protocols` and `-- h2load`.
import { type Bench, type BySize, choose, comparisonOf, planOf, roundsOf } from '../mode.js'
import type { Outcome } from '../outcome.js'
import type { Plan } from '../rounds.js'
import { compareProtocols } from './compare.js'
import { manyStreams } from './many-streams.js'
import { type ProtocolScenario, protocolScenarios } from './scenarios.js'

/** There are some thirty pairs of a proxy and a protocol. */
const PLANS: BySize<Plan> = {
  full: { starts: 2, rounds: 2, seconds: 3, warmUp: 2 },
  short: { starts: 1, rounds: 1, seconds: 2, warmUp: 1 },
  smoke: { starts: 1, rounds: 1, seconds: 0.4, warmUp: 0 }
}
/** Among all the other modes, of which one has HTTP/1.1. */
const IN_WHOLE: BySize<Plan> = {
  ...PLANS,
  full: { starts: 1, rounds: 2, seconds: 2, warmUp: 1 },
  short: { starts: 1, rounds: 1, seconds: 1, warmUp: 1 }
}
const ALONE: BySize<readonly string[] | undefined> = {
  full: undefined,
  short: undefined,
  smoke: ['http2', 'http2-both', 'unary', 'stream', 'websocket']
}
const WITHOUT_HTTP1 = ALONE.smoke
const SMOKE_PEERS = ['none', 'hook']
/** Of each run of h2load by number. */
const REQUESTS: BySize<number> = { full: 100_000, short: 20_000, smoke: 1_000 }

export async function protocols(bench: Bench): Promise<Outcome> {
  const { options, size, whole } = bench
  const plan = planOf(bench, whole ? IN_WHOLE : PLANS)
  const names = options.scenario ?? (whole ? WITHOUT_HTTP1 : ALONE[size])
  const only = options.only ?? (size === 'smoke' ? SMOKE_PEERS : undefined)
  const chosen = choose(protocolsOf(bench), names, 'scenario')
  const compared = await compareProtocols(chosen, only, comparisonOf(bench, plan))
  const parts = [roundsOf(plan), ...compared.sections]
  if (whole || options.only !== undefined || options.scenario !== undefined)
    return { parts, failed: compared.failed }
  const many = await h2loadMode(bench)
  return { parts: [...parts, ...many.parts], failed: compared.failed + many.failed }
}

export async function h2loadMode({ stage, build, size, say }: Bench): Promise<Outcome> {
  const { sections, failed } = await manyStreams(stage, build, REQUESTS[size], say)
  return { parts: sections, failed }
}

/** What may be profiled besides HTTP/1.1. */
export function protocolsOf({ build, stage }: Bench): ProtocolScenario[] {
  return protocolScenarios({ build, directory: stage.directory })
}
