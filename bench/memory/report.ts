// What `npm run bench -- memory` and `-- idle` print.
import type { Stage } from '../candidates.js'
import type { Protocols } from '../protocols/compare.js'
import { idleTable, measureIdle } from './idle.js'
import { FLAT_WITHIN, HEAP, type MemorySettings, measureMemory, memoryTable } from './measure.js'

const GIB = 2 ** 30
const FULL = { bytes: 2 * GIB, connections: 10_000 }
const SMOKE = { bytes: GIB / 4, connections: 500 }

/** @param build the folder that holds ours, compiled */
function settings({ cores }: Stage, build: string, say: (text: string) => void): MemorySettings {
  return { build, on: cores === undefined ? [] : [cores.proxy], say }
}

/** @param smoke small bodies */
export async function memory(
  stage: Stage,
  build: string,
  smoke: boolean,
  say: (text: string) => void
): Promise<Protocols> {
  const results = await measureMemory(settings(stage, build, say), (smoke ? SMOKE : FULL).bytes)
  return {
    sections: [
      `### Bodies through a process of ${HEAP} MiB (\`--max-old-space-size\`), to grow by ${FLAT_WITHIN} MiB at the most`,
      memoryTable(results)
    ],
    failed: results.filter(({ trouble }) => trouble !== undefined).length
  }
}

/** @param smoke few connections */
export async function idle(
  stage: Stage,
  build: string,
  smoke: boolean,
  say: (text: string) => void
): Promise<Protocols> {
  const { connections } = smoke ? SMOKE : FULL
  const results = await measureIdle(settings(stage, build, say), stage.directory, connections)
  return {
    sections: ['### Connections on which nothing happens', idleTable(results)],
    failed: results.filter(({ trouble }) => trouble !== undefined).length
  }
}
