// HTTP/2 without TLS from h2load, nghttp2's own: it is cheap enough not to be what is measured.
import { output } from '../children.js'
import { has } from '../machine.js'
import type { Load } from './generator.js'

export const h2loadMissing = has('h2load') ? undefined : "h2load is not installed (Debian's nghttp2-client)"

export interface Streams {
  readonly connections: number
  /** At once, on each connection. */
  readonly streams: number
  readonly headers?: readonly string[]
  /** A file with the body; with it the method is POST. */
  readonly body?: string
}

/** What h2load printed. */
export interface H2load {
  readonly seconds: number
  readonly done: number
  /** Answered with 2xx. */
  readonly succeeded: number
  /** Broken off, timed out, or answered with anything but 2xx. */
  readonly failed: number
  /** Of all bodies. */
  readonly bytes: number
  /** ms from a request to the end of its answer. */
  readonly mean: number
  /** ms */
  readonly longest: number
  /** What was spoken: `h2c`, `h2`. */
  readonly protocol: string
}

/** @param amount seconds, or a number of requests */
export async function h2load(
  url: string,
  { connections, streams, headers = [], body }: Streams,
  amount: { readonly seconds: number } | { readonly requests: number }
): Promise<H2load> {
  const settings = [
    '-t1',
    `-c${connections}`,
    `-m${streams}`,
    ...('seconds' in amount ? [`-D${Math.round(amount.seconds * 1000)}ms`] : [`-n${amount.requests}`]),
    ...headers.flatMap((header) => ['-H', header]),
    ...(body === undefined ? [] : ['-d', body])
  ]
  const said = await output('h2load', [...settings, url])
  const read = (pattern: RegExp) => {
    const match = pattern.exec(said)?.[1]
    if (match === undefined) throw new Error(`h2load did not say what was expected of it: ${said.trim()}`)
    return match
  }
  const done = Number(read(/^requests: .* (\d+) done/m))
  const succeeded = Number(read(/^status codes: (\d+) 2xx/m))
  return {
    seconds: inMs(read(/^finished in ([\d.]+\w+)/m)) / 1000,
    done,
    succeeded,
    failed: Math.max(Number(read(/^requests: .* (\d+) failed/m)), done - succeeded),
    bytes: Number(read(/^traffic: .* \((\d+)\) data/m)),
    mean: inMs(read(/^time for request: +\S+ +\S+ +(\S+)/m)),
    longest: inMs(read(/^time for request: +\S+ +(\S+)/m)),
    protocol: /^Application protocol: (\S+)/m.exec(said)?.[1] ?? '-'
  }
}

/**
 * Drives `url` as hard as it answers.
 *
 * @param bytes of each answer's body. h2load looks at no body and no trailer: an answer that is too short, as a gRPC
 * error is, shows in their sum
 * @param units that one answer counts as
 */
export async function driveStreams(
  url: string,
  streams: Streams,
  seconds: number,
  bytes: number,
  units = 1
): Promise<Load> {
  const result = await h2load(url, streams, { seconds })
  const short = Math.max(0, Math.ceil(result.done - result.bytes / bytes))
  return {
    requests: result.done * units,
    seconds: result.seconds,
    failed: Math.max(result.failed, short),
    mean: result.mean,
    p50: Number.NaN,
    p99: Number.NaN
  }
}

const UNITS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 }

function inMs(duration: string): number {
  const [, value, unit = 's'] = /^([\d.]+)(\w+)$/.exec(duration) ?? []
  return Number(value) * (UNITS[unit] ?? Number.NaN)
}
