// The thread's entry when the proxy itself runs from TypeScript, as in its tests. Not part of what is compiled.
import { createJiti } from 'jiti'

await createJiti(import.meta.url).import('./yaml-thread.ts')
