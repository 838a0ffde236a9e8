import type { Host } from '../core/host.js'
import { startProxyWith } from '../core/testing/index.js'
import { host } from './host.js'

export * from '../core/testing/index.js'

type StartArguments = typeof startProxyWith extends (host: Host, ...rest: infer R) => unknown ? R : never

/**
 * Starts a proxy on real sockets, with the built-in plugins at hand, for a test that wants to see bytes.
 *
 * @example
 * const proxy = await startProxy({ listeners: { in: { address: '127.0.0.1:0' } }, services, routes })
 */
export function startProxy(...options: StartArguments): ReturnType<typeof startProxyWith> {
  return startProxyWith(host, ...options)
}
