import { types } from 'node:util'
import type { LogFields } from '../hooks/plugin.js'

export const REDACTED = '[redacted]'

// A log line is read by people and shipped by programs: whatever a plugin hands in, it stays one line of bounded size.
const MAX_DEPTH = 6
const MAX_ITEMS = 100
const MAX_TEXT = 8192

const SECRET_ENDINGS = [
  'authorization',
  'cookie',
  'cookie2',
  'password',
  'passwd',
  'passphrase',
  'secret',
  'token',
  'apikey',
  'privatekey',
  'credential'
]

const known = new Map<string, boolean>()

/**
 * Whether what goes by this name is a secret: `authorization`, `cookie`, `x-api-key`, `clientSecret`, `access_token`,
 * `passwords` and their like, whatever the case and the dashes.
 */
export function isSecretName(name: string): boolean {
  let secret = known.get(name)
  if (secret === undefined) {
    const bare = name.toLowerCase().replace(/[^a-z0-9]/g, '')
    const singular = bare.endsWith('s') ? bare.slice(0, -1) : bare
    secret = SECRET_ENDINGS.some((ending) => bare.endsWith(ending) || singular.endsWith(ending))
    // Names come from headers too, which a client makes up.
    if (known.size < 1000) known.set(name, secret)
  }
  return secret
}

/** Hides the user's part of URLs, and cuts what is too long. */
export function redactText(text: string): string {
  const short = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text
  return short.includes('@') ? short.replace(/\/\/[^\s/?#@"']+@/g, '//***@') : short
}

/** A plain copy of what a line carries: secrets hidden, errors as objects with their causes, depth and size bounded. */
export function redactFields(fields: LogFields, stacks: boolean): LogFields {
  try {
    return redactObject(Object.entries(fields), stacks, 0)
  } catch (error) {
    // A getter or a proxy that throws. The message is still worth its line.
    return { unreadable: error instanceof Error ? redactText(String(error.message)) : 'fields' }
  }
}

function redactObject(
  entries: Iterable<readonly [unknown, unknown]>,
  stacks: boolean,
  depth: number
): LogFields {
  const copy: LogFields = {}
  let count = 0
  for (const [name, value] of entries) {
    if (++count > MAX_ITEMS) {
      copy['…'] = 'more'
      break
    }
    const key = String(name)
    // A number under such a name is a count (tokens left, cookies seen) and no secret.
    const hides =
      isSecretName(key) && (typeof value === 'string' || (typeof value === 'object' && value !== null))
    const shown = hides ? REDACTED : redactValue(value, stacks, depth + 1)
    if (shown !== undefined) copy[key] = shown
  }
  return copy
}

function redactValue(value: unknown, stacks: boolean, depth: number): unknown {
  switch (typeof value) {
    case 'string':
      return redactText(value)
    case 'bigint':
    case 'symbol':
      return String(value)
    case 'number':
      // JSON has no word for NaN and the infinities and would say null.
      return Number.isFinite(value) ? value : String(value)
    case 'function':
      return undefined
    case 'object':
      return value === null ? null : redactReference(value, stacks, depth)
    default:
      return value
  }
}

function redactReference(value: object, stacks: boolean, depth: number): unknown {
  if (types.isNativeError(value)) return describeError(value, stacks, depth)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString()
  if (value instanceof URL) return redactText(value.href)
  if (ArrayBuffer.isView(value)) return `<${value.byteLength} bytes>`
  if (depth > MAX_DEPTH) return '…'
  if (Array.isArray(value)) return redactList(value, stacks, depth)
  if (Symbol.iterator in value) {
    // A map or a header list is read by name, so that a name can hide its value.
    const items = [...(value as Iterable<unknown>)]
    return items.every(isPair) ? redactObject(items, stacks, depth) : redactList(items, stacks, depth)
  }
  return redactObject(Object.entries(value), stacks, depth)
}

/** Raw headers come as `[name, value, name, value]`: what follows a secret's name is the secret. */
function redactList(items: readonly unknown[], stacks: boolean, depth: number): unknown[] {
  const list = items.slice(0, MAX_ITEMS).map((item, i) => {
    const before = i > 0 ? items[i - 1] : undefined
    const hides = typeof item === 'string' && typeof before === 'string' && isSecretName(before)
    return hides ? REDACTED : redactValue(item, stacks, depth + 1)
  })
  if (items.length > MAX_ITEMS) list.push('…')
  return list
}

function isPair(item: unknown): item is [string, unknown] {
  return Array.isArray(item) && item.length === 2 && typeof item[0] === 'string'
}

/** What an error says of itself: name, message, its own fields (`code`, `plugin`, `hook`), and all that caused it. */
function describeError(error: Error, stacks: boolean, depth: number): LogFields {
  const described: LogFields = { type: String(error.name), message: redactText(String(error.message)) }
  if (depth > MAX_DEPTH) return described
  const own = Object.entries(error).filter(([name, value]) => name !== 'name' && value !== undefined)
  Object.assign(described, redactObject(own, false, depth))
  // A failed connect to several addresses has an empty message and says why in here alone.
  if (error instanceof AggregateError) described.errors = redactList(error.errors, false, depth)
  if (error.cause !== undefined) described.cause = redactValue(error.cause, stacks, depth + 1)
  if (stacks && typeof error.stack === 'string') described.stack = redactText(error.stack)
  return described
}
