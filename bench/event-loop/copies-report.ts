// What `copies.ts` measures, in a process of its own.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { output } from '../children.js'
import { root } from '../machine.js'
import type { Bench } from '../mode.js'
import { figure, markdown } from '../report.js'

/** µs, the best round and the median. */
type Pair = readonly [best: number, median: number]

interface Case {
  readonly name: string
  readonly wall: Pair
  readonly cpu: Pair
}

/** @returns a table, and the µs that a refused call takes */
export async function copies({ build }: Bench, rounds: number): Promise<{ table: string; refused: number }> {
  const script = fileURLToPath(new URL('./copies.ts', import.meta.url))
  const jiti = join(root, 'node_modules/jiti/lib/jiti-cli.mjs')
  const said = await output(process.execPath, [jiti, script, build, String(rounds)])
  const cases = JSON.parse(said.trim().split('\n').at(-1) as string) as Case[]
  const lines = cases.map(({ name, wall, cpu }) => [name, ...[...wall, ...cpu].map((us) => figure(us, 1))])
  const refused = cases.at(-1)?.wall[1] ?? Number.NaN
  return { table: markdown(['a call', 'µs, best', 'median', 'CPU µs, best', 'median'], lines), refused }
}
