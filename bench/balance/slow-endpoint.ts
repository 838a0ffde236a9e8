// `npm run bench -- slow-endpoint`: what callers feel of one slow endpoint among five, by the policy that chooses. Real
// sockets, closed loop.
import { fileURLToPath } from 'node:url'
import { type Running, start } from '../children.js'
import { pinned } from '../cores.js'
import { type Bench, type BySize, planOf } from '../mode.js'
import type { Outcome, Target } from '../outcome.js'
import { figure, markdown } from '../report.js'
import type { Plan } from '../rounds.js'
import { programOf } from '../stage.js'
import { median } from '../statistics.js'
import { type Calls, calls } from './calls.js'

const POLICIES = ['round-robin', 'random', 'least-request', 'least-response-time'] as const
/** ms that four of the five take, and that the fifth does: well above what a shared machine itself adds. */
const FAST = 40
const SLOW = 50 * FAST
const CONNECTIONS = 20
/** What part of round robin's p99 least-response-time's may be. */
const WANTED = 0.33

const PLANS: BySize<Plan> = {
  full: { starts: 1, rounds: 3, seconds: 4, warmUp: 3 },
  short: { starts: 1, rounds: 2, seconds: 3, warmUp: 2 },
  smoke: { starts: 1, rounds: 1, seconds: 1, warmUp: 0 }
}

export async function slowEndpoint(bench: Bench): Promise<Outcome> {
  const {
    stage: { cores },
    build,
    say
  } = bench
  const plan = planOf(bench, PLANS)
  const services = await start({
    name: 'services',
    file: process.execPath,
    args: [fileURLToPath(new URL('./services.mjs', import.meta.url)), String(FAST), String(SLOW)],
    addresses: 5
  })
  const env = Object.fromEntries(
    [...services.urls].map(([name, url]) => [`SERVICE_${name.toUpperCase()}`, url])
  )
  const file = fileURLToPath(new URL('./slow-endpoint.yaml', import.meta.url))
  const proxies: Running[] = []
  for (const policy of POLICIES) {
    const args = [programOf(build), 'run', file]
    const command = pinned(cores === undefined ? [] : [cores.proxy], process.execPath, args)
    proxies.push(await start({ name: policy, ...command, env: { ...env, POLICY: policy } }))
  }
  const loads = await inTurns(proxies, plan, say)
  const p99 = (at: number) => median((loads[at] as Calls[]).map((load) => load.p99))
  const roundRobin = p99(0)
  const lines = POLICIES.map((policy, at) => {
    const samples = loads[at] as Calls[]
    const rates = samples.map(({ requests, seconds }) => requests / seconds)
    return [
      policy,
      figure(median(samples.map(({ p50 }) => p50)), 1),
      figure(p99(at), 1),
      figure(p99(at) / roundRobin, 2),
      figure(median(rates), 0),
      String(samples.reduce((sum, { failed }) => sum + failed, 0))
    ]
  })
  const reached = p99(POLICIES.length - 1) / roundRobin
  const head = ['policy', 'p50 ms', 'p99 ms', "times round robin's", 'requests/s', 'failed']
  const label = `### Four endpoints of ${FAST} ms and one of ${SLOW} ms, ${CONNECTIONS} connections`
  const target: Target = { what: "p99 of least-response-time, times round robin's", reached, atMost: WANTED }
  await Promise.all([...proxies, services].map((each) => each.stop()))
  return {
    parts: [label, markdown(head, lines), target],
    failed: loads.flat().reduce((sum, { failed }) => sum + failed, 0)
  }
}

async function inTurns(
  proxies: readonly Running[],
  plan: Plan,
  say: (text: string) => void
): Promise<Calls[][]> {
  const run = (proxy: Running, seconds: number) =>
    calls(`${proxy.urls.get('inbound')}/orders/1`, CONNECTIONS, seconds)
  const loads: Calls[][] = proxies.map(() => [])
  for (const proxy of plan.warmUp > 0 ? proxies : []) await run(proxy, plan.warmUp)
  for (let round = 0; round < plan.rounds; round++) {
    for (const [at, proxy] of proxies.entries()) {
      const load = await run(proxy, plan.seconds)
      loads[at]?.push(load)
      say(`round ${round + 1} of ${plan.rounds}: ${proxy.name} p99 ${figure(load.p99, 1)} ms`)
    }
  }
  return loads
}
