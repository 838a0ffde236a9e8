import type { EndpointView, Proxy, RouteView, ServiceView } from '../../../core/server/types.js'

export interface FakeProxy extends Proxy {
  state: Proxy['state']
  addresses: Map<string, string>
  reloads: number
  onReload: () => Promise<void>
  metricsText: string
  serviceViews: ServiceView[]
  routeViews: RouteView[]
}

const CLOSED = { state: 'closed', openFor: 0, reason: undefined } as const

export function endpointView(url: string, changes: Partial<EndpointView> = {}): EndpointView {
  return {
    url,
    healthy: true,
    reason: undefined,
    weight: 1,
    scale: 1,
    zone: undefined,
    priority: 0,
    tags: {},
    inFlight: 0,
    latency: undefined,
    ejectedFor: 0,
    ejections: 0,
    breaker: CLOSED,
    availableFor: 60_000,
    attempts: 0,
    failures: 0,
    ...changes
  }
}

export function routeView(name: string, changes: Partial<RouteView> = {}): RouteView {
  return {
    name,
    match: { path: `/${name}/*` },
    listeners: ['inbound'],
    service: name,
    timeout: 15_000,
    hooks: {},
    limits: [],
    ...changes
  }
}

/** A proxy that serves nothing and says what a test wants it to say. */
export function fakeProxy(): FakeProxy {
  const proxy: FakeProxy = {
    state: 'ready',
    addresses: new Map([['admin', 'http://127.0.0.1:9901']]),
    reloads: 0,
    onReload: async () => {},
    metricsText: '# HELP up 1\nup 1\n',
    serviceViews: [
      {
        name: 'orders',
        plugins: ['load-balancer'],
        inFlight: 0,
        breaker: CLOSED,
        limits: [],
        levels: [{ local: undefined, priority: 0, endpoints: 1, usable: 1, share: 1, panic: false }],
        endpoints: [endpointView('http://127.0.0.1:9001')]
      }
    ],
    routeViews: [routeView('orders', { hooks: { request: ['auth'], finish: ['logging'] } })],
    watched: [],
    inFlight: 3,
    start: async () => {},
    reload: async () => {
      proxy.reloads += 1
      await proxy.onReload()
    },
    drain: async () => {
      proxy.state = 'draining'
    },
    close: async () => {
      proxy.state = 'closed'
    },
    routes: () => proxy.routeViews,
    services: () => proxy.serviceViews,
    plugins: () => [
      {
        name: 'auth',
        version: '0.1.0',
        place: 'route',
        on: 'orders',
        hooks: ['request'],
        config: { apiKeys: { mobile: '***' } }
      }
    ],
    config: () => ({ listeners: { inbound: { address: '127.0.0.1:8080' } } }),
    metrics: async () => ({
      text: proxy.metricsText,
      contentType: 'text/plain; version=0.0.4; charset=utf-8'
    }),
    hooks: () => ({ request: undefined, response: undefined, error: undefined, finish: undefined }),
    explain: () => {
      throw new Error('not asked in these tests')
    }
  }
  return proxy
}
