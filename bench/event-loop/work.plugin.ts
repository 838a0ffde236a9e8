import { definePlugin } from 'outrigger'
import { work } from './work.worker.js'

export default definePlugin({
  name: 'work',
  config: {
    type: 'object',
    properties: { where: { enum: ['worker', 'inline'] }, ms: { type: 'number' } },
    required: ['where', 'ms']
  },
  setup({ config, worker }) {
    const elsewhere = worker<typeof work>(new URL('./work.worker.js', import.meta.url), 'work')
    const ms = config.ms as number
    return {
      async request() {
        if (config.where === 'worker') await elsewhere(ms)
        else work(ms)
      }
    }
  }
})
