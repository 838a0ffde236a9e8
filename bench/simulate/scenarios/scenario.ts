import { figure } from '../../report.js'
import type { Tally, Window } from '../tally.js'

export interface Plan {
  readonly seed: number
  /** Of one run of the scenario; it may have several. */
  readonly requests: number
  /** How far it is. */
  say(text: string): void
}

/** Something that has to hold. */
export interface Check {
  /** In words, with the figure that was wanted. */
  readonly what: string
  readonly reached: string
  readonly met: boolean
}

export interface Plot {
  /** Name of its file, without the folder. */
  readonly file: string
  /** For who cannot see it. */
  readonly description: string
  readonly svg: string
}

export interface Report {
  /** In Markdown. */
  readonly tables: readonly string[]
  readonly plots: readonly Plot[]
  readonly checks: readonly Check[]
}

export interface Scenario {
  readonly name: string
  readonly title: string
  /** Requests of one run, unless another number is asked for. */
  readonly requests: number
  run(plan: Plan): Promise<Report>
}

/** p50, p99 and p99.9 of what went well, in ms. */
export function latencies({ all }: Tally): string[] {
  return [0.5, 0.99, 0.999].map((share) => figure(all.latency.percentile(share), 0))
}

export function percent(share: number, digits = 1): string {
  return `${figure(share * 100, digits)}%`
}

/** What is left of 100%: of a success of 99.99% the 0.01% are what is read. */
export function failed(tally: Tally): string {
  const share = 1 - tally.success
  return share === 0 ? '0' : percent(share, share < 0.001 ? 3 : 2)
}

/** Attempts that were made for each request, less the one that it is: 20% is a fifth more load. */
export function addedLoad({ attempts, offered }: Window): number {
  return attempts / offered - 1
}

/** One line of a chart over time, in seconds, read at the middle of each window. */
export function overTime(
  { windows, windowMs }: Tally,
  value: (window: Window) => number | undefined,
  until = Number.POSITIVE_INFINITY
): [number, number | undefined][] {
  return windows
    .map((window, i): [number, number | undefined] => {
      const read = value(window)
      return [((i + 0.5) * windowMs) / 1000, read === undefined || Number.isNaN(read) ? undefined : read]
    })
    .filter(([at]) => at * 1000 < until)
}

/** The windows that lie between two times, in ms. */
export function between({ windows, windowMs }: Tally, from: number, to: number): Window[] {
  return windows.slice(Math.ceil(from / windowMs), Math.floor(to / windowMs))
}

export function sum(windows: readonly Window[], value: (window: Window) => number): number {
  return windows.reduce((total, window) => total + value(window), 0)
}

/** Standard deviation by mean: how unevenly something is spread. */
export function variation(values: readonly number[]): number {
  const mean = values.reduce((total, value) => total + value, 0) / values.length
  const squares = values.reduce((total, value) => total + (value - mean) ** 2, 0)
  return Math.sqrt(squares / values.length) / mean
}
