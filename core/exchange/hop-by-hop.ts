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
    case 17:
      if (alike(name, 'transfer-encoding')) return true
  }
  // Proxy-Authorization, Proxy-Connection and whatever else was said to a proxy.
  return (
    (name.charCodeAt(0) | 0x20) === P &&
    name.length > PROXY.length &&
    alike(name.slice(0, PROXY.length), PROXY)
  )
}

const PROXY = 'proxy-'
const P = 0x70

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
