// `npm run fuzz`: readies the checkout and runs test/fuzz/run.ts with the arguments.
import { join } from 'node:path'
import { install, root } from './prepare.mjs'

await install()
const { createJiti } = await import('jiti')
const { main } = await createJiti(import.meta.url).import(join(root, 'test/fuzz/run.ts'))
await main()
