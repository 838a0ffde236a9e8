// One route does 200 ms of work per request, another does none. What does the second feel of the first?
import { cpus } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Stage, upstreams } from '../candidates.js'
import { type Running, start } from '../children.js'
import { pinned } from '../cores.js'
import { figure, markdown, median } from '../report.js'
import { type Answers, keepBusy, pace } from './client.js'

/** Per second, to the route that does nothing: enough to see its p99, too few to be what is measured. */
const RATE = 250

/** ms of one task, as sidecar.yaml has it. */
const TASK = 200

/** What the second route's requests meet. */
const phases = [
  { name: 'idle', label: 'nothing', busy: undefined },
  { name: 'worker', label: `a worker task of ${TASK} ms on every request of another route`, busy: '/worker' },
  { name: 'inline', label: 'the same work inline, on the event loop', busy: '/inline' }
] as const

export interface EventLoopResult {
  readonly table: string
  /** p99 beside worker tasks by p99 alone. */
  readonly ratio: number
  readonly failed: number
}

/** @param seconds of one phase @param rounds of all three */
export async function measureEventLoop(
  stage: Stage,
  build: string,
  { rounds, seconds }: { rounds: number; seconds: number },
  progress: (text: string) => void
): Promise<EventLoopResult> {
  // Not on one core: what is asked is whether the event loop is free, and not how a core is shared.
  const on = stage.cores === undefined ? [] : [stage.cores.proxy, stage.cores.load]
  const configuration = fileURLToPath(new URL('./sidecar.yaml', import.meta.url))
  const proxy = await start({
    name: 'outrigger',
    env: upstreams(stage),
    ...pinned(on, process.execPath, [join(build, 'plugins/bin.js'), 'run', configuration])
  })
  try {
    // The first task starts a thread, and the first requests are slow.
    await beside(proxy, '/worker', 1000)
    const p50: number[][] = phases.map(() => [])
    const p99: number[][] = phases.map(() => [])
    const tasks: number[][] = phases.map(() => [])
    let failed = 0
    for (let round = 0; round < rounds; round++) {
      for (const [at, phase] of phases.entries()) {
        progress(`event loop: round ${round + 1} of ${rounds}: ${phase.name}`)
        const result = await beside(proxy, phase.busy, seconds * 1000)
        const sorted = result.calm.latencies.sort((a, b) => a - b)
        p50[at]?.push(quantile(sorted, 0.5))
        p99[at]?.push(quantile(sorted, 0.99))
        tasks[at]?.push(result.tasksPerSecond)
        failed += result.failed
      }
    }
    const idle = median(p99[0] as number[])
    const lines = phases.map(({ label }, at) => [
      label,
      figure(median(tasks[at] as number[]), 1),
      figure(median(p50[at] as number[]), 2),
      figure(median(p99[at] as number[]), 2),
      figure(median(p99[at] as number[]) / idle, 2)
    ])
    return {
      table: markdown(['beside it', 'tasks/s', 'p50 ms', 'p99 ms', 'p99, times its idle'], lines),
      ratio: median(p99[1] as number[]) / idle,
      failed
    }
  } finally {
    await proxy.stop()
  }
}

/** The calm route's answers while the busy one has more to do than it can. */
async function beside(proxy: Running, path: string | undefined, ms: number) {
  const url = proxy.urls.get('inbound') as string
  const stop = AbortSignal.timeout(ms)
  // The proxy has a thread per core but one, and some of the work waits.
  const lanes = 2 * Math.max(1, cpus().length - 1)
  const startedAt = performance.now()
  const [calm, tasks] = await Promise.all([
    pace(`${url}/calm`, RATE, stop),
    path === undefined ? nothing : keepBusy(`${url}${path}`, lanes, stop)
  ])
  const seconds = (performance.now() - startedAt) / 1000
  return { calm, failed: calm.failed + tasks.failed, tasksPerSecond: tasks.latencies.length / seconds }
}

const nothing: Answers = { latencies: [], failed: 0 }

function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}
