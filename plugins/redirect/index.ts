import { definePlugin, Reply } from '../../core/index.js'
import { config } from './config.js'
import { locationOf } from './location.js'

export default definePlugin({
  name: 'redirect',
  version: '0.1.0',
  description: 'sends the client to another address: another path, another host, https',
  config,
  places: ['top', 'route'],
  setup({ config }) {
    const location = locationOf(config)
    return {
      request(exchange) {
        const to = location(exchange)
        return to === undefined ? undefined : new Reply(config.status, undefined, { location: to })
      }
    }
  }
})
