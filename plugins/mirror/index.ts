import { setMaxListeners } from 'node:events'
import { definePlugin, type ExchangeRequest, type PluginHooks, ProxyError } from '../../core/index.js'
import { config } from './config.js'
import { copyBody, copyFields, MARK } from './copy.js'

const RESULTS = ['ok', '5xx', 'failed', 'timeout', 'dropped', 'body'] as const

export default definePlugin({
  name: 'mirror',
  version: '0.1.0',
  description: 'sends a copy of requests to another service and throws the answers away',
  config,
  // One copy of each request. A service would see attempts, of which there may be more.
  places: ['top', 'route'],
  check({ config: { service }, services }) {
    if (services.includes(service)) return []
    return [{ path: ['service'], message: `there is no service ${JSON.stringify(service)}` }]
  },
  setup({ config, metrics, random, limit, fetch, onClose }): PluginHooks {
    const { service, percent, maxBody, timeout, maxResponse } = config
    const chance = percent / 100
    const methods = config.methods === undefined ? undefined : new Set(config.methods)
    const strip = new Set(config.strip)
    const underWay = limit(`mirror-${service}`, config.maxConcurrent)
    const mirrored = metrics.counter({
      name: 'outrigger_mirrored_total',
      help: 'Requests chosen to be copied, by what came of the copy',
      labels: ['service', 'result']
    })
    const cells = RESULTS.map((result) => [result, mirrored.labels(service, result)] as const)
    const count = Object.fromEntries(cells) as Record<(typeof RESULTS)[number], (typeof cells)[0][1]>
    const closing = new AbortController()
    // Each copy under way listens for it.
    setMaxListeners(0, closing.signal)
    onClose(() => closing.abort(new Error('closed')))

    const send = async (request: ExchangeRequest, body: Buffer) => {
      const { method, path, query } = request
      try {
        const content = copyBody(method, body)
        const answer = await fetch(service, path + query, {
          method,
          headers: copyFields(request, strip),
          ...(content === undefined ? {} : { body: content }),
          timeout,
          maxBytes: maxResponse,
          discard: true,
          signal: closing.signal
        })
        count[answer.status >= 500 ? '5xx' : 'ok'].inc()
      } catch (error) {
        count[ProxyError.is(error) && error.code.endsWith('_TIMEOUT') ? 'timeout' : 'failed'].inc()
      } finally {
        underWay.release()
      }
    }

    return {
      // The original is over: nothing that becomes of the copy can delay it, or make it fail.
      finish(_result, { request, attempts, grpc }) {
        // What was refused before it came to any service is no traffic to be mirrored.
        if (
          !attempts.some(({ sent, error }) => sent || error !== undefined) ||
          grpc ||
          request.upgrade !== undefined
        )
          return
        if (methods !== undefined && !methods.has(request.method)) return
        if (request.headers.has(MARK) || random() >= chance) return
        if (!underWay.take()) {
          count.dropped.inc()
          return
        }
        const body = request.body.kept()
        if (body !== undefined && body.length <= maxBody) {
          void send(request, body)
          return
        }
        underWay.release()
        count.body.inc()
      }
    }
  }
})
