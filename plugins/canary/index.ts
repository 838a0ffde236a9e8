import { definePlugin, type Exchange, key, type PluginHooks } from '../../core/index.js'
import { config } from './config.js'
import { Divider } from './parts.js'
import { ruleOf } from './rule.js'

export default definePlugin({
  name: 'canary',
  version: '0.1.0',
  description: 'sends the requests that ask for it, or a part of them, to other endpoints or another service',
  config,
  places: ['top', 'route', 'service'],
  check({ config: { service }, place, services }) {
    if (service === undefined) return []
    const at = { path: ['service'] }
    if (place === 'service')
      return [{ ...at, message: 'chosen before endpoints are: list canary with it on a route or at the top' }]
    return services.includes(service)
      ? []
      : [{ ...at, message: `there is no service ${JSON.stringify(service)}` }]
  },
  setup({ config, place, random, metrics }): PluginHooks {
    const { percent, tags, exclusive, strict, service } = config
    const asks = ruleOf(config)
    const isChosen = (exchange: Exchange) => asks(exchange) && (percent === 100 || random() * 100 < percent)
    const total = metrics.counter({
      name: 'outrigger_canary_requests_total',
      help: 'Requests that were to go to the canary',
      labels: ['route']
    })
    const fallbacks = metrics.counter({
      name: 'outrigger_canary_fallbacks_total',
      help: 'Attempts that went to any endpoint, because none was left of those they were for',
      labels: ['route', 'for']
    })

    if (service !== undefined) {
      return {
        request(exchange) {
          if (!isChosen(exchange)) return
          exchange.service = service
          total.labels(exchange.route.name).inc()
        }
      }
    }

    // One listing's decision holds for all attempts: chance is drawn once, and a header may be rewritten meanwhile.
    // Listed twice for the same tags it is the same one, so that either listing's rule is enough.
    const which = Object.entries(tags ?? {}).sort()
    const chosen = key<boolean>(`canary ${place.kind} ${place.name} ${JSON.stringify(which)}`)
    const divider = new Divider(which)
    const decide = (exchange: Exchange): boolean => {
      if (exchange.get(chosen) === true) return true
      const canary = isChosen(exchange)
      exchange.set(chosen, canary)
      if (canary) total.labels(exchange.route.name).inc()
      return canary
    }
    const candidates: PluginHooks['candidates'] = (endpoints, exchange) => {
      const canary = exchange.get(chosen) ?? decide(exchange)
      if (!canary && !exclusive) return undefined
      const parts = divider.of(endpoints)
      const wanted = canary ? parts.canary : parts.others
      if (wanted.length > 0 || strict || endpoints.length === 0) return wanted
      fallbacks.labels(exchange.route.name, canary ? 'canary' : 'others').inc()
      return undefined
    }
    // On a route what is asked is what stands there when the request comes by, before plugins behind this one change it.
    if (place.kind === 'service') return { candidates }
    return { request: (exchange) => void decide(exchange), candidates }
  }
})
