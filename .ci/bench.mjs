// `npm run bench`: readies the checkout, since what is measured is `dist`, then runs bench/run.ts with the arguments.
// `npm run bench -- simulate` runs bench/simulate/run.ts, which measures nothing and takes the sources as they are.
import { join } from 'node:path'
import { install, prepare, root } from './prepare.mjs'

const simulates = process.argv[2] === 'simulate'
await (simulates ? install() : prepare())
const { createJiti } = await import('jiti')
const file = join(root, simulates ? 'bench/simulate/run.ts' : 'bench/run.ts')
process.argv.splice(1, simulates ? 2 : 1, file)
await createJiti(import.meta.url).import(file)
