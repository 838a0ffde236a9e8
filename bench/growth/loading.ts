// What it takes to load a configuration of ten thousand routes and ten thousand endpoints, and what requests feel of it
// when it is loaded anew.
import { rmSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { type Running, start } from '../children.js'
import { pinned } from '../cores.js'
import { type Paced, pace } from '../load/open-loop.js'
import type { Bench, BySize } from '../mode.js'
import type { Outcome, Part, Target } from '../outcome.js'
import { figure, markdown } from '../report.js'
import { type Base, sidecarOf, writeSidecar } from '../sidecar.js'
import { programOf, surroundings } from '../stage.js'
import { median } from '../statistics.js'
import { manyEndpoints, manyRoutes } from './configurations.js'

const FEW = 10
const MANY = 10_000
/** s, and ms. */
const LOADED_IN = 3
const STALL = 20
const RATE = 1000
/** s of requests before those that count: the generator takes as long to find its pace. */
const LEAD = 0.5

interface Plan {
  readonly starts: number
  readonly reloads: number
}

const PLANS: BySize<Plan> = {
  full: { starts: 3, reloads: 3 },
  short: { starts: 2, reloads: 2 },
  smoke: { starts: 1, reloads: 1 }
}

interface Loaded {
  readonly label: string
  /** ms from spawning to ready. */
  readonly starts: number[]
  /** ms that reloads took. */
  readonly reloads: number[]
  /** ms: the longest that a request took in as much time without a reload, and with one. */
  readonly calm: number[]
  readonly stalled: number[]
  failed: number
}

export async function loading(bench: Bench, url: string): Promise<Outcome> {
  const sizes = bench.size === 'smoke' ? [MANY] : [FEW, MANY]
  const all: Loaded[] = []
  for (const base of bench.size === 'full' ? (['none', 'five'] as const) : (['none'] as const)) {
    for (const count of sizes) all.push(await load(bench, url, base, count))
  }
  const head = [
    'routes and endpoints',
    'start, best ms',
    'median',
    'reload, best ms',
    'median',
    'longest request without, median ms',
    'with a reload, median ms',
    'at most ms',
    'failed'
  ]
  const lines = all.map(({ label, starts, reloads, calm, stalled, failed }) => [
    label,
    figure(Math.min(...starts), 0),
    figure(median(starts), 0),
    figure(Math.min(...reloads), 0),
    figure(median(reloads), 0),
    figure(median(calm), 1),
    figure(median(stalled), 1),
    figure(Math.max(...stalled), 1),
    String(failed)
  ])
  const parts: Part[] = [
    `### Loading and reloading: ${RATE} requests a second meanwhile`,
    markdown(head, lines),
    ...all.filter(({ label }) => label.startsWith(MANY.toLocaleString('en'))).flatMap(targetsOf)
  ]
  return { parts, failed: all.reduce((sum, { failed }) => sum + failed, 0) }
}

function targetsOf({ label, starts, reloads, stalled }: Loaded): Target[] {
  return [
    {
      what: `${label}: start, all of it, median`,
      reached: median(starts) / 1000,
      atMost: LOADED_IN,
      unit: ' s'
    },
    { what: `${label}: reload, median`, reached: median(reloads) / 1000, atMost: LOADED_IN, unit: ' s' },
    {
      what: `${label}: longest request during a reload, median of the reloads`,
      reached: median(stalled),
      atMost: STALL,
      unit: ' ms',
      digits: 1
    }
  ]
}

async function load(bench: Bench, url: string, base: Base, count: number): Promise<Loaded> {
  const { stage, size, say } = bench
  const { starts, reloads } = PLANS[size]
  const words = count.toLocaleString('en')
  const loaded: Loaded = {
    label: `${words} of each, ${base === 'none' ? 'no plugins' : 'five plugins'}`,
    starts: [],
    reloads: [],
    calm: [],
    stalled: [],
    failed: 0
  }
  const name = `${base}-${count}`
  const sidecar = sidecarOf(base, manyRoutes(count), manyEndpoints(count, url))
  sidecar.admin = { address: `unix:${join(stage.directory, 'admin.sock')}` }
  const file = writeSidecar(stage.directory, name, sidecar)
  for (let at = 0; at < starts; at++) {
    say(`loading: start ${at + 1} of ${starts}: ${loaded.label}`)
    const proxy = await startProxy(bench, file)
    loaded.starts.push(performance.now() - proxy.startedAt)
    if (at < starts - 1) {
      await proxy.stop()
      continue
    }
    await reloaded(bench, proxy, reloads, loaded, (round) => {
      const [route] = sidecar.routes
      if (route !== undefined) route.timeout = `${20 + round}s`
      writeSidecar(stage.directory, name, sidecar)
    })
  }
  return loaded
}

function startProxy({ stage, build }: Bench, file: string): Promise<Running> {
  rmSync(join(stage.directory, 'admin.sock'), { force: true })
  const on = stage.cores === undefined ? [] : [stage.cores.proxy]
  return start({
    name: 'outrigger',
    ...pinned(on, process.execPath, [programOf(build), 'run', file]),
    env: { ...surroundings(stage), LOG_FILE: join(stage.directory, 'loading.log') },
    addresses: 2
  })
}

/** Reloads, each with one thing changed, while requests keep coming; and as long without. */
async function reloaded(
  bench: Bench,
  proxy: Running,
  reloads: number,
  loaded: Loaded,
  change: (at: number) => void
): Promise<void> {
  const { stage, size, say } = bench
  const spinner = size === 'smoke' ? undefined : bench.spinners.find(({ core }) => core === stage.cores?.load)
  const url = `${proxy.urls.get('inbound')}/r5/orders`
  const during = (seconds: number): Promise<Paced> =>
    pace(url, { rate: RATE, seconds, warmUp: LEAD }, spinner)
  try {
    // What the first requests of all compile is not what is asked for.
    await during(LEAD)
    let seconds = size === 'smoke' ? 1 : 3
    for (let at = 0; at < reloads; at++) {
      say(`loading: reload ${at + 1} of ${reloads}: ${loaded.label}`)
      const calm = await during(seconds)
      change(at)
      const [stalled, took] = await Promise.all([
        during(seconds),
        reload(join(stage.directory, 'admin.sock'))
      ])
      loaded.calm.push(calm.latency.max)
      loaded.stalled.push(stalled.latency.max)
      loaded.reloads.push(took)
      loaded.failed += calm.failed + stalled.failed
      // All of a reload has to fall into the time that is looked at, and what comes after it.
      seconds = Math.max(seconds, Math.ceil((2 * took) / 1000) + 1)
    }
  } finally {
    await proxy.stop()
  }
}

/** Once the generator has found its pace. @returns ms @throws Error when the admin refuses */
async function reload(socketPath: string): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, (2 * LEAD + 0.2) * 1000))
  const begun = performance.now()
  await new Promise<void>((resolve, reject) => {
    const asked = request({ socketPath, path: '/reload', method: 'POST' }, (response) => {
      response.resume()
      response.once('end', () => {
        if (response.statusCode === 200) resolve()
        else reject(new Error(`a reload was answered with ${response.statusCode}`))
      })
    })
    asked.once('error', reject)
    asked.end()
  })
  return performance.now() - begun
}
