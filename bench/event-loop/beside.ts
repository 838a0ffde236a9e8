// One route does heavy work on every request, another does none. What does the second feel of the first?
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { output, type Running, start } from '../children.js'
import { atIdlePriority, pinned } from '../cores.js'
import { pace } from '../load/open-loop.js'
import type { Bench } from '../mode.js'
import { programOf, surroundings } from '../stage.js'

/** Per second, to the route that does nothing: enough to see its p99, too few to be what is measured. */
const RATE = 500

/** Kinds of work, as sidecar.yaml has them. */
export const KINDS = [
  { name: 'hash', label: 'hashing bodies of 1 MiB', bytes: 1024 * 1024 },
  { name: 'sign', label: 'ten RSA signatures', bytes: 0 },
  { name: 'certificate', label: 'issuing a certificate', bytes: 0 }
] as const

export interface Beside {
  readonly name: string
  readonly label: string
  /** A round each: tasks a second; ms of the calm route; ms that the generator was late. */
  readonly tasks: number[]
  readonly p50: number[]
  readonly p99: number[]
  readonly late: number[]
  failed: number
}

interface Phase extends Beside {
  readonly path: string | undefined
  readonly bytes: number
  /** Processes that have nothing to do with the proxy and want as much of the cores as its threads do. */
  readonly neighbours?: number
}

/** The threads of the proxy: its default, a core but one. */
const THREADS = Math.max(1, availableParallelism() - 1)

/** @param seconds of one phase @param rounds of all of them */
export async function besideWork(bench: Bench, rounds: number, seconds: number): Promise<Beside[]> {
  const { stage, build, say } = bench
  // Not on one core: what is asked is whether the event loop is free, and not how a core is shared.
  const on = stage.cores === undefined ? [] : [stage.cores.proxy, stage.cores.load]
  const configuration = fileURLToPath(new URL('./sidecar.yaml', import.meta.url))
  const proxy = await start({
    name: 'outrigger',
    ...pinned(on, process.execPath, [programOf(build), 'run', configuration]),
    env: surroundings(stage)
  })
  const phases = [
    phaseOf('idle', 'nothing'),
    // What of the rest is not the proxy's: cores that others want, and bodies that are carried and not worked on.
    { ...phaseOf('neighbour', 'RSA signatures in another process'), neighbours: THREADS },
    phaseOf('carried', 'carrying bodies of 1 MiB, without a plugin', '/carried', KINDS[0].bytes),
    ...KINDS.flatMap(({ name, label, bytes }) => [
      phaseOf(`${name}-worker`, `${label}, on worker threads`, `/${name}/worker`, bytes),
      phaseOf(`${name}-inline`, `${label}, inline`, `/${name}/inline`, bytes)
    ])
  ]
  try {
    // The first task starts a thread, and the first requests are slow.
    if (bench.size !== 'smoke') for (const phase of phases) await warm(proxy, phase)
    for (let round = 1; round <= rounds; round++) {
      for (const phase of phases) {
        say(`event loop: round ${round} of ${rounds}: ${phase.name}`)
        await beside(proxy, phase, seconds)
      }
    }
    return phases
  } finally {
    await proxy.stop()
  }
}

function phaseOf(name: string, label: string, path?: string, bytes = 0): Phase {
  return { name, label, path, bytes, tasks: [], p50: [], p99: [], late: [], failed: 0 }
}

async function warm(proxy: Running, { path, bytes }: Phase): Promise<void> {
  await keepBusy(`${proxy.urls.get('inbound')}${path ?? '/calm'}`, bytes, 1)
}

/** The calm route's answers while the busy one has more to do than it can. */
async function beside(proxy: Running, phase: Phase, seconds: number): Promise<void> {
  const url = proxy.urls.get('inbound') as string
  const lasting = seconds + 0.6
  const [calm, busy] = await Promise.all([
    pace(`${url}/calm`, { rate: RATE, seconds, warmUp: 0.3 }),
    phase.path === undefined ? undefined : keepBusy(`${url}${phase.path}`, phase.bytes, lasting),
    ...Array.from({ length: phase.neighbours ?? 0 }, () => beNeighbour(lasting))
  ])
  phase.p50.push(calm.answer.p50)
  phase.p99.push(calm.answer.p99)
  phase.late.push(calm.lateness.p99)
  phase.tasks.push(busy === undefined ? 0 : busy.done / busy.seconds)
  phase.failed += calm.failed + (busy?.failed ?? 0)
}

const BUSY = fileURLToPath(new URL('./busy.mjs', import.meta.url))

/**
 * In a process of its own, and behind everything else that wants the core: what its part of the work takes is not to be
 * felt by the calm route.
 */
async function keepBusy(
  url: string,
  bytes: number,
  seconds: number
): Promise<{ done: number; failed: number; seconds: number }> {
  // The proxy has a thread per core but one, and some of the work waits.
  const lanes = 4 * THREADS
  const settings = JSON.stringify({ url, lanes, seconds, bytes })
  const [file, ...all] = atIdlePriority(process.execPath, [BUSY, settings]) as [string, ...string[]]
  return JSON.parse(await output(file, all))
}

const NEIGHBOUR = fileURLToPath(new URL('./neighbour.mjs', import.meta.url))

/** At the priority of the proxy's worker threads. */
async function beNeighbour(seconds: number): Promise<void> {
  await output('nice', ['-n', '10', process.execPath, NEIGHBOUR, String(seconds)])
}
