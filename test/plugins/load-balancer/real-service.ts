// The plugin on a service of the core's own: what it arranges, scales and keeps is the core's to make something of.
import type { EndpointConfig } from '../../../core/config/types.js'
import type { Endpoint, Exchange, PluginHooks, SetupContext } from '../../../core/index.js'
import { MetricsRegistry } from '../../../core/metrics/registry.js'
import type { Connection } from '../../../core/service/connection.js'
import { EndpointStore } from '../../../core/service/endpoint-store.js'
import { PluginHandle } from '../../../core/service/handle.js'
import { Service, type ServiceParts } from '../../../core/service/service.js'
import { VirtualClock } from '../../../core/testing/index.js'
import plugin from '../../../plugins/load-balancer/index.js'
import { seeded } from './drawing.js'
import { asked } from './stage.js'

export interface RealStage {
  readonly service: Service
  readonly clock: VirtualClock
  /** As an exchange's first attempt chooses. */
  choose(exchange?: Exchange): Endpoint
  close(): void
}

export async function onRealService(
  config: object,
  endpoints: readonly (Partial<EndpointConfig> & { url: string })[],
  seed = 1
): Promise<RealStage> {
  const clock = new VirtualClock()
  const random = seeded(seed)
  const metrics = new MetricsRegistry()
  const silent = () => {}
  const log = { debug: silent, info: silent, warn: silent, error: silent }
  const connection = { send: silent, close: silent, destroy: silent, resize: silent } as unknown as Connection
  const store = new EndpointStore(metrics, { connect: () => connection })
  const parts: ServiceParts = { store, clock, log, metrics, random }
  const service = new Service(
    {
      name: 'shop',
      endpoints: endpoints.map((one) => ({ weight: 1, zone: undefined, priority: 0, tags: {}, ...one })),
      protocol: 'http',
      tls: { ca: undefined, serverName: undefined, cert: undefined, key: undefined, insecure: false },
      plugins: [],
      connectTimeout: 5_000,
      keepAlive: 4_000,
      idleTimeout: 300_000,
      maxConnections: 1_024,
      maxPending: 1_024,
      fastLane: true
    },
    parts
  )
  const closers: (() => void)[] = []
  const context = {
    config: plugin.config?.parse(config),
    service: new PluginHandle(service, 'load-balancer'),
    clock,
    random,
    metrics,
    log,
    onClose: (close: () => void) => void closers.push(close)
  }
  const hooks = (await plugin.setup(context as unknown as SetupContext<never>)) as PluginHooks
  service.activate()
  return {
    service,
    clock,
    choose(exchange = asked({})) {
      const usable = service.usable()
      return (hooks.pick?.(usable, exchange) ?? service.balance.pick(usable)) as Endpoint
    },
    close() {
      for (const close of closers) close()
      service.close()
      store.destroy()
    }
  }
}

/** How many of `count` choices each endpoint gets, in the order of the service's list. */
export function chosen({ service, choose }: RealStage, count: number, exchange?: Exchange): number[] {
  const counts = new Map<Endpoint, number>(service.endpoints.map((one) => [one, 0]))
  for (let i = 0; i < count; i++) {
    const one = choose(exchange)
    counts.set(one, (counts.get(one) ?? 0) + 1)
  }
  return [...counts.values()]
}
