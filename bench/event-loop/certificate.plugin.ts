import { definePlugin } from 'outrigger'
import { issue } from './certificate.worker.js'
import { where } from './where.js'

export default definePlugin({
  name: 'certificate',
  config: where,
  setup({ config, worker }) {
    const elsewhere = worker<typeof issue>(new URL('./certificate.worker.js', import.meta.url), 'issue', {
      timeout: 60_000
    })
    return {
      async request(exchange) {
        const pem = config.where === 'worker' ? await elsewhere.for(exchange)('shop') : issue('shop')
        exchange.request.headers.set('x-certificate-length', String(pem.length))
      }
    }
  }
})
