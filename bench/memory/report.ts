// What `npm run bench -- memory` and `-- idle` print.
import type { Bench, BySize } from '../mode.js'
import type { Outcome } from '../outcome.js'
import { idleTable, measureIdle } from './idle.js'
import { FLAT_WITHIN, HEAP, type MemorySettings, measureMemory, memoryTable } from './measure.js'

const GIB = 2 ** 30
const BYTES: BySize<number> = { full: 2 * GIB, short: GIB, smoke: GIB / 4 }
const CONNECTIONS: BySize<number> = { full: 10_000, short: 10_000, smoke: 500 }

function settings({ stage: { cores }, build, say }: Bench): MemorySettings {
  return { build, on: cores === undefined ? [] : [cores.proxy], say }
}

export async function memory(bench: Bench): Promise<Outcome> {
  const results = await measureMemory(settings(bench), BYTES[bench.size])
  return {
    parts: [
      `### Bodies through a process of ${HEAP} MiB (\`--max-old-space-size\`), to grow by ${FLAT_WITHIN} MiB at the most`,
      memoryTable(results)
    ],
    failed: results.filter(({ trouble }) => trouble !== undefined).length
  }
}

export async function idle(bench: Bench): Promise<Outcome> {
  const results = await measureIdle(settings(bench), bench.stage.directory, CONNECTIONS[bench.size])
  return {
    parts: ['### Connections on which nothing happens', idleTable(results)],
    failed: results.filter(({ trouble }) => trouble !== undefined).length
  }
}
