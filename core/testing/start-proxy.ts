import type { Host } from '../host.js'
import { createLogger } from '../log/logger.js'
import { createProxyWith } from '../server/create.js'
import type { ProxyOptions } from '../server/proxy.js'
import type { Proxy } from '../server/types.js'
import type { LogLine } from './captured-log.js'

export interface StartedProxy {
  readonly proxy: Proxy
  /** Of the only listener, or of the one named. */
  url(listener?: string): string
  /** What the proxy logged. */
  readonly log: LogLine[]
  close(): Promise<void>
}

/**
 * Starts a proxy on real sockets. Give listeners the address `127.0.0.1:0` for a free port. Without `admin` in the
 * configuration it has none.
 *
 * @throws ConfigError, StartError
 */
export async function startProxyWith(
  host: Host,
  config: string | object,
  options: Omit<ProxyOptions, 'log' | 'logLevel'> = {}
): Promise<StartedProxy> {
  const lines: LogLine[] = []
  const log = createLogger({
    level: 'debug',
    format: 'json',
    destination: {
      write: (text: string) => {
        const { level, msg, ...fields } = JSON.parse(text)
        lines.push({ level, message: msg, fields })
      }
    }
  })
  const source = typeof config === 'string' ? config : { admin: false, ...config }
  const proxy = await createProxyWith(host, source, { ...options, log, logLevel: 'debug' })
  await proxy.start()
  return {
    proxy,
    log: lines,
    url: (listener) => {
      const name = listener ?? [...proxy.addresses.keys()].find((one) => one !== 'admin')
      const url = name === undefined ? undefined : proxy.addresses.get(name)
      if (url === undefined) throw new RangeError(`there is no listener ${JSON.stringify(listener)}`)
      return url
    },
    close: () => proxy.close()
  }
}
