import { definePlugin, key, ProxyError } from '../../core/index.js'
import { keyRing } from './api-keys.js'
import { config } from './config.js'

const identity = key<string>('identity')

export default definePlugin({
  name: 'auth',
  version: '0.1.0',
  description: 'lets through who holds a key, and says who it is',
  config,
  places: ['top', 'route'],
  provides: [identity],
  setup({ config: { apiKeys, header } }) {
    const owner = keyRing(apiKeys)
    // RFC 9110 section 15.5.2 wants a challenge with a 401. No scheme is registered for keys; this one is in wide use.
    const challenge = { 'www-authenticate': `ApiKey header="${header}"` }

    return {
      request(exchange) {
        const { headers } = exchange.request
        const key = headers.get(header)
        // Before the verdict, so that a log line of a refused request does not hold it either.
        headers.delete(header)
        if (key === undefined || key === '') {
          throw new ProxyError('UNAUTHENTICATED', `a key is needed in the header ${header}`, {
            headers: challenge
          })
        }
        const name = owner(key)
        if (name === undefined)
          throw new ProxyError('FORBIDDEN', `the key in the header ${header} is not known`)
        exchange.set(identity, name)
      }
    }
  }
})
