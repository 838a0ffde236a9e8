import { definePlugin, type PluginHooks, type ServiceHandle, type SetupContext } from '../../core/index.js'
import { Affinity } from './affinity.js'
import { config, type LoadBalancerConfig } from './config.js'
import { hashKey } from './hash-key.js'
import { Hashed } from './hashed.js'
import { leastRequest } from './least-request.js'
import { LeastResponseTime } from './least-response-time.js'
import { Maglev } from './maglev.js'
import { random } from './random.js'
import { Ring } from './ring.js'
import { SlowStart } from './slow-start.js'

type Context = SetupContext<LoadBalancerConfig>

/** Envoy's: a zone is left bit by bit once less than 1/1.4 of it, 71%, is usable. */
const OVERPROVISIONING = 1.4

export default definePlugin({
  name: 'load-balancer',
  version: '0.1.0',
  description:
    'chooses the endpoint of each attempt: in turn, at random, by load, by response time, by a hash or by zone',
  config,
  // What a policy knows of its endpoints is one service's; on two routes it would be known by halves.
  places: ['service'],
  async setup(context): Promise<PluginHooks> {
    const { service, config } = context
    if (service === undefined) return {}
    const { panicThreshold } = config
    if (panicThreshold !== undefined) service.arrange({ panicThreshold })
    const hashed = isHashing(config.policy) ? await hashing(context, service) : undefined
    if (hashed !== undefined) service.drawBy((exchange) => hashed.part(exchange))
    const hooks: PluginHooks =
      hashed === undefined
        ? policyOf(context, service)
        : { pick: (endpoints, exchange) => hashed.pick(endpoints, exchange) }
    const slow = slowStartOf(context, service)
    if (slow !== undefined) {
      const { pick } = hooks
      hooks.pick = (endpoints, exchange) => {
        slow.look(endpoints)
        return pick?.(endpoints, exchange)
      }
    }
    const affinity = await affinityOf(context, service)
    if (affinity !== undefined) {
      service.drawBy((exchange) => affinity.named(exchange) ?? hashed?.part(exchange))
      const { pick, outcome } = hooks
      hooks.pick = (endpoints, exchange) => affinity.pick(endpoints, exchange) ?? pick?.(endpoints, exchange)
      hooks.outcome = (attempt, exchange) => {
        affinity.answered(attempt, exchange)
        return outcome?.(attempt, exchange)
      }
    }
    return hooks
  }
})

function isHashing(policy: LoadBalancerConfig['policy']): boolean {
  return policy === 'ring-hash' || policy === 'maglev'
}

function policyOf(context: Context, service: ServiceHandle): PluginHooks {
  const { config, clock, random: chance } = context
  switch (config.policy) {
    case 'random':
      return { pick: random(chance) }
    case 'least-request':
      return { pick: leastRequest(chance) }
    case 'least-response-time': {
      const policy = new LeastResponseTime(service, clock, chance)
      return { pick: (endpoints) => policy.pick(endpoints), ...policy.hooks }
    }
    case 'zone-aware':
      service.arrange({
        order: ['zone', 'priority'],
        zone: config.zone,
        overprovisioning: OVERPROVISIONING
      })
      return { pick: leastRequest(chance) }
    default:
      // The core's own pick, which runs when no plugin picks.
      return {}
  }
}

async function hashing(context: Context, service: ServiceHandle): Promise<Hashed> {
  const { config, clock, log, metrics, random: chance, onClose } = context
  const picks = metrics.counter({
    name: 'outrigger_hash_picks_total',
    help: 'Attempts by how their key came to its endpoint: own; absent: its own was not to be had; full: at its bound; keyless',
    labels: ['service', 'result']
  })
  const hashed = new Hashed({
    service,
    clock,
    log,
    build: config.policy === 'maglev' ? Maglev.build : Ring.build,
    key: hashKey(config.hashOn ?? {}),
    boundedLoad: config.boundedLoad,
    otherwise: random(chance),
    picks: {
      own: picks.labels(service.name, 'own'),
      absent: picks.labels(service.name, 'absent'),
      full: picks.labels(service.name, 'full'),
      keyless: picks.labels(service.name, 'keyless')
    }
  })
  onClose(() => hashed.stop())
  await hashed.start()
  return hashed
}

function slowStartOf({ config, clock, onClose }: Context, service: ServiceHandle): SlowStart | undefined {
  const { slowStart } = config
  if (slowStart === undefined) return undefined
  const options = typeof slowStart === 'number' ? { window: slowStart, aggression: 1 } : slowStart
  const slow = new SlowStart(service, clock, options)
  onClose(() => slow.stop())
  return slow
}

async function affinityOf(
  { config, metrics }: Context,
  service: ServiceHandle
): Promise<Affinity | undefined> {
  if (config.affinity === undefined) return undefined
  const picks = metrics.counter({
    name: 'outrigger_affinity_picks_total',
    help: "Attempts by what became of the client's cookie: kept; moved: its endpoint was not to be had; started: there was none",
    labels: ['service', 'result']
  })
  const affinity = new Affinity(service, config.affinity, {
    kept: picks.labels(service.name, 'kept'),
    moved: picks.labels(service.name, 'moved'),
    started: picks.labels(service.name, 'started')
  })
  await affinity.start()
  return affinity
}
