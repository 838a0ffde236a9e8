import { createHash } from 'node:crypto'
import { type Exchange, key } from '../../core/index.js'

const identity = key<string>('identity')

/** Longer keys are kept as a digest, so that a table of them has a size that can be told. */
const LONGEST = 64

/**
 * Whose bucket an exchange draws from.
 *
 * @param by `address`, `identity`, `route` or `header:NAME`
 * @param concealed whether header values are kept as digests alone: they may be secrets, and a store is read by others
 */
export function keyOf(by: string, concealed: boolean): (exchange: Exchange) => string {
  switch (by) {
    case 'address':
      return ({ client }) => networkOf(client.address)
    case 'route':
      return ({ route }) => route.name
    case 'identity':
      return (exchange) => {
        const name = exchange.get(identity) ?? exchange.client.identity
        // Whoever nobody knows is limited as an address, and no name can pass for one.
        return name === undefined ? `a:${networkOf(exchange.client.address)}` : `i:${shorten(name)}`
      }
    default: {
      const header = by.slice('header:'.length).toLowerCase()
      return ({ request }) => {
        const value = request.headers.get(header)
        // All of those without it share one bucket: leaving it out must not be a way past the limit.
        if (value === undefined) return 'none'
        return `h:${concealed ? digest(value) : shorten(value)}`
      }
    }
  }
}

function shorten(value: string): string {
  return value.length <= LONGEST ? value : `#${digest(value)}`
}

function digest(value: string): string {
  return createHash('sha256').update(value).digest('base64url').slice(0, 32)
}

/**
 * An IPv4 address as it is, an IPv6 address as its /64: that much is what one customer gets (RFC 6177), who could
 * otherwise send each request from an address of its own. Empty on a Unix socket, which is one key too.
 */
export function networkOf(address: string): string {
  if (!address.includes(':') || address.includes('.')) return address
  const text = address.split('%', 1)[0] as string
  const [left, right] = text.split('::') as [string, string | undefined]
  const before = left === '' ? [] : left.split(':')
  const after = right === undefined || right === '' ? [] : right.split(':')
  const zeros = right === undefined ? 0 : Math.max(0, 8 - before.length - after.length)
  const groups = [...before, ...Array<string>(zeros).fill('0'), ...after].slice(0, 4)
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}
