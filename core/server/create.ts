import type { Config } from '../config/types.js'
import type { Host } from '../host.js'
import { createLogger } from '../log/logger.js'
import { ModuleLoader } from '../modules/load.js'
import { load } from './load.js'
import { type Adjust, type ProxyOptions, ProxyServer } from './proxy.js'
import type { Proxy } from './types.js'

/**
 * Builds a proxy. Nothing is bound before `start()`.
 *
 * @throws ConfigError with everything that is wrong with the configuration
 * @throws StartError when a plugin's `setup` fails
 */
export async function createProxyWith(
  host: Host,
  source: string | object,
  options: ProxyOptions = {}
): Promise<Proxy> {
  const { config, build } = await prepareProxy(host, source, options)
  const proxy = await build((each) => ({ ...each, processes: 1 }))
  if (config.processes > 1)
    (options.log ?? createLogger()).warn(
      `processes: ${config.processes} is for \`outrigger run\`: a program that holds a proxy decides on its own processes`
    )
  return proxy
}

/** A configuration that has been read, and the proxy it can become. */
export interface PreparedProxy {
  readonly config: Config
  /**
   * @param adjust what this process makes of this configuration and of each that a reload reads. Default: nothing.
   * @throws StartError when a plugin's `setup` fails
   */
  build(adjust?: Adjust): Promise<ProxyServer>
}

/** @throws ConfigError with everything that is wrong with the configuration */
export async function prepareProxy(
  host: Host,
  source: string | object,
  options: ProxyOptions = {}
): Promise<PreparedProxy> {
  const loader = new ModuleLoader(host.modules)
  const config = await load(host, source, options, loader)
  const build = async (adjust: Adjust = (each) => each) => {
    const adjusted = adjust(config)
    const server = new ProxyServer(host, source, options, adjusted, loader, adjust)
    await server.build(adjusted)
    return server
  }
  return { config, build }
}
