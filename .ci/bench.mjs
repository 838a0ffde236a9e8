// `npm run bench`: readies the checkout, since what is measured is `dist`, then runs bench/run.ts with the arguments.
import { join } from 'node:path'
import { prepare, root } from './prepare.mjs'

await prepare()
const { createJiti } = await import('jiti')
const file = join(root, 'bench/run.ts')
process.argv.splice(1, 1, file)
await createJiti(import.meta.url).import(file)
