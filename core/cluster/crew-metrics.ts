import type { CounterCell, Logger } from '../hooks/plugin.js'
import { type Exposed, exposeFamilies } from '../metrics/exposition.js'
import type { MergedMetrics } from '../metrics/merge.js'
import { numberOf, type Reading, read } from '../metrics/reading.js'
import { MetricsRegistry } from '../metrics/registry.js'
import type { Crew } from './crew.js'
import type { Member } from './member.js'
import { RELOAD_FAILURES, RELOADS } from './protocol.js'

/** What is shown of each process apart, beside the sum of all: who is busier, or grows. */
const APART = [
  {
    from: 'process_cpu_seconds_total',
    name: 'outrigger_process_cpu_seconds_total',
    help: 'CPU time of each process',
    kind: 'counter'
  },
  {
    from: 'process_resident_memory_bytes',
    name: 'outrigger_process_resident_memory_bytes',
    help: 'Resident memory of each process',
    kind: 'gauge'
  }
]

/** What the primary counts itself, and the text of all processes. */
export class CrewMetrics {
  readonly reloads: CounterCell
  readonly reloadFailures: CounterCell
  readonly #registry: MetricsRegistry

  constructor(crew: Crew, log: Logger) {
    this.#registry = new MetricsRegistry({
      onError: (error) => log.error({ error }, 'a metric could not be computed')
    })
    const counter = (name: string, help: string) => this.#registry.counter({ name, help }).labels()
    this.reloads = counter(RELOADS, 'Configurations taken up after the first')
    this.reloadFailures = counter(RELOAD_FAILURES, 'Configurations refused; the one before stayed')
    const restarts = counter(
      'outrigger_process_restarts_total',
      'Processes started in place of one that died'
    )
    const states = this.#registry.gauge({
      name: 'outrigger_processes',
      help: 'Processes that serve, that are about to, that end, and that wait to be started again',
      labels: ['state']
    })
    let told = 0
    this.#registry.collect(() => {
      states.labels('serving').set(crew.serving.length)
      const ending = crew.members.filter(({ bound, serving }) => bound && !serving).length
      states.labels('starting').set(crew.members.length - crew.serving.length - ending)
      states.labels('ending').set(ending)
      states.labels('waiting').set(crew.waiting)
      restarts.inc(crew.restarts - told)
      told = crew.restarts
    })
  }

  /** What a first scrape would have to load. */
  load(): Promise<void> {
    return this.#registry.load()
  }

  /** Of all processes, this one too. */
  async text(merged: MergedMetrics<Member>): Promise<{ text: string; contentType: string }> {
    const own = (await this.#registry.exposed()).flatMap((metric) => [...read(metric)])
    const each: [string, readonly Reading[]][] = [['primary', own]]
    for (const [{ seat }, readings] of merged.last) each.push([String(seat.number), readings])
    return exposeFamilies([...(await merged.merged(own)), ...APART.map((one) => apart(one, each))])
  }
}

function apart(
  { from, name, help, kind }: (typeof APART)[number],
  each: readonly [string, readonly Reading[]][]
): Exposed {
  const samples = () =>
    each.flatMap(([process, readings]) => {
      const value = readings.find((reading) => reading.name === from)?.series[0]?.[1][0]
      return value === undefined ? [] : [{ labels: {}, sharedLabels: { process }, value: numberOf(value) }]
    })
  return { name, help, kind, samples }
}
