// Where a request's time goes: one candidate under V8's profiler.
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Candidate, enter } from '../candidates.js'
import { cpuSeconds } from '../cpu-time.js'
import { figure, markdown } from '../report.js'
import { type Scenario, target } from '../rounds.js'
import type { Stage } from '../stage.js'
import { type CpuProfile, readProfile } from './layers.js'

/** s */
const WARM_UP = 2

export interface Profiled {
  readonly label: string
  /** µs of a request, by layer. */
  readonly layers: ReadonlyMap<string, number>
  readonly failed: number
  /** Tables of layers and of functions. */
  readonly text: string
}

/** @throws Error for a candidate that is not Node's */
export async function profile(
  candidate: Candidate,
  stage: Stage,
  scenario: Scenario,
  seconds: number,
  warmUp = WARM_UP
): Promise<Profiled> {
  const directory = mkdtempSync(join(stage.directory, 'profile-'))
  const options = ['--cpu-prof', `--cpu-prof-dir=${directory}`, '--cpu-prof-interval=500']
  const proxy = await enter(candidate, stage, options)
  const url = target(proxy, scenario)
  await scenario.drive(url, warmUp, proxy.name)
  const before = cpuSeconds(proxy.pid) ?? Number.NaN
  const from = performance.now() - proxy.startedAt
  const { requests, failed } = await scenario.drive(url, seconds, proxy.name)
  const to = performance.now() - proxy.startedAt
  const cpu = (((cpuSeconds(proxy.pid) ?? Number.NaN) - before) / requests) * 1e6
  await proxy.stop()
  // A worker thread writes one too, with its own number in place of this 0.
  const file = readdirSync(directory).find((name) => name.includes(`.${proxy.pid}.0.`))
  if (file === undefined) throw new Error(`${candidate.label} wrote no profile: only what runs on Node does`)
  const read = JSON.parse(readFileSync(join(directory, file), 'utf8')) as CpuProfile
  const { layers, functions, total } = readProfile(read, from * 1000, to * 1000)
  const line = ({ name, time }: { name: string; time: number }) => [
    name,
    `${figure((time / total) * 100, 1)}%`,
    figure(time / requests, 2)
  ]
  const text = [
    `${candidate.label}: ${requests} requests, ${failed} failed, ${figure(cpu, 1)} µs of processor time each under the profiler`,
    markdown(['layer', 'self time', 'µs/request'], layers.map(line)),
    markdown(['function', 'self time', 'µs/request'], functions.slice(0, 40).map(line))
  ].join('\n\n')
  return {
    label: candidate.label,
    layers: new Map(layers.map(({ name, time }) => [name, time / requests])),
    failed,
    text
  }
}
