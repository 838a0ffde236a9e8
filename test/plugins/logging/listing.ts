import { setTimeout as sleep } from 'node:timers/promises'
import type { Exchange, Logger, PluginHooks, ProxyError, Result, SetupContext } from '../../../core/index.js'
import { MetricsRegistry } from '../../../core/metrics/registry.js'
import logging from '../../../plugins/logging/index.js'

/** When every exchange here ends: 2025-11-21T15:20:01.250Z. */
export const NOW = Date.UTC(2025, 10, 21, 15, 20, 1, 250)

export interface Told {
  level: string
  fields: Record<string, unknown>
  message: string
}

/** The plugin as a configuration lists it, its log and its one metric in view. */
export class Listing {
  readonly told: Told[] = []
  readonly #registry: MetricsRegistry
  #close: () => void | Promise<void> = () => {}
  readonly finish: (result: Result, exchange: Exchange) => void

  constructor(config: object, options: { directory?: string; registry?: MetricsRegistry } = {}) {
    this.#registry = options.registry ?? new MetricsRegistry()
    const parsed = logging.config?.parse(config)
    const note = (level: string) => (fields: Record<string, unknown>, message: string) => {
      this.told.push({ level, fields, message })
    }
    const log = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') }
    const hooks = logging.setup({
      config: parsed,
      directory: options.directory ?? '/',
      log: log as unknown as Logger,
      metrics: this.#registry,
      clock: { wallTime: () => NOW },
      onClose: (close: () => void | Promise<void>) => {
        this.#close = close
      }
    } as unknown as SetupContext<NonNullable<typeof parsed>>) as Required<Pick<PluginHooks, 'finish'>>
    this.finish = hooks.finish
  }

  close(): void | Promise<void> {
    return this.#close()
  }

  async dropped(): Promise<number> {
    const { text } = await this.#registry.text()
    return Number(/^outrigger_log_dropped_total (\d+)$/m.exec(text)?.[1])
  }
}

export interface Ending {
  id?: string
  path?: string
  query?: string
  headers?: Record<string, string>
  status?: number
  error?: ProxyError
  identity?: string
  address?: string
  attempts?: number
}

/** One exchange that ended, as a plugin's `finish` gets it. */
export function ended(ending: Ending = {}): [Result, Exchange] {
  const { headers = { 'user-agent': 'curl/8.5.0' }, status = 200, attempts = 1, error } = ending
  const endpoint = attempts === 0 ? undefined : { url: 'http://127.0.0.1:9001', service: 'orders' }
  const result = {
    status,
    code: error?.code,
    error,
    duration: 12.34567,
    bytesIn: 0,
    bytesOut: 512,
    endpoint,
    local: error !== undefined
  }
  const exchange = {
    id: ending.id ?? '0192f1c2-7f3a-7c1e-8a3b-000000000001',
    listener: 'inbound',
    client: { address: ending.address ?? '127.0.0.1', port: 50_000 },
    route: { name: 'orders', service: 'orders' },
    attempts: Array.from({ length: attempts }, () => ({ latency: 9.8765, endpoint })),
    request: {
      method: 'GET',
      scheme: 'http',
      httpVersion: '1.1',
      host: 'shop.example.com',
      path: ending.path ?? '/orders/1',
      query: ending.query ?? '',
      headers: { get: (name: string) => headers[name] }
    },
    get: (key: { name: string }) => (key.name === 'identity' ? ending.identity : undefined)
  }
  return [result, exchange] as unknown as [Result, Exchange]
}

/** Looks until `check` says yes. @param seconds at most */
export async function eventually(check: () => boolean | Promise<boolean>, seconds = 15): Promise<boolean> {
  const end = performance.now() + seconds * 1000
  while (performance.now() < end) {
    if (await check()) return true
    await sleep(20)
  }
  return false
}
