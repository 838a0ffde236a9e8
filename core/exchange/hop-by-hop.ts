import { alike } from '../hooks/field.js'

/**
 * Fields that belong to one connection and not to the message (RFC 9110 section 7.6.1), with the older ones that
 * proxies agree on. Told apart by length first, since nearly every field fails there.
 */
export function isHopByHop(name: string): boolean {
  switch (name.length) {
    case 2:
      return alike(name, 'te')
    case 7:
      return alike(name, 'upgrade') || alike(name, 'trailer')
    case 10:
      return alike(name, 'connection') || alike(name, 'keep-alive')
    case 16:
      return alike(name, 'proxy-connection')
    case 17:
      return alike(name, 'transfer-encoding')
    case 18:
      return alike(name, 'proxy-authenticate')
    case 19:
      return alike(name, 'proxy-authorization')
    case 25:
      return alike(name, 'proxy-authentication-info')
    default:
      return false
  }
}

/** The further fields a `Connection` value names, in lower case; undefined where it names none. */
export function namedByConnection(value: string): string[] | undefined {
  // What nearly every message says, without taking it apart.
  if (value === 'keep-alive' || value === 'close' || value === 'Keep-Alive' || value === 'Close')
    return undefined
  const names = value
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'close' && name !== 'keep-alive')
  return names.length === 0 ? undefined : names
}

/** Takes the fields named out of a flat list, in place. */
export function removeNamed(flat: string[], names: readonly string[]): void {
  let to = 0
  for (let i = 0; i < flat.length; i += 2) {
    if (names.includes((flat[i] as string).toLowerCase())) continue
    flat[to] = flat[i] as string
    flat[to + 1] = flat[i + 1] as string
    to += 2
  }
  flat.length = to
}
