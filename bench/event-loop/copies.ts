// What a worker call costs: `npx jiti bench/event-loop/copies.ts FOLDER ROUNDS`, FOLDER being a build. Cases take turns,
// so that what disturbs one disturbs all. Prints JSON: each case's best round and median, the refusal last.
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { WorkerPool } from '../../core/workers/pool.js'
import type * as Worker from './copies.worker.js'

const ROUNDS = Number(process.argv[3] ?? 9)
const MAX_QUEUE = 16
const SIZES = [8 * 1024, 256 * 1024, 1024 * 1024]

interface Case {
  readonly name: string
  readonly calls: number
  run(): Promise<unknown>
}

interface Cost {
  /** µs a call. */
  readonly wall: number
  /** µs of processor time a call, threads included. */
  readonly cpu: number
}

const build = pathToFileURL(`${resolve(process.argv[2] ?? 'dist')}/`)
const { WorkerPool: Pool } = (await import(new URL('core/workers/pool.js', build).href)) as {
  WorkerPool: typeof WorkerPool
}
const { pin } = await import(new URL('core/workers/buffers.js', build).href)

const pool = new Pool({ threads: 1, maxQueue: MAX_QUEUE, maxHeap: 256 * 1024 * 1024, modules: {} })
const file = new URL('./copies.worker.js', import.meta.url)
const nothing = pool.bind<typeof Worker.nothing>(file, 'nothing')
const back = pool.bind<typeof Worker.back>(file, 'back')
const hold = pool.bind<typeof Worker.hold>(file, 'hold')

const { signal } = new AbortController()
const cases: Case[] = [
  { name: 'nothing to do', calls: 3000, run: () => nothing() },
  { name: 'nothing to do, for(exchange)', calls: 3000, run: () => nothing.for({ signal })() }
]
for (const size of SIZES) {
  const calls = size > 100_000 ? 300 : 2000
  let moved: Uint8Array = new Uint8Array(size)
  const kept: Uint8Array = pin(new Uint8Array(size))
  cases.push({
    name: `${size / 1024} KiB moved, and back`,
    calls,
    run: async () => {
      moved = await back(moved)
    }
  })
  cases.push({ name: `${size / 1024} KiB copied, and moved back`, calls, run: () => back(kept) })
}

const costs = new Map<string, Cost[]>()
for (let round = 0; round <= ROUNDS; round++) {
  for (const each of cases) {
    const cost = await measure(each)
    // The first round compiles.
    if (round > 0) costs.set(each.name, [...(costs.get(each.name) ?? []), cost])
  }
}
const refused = `refused, as ${MAX_QUEUE} calls wait`
const said = [...[...costs].map(([name, all]) => told(name, all)), told(refused, await shed())]
await pool.close()
process.stdout.write(`${JSON.stringify(said)}\n`)

async function measure({ calls, run }: Case): Promise<Cost> {
  const cpu = process.cpuUsage()
  const start = performance.now()
  for (let call = 0; call < calls; call++) await run()
  return costOf(start, cpu, calls)
}

async function shed(): Promise<Cost[]> {
  const gate = new Int32Array(new SharedArrayBuffer(4))
  const waiting = Array.from({ length: 1 + MAX_QUEUE }, () => hold(gate))
  const found: Cost[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    const cpu = process.cpuUsage()
    const start = performance.now()
    for (let call = 0; call < 3000; call++) await nothing().catch(() => {})
    if (round > 0) found.push(costOf(start, cpu, 3000))
  }
  Atomics.store(gate, 0, 1)
  Atomics.notify(gate, 0)
  await Promise.all(waiting)
  return found
}

function costOf(start: number, since: NodeJS.CpuUsage, calls: number): Cost {
  const wall = performance.now() - start
  const { user, system } = process.cpuUsage(since)
  return { wall: (wall * 1000) / calls, cpu: (user + system) / calls }
}

function told(name: string, all: readonly Cost[]) {
  const [wall, cpu] = [all.map((cost) => cost.wall), all.map((cost) => cost.cpu)].map((values) => {
    const sorted = values.sort((one, other) => one - other)
    return [sorted[0], sorted[sorted.length >> 1]]
  })
  return { name, wall, cpu }
}
