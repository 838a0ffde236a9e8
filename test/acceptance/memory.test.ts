// The binary in 256 MiB, with more than that going through it: what `npm run bench -- memory` measures, in small.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { measureIdle } from '../../bench/memory/idle.js'
import { FLAT_WITHIN, measureMemory, memoryCases } from '../../bench/memory/measure.js'
import { mib, residentBytes } from '../../bench/memory/resident.js'
import { root } from '../core/cli/binary.js'

const settings = { build: join(root, 'dist'), on: [], say: () => {} }
const skip = residentBytes(process.pid) === undefined && 'this system has no /proc'

const BYTES = 256 * 1024 * 1024

t.test('bodies larger than its heap leave it as it was', { skip, timeout: 180_000 }, async (t) => {
  // A slow reader's answer is read to its end as well.
  const cases = memoryCases.filter(({ kind }) => kind !== 'download')
  for (const result of await measureMemory(settings, BYTES, cases)) {
    const { name, bytes, before, peak, held, trouble } = result
    t.equal(trouble, undefined, name)
    t.equal(bytes, BYTES, `${name}: every byte came`)
    const grown = mib(peak - before)
    t.ok(grown < FLAT_WITHIN, `${name}: grew by ${grown.toFixed(0)} MiB from ${mib(before).toFixed(0)}`)
    if (held !== undefined)
      t.ok(mib(held) < 32, `${name}: the service was held up with ${mib(held).toFixed(1)} MiB on their way`)
  }
})

t.test('connections on which nothing happens cost little, and others are served', { skip }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'outrigger-idle-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  for (const { kind, connections, before, after, failed, trouble } of await measureIdle(
    settings,
    directory,
    300
  )) {
    t.equal(trouble, undefined, kind)
    t.equal(failed, 0, kind)
    const each = (after - before) / connections / 1024
    t.ok(each < 128, `${kind}: ${each.toFixed(1)} KiB a connection, with what all of them share`)
  }
})
