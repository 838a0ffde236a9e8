// The entry of a thread when the proxy itself runs from TypeScript, as in its tests. Not part of what is compiled.
import { createJiti } from 'jiti'

const { default: run } = await createJiti(import.meta.url).import('./entry.ts')
export default run
