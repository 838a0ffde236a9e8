// Who takes part besides nginx, HAProxy, @fastify/http-proxy and the packages, and how it is set up.
import { type Candidate, outrigger, script } from '../candidates.js'
import type { Way } from '../servers.js'

/** What the others are held against. */
export const OURS = 'none'

/** @param build the folder that holds ours, compiled */
export function ours(build: string, { outbound }: Way): Candidate {
  const base = outbound === 'http2' ? new URL('./http2.yaml', import.meta.url) : 'none'
  return outrigger(OURS, 'outrigger, no plugins', build, base)
}

/** Ours with a plugin that asks for every message. @param build the folder that holds ours, compiled */
export function hook(build: string): Candidate {
  return outrigger('hook', 'outrigger, a message hook', build, new URL('./messages.yaml', import.meta.url))
}

export function piping(): Candidate {
  return script('piping', 'node:http2, piped', new URL('./piping.mjs', import.meta.url))
}
