import type { IncomingMessage } from 'node:http'

/** What asks for an upgrade, in lower case: the field itself, and what goes with one to HTTP/2. */
const OF_UPGRADES: ReadonlySet<string> = new Set(['upgrade', 'http2-settings'])

/**
 * A request that asks for an upgrade nobody gives, as it is without asking (RFC 9110 section 7.8: an upgrade may be
 * ignored; Java's client asks for h2c with every first request). Node's server gives such a connection away, and this
 * is how it gets it back.
 *
 * @param rest what was read behind the head
 */
export function plainRequest(
  { method, url, httpVersion, rawHeaders }: IncomingMessage,
  rest: Buffer
): Buffer {
  let head = `${method} ${url} HTTP/${httpVersion}\r\n`
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase()
    let value = rawHeaders[i + 1] as string
    if (OF_UPGRADES.has(name)) continue
    if (name === 'connection') {
      value = value
        .split(',')
        .map((token) => token.trim())
        .filter((token) => !OF_UPGRADES.has(token.toLowerCase()))
        .join(', ')
      if (value === '') continue
    }
    head += `${rawHeaders[i]}: ${value}\r\n`
  }
  return Buffer.concat([Buffer.from(`${head}\r\n`, 'latin1'), rest])
}
