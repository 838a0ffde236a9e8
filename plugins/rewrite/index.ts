import {
  compileTemplate,
  definePlugin,
  type Exchange,
  type HeaderList,
  type PluginHooks,
  ProxyError
} from '../../core/index.js'
import { config, HOST } from './config.js'
import { Changes } from './fields.js'
import { pathRewrite, setPath } from './path.js'

export default definePlugin({
  name: 'rewrite',
  version: '0.1.0',
  description: 'changes the path, the host and the headers of requests, and the headers of responses',
  config,
  places: ['top', 'route', 'service'],
  check({ config, place }) {
    if (config.path === undefined) return []
    if (place === 'service') {
      const message = 'a path is rewritten before a service is asked: list rewrite with path on a route'
      return [{ path: ['path'], message }]
    }
    try {
      pathRewrite(config.path)
      return []
    } catch (error) {
      return [{ path: ['path'], message: (error as Error).message }]
    }
  },
  setup({ config, place }): PluginHooks {
    const onService = place.kind === 'service'
    const path = config.path === undefined ? undefined : pathRewrite(config.path)
    const host = config.host === undefined ? undefined : compileTemplate(config.host, 'header')
    const request = config.request === undefined ? undefined : new Changes(config.request)
    const response = config.response === undefined ? undefined : new Changes(config.response)

    const changeFields = (headers: HeaderList, exchange: Exchange) => {
      if (host !== undefined) {
        const value = host(exchange)
        if (!HOST.test(value)) throw new ProxyError('BAD_REQUEST', 'the host cannot be rewritten')
        headers.set('host', value)
      }
      request?.apply(headers, exchange)
    }
    const changesFields = host !== undefined || request !== undefined

    const hooks: PluginHooks = {}
    if (onService) {
      if (changesFields) hooks.attempt = ({ headers }, exchange) => changeFields(headers, exchange)
      if (response !== undefined)
        hooks.outcome = ({ responseHeaders }, exchange) => {
          if (responseHeaders !== undefined) response.apply(responseHeaders, exchange)
        }
      return hooks
    }
    if (path !== undefined || changesFields)
      hooks.request = (exchange) => {
        // Variables mean the request as it came to this plugin: the path is set last.
        const rewritten = path?.(exchange)
        if (changesFields) changeFields(exchange.request.headers, exchange)
        if (rewritten !== undefined) setPath(exchange, rewritten)
      }
    if (response !== undefined) hooks.response = ({ headers }, exchange) => response.apply(headers, exchange)
    return hooks
  }
})
