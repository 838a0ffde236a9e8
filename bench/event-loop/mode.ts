// `npm run bench -- event-loop`: what a route that does nothing feels of heavy work on another, on worker threads and
// inline; what it costs to hand bytes to a thread; and how soon a full queue refuses.
import type { Bench, BySize } from '../mode.js'
import type { Outcome, Part, Target } from '../outcome.js'
import { barChart } from '../plot.js'
import { figure, markdown } from '../report.js'
import { median, ratioOfRounds } from '../statistics.js'
import { type Beside, besideWork, KINDS } from './beside.js'
import { copies } from './copies-report.js'
import { shed } from './shed.js'

/** p99 beside worker tasks by p99 alone, and ms. */
const DEAF = 1.5
const SHED = 1

const PLANS: BySize<{ readonly rounds: number; readonly seconds: number; readonly copies: number }> = {
  full: { rounds: 3, seconds: 4, copies: 9 },
  short: { rounds: 1, seconds: 3, copies: 3 },
  smoke: { rounds: 1, seconds: 0.4, copies: 1 }
}

export async function eventLoop(bench: Bench): Promise<Outcome> {
  const { options, size } = bench
  const plan = PLANS[size]
  const all = await besideWork(bench, options.rounds ?? plan.rounds, options.seconds ?? plan.seconds)
  const cost = await copies(bench, plan.copies)
  const refusal = await shed(bench)
  const idle = all.find(({ name }) => name === 'idle') as Beside
  const parts: Part[] = [
    tableOf(all, idle),
    ...KINDS.map(({ name, label }): Target => {
      const beside = all.find((one) => one.name === `${name}-worker`) as Beside
      return {
        what: `p99 beside ${label} on worker threads, times its idle`,
        reached: ratioOfRounds(beside.p99, idle.p99),
        atMost: DEAF
      }
    }),
    await plotOf(all),
    '### Bytes to a worker thread and back: moved, and copied on the way there',
    cost.table,
    '### When the queue is full',
    markdown(
      ['', 'p50 ms', 'p99 ms', 'not refused'],
      [
        [
          'from the request to the last byte of the 503',
          figure(refusal.p50, 3),
          figure(refusal.p99, 3),
          String(refusal.failed)
        ]
      ]
    ),
    { what: 'a refusal over a socket, median', reached: refusal.p50, atMost: SHED, unit: ' ms', digits: 3 },
    {
      what: 'a refusal of the call itself, median',
      reached: cost.refused / 1000,
      atMost: SHED,
      unit: ' ms',
      digits: 4
    }
  ]
  return { parts, failed: refusal.failed + all.reduce((sum, { failed }) => sum + failed, 0) }
}

function tableOf(all: readonly Beside[], idle: Beside): string {
  const head = [
    'beside it',
    'tasks/s',
    'p50 ms',
    'p99 ms',
    'p99, times its idle',
    'generator late, p99 ms',
    'failed'
  ]
  const lines = all.map(({ label, tasks, p50, p99, late, failed }) => [
    label,
    figure(median(tasks), 1),
    figure(median(p50), 2),
    figure(median(p99), 2),
    figure(ratioOfRounds(p99, idle.p99), 2),
    figure(median(late), 2),
    String(failed)
  ])
  return markdown(head, lines)
}

async function plotOf(all: readonly Beside[]): Promise<Part> {
  const svg = await barChart({
    title: "A calm route's p99 beside heavy work on another",
    y: { title: 'ms', scale: 'log', min: 0.05 },
    bars: ['idle', 'neighbour', 'carried', ...KINDS.map(({ name }) => name)].map((kind) => ({
      name: kind,
      values: all
        .filter(({ name }) => name.startsWith(kind))
        .map(({ name, p99 }) => ({ group: name.split('-')[1] ?? 'no work in it', value: median(p99) }))
    }))
  })
  return {
    file: 'event-loop.svg',
    svg,
    description: "A calm route's p99: idle, beside worker tasks, beside inline work"
  }
}
