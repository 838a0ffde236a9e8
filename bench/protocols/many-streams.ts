// `npm run bench -- h2load`: 100 connections of 10 streams, with TLS and without, to either kind of service. What counts
// is that no request fails.
import { fileURLToPath } from 'node:url'
import { enter } from '../candidates.js'
import { cpuSeconds } from '../cpu-time.js'
import { h2load, h2loadMissing } from '../load/h2load.js'
import { figure, markdown } from '../report.js'
import { certificateIn, programOf, type Stage } from '../stage.js'
import type { Protocols } from './compare.js'
import { startService } from './scenarios.js'

const CONNECTIONS = 100
const STREAMS = 10

const RUNS = [
  { label: 'h2c in, HTTP/1.1 out', listener: 'inbound', path: '/http1/orders/1' },
  { label: 'h2c in, h2c out', listener: 'inbound', path: '/http2/orders/1' },
  { label: 'TLS in, HTTP/1.1 out', listener: 'secure', path: '/http1/orders/1' },
  { label: 'TLS in, h2c out', listener: 'secure', path: '/http2/orders/1' }
]

/** @param build the folder that holds ours, compiled @param requests of each run */
export async function manyStreams(
  stage: Stage,
  build: string,
  requests: number,
  say: (text: string) => void
): Promise<Protocols> {
  if (h2loadMissing !== undefined) {
    const text = `h2load: skipped, ${h2loadMissing}`
    say(text)
    return { sections: [`- ${text}`], failed: 0 }
  }
  const program = programOf(build)
  const { cert, key } = await certificateIn(stage, build)
  const [a, b] = stage.upstream.urls.values()
  const service = await startService('plain', stage)
  const [a2, b2] = service.urls.values()
  const configuration = fileURLToPath(new URL('./streams.yaml', import.meta.url))
  const proxy = await enter(
    {
      name: 'streams',
      label: 'outrigger',
      command: () => ({
        name: 'streams',
        file: process.execPath,
        args: [program, 'run', configuration],
        addresses: 2,
        env: {
          CERTIFICATE: cert,
          KEY: key,
          UPSTREAM_A: a as string,
          UPSTREAM_B: b as string,
          UPSTREAM_2A: a2 as string,
          UPSTREAM_2B: b2 as string
        }
      })
    },
    stage
  )
  const lines: string[][] = []
  let failed = 0
  for (const { label, listener, path } of RUNS) {
    say(`h2load: ${requests} requests, ${label}`)
    const before = cpuSeconds(proxy.pid) ?? Number.NaN
    const url = `${proxy.urls.get(listener)}${path}`
    const result = await h2load(url, { connections: CONNECTIONS, streams: STREAMS }, { requests })
    const cpu = (((cpuSeconds(proxy.pid) ?? Number.NaN) - before) / result.done) * 1e6
    const missed = requests - result.succeeded
    failed += missed
    lines.push([
      `${label} (${result.protocol})`,
      String(result.succeeded),
      figure(result.done / result.seconds, 0),
      figure(result.mean, 1),
      figure(result.longest, 0),
      figure(cpu, 1),
      String(missed)
    ])
  }
  await Promise.all([proxy.stop(), service.stop()])
  const head = ['', 'answered with 2xx', 'requests/s', 'mean ms', 'longest ms', 'CPU µs/request', 'failed']
  return {
    sections: [
      `### h2load: ${requests} requests over ${CONNECTIONS} connections of ${STREAMS} streams, nothing warmed up`,
      markdown(head, lines)
    ],
    failed
  }
}
