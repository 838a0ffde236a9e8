// The measurement itself. Candidates take turns, so that what disturbs one disturbs all.
import type { Running } from './children.js'
import type { Spinner } from './cores.js'
import { cpuSeconds } from './cpu-time.js'
import type { Load } from './load/generator.js'

/** What every candidate is driven with. */
export interface Scenario {
  readonly name: string
  readonly label: string
  /** Behind a proxy's address. */
  readonly path: string
  /** Sends as fast as it is answered. @param name of the proxy, where what is sent depends on it */
  drive(url: string, seconds: number, name: string): Promise<Load>
}

/** One candidate's turn in one round. */
export interface Sample extends Load {
  /** Processor time per request, µs; undefined where the system does not tell. */
  readonly cpu: number | undefined
  /** The part of the time that the proxy ran. Near 1 it was the proxy that was measured, and not what drives it. */
  readonly busy: number | undefined
  /** The part of its core's time that neither it nor the spinner had: other processes and the hypervisor. */
  readonly disturbed: number | undefined
}

export interface Plan {
  /** Times that all proxies are started anew: how a process was compiled and laid out in memory is luck, and stays. */
  readonly starts: number
  /** After each start. */
  readonly rounds: number
  /** Of one turn. */
  readonly seconds: number
  /** Before the first round, 0 for none: code has to be compiled and connections made. */
  readonly warmUp: number
}

/** @returns each candidate's samples, one a round, in the order of the candidates */
export async function measure(
  proxies: readonly Running[],
  scenario: Scenario,
  plan: Plan,
  spinner: Spinner | undefined,
  progress: (text: string) => void
): Promise<Sample[][]> {
  const samples: Sample[][] = proxies.map(() => [])
  for (const proxy of plan.warmUp > 0 ? proxies : []) {
    progress(`${scenario.name}: warm-up of ${proxy.name}`)
    const { failed } = await scenario.drive(target(proxy, scenario), plan.warmUp, proxy.name)
    if (failed > 0) throw new Error(`${proxy.name}: ${failed} requests failed while it warmed up`)
  }
  for (let round = 0; round < plan.rounds; round++) {
    for (let turn = 0; turn < proxies.length; turn++) {
      // Another one begins each round: who comes first after whom must not matter.
      const at = (round + turn) % proxies.length
      const proxy = proxies[at] as Running
      const sample = await take(proxy, scenario, plan.seconds, spinner)
      samples[at]?.push(sample)
      const cpu = sample.cpu === undefined ? '' : `${sample.cpu.toFixed(1)} µs, `
      progress(
        `${scenario.name}: round ${round + 1} of ${plan.rounds}: ${proxy.name} ${cpu}${Math.round(sample.requests / sample.seconds)}/s`
      )
    }
  }
  return samples
}

/** Turns that a proxy is given to answer anything at all: on a busy machine a short one may pass without. */
const TRIES = 3

async function take(
  proxy: Running,
  scenario: Scenario,
  seconds: number,
  spinner: Spinner | undefined
): Promise<Sample> {
  for (let tried = 0; tried < TRIES; tried++) {
    const sample = await takeOne(proxy, scenario, seconds * 2 ** tried, spinner)
    if (sample.requests > 0 || sample.failed > 0) return sample
  }
  throw new Error(`${proxy.name} answered nothing in ${seconds * 2 ** (TRIES - 1)} s of ${scenario.name}`)
}

async function takeOne(
  proxy: Running,
  scenario: Scenario,
  seconds: number,
  spinner: Spinner | undefined
): Promise<Sample> {
  const before = now(proxy, spinner)
  const load = await scenario.drive(target(proxy, scenario), seconds, proxy.name)
  const after = now(proxy, spinner)
  const elapsed = (after.at - before.at) / 1000
  const used = difference(after.used, before.used)
  const spun = difference(after.spun, before.spun)
  return {
    ...load,
    cpu: used === undefined ? undefined : (used / load.requests) * 1e6,
    busy: used === undefined ? undefined : used / load.seconds,
    disturbed: used === undefined || spun === undefined ? undefined : Math.max(0, 1 - (used + spun) / elapsed)
  }
}

function now(proxy: Running, spinner: Spinner | undefined) {
  return {
    at: performance.now(),
    used: cpuSeconds(proxy.pid),
    spun: spinner === undefined ? undefined : cpuSeconds(spinner.pid)
  }
}

function difference(after: number | undefined, before: number | undefined): number | undefined {
  return after === undefined || before === undefined ? undefined : after - before
}

export function target(proxy: Running, scenario: Scenario): string {
  return `${proxy.urls.get('inbound')}${scenario.path}`
}
