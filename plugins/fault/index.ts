import { definePlugin, type Exchange, type PluginHooks, ProxyError } from '../../core/index.js'
import { config } from './config.js'

export default definePlugin({
  name: 'fault',
  version: '0.1.0',
  description: 'delays requests or answers them with an error, to see what callers make of it',
  config,
  places: ['top', 'route', 'service'],
  setup({ config, place, clock, random, limit, metrics }): PluginHooks {
    const { delay, abort, header } = config
    const held = delay === undefined ? undefined : limit('faults', config.maxDelayed)
    const total = metrics.counter({
      name: 'outrigger_faults_total',
      help: 'Faults injected',
      labels: ['route', 'kind']
    })
    const hits = (percent: number) => percent === 100 || random() * 100 < percent

    const fail = (exchange: Exchange): void => {
      if (abort === undefined || !hits(abort.percent)) return
      total.labels(exchange.route.name, 'abort').inc()
      const { status, grpcStatus } = abort
      const headers =
        exchange.grpc && grpcStatus !== undefined
          ? { 'grpc-status': String(grpcStatus), 'grpc-message': MESSAGE }
          : {}
      throw new ProxyError('FAULT_INJECTED', MESSAGE, { status, headers })
    }

    const wait = async (exchange: Exchange, ms: number): Promise<void> => {
      try {
        await clock.sleep(ms, exchange.signal)
      } finally {
        held?.release()
      }
      fail(exchange)
    }

    const inject = (exchange: Exchange): Promise<void> | undefined => {
      if (header !== undefined && !exchange.request.headers.has(header)) return undefined
      if (delay === undefined || !hits(delay.percent) || held?.take() !== true) {
        fail(exchange)
        return undefined
      }
      total.labels(exchange.route.name, 'delay').inc()
      return wait(exchange, delay.for)
    }

    return place.kind === 'service'
      ? { attempt: (_attempt, exchange) => inject(exchange) }
      : { request: inject }
  }
})

const MESSAGE = 'a fault was injected here'
