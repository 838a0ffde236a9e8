import { readFileSync } from 'node:fs'
import { extname } from 'node:path'
import type { Host } from '../core/host.js'
import { builtins } from './index.js'

// `.ts` in a checkout, where tests run the sources as they are; `.js` in `dist`, which lies one folder deeper.
const extension = extname(import.meta.url)
const packageJson = new URL(extension === '.ts' ? '../package.json' : '../../package.json', import.meta.url)

/** This package around the core: its version, its plugins, and the files that its own name stands for. */
export const host: Host = {
  version: (JSON.parse(readFileSync(packageJson, 'utf8')) as { version: string }).version,
  builtins,
  modules: {
    outrigger: new URL(`./outrigger${extension}`, import.meta.url),
    'outrigger/testing': new URL(`./testing${extension}`, import.meta.url)
  }
}
