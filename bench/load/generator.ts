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
  /** What a browser and a mesh send, twenty fields in all, different from request to request. */
  readonly headers?: boolean
  /** Each request on a connection of its own. */
  readonly fresh?: boolean
  /** Asks for one of so many routes at random: `/r0/orders` and on. */
  readonly routes?: number
}

export interface Load {
  readonly requests: number
  readonly seconds: number
  /** Refused, broken off, timed out, or answered with anything but 2xx and 3xx. */
  readonly failed: number
  /** ms; NaN where it is not taken. */
  readonly mean: number
  /** ms; NaN where it is not taken. */
  readonly p50: number
  /** ms; NaN where it is not taken. */
  readonly p99: number
}

/** Sent by all, wanted by one: what a request costs to parse must not differ. */
export const API_KEY = 'x-api-key: bench'

/** Seconds that an answer may take. Long: on a loaded machine late is not failed. */
const PATIENCE = 20

/** Autocannon costs several times what wrk does, and then may be what is measured. */
export function generator(): 'wrk' | 'autocannon' {
  return has('wrk') ? 'wrk' : 'autocannon'
}

/** Drives `url` as hard as it answers. @param seconds made whole, for neither knows parts of one */
export function drive(url: string, traffic: Traffic, seconds: number): Promise<Load> {
  const whole = Math.ceil(seconds)
  return generator() === 'wrk' ? wrk(url, traffic, whole) : autocannon(url, traffic, whole)
}

async function wrk(url: string, traffic: Traffic, seconds: number): Promise<Load> {
  const { method, bodyBytes, connections, headers = false, fresh = false, routes = 0 } = traffic
  const script = fileURLToPath(new URL('./wrk.lua', import.meta.url))
  const settings = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', `${PATIENCE}s`]
  const fields = [API_KEY, ...(fresh ? ['connection: close'] : [])].flatMap((field) => ['-H', field])
  const own = [method, bodyBytes, headers ? 'headers' : '-', routes].map(String)
  const said = await output('wrk', [...settings, '-s', script, ...fields, url, '--', ...own])
  return readWrk(said)
}

/** @param said all that wrk printed with wrk.lua: the last line is ours, in µs */
export function readWrk(said: string): Load {
  const last = said.trim().split('\n').at(-1) as string
  const { requests, duration, failed, mean, p50, p99 } = JSON.parse(last) as Record<string, number>
  const ms = (value: number | undefined) => (value ?? Number.NaN) / 1e3
  return {
    requests: requests ?? 0,
    failed: failed ?? 0,
    seconds: (duration ?? Number.NaN) / 1e6,
    mean: ms(mean),
    p50: ms(p50),
    p99: ms(p99)
  }
}

/** What it does not know of is left out: it is there so that a bench without wrk shows something. */
async function autocannon(
  url: string,
  { method, bodyBytes, connections, fresh = false, routes = 0 }: Traffic,
  seconds: number
): Promise<Load> {
  if (routes > 0) throw new Error('many routes are asked for by wrk, which is not installed')
  const program = join(root, 'node_modules/autocannon/autocannon.js')
  const settings = ['-c', connections, '-d', seconds, '-t', PATIENCE, '-m', method].map(String)
  const fields = [API_KEY, ...(fresh ? ['connection: close'] : [])].flatMap((field) => ['-H', field])
  const body = bodyBytes > 0 ? ['-b', 'x'.repeat(bodyBytes)] : []
  const said = await output(process.execPath, [program, '-j', '-n', ...settings, ...fields, ...body, url])
  const { requests, non2xx, errors, timeouts, duration, latency } = JSON.parse(said)
  return {
    requests: requests.total,
    failed: non2xx + errors + timeouts,
    seconds: duration,
    mean: latency.mean,
    p50: latency.p50,
    p99: latency.p99
  }
}
