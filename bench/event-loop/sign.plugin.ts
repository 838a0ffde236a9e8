import { definePlugin } from 'outrigger'
import { sign } from './sign.worker.js'
import { where } from './where.js'

export default definePlugin({
  name: 'sign',
  config: where,
  setup({ config, worker }) {
    const elsewhere = worker<typeof sign>(new URL('./sign.worker.js', import.meta.url), 'sign', {
      timeout: 60_000
    })
    return {
      async request(exchange) {
        const { path } = exchange.request
        const signature = config.where === 'worker' ? await elsewhere.for(exchange)(path) : sign(path)
        exchange.request.headers.set('x-signature', signature)
      }
    }
  }
})
