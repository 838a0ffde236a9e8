import { connect } from 'node:net'
import { UsageError } from './failure.js'

/** Where something is to accept connections. */
export type Target =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

/** @param text `HOST:PORT`, `[::1]:PORT`, `:PORT` (this machine) or `unix:PATH` @throws UsageError */
export function parseTarget(text: string): Target {
  if (text.startsWith('unix:') && text.length > 5) return { kind: 'unix', path: text.slice(5) }
  const found = /^(?:\[([^\]]+)\]|([^:/]*)):(\d{1,5})$/.exec(text)
  const port = Number(found?.[3])
  if (found === null || port < 1 || port > 65_535) {
    throw new UsageError(`--wait-for takes HOST:PORT or unix:PATH, not ${JSON.stringify(text)}`)
  }
  return { kind: 'tcp', host: found[1] ?? (found[2] === '' ? 'localhost' : (found[2] as string)), port }
}

/** Of an endpoint's URL; undefined for one that is not on this machine. */
export function localTarget(url: string): Target | undefined {
  if (url.startsWith('unix:')) return { kind: 'unix', path: url.replace(/^unix:(\/\/(?=\/))?/, '') }
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch {
    return undefined
  }
  const host = parsed.hostname.replace(/^\[|\]$/g, '')
  if (
    host !== 'localhost' &&
    !host.endsWith('.localhost') &&
    host !== '::1' &&
    !/^127\.\d+\.\d+\.\d+$/.test(host)
  )
    return undefined
  const port = parsed.port !== '' ? Number(parsed.port) : parsed.protocol === 'https:' ? 443 : 80
  return { kind: 'tcp', host, port }
}

export function showTarget(target: Target): string {
  if (target.kind === 'unix') return `unix:${target.path}`
  return `${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`
}

/** Whether a connection is accepted there now, within 1 s. */
export function accepts(target: Target): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(
      target.kind === 'unix' ? { path: target.path } : { host: target.host, port: target.port }
    )
    const end = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(1000, () => end(false))
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
  })
}

/**
 * Waits until one of these accepts a connection.
 *
 * @param ms how long at most
 * @returns which did; undefined when none has, or the signal gave it up
 */
export async function untilAccepts(
  targets: readonly Target[],
  ms: number,
  signal: AbortSignal
): Promise<Target | undefined> {
  const until = performance.now() + ms
  while (!signal.aborted) {
    const answers = await Promise.all(targets.map(accepts))
    const found = targets[answers.indexOf(true)]
    if (found !== undefined) return found
    if (performance.now() >= until) return undefined
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return undefined
}
