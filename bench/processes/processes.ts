// `npm run bench -- processes`: one process and one a core. The load and the service need cores as well: see README.md.
import { outrigger } from '../candidates.js'
import { type Running, start } from '../children.js'
import { pinned } from '../cores.js'
import { cpuOfAll, cpuSeconds, endedChildrenSeconds, familyOf } from '../cpu-time.js'
import { drive } from '../load/generator.js'
import { type Bench, type BySize, planOf } from '../mode.js'
import type { Outcome, Part, Target } from '../outcome.js'
import { figure, markdown } from '../report.js'
import type { Plan } from '../rounds.js'
import type { Change, Sidecar } from '../sidecar.js'
import { median } from '../statistics.js'
import { type Scaling, scalingOf, type Usage } from './scaling.js'

const PLANS: BySize<Plan> = {
  full: { starts: 1, rounds: 5, seconds: 3, warmUp: 3 },
  short: { starts: 1, rounds: 2, seconds: 2, warmUp: 2 },
  smoke: { starts: 1, rounds: 1, seconds: 1, warmUp: 0 }
}
const MANY = 2
const WANTED = 1.7
/** Enough that each process has some of them, however they are shared out. */
const CONNECTIONS = 128

const KINDS = [
  { name: 'forwarded', label: 'five plugins, forwarded', change: undefined },
  { name: 'answered', label: 'five plugins, answered by the route itself', change: answering }
] as const

/** Without a service, the load takes a smaller part of the cores. */
function answering({ routes: [route] }: Sidecar): void {
  if (route === undefined) return
  delete route.service
  route.reply = { status: 200, body: 'x'.repeat(128) }
  // A route that answers itself has no attempts.
  route.plugins =
    route.plugins?.filter((listing) => typeof listing === 'string' || !('retry' in listing)) ?? []
}

export async function processes(bench: Bench): Promise<Outcome> {
  const plan = planOf(bench, PLANS)
  const parts: Part[] = []
  let failed = 0
  for (const { name, label, change } of KINDS) {
    const proxies = [await enterWide(bench, name, 1, change), await enterWide(bench, name, MANY, change)]
    try {
      const found = await rounds(bench, name, proxies, plan)
      parts.push(`### ${label}`, ...partsOf(label, found))
      failed += found.failed
    } finally {
      await Promise.all(proxies.map((proxy) => proxy.stop()))
    }
  }
  return { parts, failed }
}

/** On all cores: with the load on one of them alone, a second process could only take from it. */
async function enterWide(
  { stage, build }: Bench,
  name: string,
  count: number,
  change: Change | undefined
): Promise<Running> {
  const several: Change = (sidecar) => {
    sidecar.processes = count
    change?.(sidecar)
  }
  const candidate = outrigger(`${name}-${count}`, name, build, 'five', several)
  const command = await candidate.command(stage)
  return start({ ...command, ...pinned(coresOf(stage.cores), command.file, command.args) })
}

function coresOf(cores: Bench['stage']['cores']): number[] {
  return cores === undefined ? [] : [cores.proxy, cores.load]
}

interface Found {
  /** By round: of one process, and of many. */
  readonly usages: readonly (readonly [one: Usage, many: Usage])[]
  readonly failed: number
}

async function rounds(bench: Bench, name: string, proxies: readonly Running[], plan: Plan): Promise<Found> {
  const usages: [Usage, Usage][] = []
  let failed = 0
  for (const proxy of plan.warmUp > 0 ? proxies : []) await load(proxy, plan.warmUp)
  for (let round = 1; round <= plan.rounds; round++) {
    const pair: Usage[] = []
    for (const [at, proxy] of proxies.entries()) {
      const count = at === 0 ? 1 : MANY
      const result = await take(bench, proxy, count, plan.seconds)
      pair.push(result.usage)
      failed += result.failed
      const rate = figure(result.usage.requests / result.usage.seconds, 0)
      bench.say(`${name}: round ${round} of ${plan.rounds}: ${count} processes ${rate}/s`)
    }
    usages.push(pair as [Usage, Usage])
  }
  return { usages, failed }
}

function load(proxy: Running, seconds: number) {
  const url = `${proxy.urls.get('inbound')}/orders/1?full=1`
  return drive(url, { method: 'GET', bodyBytes: 0, connections: CONNECTIONS }, seconds)
}

async function take({ stage }: Bench, proxy: Running, count: number, seconds: number) {
  const family = familyOf(proxy.pid)
  const each = () => family.map((pid) => cpuSeconds(pid) ?? Number.NaN)
  // wrk has ended when it is asked for: the system adds an ended child's time to its parent's.
  const rest = () => cpuOfAll([stage.upstream.pid]) + (endedChildrenSeconds(process.pid) ?? Number.NaN)
  const before = { each: each(), rest: rest() }
  const result = await load(proxy, seconds)
  const after = { each: each(), rest: rest() }
  const used = after.each.map((value, at) => value - (before.each[at] as number))
  // One more than there have to be is the first, which watches over the others.
  const working = used.length > count ? used.slice(-count) : used
  const usage: Usage = {
    requests: result.requests,
    seconds: result.seconds,
    proxies: working,
    rest: after.rest - before.rest
  }
  return { usage, failed: result.failed }
}

function partsOf(label: string, { usages, failed }: Found): Part[] {
  const scalings = usages.map(([one, many]) => scalingOf(one, many, MANY, MANY))
  const of = (pick: (scaling: Scaling) => number) => median(scalings.map(pick))
  const head = [
    'processes',
    'requests/s, median',
    'CPU µs/request',
    'load and service, µs/request',
    'their part of the cores'
  ]
  const lines = ([0, 1] as const).map((at) => {
    const all = usages.map((pair) => pair[at])
    const cpu = ({ proxies, requests }: Usage) =>
      (proxies.reduce((sum, one) => sum + one, 0) / requests) * 1e6
    return [
      String(at === 0 ? 1 : MANY),
      figure(median(all.map(({ requests, seconds }) => requests / seconds)), 0),
      figure(median(all.map(cpu)), 1),
      figure(median(all.map(({ rest, requests }) => (rest / requests) * 1e6)), 1),
      `${figure(median(all.map(({ rest, seconds }) => rest / seconds / MANY)) * 100, 0)}%`
    ]
  })
  const target: Target = {
    what: `${label}: throughput of two processes with a core each, times one, by processor time`,
    reached: of(({ projected }) => projected),
    atLeast: WANTED
  }
  return [
    markdown(head, lines),
    [
      `Measured: ${figure(
        of(({ throughput }) => throughput),
        2
      )} times the throughput, where load, service and proxy share ${MANY} cores and no more than ${figure(
        of(({ possible }) => possible),
        2
      )} times is possible.`,
      `A second of a process's own time serves ${figure(
        of(({ efficiency }) => efficiency),
        2
      )} times the requests; the busier process does ${figure(
        of(({ imbalance }) => imbalance),
        2
      )} times an equal share. ${failed} failed.`
    ].join(' '),
    target
  ]
}
