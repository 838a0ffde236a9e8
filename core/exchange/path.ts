/** The path that match, plugins and upstream all see. */
export interface NormalPath {
  path: string
  /** With its `?`, or empty. */
  query: string
  /** `%2F` or `%5C` stands in it; refused unless the route keeps them. */
  encodedSlash: boolean
}

const UNRESERVED = /[A-Za-z0-9\-._~]/

/**
 * Normalises a request target's path (RFC 3986 section 6.2.2): unreserved characters are decoded, the hex of the
 * others is upper case, `//` collapses, `.` and `..` are resolved.
 *
 * @returns undefined for what is 400: it climbs out, does not decode, or holds a NUL, a backslash, `..;` or a fragment
 */
export function normalisePath(target: string): NormalPath | undefined {
  const { length } = target
  let plain = target.charCodeAt(0) === SLASH
  let end = length
  for (let i = 0, previous = 0; i < length; i++) {
    const code = target.charCodeAt(i)
    if (code === QUESTION) {
      end = i
      break
    }
    if (code === HASH || code <= 0x20 || code === 0x7f || code > 0xff) return undefined
    if (code === PERCENT || code === BACKSLASH || code >= 0x7f) plain = false
    else if (previous === SLASH && (code === SLASH || code === DOT)) plain = false
    previous = code
  }
  const query = end === length ? '' : target.slice(end)
  if (query !== '' && !cleanQuery(query)) return undefined
  if (plain) return { path: end === length ? target : target.slice(0, end), query, encodedSlash: false }
  return normaliseSlowly(target.slice(0, end), query)
}

const SLASH = 0x2f
const DOT = 0x2e
const PERCENT = 0x25
const QUESTION = 0x3f
const HASH = 0x23
const BACKSLASH = 0x5c

function cleanQuery(query: string): boolean {
  for (let i = 0; i < query.length; i++) {
    const code = query.charCodeAt(i)
    if (code === HASH || code <= 0x20 || code === 0x7f || code > 0xff) return false
  }
  return true
}

function normaliseSlowly(raw: string, query: string): NormalPath | undefined {
  if (raw.charCodeAt(0) !== SLASH || raw.includes('\\')) return undefined
  let decoded = ''
  let encodedSlash = false
  for (let i = 0; i < raw.length; i++) {
    const character = raw[i] as string
    const code = raw.charCodeAt(i)
    if (code >= 0x7f) {
      // Node reads the target as latin1: each character is one byte of what the client sent.
      decoded += `%${code.toString(16).toUpperCase()}`
      continue
    }
    if (code !== PERCENT) {
      decoded += character
      continue
    }
    const hex = raw.slice(i + 1, i + 3)
    if (!/^[0-9a-fA-F]{2}$/.test(hex)) return undefined
    const byte = Number.parseInt(hex, 16)
    if (byte === 0) return undefined
    if (byte === SLASH || byte === BACKSLASH) encodedSlash = true
    const plain = String.fromCharCode(byte)
    decoded += UNRESERVED.test(plain) ? plain : `%${hex.toUpperCase()}`
    i += 2
  }
  try {
    decodeURIComponent(decoded)
  } catch {
    return undefined
  }
  const path = resolveDots(decoded)
  return path === undefined ? undefined : { path, query, encodedSlash }
}

function resolveDots(path: string): string | undefined {
  const kept: string[] = []
  const segments = path.split('/')
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i] as string
    const last = i === segments.length - 1
    // Servlet containers cut `;...` off before they resolve: to them `..;` climbs.
    if (/^\.{1,2}(;|%3B)/.test(segment)) return undefined
    // An encoded slash is a separator to some upstreams, so what stands before or behind it may climb there too.
    if (/(^|%2F|%5C)\.\.(%2F|%5C|$)/.test(segment) && segment !== '..') return undefined
    if (segment === '..') {
      if (kept.length === 0) return undefined
      kept.pop()
      if (last) kept.push('')
    } else if (segment === '.' || segment === '') {
      if (last) kept.push('')
    } else {
      kept.push(segment)
    }
  }
  return `/${kept.join('/')}`
}
