// Needs nginx and HAProxy; compare.ts says what it does.
import { createJiti } from 'jiti'

const { compare } = await createJiti(import.meta.url).import('./compare.ts')
await compare()
process.exit()
