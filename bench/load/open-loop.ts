// A load that does not wait for its answers.
import { fileURLToPath } from 'node:url'
import { output } from '../children.js'
import { atIdlePriority, type Spinner } from '../cores.js'
import { API_KEY } from './generator.js'

export interface Pace {
  /** Requests a second. */
  readonly rate: number
  readonly seconds: number
  /** Seconds at the same pace before those. Default 0. */
  readonly warmUp?: number
  /** Default 32. */
  readonly connections?: number
}

/** ms; null of none. */
export interface Times {
  readonly mean: number
  readonly p50: number
  readonly p99: number
  readonly max: number
}

export interface Paced {
  readonly requests: number
  readonly failed: number
  readonly seconds: number
  /** From when a request was due to the end of its answer. */
  readonly latency: Times
  /** From when the generator turned to a request to the end of its answer: its own lateness is left out. */
  readonly answer: Times
  /** From when a request was due to when it was sent, or found no connection free: the generator's own part. */
  readonly lateness: Times
}

const SCRIPT = fileURLToPath(new URL('./open-loop.mjs', import.meta.url))

/**
 * On the load's core. Without a spinner there its lateness is up to a millisecond, which is as long as its timers are.
 *
 * @param spinner the load's core's: the generator takes its place, and then is microseconds late
 */
export function pace(url: string, { rate, ...rest }: Pace, spinner?: Spinner): Promise<Paced> {
  const settings = { url, rate, ...rest, headers: [API_KEY], spin: spinner !== undefined }
  const args = [SCRIPT, JSON.stringify(settings)]
  const run = async (file: string, all: readonly string[]) => JSON.parse(await output(file, all)) as Paced
  if (spinner === undefined) return run(process.execPath, args)
  const [file, ...all] = atIdlePriority(process.execPath, args) as [string, ...string[]]
  return spinner.without(() => run(file, all))
}
