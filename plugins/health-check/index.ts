import { definePlugin, type ErrorCode, type SetupContext } from '../../core/index.js'
import { Checker } from './checker.js'
import { config, type HealthCheckConfig, RECHECK } from './config.js'
import { grpcProbe } from './grpc-probe.js'
import { httpProbe } from './http-probe.js'
import type { Probe } from './probe.js'
import { HealthRecord } from './record.js'
import { tcpProbe } from './tcp-probe.js'

/** Checks of one service that are under way at once. */
const AT_ONCE = 64

/** Failures of an attempt that bring its endpoint's next check forward: the endpoint may be gone. */
const HINTS: ReadonlySet<ErrorCode> = new Set([
  'CONNECT_FAILED',
  'CONNECT_TIMEOUT',
  'UPSTREAM_RESET',
  'RESPONSE_TIMEOUT'
])

export default definePlugin({
  name: 'health-check',
  version: '0.1.0',
  description:
    "asks each endpoint how it is, by HTTP, TCP or gRPC, and takes out those that don't answer well",
  config,
  places: ['service'],
  setup(context) {
    const { config, service, clock, metrics, limit, onClose } = context
    if (service === undefined) return undefined
    const checks = metrics.counter({
      name: 'outrigger_health_checks_total',
      help: 'Health checks that have ended, by how',
      labels: ['service', 'result']
    })
    const checker = new Checker(
      {
        ...config,
        unhealthyInterval: config.unhealthyInterval ?? Math.min(RECHECK, config.interval)
      },
      {
        service,
        recordOf: service.keep('health-check', (endpoint) => new HealthRecord(endpoint)),
        probe: probeOf(config, service.name, context),
        clock,
        random: () => context.random(),
        places: limit('health-checks', AT_ONCE),
        passed: checks.labels(service.name, 'passed'),
        failed: checks.labels(service.name, 'failed')
      }
    )
    onClose(() => checker.close())
    return {
      settled({ error, endpoint }) {
        if (error !== undefined && HINTS.has(error.code)) checker.hint(endpoint)
      }
    }
  }
})

function probeOf(
  { http, grpc, timeout }: HealthCheckConfig,
  service: string,
  { clock, fetch }: SetupContext<HealthCheckConfig>
): Probe {
  if (http !== undefined) return httpProbe(http, service, timeout, fetch)
  if (grpc !== undefined) return grpcProbe(grpc.service, service, timeout, fetch)
  return tcpProbe(timeout, clock)
}
