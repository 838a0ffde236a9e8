// `npm run bench -- start`: how long it takes to be ready, and what a proxy that nobody asks has taken.
import { bare, type Candidate, enter, ours, packaged, script } from '../candidates.js'
import { statOf } from '../cpu-time.js'
import { residentBytes } from '../memory/resident.js'
import { type Bench, type BySize, choose, present } from '../mode.js'
import type { Outcome, Target } from '../outcome.js'
import { figure, markdown } from '../report.js'
import { median } from '../statistics.js'

const STARTS: BySize<number> = { full: 10, short: 3, smoke: 1 }
/** ms at rest before it is looked at. */
const REST: BySize<number> = { full: 3000, short: 2000, smoke: 200 }

/** ms, and MB of a million. */
const READY = 350
const RESIDENT = 70
const MB = 1e6

interface Started {
  readonly label: string
  readonly name: string
  /** ms from spawning to ready, one a start. */
  readonly ready: number[]
  /** MB, and threads, at rest, one a start that was looked at. */
  readonly resident: number[]
  readonly threads: number[]
}

export async function startMode(bench: Bench): Promise<Outcome> {
  const { stage, build, size, say, options } = bench
  const server = script('node', 'node:http alone', new URL('./server.mjs', import.meta.url))
  const [none, five] = ours(build) as [Candidate, Candidate]
  const all = [server, none, five, bare(), packaged('httpxy')]
  const chosen = present<Candidate>(choose(all, options.only, 'candidate'), say)
  const started = chosen.map(({ name, label }): Started => {
    return { name, label, ready: [], resident: [], threads: [] }
  })
  const count = STARTS[size]
  for (let at = 1; at <= count; at++) {
    say(`start: ${at} of ${count}`)
    for (const [which, candidate] of chosen.entries()) {
      const one = started[which] as Started
      const proxy = await enter(candidate, stage)
      one.ready.push(performance.now() - proxy.startedAt)
      // What is at rest is the same each time, and waiting for it is long.
      if (at > 1 && at < count) await proxy.stop()
      else {
        await new Promise((resolve) => setTimeout(resolve, REST[size]))
        one.resident.push((residentBytes(proxy.pid) ?? Number.NaN) / MB)
        one.threads.push(statOf(proxy.pid)?.threads ?? Number.NaN)
        await proxy.stop()
      }
    }
  }
  const head = ['', 'ready, best ms', 'median', 'resident MB at rest', 'threads']
  const lines = started.map(({ label, ready, resident, threads }) => [
    label,
    figure(Math.min(...ready), 0),
    figure(median(ready), 0),
    figure(median(resident), 1),
    figure(median(threads), 0)
  ])
  const ofOurs = started.find(({ name }) => name === 'none')
  return {
    parts: [
      `${count} starts each, in turns, on one core. Ready is when it says where it listens.`,
      markdown(head, lines),
      ...(ofOurs === undefined ? [] : targetsOf(ofOurs))
    ],
    failed: 0
  }
}

function targetsOf({ label, ready, resident }: Started): Target[] {
  return [
    { what: `${label}: ready, median`, reached: median(ready), atMost: READY, unit: ' ms', digits: 0 },
    {
      what: `${label}: resident at rest`,
      reached: median(resident),
      atMost: RESIDENT,
      unit: ' MB',
      digits: 1
    }
  ]
}
