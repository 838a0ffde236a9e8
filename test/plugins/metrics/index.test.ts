import t from 'tap'
import {
  type Attempt,
  type Endpoint,
  type Exchange,
  type Key,
  type PluginHooks,
  ProxyError,
  type Result,
  type SetupContext
} from '../../../core/index.js'
import { MetricsRegistry } from '../../../core/metrics/registry.js'
import metrics from '../../../plugins/metrics/index.js'

/** None of them is asynchronous. */
interface Hooks extends Required<Pick<PluginHooks, 'settled' | 'finish'>> {
  request(exchange: Exchange): void
}

/** The plugin as a configuration lists it. */
function listing(registry: MetricsRegistry, config: object = {}): Hooks {
  const parsed = metrics.config?.parse(config)
  const context = { config: parsed, metrics: registry } as unknown as SetupContext<NonNullable<typeof parsed>>
  return metrics.setup(context) as Hooks
}

/** Every sample of our own metrics but the buckets, name and labels to value. */
async function samples(registry: MetricsRegistry): Promise<Record<string, number>> {
  const { text } = await registry.text()
  const found = text
    .split('\n')
    .filter((line) => line.startsWith('outrigger_') && !line.includes('_bucket'))
    .map((line) => /^(.*) (\S+)$/.exec(line) ?? [])
  return Object.fromEntries(found.map(([, name, value]) => [name, Number(value)]))
}

function begin({ route = 'orders', service = 'orders' as string | null, method = 'GET' } = {}): Exchange {
  const values = new Map<Key<unknown>, unknown>()
  return {
    route: { name: route, service: service ?? undefined },
    request: { method },
    get: (key: Key<unknown>) => values.get(key),
    set: (key: Key<unknown>, value: unknown) => values.set(key, value)
  } as unknown as Exchange
}

const result = (status: number, duration = 20): Result => ({ status, duration }) as Result
const endpoint = { service: 'orders', url: 'http://127.0.0.1:9001' } as Endpoint

function attempt(of: Partial<Attempt>): Attempt {
  return { number: 1, endpoint, latency: 10, end: 'complete', status: 200, ...of } as Attempt
}

t.test('an exchange is counted and timed by route, service, method and status', async (t) => {
  const registry = new MetricsRegistry()
  const { request, settled, finish } = listing(registry)
  for (const [method, status] of [
    ['GET', 200],
    ['GET', 200],
    ['POST', 503]
  ] as const) {
    const exchange = begin({ method })
    request(exchange)
    settled(attempt({ status }), exchange)
    finish(result(status), exchange)
  }
  t.same(await samples(registry), {
    'outrigger_requests_total{route="orders",service="orders",method="GET",code="200"}': 2,
    'outrigger_requests_total{route="orders",service="orders",method="POST",code="503"}': 1,
    'outrigger_request_duration_seconds_sum{route="orders",service="orders"}': 0.06,
    'outrigger_request_duration_seconds_count{route="orders",service="orders"}': 3,
    'outrigger_requests_in_flight{route="orders"}': 0,
    'outrigger_attempts_total{service="orders",endpoint="http://127.0.0.1:9001",outcome="2xx"}': 2,
    'outrigger_attempts_total{service="orders",endpoint="http://127.0.0.1:9001",outcome="5xx"}': 1,
    'outrigger_attempt_duration_seconds_sum{service="orders",endpoint="http://127.0.0.1:9001"}': 0.03,
    'outrigger_attempt_duration_seconds_count{service="orders",endpoint="http://127.0.0.1:9001"}': 3
  })
})

t.test('a gRPC call is counted by its own status too', async (t) => {
  const registry = new MetricsRegistry()
  const { finish } = listing(registry)
  for (const grpcStatus of [0, 0, 14, 5, 2, 17, 4_000]) {
    finish({ ...result(200), grpcStatus }, begin({ method: 'POST' }))
  }
  finish({ ...result(499), grpcStatus: 1 }, begin({ method: 'POST', route: '-', service: null }))
  finish(result(200), begin())
  const found = Object.entries(await samples(registry))
  t.same(
    found.filter(([name]) => name.includes('grpc')),
    [
      ['outrigger_grpc_requests_total{route="orders",service="orders",code="OK"}', 2],
      ['outrigger_grpc_requests_total{route="orders",service="orders",code="UNAVAILABLE"}', 1],
      ['outrigger_grpc_requests_total{route="orders",service="orders",code="NOT_FOUND"}', 1],
      ['outrigger_grpc_requests_total{route="orders",service="orders",code="UNKNOWN"}', 3],
      ['outrigger_grpc_requests_total{route="-",service="-",code="CANCELLED"}', 1]
    ]
  )
  t.match(Object.fromEntries(found), {
    'outrigger_requests_total{route="orders",service="orders",method="POST",code="200"}': 7,
    'outrigger_requests_total{route="-",service="-",method="POST",code="499"}': 1
  })
})

t.test('an exchange is in flight from its request to its finish', async (t) => {
  const registry = new MetricsRegistry()
  const { request, finish } = listing(registry)
  const inFlight = async () => (await samples(registry))['outrigger_requests_in_flight{route="orders"}']
  const first = begin()
  const second = begin()
  request(first)
  request(second)
  t.equal(await inFlight(), 2)
  finish(result(499), first)
  t.equal(await inFlight(), 1)
  finish(result(200), second)
  t.equal(await inFlight(), 0)
})

t.test('one that a plugin before this answered is counted, and was never in flight', async (t) => {
  const registry = new MetricsRegistry()
  const { request, finish } = listing(registry)
  finish(result(401), begin())
  const running = begin()
  request(running)
  const found = await samples(registry)
  t.equal(found['outrigger_requests_total{route="orders",service="orders",method="GET",code="401"}'], 1)
  t.equal(found['outrigger_requests_in_flight{route="orders"}'], 1)
})

t.test('where no route matched, and where a route has no service, the label is a dash', async (t) => {
  const registry = new MetricsRegistry()
  const { finish } = listing(registry)
  finish(result(404), begin({ route: '-', service: null }))
  t.equal(
    (await samples(registry))['outrigger_requests_total{route="-",service="-",method="GET",code="404"}'],
    1
  )
})

t.test('methods that nobody knows are one', async (t) => {
  const registry = new MetricsRegistry()
  const { finish } = listing(registry)
  for (const method of ['BREW', 'get', 'X'.repeat(1000), 'OTHER']) finish(result(501), begin({ method }))
  t.same(
    Object.entries(await samples(registry)).filter(([name]) => name.includes('requests_total')),
    [['outrigger_requests_total{route="orders",service="orders",method="OTHER",code="501"}', 4]]
  )
})

t.test('how an attempt ended is one word of a fixed list', async (t) => {
  const failed = (code: ConstructorParameters<typeof ProxyError>[0], end: Attempt['end'] = 'failed') => {
    return { status: undefined, end, error: new ProxyError(code, 'x') }
  }
  const cases: [Partial<Attempt>, string][] = [
    [{ status: 101 }, '1xx'],
    [{ status: 204 }, '2xx'],
    [{ status: 304 }, '3xx'],
    [{ status: 404 }, '4xx'],
    [{ status: 503, end: 'discarded' }, '5xx'],
    [{ status: 700 }, 'error'],
    ...Object.entries({
      '2xx': [0],
      '4xx': [1, 3, 5, 6, 7, 8, 9, 10, 11, 16],
      '5xx': [2, 4, 12, 13, 14, 15, 17, 500]
    }).flatMap(([outcome, statuses]) =>
      statuses.map((grpcStatus): [Partial<Attempt>, string] => [{ status: 200, grpcStatus }, outcome])
    ),
    [{ status: 200, grpcStatus: 0, end: 'broken' }, 'broken'],
    [{ status: 200, grpcStatus: 14, end: 'discarded' }, '5xx'],
    [{ status: 200, grpcStatus: 1, end: 'cancelled' }, 'cancelled'],
    [{ status: 200, end: 'broken', error: new ProxyError('UPSTREAM_RESET', 'x') }, 'broken'],
    [{ status: 200, end: 'cancelled' }, 'cancelled'],
    [{ status: undefined, end: 'cancelled' }, 'cancelled'],
    [failed('CONNECT_FAILED'), 'connect-failure'],
    [failed('CONNECT_TIMEOUT'), 'connect-failure'],
    [failed('UPSTREAM_RESET'), 'reset'],
    [failed('RESPONSE_TIMEOUT'), 'timeout'],
    [failed('DEADLINE_EXCEEDED', 'cancelled'), 'timeout'],
    [failed('BAD_UPSTREAM_RESPONSE'), 'bad-response'],
    [failed('OVERLOADED'), 'overloaded'],
    [failed('PLUGIN_FAILED'), 'error']
  ]
  for (const [of, outcome] of cases) {
    const registry = new MetricsRegistry()
    listing(registry).settled(attempt(of), begin())
    const name = `outrigger_attempts_total{service="orders",endpoint="http://127.0.0.1:9001",outcome="${outcome}"}`
    t.equal((await samples(registry))[name], 1, `${outcome} of ${JSON.stringify(of)}`)
  }
})

t.test('each attempt after the first is a retry, by its reason', async (t) => {
  const registry = new MetricsRegistry()
  const { request, settled, finish } = listing(registry)
  const exchange = begin()
  request(exchange)
  settled(attempt({ status: 503, end: 'discarded' }), exchange)
  settled(attempt({ number: 2, reason: '5xx', status: 503, end: 'discarded' }), exchange)
  settled(attempt({ number: 3, reason: '5xx' }), exchange)
  finish(result(200), exchange)
  const found = await samples(registry)
  t.equal(found['outrigger_retries_total{route="orders",reason="5xx"}'], 2)
  t.equal(
    found['outrigger_attempts_total{service="orders",endpoint="http://127.0.0.1:9001",outcome="5xx"}'],
    2
  )
  t.equal(found['outrigger_requests_total{route="orders",service="orders",method="GET",code="200"}'], 1)
})

t.test('reasons and endpoints without end share what is past maxSeries', async (t) => {
  const registry = new MetricsRegistry()
  const { settled } = listing(registry, { maxSeries: 3 })
  for (let i = 0; i < 500; i++) {
    settled(
      attempt({ number: 2, reason: `r${i}`, endpoint: { service: 's', url: `e${i}` } as Endpoint }),
      begin()
    )
  }
  const found = await samples(registry)
  t.equal(found['outrigger_retries_total{route="other",reason="other"}'], 497)
  t.equal(found['outrigger_attempts_total{service="other",endpoint="other",outcome="other"}'], 497)
  t.equal(Object.keys(found).length, 4 + 4 + 2 * 4)
})

t.test('listed at the top and on a route, an exchange is counted once', async (t) => {
  const registry = new MetricsRegistry()
  const top = listing(registry)
  const route = listing(registry)
  const service = listing(registry)
  const seen = begin()
  for (const { request } of [top, route]) request(seen)
  for (const { settled } of [service, top, route]) settled(attempt({}), seen)
  for (const { finish } of [route, top]) finish(result(200), seen)
  const unseen = begin()
  for (const { finish } of [route, top]) finish(result(401), unseen)
  const found = await samples(registry)
  t.equal(found['outrigger_requests_total{route="orders",service="orders",method="GET",code="200"}'], 1)
  t.equal(found['outrigger_requests_total{route="orders",service="orders",method="GET",code="401"}'], 1)
  t.equal(
    found['outrigger_attempts_total{service="orders",endpoint="http://127.0.0.1:9001",outcome="2xx"}'],
    1
  )
  t.equal(found['outrigger_requests_in_flight{route="orders"}'], 0)
})

t.test('on a service alone it shows attempts, and no empty series of the route', async (t) => {
  const registry = new MetricsRegistry()
  listing(registry).settled(attempt({}), begin())
  t.same(Object.keys(await samples(registry)), [
    'outrigger_attempts_total{service="orders",endpoint="http://127.0.0.1:9001",outcome="2xx"}',
    'outrigger_attempt_duration_seconds_sum{service="orders",endpoint="http://127.0.0.1:9001"}',
    'outrigger_attempt_duration_seconds_count{service="orders",endpoint="http://127.0.0.1:9001"}'
  ])
})

t.test('a new configuration counts on', async (t) => {
  const registry = new MetricsRegistry()
  const before = listing(registry)
  const running = begin()
  before.request(running)
  const after = listing(registry)
  after.finish(result(200), begin())
  before.finish(result(200), running)
  const found = await samples(registry)
  t.equal(found['outrigger_requests_total{route="orders",service="orders",method="GET",code="200"}'], 2)
  t.equal(found['outrigger_requests_in_flight{route="orders"}'], 0)
})

t.test('buckets are durations, in seconds as Prometheus sees them', async (t) => {
  const registry = new MetricsRegistry()
  const { finish } = listing(registry, { buckets: ['5ms', '50ms', '1s'] })
  finish(result(200, 20), begin())
  const { text } = await registry.text()
  const bounds = [...text.matchAll(/outrigger_request_duration_seconds_bucket\{le="([^"]+)",[^}]*\} (\d)/g)]
  t.same(
    bounds.map(([, bound, count]) => [bound, count]),
    [
      ['0.005', '0'],
      ['0.05', '1'],
      ['1', '1'],
      ['+Inf', '1']
    ]
  )
})

t.test('a wrong configuration is told', async (t) => {
  const problems = (config: object) => metrics.config?.safeParse(config).error?.issues.length ?? 0
  t.equal(problems({}), 0)
  t.equal(problems({ buckets: ['50ms', '5ms'] }), 1)
  t.equal(problems({ buckets: [0, 5] }), 1)
  t.equal(problems({ buckets: [] }), 1)
  t.equal(problems({ maxSeries: 0 }), 1)
  t.equal(problems({ labels: ['path'] }), 1)
})
