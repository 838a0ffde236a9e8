import type { JwtConfig } from './jwt-config.js'
import type { Claims } from './way.js'

type Wanted = JwtConfig['claims'][string]

/** What a header's value may hold, in UTF-8. Blanks at an end would be gone where it is read, and so make another value. */
const SENDABLE = /^[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?$/

/**
 * The first claim that is not as it has to be; undefined: all are.
 *
 * A claim is right when it equals one of the values wanted, or is a list that holds one; `scope` (RFC 8693) also when
 * one of its words does.
 */
export function wrongClaim(claims: Claims, wanted: Readonly<Record<string, Wanted>>): string | undefined {
  for (const [name, value] of Object.entries(wanted)) {
    const found = Object.hasOwn(claims, name) ? claims[name] : undefined
    const held = Array.isArray(found)
      ? found
      : name === 'scope' && typeof found === 'string'
        ? found.split(' ')
        : [found]
    const right = Array.isArray(value) ? value.some((each) => held.includes(each)) : held.includes(value)
    if (!right) return name
  }
  return undefined
}

/**
 * The headers that claims go upstream in. Text, numbers and booleans as they are; lists and objects as JSON; in UTF-8. A
 * claim that the token has not, null and empty text make no header.
 *
 * @param names header to claim
 * @throws RangeError naming the claim that no header can carry as it is: one with line ends, or blanks at its ends
 */
export function headersOf(
  claims: Claims,
  names: Readonly<Record<string, string>>
): readonly (readonly [string, string])[] {
  const headers: [string, string][] = []
  for (const [header, name] of Object.entries(names)) {
    const claim = Object.hasOwn(claims, name) ? claims[name] : undefined
    if (claim === undefined || claim === null || claim === '') continue
    const text = typeof claim === 'object' ? JSON.stringify(claim) : String(claim)
    const value = Buffer.from(text, 'utf8').toString('latin1')
    if (!SENDABLE.test(value)) throw new RangeError(name)
    headers.push([header, value])
  }
  return headers
}

/** Frozen at every depth, in place. */
export function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const each of Object.values(value)) frozen(each)
    Object.freeze(value)
  }
  return value
}
