import { statSync } from 'node:fs'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Finds a worker's file. A plugin names it as it is once compiled, so for `sign.worker.js` that is not there
 * `sign.worker.ts` is taken (`.mjs` and `.cjs` alike).
 *
 * @returns its path; undefined when there is neither
 */
export function findWorkerFile(url: URL): string | undefined {
  const file = fileURLToPath(url)
  return [file, typescriptOf(file)].find((path) => path !== undefined && isFile(path))
}

/** `a.js` to `a.ts`; undefined for what is no JavaScript. */
export function typescriptOf(file: string): string | undefined {
  return /^\.[cm]?js$/.test(extname(file)) ? `${file.slice(0, -2)}ts` : undefined
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}
