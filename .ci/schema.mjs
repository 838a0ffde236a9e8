// `npm run schema`: writes outrigger.schema.json from the schema that checks configurations. A test says when it is stale.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { prepare, root } from './prepare.mjs'

await prepare()
const { configSchema } = await import('../dist/core/config/json-schema.js')
const { host } = await import('../dist/plugins/host.js')

const file = join(root, 'outrigger.schema.json')
writeFileSync(file, `${JSON.stringify(await configSchema(host), null, 2)}\n`)
console.log(`wrote ${file}`)
