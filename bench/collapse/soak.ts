// `npm run bench -- soak`: mixed load for half an hour, and whether memory stays where it is.
import { existsSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { enter, outrigger } from '../candidates.js'
import { output } from '../children.js'
import { residentBytes } from '../memory/resident.js'
import type { Bench, BySize } from '../mode.js'
import type { Outcome, Part, Target } from '../outcome.js'
import { lineChart } from '../plot.js'
import { startService } from '../protocols/scenarios.js'
import { figure, markdown } from '../report.js'
import type { Sidecar } from '../sidecar.js'
import { fit } from '../statistics.js'

/** s of the load. Among all the other modes, a sixth of it. */
const SECONDS: BySize<number> = { full: 1800, short: 300, smoke: 2 }
const IN_WHOLE: BySize<number> = { full: 300, short: 40, smoke: 2 }
/** ms between two looks. */
const EVERY: BySize<number> = { full: 2000, short: 1000, smoke: 200 }

const MB = 1e6
/** Part of the time in which it still finds its size: code is compiled and pools are filled. */
const SETTLING = 1 / 3
/** Of where the line starts: what the line may rise by from then to the end. */
const FLAT = 1.1

interface Mixed {
  readonly counts: readonly { readonly name: string; readonly done: number; readonly failed: number }[]
  readonly trouble?: string
}

type Points = readonly (readonly [minutes: number, megabytes: number])[]

export async function soak(bench: Bench): Promise<Outcome> {
  const { stage, build, size, whole, options, say } = bench
  const seconds = options.seconds ?? (whole ? IN_WHOLE : SECONDS)[size]
  const sockets = await startService('websocket', stage)
  const candidate = outrigger(
    'soak',
    'outrigger, five plugins',
    build,
    'five',
    withSockets([...sockets.urls.values()])
  )
  const proxy = await enter(candidate, stage)
  const log = join(stage.directory, 'soak.log')
  const points: [number, number][] = []
  const startedAt = performance.now()
  const look = () => {
    const minutes = (performance.now() - startedAt) / 60_000
    points.push([minutes, (residentBytes(proxy.pid) ?? Number.NaN) / MB])
    // Half an hour of an access log would fill the disk.
    if (existsSync(log)) truncateSync(log)
    if (points.length % 30 === 0)
      say(`soak: ${figure(minutes, 1)} minutes, ${figure(points.at(-1)?.[1] ?? 0, 0)} MB`)
  }
  const timer = setInterval(look, EVERY[size])
  try {
    look()
    say(`soak: ${seconds} s`)
    const url = proxy.urls.get('inbound') as string
    const settings = JSON.stringify({ url, socketUrl: `${url}/chat`, seconds })
    const script = fileURLToPath(new URL('./mixed.mjs', import.meta.url))
    const mixed = JSON.parse(await output(process.execPath, [script, settings])) as Mixed
    look()
    return outcomeOf(mixed, points, seconds)
  } finally {
    clearInterval(timer)
    await Promise.all([proxy.stop(), sockets.stop()])
  }
}

/** The five, and a second service that echoes what a WebSocket sends. */
function withSockets(endpoints: string[]): (sidecar: Sidecar) => void {
  return ({ services, routes }) => {
    services.chat = { endpoints }
    routes.unshift({ ...routes[0], name: 'chat', match: { path: '/chat' }, service: 'chat' })
  }
}

/** How the fitted line goes once the process has found its size. */
export function driftOf(points: Points): { perMinute: number; times: number } {
  const last = points.at(-1)?.[0] ?? 0
  const settled = points.filter(([minutes]) => minutes >= last * SETTLING)
  const { slope, start } = fit(settled)
  const from = start + slope * (settled[0]?.[0] ?? 0)
  return { perMinute: slope, times: (start + slope * last) / from }
}

async function outcomeOf({ counts, trouble }: Mixed, points: Points, seconds: number): Promise<Outcome> {
  const { perMinute, times } = driftOf(points)
  const sizes = points.map(([, megabytes]) => megabytes)
  const failed = counts.reduce((sum, one) => sum + one.failed, 0)
  const target: Target = {
    what: `resident at the end of ${figure(seconds / 60, 1)} minutes, times after the first third, along the fitted line`,
    reached: times,
    atMost: FLAT
  }
  const parts: Part[] = [
    markdown(
      ['', 'done', 'failed'],
      counts.map(({ name, done, failed }) => [name, String(done), String(failed)])
    ),
    `Resident: ${figure(sizes[0] ?? Number.NaN, 0)} MB at first, ${figure(Math.max(...sizes), 0)} at most, ${figure(sizes.at(-1) ?? Number.NaN, 0)} at the end; ${figure(perMinute, 2)} MB a minute after the first third.`,
    target,
    {
      file: 'soak.svg',
      svg: await lineChart({
        title: 'Resident memory under mixed load, five plugins',
        x: { title: 'minutes' },
        y: { title: 'MB' },
        series: [{ name: 'resident', points }]
      }),
      description: 'Resident memory over time under mixed load'
    }
  ]
  if (trouble !== undefined) parts.unshift(`The first that went wrong: ${trouble}`)
  return { parts, failed }
}
