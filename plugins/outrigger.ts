import { createProxyWith } from '../core/server/create.js'
import type { ProxyOptions } from '../core/server/proxy.js'
import type { Proxy } from '../core/server/types.js'
import { host } from './host.js'

export * from '../core/index.js'
export type { ProxyOptions }

/**
 * Builds a proxy with the built-in plugins at hand. Nothing is bound before `start()`.
 *
 * @param config the path of a configuration file, or the same shape as an object
 * @throws ConfigError with everything that is wrong with the configuration
 * @throws StartError when a plugin's `setup` fails
 * @example
 * const proxy = await createProxy('sidecar.yaml')
 * await proxy.start()
 */
export function createProxy(config: string | object, options?: ProxyOptions): Promise<Proxy> {
  return createProxyWith(host, config, options)
}
