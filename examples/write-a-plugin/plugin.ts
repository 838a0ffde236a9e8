import { definePlugin, duration, ProxyError, z } from 'outrigger'

/** Lets `limit` requests through in each `window`, and refuses the rest. */
export default definePlugin({
  name: 'quota',
  config: z.strictObject({ limit: z.int().min(1), window: duration({ min: 1 }).default('1m') }),
  setup({ config, clock }) {
    let ends = 0
    let passed = 0
    return {
      request() {
        const left = ends - clock.now()
        if (left <= 0) [ends, passed] = [clock.now() + config.window, 0]
        if (passed++ < config.limit) return
        const headers = { 'retry-after': String(Math.ceil(left / 1000)) }
        throw new ProxyError('RATE_LIMITED', 'the quota is used up', { headers })
      }
    }
  }
})
