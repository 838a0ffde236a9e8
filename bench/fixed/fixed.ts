// `npm run bench -- fixed`: what a proxy costs and adds at a thousand requests a second, as a sidecar has them.
import { type Candidate, candidates, enter } from '../candidates.js'
import type { Running } from '../children.js'
import { cpuOfAll, familyOf } from '../cpu-time.js'
import { drive, type Traffic } from '../load/generator.js'
import { type Paced, pace } from '../load/open-loop.js'
import { residentBytes } from '../memory/resident.js'
import { type Bench, type BySize, choose, present } from '../mode.js'
import type { Outcome, Part, Target } from '../outcome.js'
import { barChart } from '../plot.js'
import { figure, markdown } from '../report.js'
import { median } from '../statistics.js'

const RATE = 1000
const PATH = '/orders/1?full=1'
const WARMING: Traffic = { method: 'GET', bodyBytes: 0, connections: 50 }
const NAMES = ['five', 'none', 'bare', 'nginx', 'haproxy', 'relay']
const SMOKE = ['five']

/** Of a core, and in bytes: a million to the MB. */
const SHARE = 0.12
const MB = 1e6
const RESIDENT = 90

interface Plan {
  readonly rounds: number
  readonly seconds: number
  readonly warmUp: number
}

const PLANS: BySize<Plan> = {
  full: { rounds: 3, seconds: 10, warmUp: 5 },
  short: { rounds: 2, seconds: 6, warmUp: 4 },
  smoke: { rounds: 1, seconds: 1, warmUp: 0 }
}

interface Sample {
  readonly paced: Paced
  /** Of a core. NaN where the system does not say, and of who is no proxy. */
  readonly share: number
  readonly resident: number
}

interface Taken {
  readonly label: string
  readonly samples: Sample[]
}

export async function fixed(bench: Bench): Promise<Outcome> {
  const { stage, options, size, say } = bench
  const plan = {
    ...PLANS[size],
    ...(options.rounds === undefined ? {} : { rounds: options.rounds }),
    ...(options.seconds === undefined ? {} : { seconds: options.seconds })
  }
  const wanted = options.only ?? (size === 'smoke' ? SMOKE : NAMES)
  const chosen = present<Candidate>(
    choose(candidates(bench.build, options.against), wanted, 'candidate'),
    say
  )
  const proxies = await Promise.all(chosen.map((candidate) => enter(candidate, stage)))
  // The generator stands in for the spinner of its own core. A smoke run may be on a machine that is busy: there,
  // whoever runs at idle priority may have to wait for long.
  const spinner = size === 'smoke' ? undefined : bench.spinners.find(({ core }) => core === stage.cores?.load)
  const direct: Taken = { label: 'direct, no proxy', samples: [] }
  const taken = chosen.map(({ label }): Taken => ({ label, samples: [] }))
  try {
    for (let round = 1; round <= plan.rounds; round++) {
      for (let at = -1; at < proxies.length; at++) {
        const proxy = proxies[at]
        say(`fixed: round ${round} of ${plan.rounds}: ${proxy?.name ?? 'direct'}`)
        const url = proxy === undefined ? stage.upstream.urls.get('a') : proxy.urls.get('inbound')
        const sample = await take(`${url}${PATH}`, proxy, plan, round === 1, spinner)
        ;(taken[at] ?? direct).samples.push(sample)
      }
    }
  } finally {
    await Promise.all(proxies.map((proxy) => proxy.stop()))
  }
  const five = taken[chosen.findIndex(({ name }) => name === 'five')]
  const all = [direct, ...taken]
  const parts: Part[] = [
    `${plan.rounds} rounds of ${plan.seconds} s each, in turns, ${RATE} requests a second, 128 B answered; each was driven as hard as it answers for ${plan.warmUp} s before. Times count from when a request was due.`,
    tableOf(direct, all),
    ...(five === undefined ? [] : targetsOf(five))
  ]
  if (size !== 'smoke') parts.push(await plotOf(direct, taken, chosen))
  const failed = all.flatMap(({ samples }) => samples).reduce((sum, { paced }) => sum + paced.failed, 0)
  return { parts, failed }
}

async function take(
  url: string,
  proxy: Running | undefined,
  { seconds, warmUp }: Plan,
  first: boolean,
  spinner: Parameters<typeof pace>[2]
): Promise<Sample> {
  // At full speed, for at this pace it takes minutes until all is compiled that a sidecar of an hour has compiled. What has
  // been stays: only the first time there is something to warm up.
  if (first && warmUp > 0) await drive(url, WARMING, warmUp)
  const pids = proxy === undefined ? [] : familyOf(proxy.pid)
  const before = cpuOfAll(pids)
  const paced = await pace(url, { rate: RATE, seconds }, spinner)
  const used = cpuOfAll(pids) - before
  const resident = pids.reduce((sum, pid) => sum + (residentBytes(pid) ?? Number.NaN), 0)
  if (proxy === undefined) return { paced, share: Number.NaN, resident: Number.NaN }
  return { paced, share: used / paced.seconds, resident }
}

const p50 = ({ samples }: Taken) => median(samples.map(({ paced }) => paced.latency.p50))
const p99 = ({ samples }: Taken) => median(samples.map(({ paced }) => paced.latency.p99))
const share = ({ samples }: Taken) => median(samples.map((sample) => sample.share))
/** The most of all rounds. */
const resident = ({ samples }: Taken) => Math.max(...samples.map((sample) => sample.resident)) / MB

function tableOf(direct: Taken, all: readonly Taken[]): string {
  const head = [
    '',
    'CPU, of a core',
    'resident MB',
    'p50 ms',
    'p99 ms',
    'added p50 ms',
    'added p99 ms',
    'generator late, p50 ms',
    'p99 ms',
    'failed'
  ]
  const lines = all.map((one) => {
    const { label, samples } = one
    const added = (of: (taken: Taken) => number) => (one === direct ? '-' : figure(of(one) - of(direct), 3))
    return [
      label,
      figure(share(one), 3),
      figure(resident(one), 1),
      figure(p50(one), 3),
      figure(p99(one), 3),
      added(p50),
      added(p99),
      figure(median(samples.map(({ paced }) => paced.lateness.p50)), 3),
      figure(median(samples.map(({ paced }) => paced.lateness.p99)), 3),
      String(samples.reduce((sum, { paced }) => sum + paced.failed, 0))
    ]
  })
  return markdown(head, lines)
}

function targetsOf(five: Taken): Target[] {
  return [
    { what: `${five.label}: part of a core at ${RATE}/s`, reached: share(five), atMost: SHARE, digits: 3 },
    {
      what: `${five.label}: resident at ${RATE}/s`,
      reached: resident(five),
      atMost: RESIDENT,
      unit: ' MB',
      digits: 1
    }
  ]
}

async function plotOf(direct: Taken, taken: readonly Taken[], chosen: readonly Candidate[]): Promise<Part> {
  const svg = await barChart({
    title: `Latency added at ${RATE} requests a second`,
    y: { title: 'ms' },
    bars: taken.map((one, at) => ({
      name: chosen[at]?.name ?? '',
      values: [
        { group: 'p50', value: p50(one) - p50(direct) },
        { group: 'p99', value: p99(one) - p99(direct) }
      ]
    }))
  })
  return { file: 'fixed.svg', svg, description: 'Latency that each proxy adds over direct' }
}
