import {
  type Clock,
  type CounterCell,
  definePlugin,
  type Exchange,
  key,
  type Logger,
  type MetricFamily,
  type Metrics,
  type PluginHooks,
  ProxyError
} from '../../core/index.js'
import { Buckets } from './buckets.js'
import { config, type RateLimitConfig } from './config.js'
import { RateLimitFields, secondsOf } from './fields.js'
import { keyOf } from './keys.js'
import { Link } from './link.js'
import { Rate } from './rate.js'
import { RedisStore, STORE_ERRORS } from './redis.js'
import { Shared } from './shared.js'
import { type Store, UNCOUNTED, UNKNOWN, type Verdict } from './store.js'

/** Of one exchange, what each listing has decided. */
interface Decided {
  readonly by: RateLimitFields
  readonly verdict: Verdict
  readonly before: Decided | undefined
}

const decided = key<Decided>('rate-limit')

const links = new Shared<Link>()
const tables = new Shared<Buckets>()

/** What the store of a listing is made of. */
interface Parts {
  readonly config: RateLimitConfig
  readonly rate: Rate
  /** By what listings that count together are known. */
  readonly id: string
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly limited: MetricFamily<CounterCell>
  random(): number
  onClose(close: () => void): void
}

export default definePlugin({
  name: 'rate-limit',
  version: '0.1.0',
  description:
    'lets each client make so many requests in a time, counted here or in a Redis that proxies share',
  config,
  // A service sees attempts, and a client is not to blame for those that are retries.
  places: ['top', 'route'],
  setup({ config, place, clock, log, metrics, random, onClose }) {
    const { requests, per, burst = requests, name } = config
    const rate = new Rate(requests, per, burst)
    const limited = metrics.counter({
      name: 'outrigger_rate_limited_total',
      help: 'Requests refused because their key was over its rate limit, or its store could not be asked',
      labels: ['route']
    })
    const numbers = `${requests}/${per}/${burst}:${config.key}`
    const id = name === undefined ? `${place.kind}:${place.name}:${numbers}` : `name:${name}:${numbers}`
    const parts = { config, rate, id, clock, log, metrics, limited, random, onClose }
    const fields = config.headers ? new RateLimitFields(name ?? 'default', requests, per, rate) : undefined
    const start = (store: Store) => {
      onClose(() => store.close())
      return hooksOf(store, config, limited, fields)
    }
    return config.store === 'memory' ? start(inMemory(parts)) : inRedis(parts).then(start)
  }
})

function inMemory({ config, rate, id, clock, metrics, limited }: Parts): Store {
  const evicted = metrics
    .counter({
      name: 'outrigger_rate_limit_evicted_total',
      help: 'Keys pushed out of a full table while they still had a debt: maxKeys is too small, or keys are made up'
    })
    .labels()
  const make = () => new Buckets(rate, clock, config.maxKeys, () => evicted.inc())
  if (config.name === undefined) return make()
  const { value, release } = tables.hold(limited, `${id}:${config.maxKeys}`, make, () => {})
  return { take: (key) => value.take(key), close: release }
}

/** Resolves once it is known whether the store is there: it must hold from the first request, and need not be there. */
async function inRedis(parts: Parts): Promise<Store> {
  const { config, rate, id, clock, log, metrics, limited, random, onClose } = parts
  const { createClient } = await import('@redis/client')
  const { store: url, storeTimeout: timeout } = config
  const { value: link, release } = links.hold(
    limited,
    url,
    () => new Link({ url, make: (options) => createClient(options), clock, random, log }),
    (unused) => unused.close()
  )
  // Now, and not when the store is there: who gave up waiting for this set-up has closed it by then.
  onClose(release)
  const errors = metrics.counter({
    name: 'outrigger_rate_limit_store_errors_total',
    help: 'Requests whose limit could not be looked up: the store is down, late, in error, or has too much to do',
    labels: ['reason']
  })
  const duration = metrics.histogram({
    name: 'outrigger_rate_limit_store_duration_seconds',
    help: 'How long requests waited for the store',
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25]
  })
  await link.known
  return new RedisStore({
    link,
    rate,
    clock,
    timeout,
    prefix: `outrigger:rate:${id}:`,
    fallback: config.onStoreError === 'local' ? inMemory(parts) : new Fixed(config.onStoreError),
    errors: Object.fromEntries(STORE_ERRORS.map((reason) => [reason, errors.labels(reason)])) as Record<
      (typeof STORE_ERRORS)[number],
      CounterCell
    >,
    duration: duration.labels()
  })
}

/** The same for all. */
class Fixed implements Store {
  readonly #verdict: Verdict

  constructor(answer: 'allow' | 'deny') {
    this.#verdict = answer === 'allow' ? UNCOUNTED : UNKNOWN
  }

  take(): Verdict {
    return this.#verdict
  }

  close(): void {}
}

function hooksOf(
  store: Store,
  config: RateLimitConfig,
  limited: MetricFamily<CounterCell>,
  fields: RateLimitFields | undefined
): PluginHooks {
  const whose = keyOf(config.key, config.store !== 'memory')

  const decide = (verdict: Verdict, exchange: Exchange): void => {
    if (fields !== undefined) exchange.set(decided, { by: fields, verdict, before: exchange.get(decided) })
    // What nobody counted is not a number, and passes.
    if (!(verdict < 0)) return
    limited.labels(exchange.route.name).inc()
    const unknown = verdict === UNKNOWN
    throw new ProxyError(
      'RATE_LIMITED',
      unknown ? 'the rate limit cannot be looked up' : 'too many requests',
      {
        headers: { 'retry-after': String(unknown ? 1 : secondsOf(-verdict)) }
      }
    )
  }

  return {
    request(exchange) {
      const verdict = store.take(whose(exchange))
      return typeof verdict === 'number'
        ? decide(verdict, exchange)
        : verdict.then((answer) => decide(answer, exchange))
    },
    ...(fields === undefined
      ? {}
      : {
          response({ headers }, exchange) {
            let one = exchange.get(decided)
            while (one !== undefined && one.by !== fields) one = one.before
            if (one !== undefined) fields.append(headers, one.verdict)
          }
        })
  }
}
