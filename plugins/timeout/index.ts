import { definePlugin, duration, type PluginHooks, z } from '../../core/index.js'

const config = z
  .strictObject({
    request: duration()
      .optional()
      .describe(
        "How long the whole exchange may take, retries included, until its response begins. Takes the place of the route's `timeout`. 0: for ever. Not on a service."
      ),
    attempt: duration({ min: 1 })
      .optional()
      .describe('How long one attempt may take until the head of its response is there.'),
    connect: duration({ min: 1 })
      .optional()
      .describe("How long an attempt may wait for a connection. Default: the service's `connectTimeout`."),
    idle: duration()
      .optional()
      .describe("How long the response's body may pause. 0: for ever. Default: the service's `idleTimeout`.")
  })
  .superRefine((config, context) => {
    if (Object.values(config).some((value) => value !== undefined)) return
    context.addIssue({
      code: 'custom',
      message: 'missing: expected at least one of request, attempt, connect and idle'
    })
  })

export default definePlugin({
  name: 'timeout',
  version: '0.1.0',
  description: 'bounds the time of a request, of each attempt, of connecting and of pauses in a response',
  config,
  places: ['top', 'route', 'service'],
  check({ config, place }) {
    if (place !== 'service' || config.request === undefined) return []
    const message =
      'the time of a whole exchange, which may try several services: set it on a route or at the top'
    return [{ path: ['request'], message }]
  },
  setup({ config }): PluginHooks {
    const { attempt: whole, connect } = config
    const request = endless(config.request)
    const idle = endless(config.idle)
    const hooks: PluginHooks = {}
    if (request !== undefined) {
      hooks.request = (exchange) => {
        exchange.timeout = request
      }
    }
    if (whole !== undefined || connect !== undefined || idle !== undefined) {
      hooks.attempt = (attempt) => {
        if (whole !== undefined && whole < attempt.timeout) attempt.timeout = whole
        if (connect !== undefined) attempt.connectTimeout = connect
        if (idle !== undefined) attempt.idleTimeout = idle
      }
    }
    return hooks
  }
})

function endless(ms: number | undefined): number | undefined {
  return ms === 0 ? Number.POSITIVE_INFINITY : ms
}
