// The plugin's hooks, set up over endpoints that are plain objects.
import type {
  Arrangement,
  Attempt,
  Endpoint,
  Exchange,
  PluginHooks,
  SetupContext
} from '../../../core/index.js'
import { VirtualClock } from '../../../core/testing/index.js'
import plugin from '../../../plugins/load-balancer/index.js'
import { type Mutable, seeded } from './drawing.js'

export interface Stage {
  readonly hooks: PluginHooks
  readonly clock: VirtualClock
  readonly service: { endpoints: readonly Mutable[]; inFlight: number }
  readonly arranged: Partial<Arrangement>[]
  /** By `name,service,result`. */
  readonly counters: Map<string, number>
  pick(endpoints: readonly Endpoint[], exchange?: Exchange): Endpoint | undefined
  close(): void
}

const none = { headers: { get: () => undefined, getAll: () => [] }, query: '', path: '/', scheme: 'http' }
const nobody = { request: none, client: { address: '' }, grpc: false } as unknown as Exchange

/** What endpoints are known by, over set-ups. */
export type Kept = Map<string, WeakMap<Endpoint, unknown>>

export async function setStage(
  config: object,
  endpoints: readonly Mutable[],
  { random = seeded(1), clock = new VirtualClock(), kept = new Map() as Kept } = {}
): Promise<Stage> {
  const arranged: Partial<Arrangement>[] = []
  const counters = new Map<string, number>()
  const closers: (() => void)[] = []
  const service = {
    name: 'shop',
    endpoints: Object.freeze([...endpoints]) as readonly Mutable[],
    inFlight: 0,
    arrange: (arrangement: Partial<Arrangement>) => void arranged.push(arrangement),
    drawBy() {},
    keep: <T>(name: string, create: (endpoint: Endpoint) => T) => {
      const known = kept.get(name) ?? new WeakMap<Endpoint, unknown>()
      kept.set(name, known)
      return (endpoint: Endpoint): T => {
        if (!known.has(endpoint)) known.set(endpoint, create(endpoint))
        return known.get(endpoint) as T
      }
    }
  }
  const counter = ({ name }: { name: string }) => ({
    labels: (...labels: string[]) => {
      const series = [name, ...labels].join()
      return { inc: () => void counters.set(series, (counters.get(series) ?? 0) + 1) }
    }
  })
  const context = {
    config: plugin.config?.parse(config),
    service,
    clock,
    random,
    metrics: { counter },
    log: { error: (_fields: object, message: string) => Promise.reject(new Error(message)) },
    onClose: (close: () => void) => void closers.push(close)
  }
  const hooks = (await plugin.setup(context as unknown as SetupContext<never>)) as PluginHooks
  return {
    hooks,
    clock,
    service,
    arranged,
    counters,
    pick: (list, exchange = nobody) => hooks.pick?.(list, exchange) as Endpoint | undefined,
    close: () => {
      for (const close of closers) close()
    }
  }
}

/** An exchange with these headers, as a hash key is read from it. */
export function asked(
  headers: Record<string, string>,
  rest: { path?: string; query?: string; address?: string } = {}
) {
  const { path = '/', query = '', address = '' } = rest
  const request = {
    path,
    query,
    scheme: 'http',
    headers: {
      get: (name: string) => headers[name],
      getAll: (name: string) => (headers[name] === undefined ? [] : [headers[name]])
    }
  }
  return { request, client: { address }, grpc: false } as unknown as Exchange
}

type AttemptFields = { -readonly [K in keyof Attempt]?: Attempt[K] }

export function attemptOn(endpoint: Endpoint, fields: AttemptFields = {}): Attempt & AttemptFields {
  return { number: 1, endpoint, startedAt: 0, latency: 0, ...fields } as Attempt & AttemptFields
}
