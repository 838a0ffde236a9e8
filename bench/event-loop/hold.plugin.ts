import { definePlugin, z } from 'outrigger'
import type { hold as Hold } from './hold.worker.js'

export default definePlugin({
  name: 'hold',
  config: z.object({ ms: z.number() }),
  setup({ config, worker }) {
    const hold = worker<typeof Hold>(new URL('./hold.worker.js', import.meta.url), 'hold', {
      timeout: 60_000
    })
    return {
      async request(exchange) {
        await hold.for(exchange)(config.ms)
      }
    }
  }
})
