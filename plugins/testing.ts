import type { ProxyOptions } from '../core/server/proxy.js'
import { type StartedProxy, startProxyWith } from '../core/testing/index.js'
import { host } from './host.js'

export {
  type AttemptSeen,
  type LogLine,
  type PluginRun,
  type RunOptions,
  type RunResult,
  runPlugin,
  type SentRequest,
  type StartedProxy,
  type UpstreamAnswer,
  type UpstreamHandler,
  type UpstreamSeen,
  VirtualClock
} from '../core/testing/index.js'

/**
 * Starts a proxy on real sockets, with the built-in plugins at hand. Give a listener the address `127.0.0.1:0` for a
 * free port. Without `admin` in the configuration there is none.
 *
 * @throws ConfigError with everything that is wrong with the configuration
 * @throws StartError when an address is taken or a plugin's `setup` fails
 * @example
 * const started = await startProxy({ listeners: { inbound: { address: '127.0.0.1:0' } }, routes })
 * const answer = await fetch(started.url())
 * await started.close()
 */
export function startProxy(
  config: string | object,
  options?: Omit<ProxyOptions, 'log'>
): Promise<StartedProxy> {
  return startProxyWith(host, config, options)
}
