import { type Exchange, readCookie, readParameter } from '../../core/index.js'
import type { LoadBalancerConfig } from './config.js'

/** What of a request is hashed. Undefined or empty: it has none. */
export type HashKey = (exchange: Exchange) => string | undefined

export function hashKey({ header, cookie, query, path }: NonNullable<LoadBalancerConfig['hashOn']>): HashKey {
  if (header !== undefined) return ({ request }) => request.headers.get(header)
  if (cookie !== undefined) return ({ request }) => readCookie(request.headers, cookie)
  if (query !== undefined) return ({ request }) => readParameter(request.query, query)
  if (path !== undefined) return ({ request }) => request.path
  return ({ client }) => client.address
}
