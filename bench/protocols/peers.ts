// Who takes part besides nginx, HAProxy and @fastify/http-proxy, and how it is set up.
import { existsSync } from 'node:fs'
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
    const args = folder === undefined ? [] : [name, folder]
    const there = folder !== undefined && existsSync(join(folder, 'node_modules', name, 'package.json'))
    return {
      ...script(name, name, new URL('./package.mjs', import.meta.url), { args }),
      missing: there
        ? undefined
        : `${name} is not installed${folder === undefined ? ', or --packages does not say where' : ` in ${folder}`}`
    }
  })
}
