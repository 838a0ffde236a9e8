import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { output } from '../children.js'
import { has, root } from '../machine.js'

/** One kind of traffic. Every candidate gets the same. */
export interface Traffic {
  readonly method: string
  /** Of the request's body. */
  readonly bodyBytes: number
  readonly connections: number
}

export interface Load {
  readonly requests: number
  readonly seconds: number
  /** Refused, broken off, timed out, or answered with anything but 2xx and 3xx. */
  readonly failed: number
  /** ms; NaN where it is not taken. */
  readonly p50: number
  /** ms; NaN where it is not taken. */
  readonly p99: number
}

/** Sent by all, wanted by one: what a request costs to parse must not differ. */
const API_KEY = 'x-api-key: bench'

/** Seconds that an answer may take. Long: on a loaded machine late is not failed. */
const PATIENCE = 20

export const generator = has('wrk') ? 'wrk' : 'autocannon'

/** Drives `url` as hard as it answers. @param seconds made whole, for neither knows parts of one */
export function drive(url: string, traffic: Traffic, seconds: number): Promise<Load> {
  const whole = Math.ceil(seconds)
  return generator === 'wrk' ? wrk(url, traffic, whole) : autocannon(url, traffic, whole)
}

async function wrk(url: string, { method, bodyBytes, connections }: Traffic, seconds: number): Promise<Load> {
  const script = fileURLToPath(new URL('./wrk.lua', import.meta.url))
  const settings = [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--timeout',
    `${PATIENCE}s`,
    '-s',
    script,
    '-H',
    API_KEY
  ]
  const said = await output('wrk', [...settings, url, '--', method, String(bodyBytes)])
  const { requests, duration, failed, p50, p99 } = JSON.parse(said.trim().split('\n').at(-1) as string)
  return { requests, failed, seconds: duration / 1e6, p50: p50 / 1e3, p99: p99 / 1e3 }
}

/** Costs several times what wrk does, and then may be what is measured. */
async function autocannon(
  url: string,
  { method, bodyBytes, connections }: Traffic,
  seconds: number
): Promise<Load> {
  const program = join(root, 'node_modules/autocannon/autocannon.js')
  const body = bodyBytes > 0 ? ['-b', 'x'.repeat(bodyBytes)] : []
  const settings = [
    '-j',
    '-n',
    '-c',
    connections,
    '-d',
    seconds,
    '-t',
    PATIENCE,
    '-m',
    method,
    '-H',
    API_KEY,
    ...body
  ]
  const said = await output(process.execPath, [program, ...settings.map(String), url])
  const { requests, non2xx, errors, timeouts, duration, latency } = JSON.parse(said)
  return {
    requests: requests.total,
    failed: non2xx + errors + timeouts,
    seconds: duration,
    p50: latency.p50,
    p99: latency.p99
  }
}
