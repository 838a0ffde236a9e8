// `npm run bench -- hooks`: what plugins cost in the pipeline itself, with nothing read from a socket or written to one.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { figure, markdown } from '../report.js'
import { median } from '../statistics.js'

/** What a process of its own measures: see exchanges.mjs. */
interface Case {
  readonly label: string
  readonly idle?: { readonly count: number; readonly hooks: string; readonly async: boolean }
  readonly plugins?: readonly string[]
  /** Plugins, over which what is more than with none is shared out. */
  readonly share: number
  /** ns that each may cost. */
  readonly within?: number
}

const FIVE = ['load-balancer', 'retry', 'auth', 'logging', 'metrics']
/** A plugin of the five, all five together, and one that does nothing: in ns. */
const WITHIN = { one: 5_000, five: 5_000, idle: 500 }

const NONE: Case = { label: 'no plugin', share: 0 }

function idle(count: number, hooks: string, async: boolean): Case {
  const what = `${count} ${async ? 'async' : 'sync'}, idle, in ${hooks === 'every' ? 'every hook' : `\`${hooks}\``}`
  const bound = async || hooks === 'every' ? {} : { within: WITHIN.idle }
  return { label: what, idle: { count, hooks, async }, share: count, ...bound }
}

const CASES: readonly Case[] = [
  NONE,
  ...[false, true].flatMap((async) =>
    ['request', 'every'].flatMap((hooks) => [1, 5, 20].map((count) => idle(count, hooks, async)))
  ),
  ...FIVE.map((name) => ({ label: name, plugins: [name], share: 1, within: WITHIN.one })),
  { label: 'all five', plugins: FIVE, share: 1, within: WITHIN.five }
]

const FULL = { rounds: 9, exchanges: 40_000, warmUp: 100_000 }
const SMOKE = { rounds: 1, exchanges: 1_000, warmUp: 50 }

interface Measured extends Case {
  /** ns an exchange, by rounds. */
  readonly costs: number[]
}

/**
 * @param build the folder that holds ours, compiled
 * @param smoke to see that everything still runs
 */
export async function hooks(build: string, smoke: boolean): Promise<{ sections: string[]; failed: number }> {
  const { rounds, exchanges, warmUp } = smoke ? SMOKE : FULL
  const directory = mkdtempSync(join(tmpdir(), 'outrigger-hooks-'))
  const pipelines: { readonly measured: Measured; readonly pipeline: Pipeline }[] = []
  const end = () => {
    for (const { pipeline } of pipelines) pipeline.end()
  }
  process.once('exit', end)
  try {
    // All are there, and idle, while one is measured: whatever disturbs a round disturbs the others' rounds, too.
    for (const [i, one] of CASES.entries()) {
      const pipeline = new Pipeline(build, one, join(directory, `${i}.log`))
      pipelines.push({ measured: { ...one, costs: [] }, pipeline })
      await pipeline.ready()
      await pipeline.measure(warmUp)
    }
    for (let round = 0; round < rounds; round++) {
      for (const { measured, pipeline } of pipelines) measured.costs.push(await pipeline.measure(exchanges))
    }
  } finally {
    process.off('exit', end)
    end()
    rmSync(directory, { recursive: true, force: true })
  }
  const rows = pipelines.map(({ measured }) => measured)
  return {
    sections: ['### An exchange in the pipeline alone, in processor time', table(rows, smoke)],
    failed: 0
  }
}

function table(rows: readonly Measured[], smoke: boolean): string {
  const none = rows.find(({ label }) => label === NONE.label)?.costs ?? []
  const lines = rows.map(({ label, costs, share, within }) => {
    const more = (Math.min(...costs) - Math.min(...none)) / share
    // Of each round on its own: both sides of a difference are then of one time.
    const usual = median(costs.map((cost, i) => (cost - (none[i] as number)) / share))
    const missed = !smoke && within !== undefined && more > within
    return [
      label,
      figure(Math.min(...costs), 0),
      figure(median(costs), 0),
      figure(more, 0) + (missed ? ` (missed: ${within})` : ''),
      figure(usual, 0)
    ]
  })
  return markdown(['plugins', 'ns, best', 'median', 'more for each, best', 'median'], lines)
}

/** A process with one set of plugins, on the core that the bench has taken for itself: it only waits meanwhile. */
class Pipeline {
  readonly #child: ChildProcess
  readonly #lines: Interface
  readonly #heard: AsyncIterator<string>

  constructor(build: string, { idle, plugins }: Case, log: string) {
    const script = fileURLToPath(new URL('./exchanges.mjs', import.meta.url))
    const args = [script, build, JSON.stringify({ idle, plugins }), log]
    this.#child = spawn(process.execPath, args, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, NODE_ENV: 'production' }
    })
    this.#lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })
    this.#heard = this.#lines[Symbol.asyncIterator]()
  }

  async ready(): Promise<void> {
    await this.#line()
  }

  /** @returns ns of one of so many exchanges */
  async measure(exchanges: number): Promise<number> {
    this.#child.stdin?.write(`${exchanges}\n`)
    return Number(await this.#line())
  }

  end(): void {
    this.#child.kill('SIGKILL')
    this.#lines.close()
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#heard.next()
    if (done === true) throw new Error('a process that was to be measured has ended')
    return value
  }
}
