import type { Protocol } from './types.js'

export const PROTOCOLS = ['http', 'https', 'h2c', 'h2', 'auto'] as const satisfies readonly Protocol[]

/** What each says of the way to an endpoint, as its URL's scheme. `auto` leaves it to the URL. */
const SCHEMES: Readonly<Record<Protocol, 'http' | 'https' | undefined>> = {
  http: 'http',
  h2c: 'http',
  https: 'https',
  h2: 'https',
  auto: undefined
}

export function isProtocol(value: unknown): value is Protocol {
  return typeof value === 'string' && Object.hasOwn(SCHEMES, value)
}

/** Whether an endpoint whose URL has this scheme may be spoken to so. */
export function goesWith(protocol: Protocol, scheme: 'http' | 'https'): boolean {
  return (SCHEMES[protocol] ?? scheme) === scheme
}

/** Whether requests go out on HTTP/2 for sure: what `auto` comes to is known once it is connected. */
export function isHttp2(protocol: unknown): boolean {
  return protocol === 'h2' || protocol === 'h2c'
}
