import { definePlugin } from 'outrigger'
import { hash } from './hash.worker.js'
import { where } from './where.js'

export default definePlugin({
  name: 'hash',
  config: where,
  body: { request: 'buffer', maxBytes: 1024 * 1024 },
  setup({ config, worker }) {
    const elsewhere = worker<typeof hash>(new URL('./hash.worker.js', import.meta.url), 'hash', {
      timeout: 60_000
    })
    return {
      async request(exchange) {
        const body = await exchange.request.body.bytes()
        const digest = config.where === 'worker' ? await elsewhere.for(exchange)(body) : hash(body)
        exchange.request.headers.set('x-digest', digest)
      }
    }
  }
})
