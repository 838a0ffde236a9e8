import type { Plugin } from '../core/index.js'

/** The plugins that come with the proxy, each loaded when a configuration names it. */
export const builtins: ReadonlyMap<string, () => Promise<Plugin>> = new Map([
  ['admission', async (): Promise<Plugin> => (await import('./admission/index.js')).default],
  ['auth', async () => (await import('./auth/index.js')).default],
  ['canary', async () => (await import('./canary/index.js')).default],
  ['circuit-breaker', async () => (await import('./circuit-breaker/index.js')).default],
  ['concurrency', async () => (await import('./concurrency/index.js')).default],
  ['failover', async () => (await import('./failover/index.js')).default],
  ['fault', async () => (await import('./fault/index.js')).default],
  ['grpc-health', async () => (await import('./grpc-health/index.js')).default],
  ['health-check', async () => (await import('./health-check/index.js')).default],
  ['load-balancer', async () => (await import('./load-balancer/index.js')).default],
  ['logging', async () => (await import('./logging/index.js')).default],
  ['metrics', async () => (await import('./metrics/index.js')).default],
  ['mirror', async () => (await import('./mirror/index.js')).default],
  ['outlier-detection', async () => (await import('./outlier-detection/index.js')).default],
  ['rate-limit', async () => (await import('./rate-limit/index.js')).default],
  ['redirect', async () => (await import('./redirect/index.js')).default],
  ['retry', async () => (await import('./retry/index.js')).default],
  ['rewrite', async () => (await import('./rewrite/index.js')).default],
  ['split', async () => (await import('./split/index.js')).default],
  ['timeout', async () => (await import('./timeout/index.js')).default]
])
