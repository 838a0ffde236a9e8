import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { configSchema } from '../../core/config/json-schema.js'
import { host } from '../../plugins/host.js'
import { checkout } from './command.js'

t.test('outrigger.schema.json is what the configuration is checked by', async (t) => {
  const written = JSON.parse(await readFile(join(checkout, 'outrigger.schema.json'), 'utf8'))
  const now = JSON.parse(JSON.stringify(await configSchema(host)))
  t.strictSame(written, now, 'stale: run npm run schema')
})
