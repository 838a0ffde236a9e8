import type { Plugin } from '../core/index.js'

/** The plugins that come with the proxy, each loaded when a configuration names it. */
export const builtins: ReadonlyMap<string, () => Promise<Plugin>> = new Map([
  ['auth', async (): Promise<Plugin> => (await import('./auth/index.js')).default],
  ['grpc-health', async () => (await import('./grpc-health/index.js')).default],
  ['load-balancer', async () => (await import('./load-balancer/index.js')).default],
  ['logging', async () => (await import('./logging/index.js')).default],
  ['metrics', async () => (await import('./metrics/index.js')).default],
  ['retry', async () => (await import('./retry/index.js')).default]
])
