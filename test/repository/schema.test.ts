import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { configSchema } from '../../core/config/json-schema.js'
import { host } from '../../plugins/host.js'
import { checkout } from './command.js'

t.test('outrigger.schema.json is what the configuration is checked by', async (t) => {
  const written = await readFile(join(checkout, 'outrigger.schema.json'), 'utf8')
  const now = `${JSON.stringify(await configSchema(host), null, 2)}\n`
  // Not as an equality, whose difference would be hundreds of lines.
  t.ok(written === now, 'stale: run npm run schema')
})
