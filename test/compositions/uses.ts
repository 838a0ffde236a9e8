// A small configuration of each plugin, for every place where it may stand: small bounds and short times, so that a
// handful of requests is enough for each of them to do all that it does.
import type { Place } from '../../core/index.js'
import type { Listing } from './stage.js'

export const PLUGINS = [
  'admission',
  'auth',
  'canary',
  'circuit-breaker',
  'concurrency',
  'failover',
  'fault',
  'grpc-health',
  'health-check',
  'load-balancer',
  'logging',
  'metrics',
  'mirror',
  'outlier-detection',
  'rate-limit',
  'redirect',
  'retry',
  'rewrite',
  'split',
  'timeout'
] as const

export type PluginName = (typeof PLUGINS)[number]

/** The key whose digest `auth` is given below. */
export const API_KEY = 'try-me'
export const API_KEYS = {
  mobile: 'sha256:4b3c1bf421d96f1b49942450483ffb00bad52cbc5be4cc39b9552bb8fa56395c'
}

const configs: Readonly<Record<PluginName, (place: Place, logFile: string) => object>> = {
  admission: () => ({ minRequests: 2, window: '1s' }),
  auth: () => ({ apiKeys: API_KEYS }),
  canary: () => ({ header: 'x-canary', tags: { version: 'v2' } }),
  'circuit-breaker': () => ({ failures: 2, reset: 50, maxRequests: 3, maxRetries: 1 }),
  concurrency: () => ({ limit: 2, queue: 1, queueTimeout: 30, priority: { header: 'x-priority' } }),
  failover: (place) =>
    place === 'service'
      ? { order: ['zone', 'priority'], zone: 'a', overprovisioning: 1.4 }
      : { services: ['standby'], reply: { status: 200, body: { stale: true } } },
  fault: () => ({ delay: { for: 10, percent: 50 }, abort: { status: 503, percent: 20 }, maxDelayed: 2 }),
  'grpc-health': () => ({ services: { 'shop.Orders': 'orders' } }),
  'health-check': () => ({ http: { path: '/healthz' }, interval: 40, timeout: 20, unhealthyAfter: 1 }),
  'load-balancer': () => ({
    policy: 'least-response-time',
    slowStart: 100,
    affinity: { cookie: 'endpoint' },
    panicThreshold: 0.5
  }),
  logging: (_place, logFile) => ({ destination: logFile }),
  metrics: () => ({}),
  mirror: () => ({ service: 'next', timeout: 40, maxConcurrent: 2 }),
  'outlier-detection': () => ({
    consecutiveErrors: 1,
    interval: 100,
    baseEjection: 50,
    maxEjectedPercent: 50
  }),
  'rate-limit': () => ({ requests: 6, per: '1s', burst: 6 }),
  redirect: () => ({ to: '/new', when: { path: '/old/*' } }),
  retry: () => ({ attempts: 3, on: ['5xx'], backoff: { base: 2, max: 10 }, hedge: { after: 15 } }),
  rewrite: (place) => ({
    ...(place === 'service' ? {} : { path: { prefix: '/api', with: '' } }),
    request: { set: { 'x-asked': '{path}' }, remove: ['x-debug'] },
    response: { set: { 'x-answered': 'yes' } }
  }),
  split: () => ({ by: { version: { v1: 1, v2: 1 } }, sticky: { cookie: 'version' } }),
  timeout: (place) => ({
    ...(place === 'service' ? {} : { request: 120 }),
    attempt: 40,
    connect: 40,
    idle: 60
  })
}

export function listingOf(name: PluginName, place: Place, logFile: string): Listing {
  return { [name]: configs[name](place, logFile) }
}
