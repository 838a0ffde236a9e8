// What a strict reader makes of a client's bytes, told apart from anything that the proxy is made of.
import { fieldOf, RequestReader, type SeenRequest } from '../support/raw-upstream.js'
import { KEY } from './requests.js'

/** One request as it ought to be understood. */
export interface Reading {
  readonly seen: SeenRequest
  /** All of it was there. */
  readonly whole: boolean
  /** Undefined: it ought to be refused. */
  readonly target: { readonly path: string; readonly query: string; readonly host: string } | undefined
  /** Nothing under `/admin` may be reached by it. */
  readonly shutOut: boolean
}

/** @param bytes all that the client wrote, as latin1 */
export function readClient(bytes: string): { readings: Reading[]; clean: boolean } {
  const heads: SeenRequest[] = []
  const reader = new RequestReader(undefined, 0, (seen) => heads.push(seen), true)
  reader.push(Buffer.from(bytes, 'latin1'))
  const readings = heads.map((seen) => {
    const target = targetOf(seen)
    const guarded = target !== undefined && /^\/admin(\/|$)/.test(target.path)
    const named = fieldOf(seen, 'connection')
      ?.toLowerCase()
      .split(',')
      .some((name) => name.trim() === 'x-key')
    const key = named ? undefined : fieldOf(seen, 'x-key')
    return { seen, whole: reader.requests.includes(seen), target, shutOut: guarded && key !== KEY }
  })
  return { readings, clean: reader.violation === undefined && !reader.unfinished }
}

function targetOf(seen: SeenRequest): Reading['target'] {
  const absolute = /^https?:\/\/([^/?#]*)([\s\S]*)$/i.exec(seen.target)
  const authority = absolute?.[1] ?? fieldOf(seen, 'host') ?? ''
  let rest = absolute?.[2] ?? seen.target
  if (absolute !== null && !rest.startsWith('/')) rest = `/${rest}`
  const question = rest.indexOf('?')
  const query = question < 0 ? '' : rest.slice(question)
  const path = decodePath(question < 0 ? rest : rest.slice(0, question))
  if (path === undefined || query.includes('#')) return undefined
  return { path, query, host: hostOf(authority) }
}

export function hostOf(authority: string): string {
  return authority.replace(/:\d*$/, '').replace(/\.$/, '').toLowerCase()
}

/** Decoded, its dots resolved; undefined for what has no one meaning. */
export function decodePath(raw: string): string | undefined {
  if (
    !raw.startsWith('/') ||
    /[\\#]/.test(raw) ||
    /%(?![0-9a-fA-F]{2})/.test(raw) ||
    /%(00|2f|5c)/i.test(raw)
  )
    return undefined
  const bytes = Buffer.from(
    raw.replace(/%([0-9a-fA-F]{2})/g, (_all, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1'
  )
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
  const kept: string[] = []
  const segments = text.split('/').slice(1)
  for (const segment of segments) {
    if (/^\.\.?;/.test(segment)) return undefined
    if (segment === '..') {
      if (kept.pop() === undefined) return undefined
    } else if (segment !== '' && segment !== '.') kept.push(segment)
  }
  const folder = ['', '.', '..'].includes(segments.at(-1) as string) && kept.length > 0
  return `/${kept.join('/')}${folder ? '/' : ''}`
}
