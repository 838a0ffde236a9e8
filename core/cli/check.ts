import type { Config } from '../config/types.js'
import type { Host } from '../host.js'
import { count } from './failure.js'

/** `outrigger check`: what is printed of a good configuration. @throws ConfigError with every problem of another */
export async function check(host: Host, file: string): Promise<string> {
  const { checkConfig } = await import('../server/load.js')
  return summary(file, await checkConfig(host, file))
}

/** `sidecar.yaml: ok (2 listeners, 4 services, 6 routes)` */
export function summary(file: string, config: Pick<Config, 'listeners' | 'services' | 'routes'>): string {
  const parts = [
    count(config.listeners.size, 'listener'),
    count(config.services.size, 'service'),
    count(config.routes.length, 'route')
  ]
  return `${file}: ok (${parts.join(', ')})`
}
