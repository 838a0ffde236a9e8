// Who takes part besides nginx, HAProxy and @fastify/http-proxy, and how it is set up.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Candidate, outrigger, script } from '../candidates.js'
import type { Way } from '../servers.js'

/** What the others are held against. */
export const OURS = 'none'

/** None of this repository's dependencies. */
const PACKAGES = ['http-proxy-3', 'httpxy']

/** @param build the folder that holds ours, compiled */
export function ours(build: string, { outbound }: Way): Candidate {
  const file = outbound === 'http2' ? './http2.yaml' : '../peers/none.yaml'
  return outrigger(OURS, 'outrigger, no plugins', new URL(file, import.meta.url), build)
}

/** Ours with a plugin that asks for every message. @param build the folder that holds ours, compiled */
export function hook(build: string): Candidate {
  const file = new URL('./messages.yaml', import.meta.url)
  return outrigger('hook', 'outrigger, a message hook', file, build)
}

export function piping(): Candidate {
  return script('piping', 'node:http2, piped', new URL('./piping.mjs', import.meta.url))
}

/** @param folder where they are installed */
export function packages(folder: string | undefined): Candidate[] {
  return PACKAGES.map((name) => {
    const file = new URL('./package.mjs', import.meta.url)
    const version = folder === undefined ? undefined : versionOf(name, folder)
    if (version !== undefined)
      return script(name, `${name} ${version}`, file, { args: [name, folder as string] })
    const where = folder === undefined ? ', or --packages does not say where' : ` in ${folder}`
    return { ...script(name, name, file), missing: `${name} is not installed${where}` }
  })
}

function versionOf(name: string, folder: string): string | undefined {
  try {
    const manifest = readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8')
    return (JSON.parse(manifest) as { version: string }).version
  } catch {
    return undefined
  }
}
