import { resolve } from 'node:path'
import { z } from 'zod'
import { expected } from './quote.js'
import type { Address } from './types.js'

const FORM = /^(?:unix:(?<path>.+)|(?<host>\[[\da-fA-F:.%\w]+\]|[^\s:[\]/]*):(?<port>\d{1,5}))$/

/** What the kernel takes for a socket's path, less its closing NUL (`sun_path` of unix(7), 104 on the BSDs). */
export const LONGEST_PATH = 103

/**
 * An address to listen on, taken apart. `:8080` has an empty host, which is every interface. A Unix path is as it was
 * written: `resolveAddress` makes it absolute.
 */
export const address = z
  .string({ error: ({ input }) => hint(input) })
  .meta({
    pattern: '^(unix:.+|(\\[[^\\]]+\\]|[^\\s:\\[\\]/]*):\\d{1,5})$',
    examples: ['127.0.0.1:8080', 'unix:/run/app.sock']
  })
  .transform((text, context): Address => {
    const { path, host, port } = FORM.exec(text)?.groups ?? {}
    if (path !== undefined) return { kind: 'unix', path }
    if (host === undefined || port === undefined || Number(port) > 65_535) {
      context.addIssue({ code: 'custom', message: hint(text) })
      return z.NEVER
    }
    return { kind: 'tcp', host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
  })

function hint(input: unknown): string {
  const message = expected('an address such as 127.0.0.1:8080, :8080 or unix:/run/app.sock', input)
  if (typeof input === 'number') return `${message}: write ":${input}" for that port on every interface`
  if (typeof input === 'string' && /^(https?|tcp):\/\//.test(input))
    return `${message}: leave the scheme away`
  if (typeof input === 'string' && /^[^\s:]+$/.test(input)) return `${message}: the port is missing`
  return message
}

/** @returns undefined when the path is too long for a socket */
export function resolveAddress(from: Address, directory: string): Address | undefined {
  if (from.kind === 'tcp') return from
  const path = resolve(directory, from.path)
  return Buffer.byteLength(path) > LONGEST_PATH ? undefined : { kind: 'unix', path }
}

/** Two that are alike cannot both be bound. Port 0 is a different one each time. */
export function addressKey(of: Address): string | undefined {
  if (of.kind === 'unix') return `unix:${of.path}`
  return of.port === 0 ? undefined : `${of.host === '' ? '*' : of.host}:${of.port}`
}
