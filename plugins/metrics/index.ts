import {
  definePlugin,
  duration,
  type Endpoint,
  type Exchange,
  key,
  type RouteInfo,
  z
} from '../../core/index.js'
import { EndpointCells, RouteCells } from './cells.js'
import { declare } from './families.js'

/** Whose exchange it is, where the plugin stands in several places: each is counted once. */
interface Claim {
  readonly owner: object
  readonly cells: RouteCells
  /** For exchanges that were seen to begin; others ended before this plugin's turn. */
  readonly counted: boolean
}
const claim = key<Claim>('outrigger.metrics')

export default definePlugin({
  name: 'metrics',
  version: '0.1.0',
  description: 'requests, attempts, retries and their durations, for Prometheus',
  config: z.strictObject({
    buckets: z
      .array(duration())
      .min(1)
      .refine((bounds) => bounds.every((bound, i) => bound > (bounds[i - 1] ?? 0)), {
        error: 'each bucket is above 0 and above the one before'
      })
      .optional()
      .describe('upper bounds of both duration histograms; default 1ms to 10s'),
    maxSeries: z
      .int()
      .min(1)
      .default(2000)
      .describe('label sets of one metric; what comes on top is counted as other')
  }),
  setup({ config, metrics }) {
    const families = declare(
      metrics,
      config.maxSeries,
      config.buckets?.map((ms) => ms / 1000)
    )
    const owner = {}
    const routes = new Map<string, { begun: Claim; unseen: Claim }>()
    // By the object, so that endpoints which discovery brings and takes leave nothing behind.
    const endpoints = new WeakMap<Endpoint, EndpointCells>()

    function claimsOf(route: RouteInfo): { begun: Claim; unseen: Claim } {
      let claims = routes.get(route.name)
      if (claims === undefined) {
        const cells = new RouteCells(families, route)
        claims = { begun: { owner, cells, counted: true }, unseen: { owner, cells, counted: false } }
        routes.set(route.name, claims)
      }
      return claims
    }

    /** This listing's claim on the exchange; undefined when another listing has it. */
    function claimOf(exchange: Exchange): Claim | undefined {
      let claimed = exchange.get(claim)
      if (claimed === undefined) exchange.set(claim, (claimed = claimsOf(exchange.route).unseen))
      return claimed.owner === owner ? claimed : undefined
    }

    return {
      request(exchange) {
        if (exchange.get(claim) !== undefined) return
        const { begun } = claimsOf(exchange.route)
        exchange.set(claim, begun)
        begun.cells.inFlight.inc()
      },
      settled(attempt, exchange) {
        const claimed = claimOf(exchange)
        if (claimed === undefined) return
        let cells = endpoints.get(attempt.endpoint)
        if (cells === undefined) {
          cells = new EndpointCells(families, attempt.endpoint)
          endpoints.set(attempt.endpoint, cells)
        }
        cells.ended(attempt)
        if (attempt.number > 1) claimed.cells.retried(attempt.reason ?? 'unknown')
      },
      finish(result, exchange) {
        const claimed = claimOf(exchange)
        if (claimed === undefined) return
        if (claimed.counted) claimed.cells.inFlight.dec()
        claimed.cells.finished(exchange.request.method, result, exchange.service)
      }
    }
  }
})
