import {
  type CheckContext,
  type ConfigFault,
  definePlugin,
  type Exchange,
  isSettable,
  type PluginHooks,
  type ProxyResponse,
  Reply,
  Retry,
  type ServiceInfo,
  type SetupContext
} from '../../core/index.js'
import { chain } from './chain.js'
import { config, type FailoverConfig, type ReplyConfig } from './config.js'
import { DEFAULT_FAILURES, failures, isRefusal } from './failures.js'

/** Envoy's overprovisioning factor, 140%. */
const OVERPROVISIONING = 1.4

/** What an answer carries that came from `reply` and from no service. */
const MARK = 'x-outrigger-failover'

/** RFC 9110 section 9.2.2. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

const OF_SERVICES = ['order', 'zone', 'overprovisioning'] as const
const OF_ROUTES = ['services', 'reply', 'on', 'nonIdempotent'] as const

export default definePlugin({
  name: 'failover',
  version: '0.1.0',
  description: 'goes on to other zones, priorities and services where one fails, and to a reply in the end',
  config,
  places: ['top', 'route', 'service'],
  body: ({ reply }) => (reply === undefined ? {} : { response: 'stream' }),
  check: faults,
  setup(context): PluginHooks | undefined {
    const { config, place, service, serviceNamed } = context
    const own = service ?? (place.service === undefined ? undefined : serviceNamed(place.service))
    if (own !== undefined && (service !== undefined || OF_SERVICES.some((key) => config[key] !== undefined)))
      withinService(config, own)
    return service === undefined ? betweenServices(context) : undefined
  }
})

function* faults({ config, place, services }: CheckContext<FailoverConfig>): Iterable<ConfigFault> {
  const onService = place === 'service'
  for (const key of onService ? OF_ROUTES : place === 'top' ? OF_SERVICES : []) {
    if (config[key] === undefined) continue
    const message = onService
      ? `expected on a route or at the top. On a service, failover says in what order its own endpoints are used: ${OF_SERVICES.join(', ')}`
      : 'expected on a service, whose endpoints this orders, or on a route, for its service'
    yield { path: [key], message }
  }
  if (!onService && Object.keys(config).every((key) => key === 'on' || key === 'nonIdempotent'))
    yield { message: 'missing: expected services, reply or both' }
  for (const [index, name] of (config.services ?? []).entries()) {
    if (!services.includes(name))
      yield { path: ['services', index], message: `there is no service ${JSON.stringify(name)}` }
  }
}

function withinService({ order, zone, overprovisioning }: FailoverConfig, service: ServiceInfo): void {
  service.arrange({
    order: order ?? (zone === undefined ? ['priority'] : ['zone', 'priority']),
    overprovisioning: overprovisioning ?? OVERPROVISIONING,
    // Left out, it is whatever another plugin says.
    ...(zone === undefined ? {} : { zone })
  })
}

function betweenServices({ config, serviceNamed, metrics }: SetupContext<FailoverConfig>): PluginHooks {
  const { isUp, next } = chain(config.services ?? [], serviceNamed)
  const failed = failures(config.on ?? DEFAULT_FAILURES)
  const canned = config.reply && replyOf(config.reply)
  const total = metrics.counter({
    name: 'outrigger_failovers_total',
    help: 'Requests that went on to another service, or were answered with the reply',
    labels: ['route', 'service', 'to']
  })

  /** Whether the work can be done by another service without being done twice. */
  const movable = ({ request, attempts }: Exchange) =>
    config.nonIdempotent === true ||
    IDEMPOTENT.has(request.method) ||
    attempts.every((attempt) => !attempt.sent)

  const hooks: PluginHooks = {}
  if (config.services !== undefined) {
    hooks.request = (exchange) => {
      const from = exchange.service
      if (from === undefined || isUp(from)) return
      const to = next(from)
      if (to === undefined) return
      total.labels(exchange.route.name, from, to).inc()
      exchange.service = to
    }
    hooks.attempt = ({ reason, number, service }, { attempts, route }) => {
      if (reason !== 'failover') return
      const from = attempts[number - 2]?.service ?? route.service ?? '-'
      total.labels(route.name, from, service).inc()
    }
    hooks.outcome = (attempt, exchange) => {
      // Every gRPC call is a POST: who names a status means them.
      const named = failed.ofCall(attempt)
      if (!named && !(failed.of(attempt) && movable(exchange))) return undefined
      const to = next(attempt.service)
      return to === undefined ? undefined : new Retry({ reason: 'failover', service: to })
    }
    hooks.error = ({ code }, exchange) => {
      // What an attempt ended with, `outcome` has decided on.
      if (!isRefusal(code) || !movable(exchange)) return undefined
      const to = next(exchange.service)
      return to === undefined ? undefined : new Retry({ reason: 'failover', service: to })
    }
  }
  if (canned !== undefined) {
    hooks.response = (response, exchange) => {
      const { local, error, status } = response
      // The message that a gRPC client waits for is none that a configuration could hold.
      if (exchange.grpc) return undefined
      const bad = local ? error !== undefined && failed.ofError(error.code) : failed.ofStatus(status)
      if (!bad) return undefined
      total.labels(exchange.route.name, exchange.service ?? '-', 'reply').inc()
      putInPlace(response, canned)
      return undefined
    }
  }
  return hooks
}

/** A Reply that is returned would keep the answer from plugins listed before this one: their headers belong on it, too. */
function putInPlace(response: ProxyResponse, { status, headers, content, type }: Reply): void {
  for (const name of new Set([...response.headers].map(([each]) => each))) {
    if (isSettable(name)) response.headers.delete(name)
  }
  response.status = status
  response.body.replace(content)
  if (type !== undefined) response.headers.set('content-type', type)
  for (const [name, value] of Object.entries(headers)) {
    response.headers.delete(name)
    for (const one of typeof value === 'string' ? [value] : value) response.headers.append(name, one)
  }
}

function replyOf({ status, body, headers }: ReplyConfig): Reply {
  return new Reply(status, body, { ...headers, [MARK]: 'reply' })
}
