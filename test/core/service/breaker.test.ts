// What plugins trip and reset, and what the core then lets through.
import t from 'tap'
import { definePlugin, type PluginHooks, Retry, type ServiceHandle } from '../../../core/index.js'
import { serviceViews } from '../../../core/server/views.js'
import type { UpstreamAnswer, UpstreamHandler } from '../../../core/testing/fake-upstream.js'
import { settle, TestPipeline } from '../../support/pipeline.js'

async function world(
  hooks: (service: ServiceHandle) => PluginHooks,
  upstream: UpstreamHandler,
  endpoints = ['http://a', 'http://b'],
  route: PluginHooks = {}
) {
  let handle: ServiceHandle | undefined
  const run = await TestPipeline.build({
    endpoints,
    upstream,
    route: [definePlugin({ name: 'route', setup: () => route })],
    service: [
      definePlugin({
        name: 'watch',
        setup({ service }) {
          handle = service
          return hooks(service as ServiceHandle)
        }
      })
    ]
  })
  return { run, service: handle as ServiceHandle }
}

const trips = (service: ServiceHandle): PluginHooks => ({
  outcome({ endpoint, status, probe }) {
    if (status === 500) service.trip(endpoint, 10_000, 'answered 500')
    else if (probe) service.reset(endpoint)
  }
})

t.test('an open endpoint is left out, and where all are open the client is told', async (t) => {
  const { run, service } = await world(trips, () => ({ status: 500 }))
  t.equal((await run.request()).status, 500)
  t.equal((await run.request()).status, 500)
  t.strictSame(
    service.endpoints.map(({ breaker }) => breaker),
    ['open', 'open']
  )
  const refused = await run.request()
  t.equal(refused.error, 'CIRCUIT_OPEN')
  t.equal(refused.status, 503)
  t.equal(refused.headers.get('retry-after'), '10')
  t.equal(refused.exchange.attempts.length, 0)
  await run.clock.advance(4_000)
  t.equal((await run.request()).headers.get('retry-after'), '6')
  const [view] = serviceViews(run.generation, run.clock.now())
  t.match(view?.endpoints[0]?.breaker, { state: 'open', reason: 'answered 500' })
  t.equal(view?.endpoints[0]?.availableFor, undefined)
  t.match(
    (await run.metrics.text()).text,
    /outrigger_breaker_state\{service="upstream",endpoint="http:\/\/a"\} 2/
  )
  t.match((await run.metrics.text()).text, /outrigger_breaker_trips_total\{service="upstream"\} 2/)
  await run.close()
})

t.test('half open: one probe at a time, which opens or closes it', async (t) => {
  const waiting: ((answer: UpstreamAnswer) => void)[] = []
  let failing = true
  const { run, service } = await world(
    trips,
    () =>
      failing
        ? { status: 500 }
        : new Promise<UpstreamAnswer>((resolve) => {
            waiting.push(resolve)
          }),
    ['http://a']
  )
  await run.request()
  failing = false
  await run.clock.advance(10_000)
  const probe = run.begin({})
  await settle()
  t.equal(service.endpoints[0]?.breaker, 'half-open')
  t.equal(probe.exchange.attempts[0]?.probe, true)
  const refused = await run.request()
  t.equal(refused.error, 'CIRCUIT_OPEN', 'the probe is under way')
  t.equal(refused.headers.get('retry-after'), '1')
  waiting.shift()?.({ status: 500 })
  await settle()
  t.equal(probe.answer().status, 500)
  t.equal(service.endpoints[0]?.breaker, 'open', 'it opens again')
  await run.clock.advance(10_000)

  const left = run.begin({})
  await settle()
  left.outgoing.destroy()
  await settle()
  t.equal(service.endpoints[0]?.breaker, 'half-open', 'a probe whose client left decides nothing')
  waiting.shift()

  const second = run.begin({})
  await settle()
  t.equal(second.exchange.attempts[0]?.probe, true, 'and the next one takes its place')
  waiting.shift()?.({ status: 200 })
  await settle()
  t.equal(service.endpoints[0]?.breaker, 'closed')
  t.equal(service.endpoints[0]?.availableSince, run.clock.now())
  const all = [run.begin({}), run.begin({}), run.begin({})]
  await settle()
  t.strictSame(
    all.map(({ exchange }) => exchange.attempts[0]?.probe),
    [false, false, false]
  )
  for (const answer of waiting.splice(0)) answer({})
  await settle()
  await run.close()
})

t.test(
  "the service's own breaker stops all of it, and an outcome stands where it stops a retry",
  async (t) => {
    const { run, service } = await world(
      (service) => ({
        outcome({ status, probe }) {
          if (status === 500) service.trip(undefined, 5_000, 'too many')
          else if (probe) service.reset(undefined)
        }
      }),
      ({ index }) => ({ status: index === 0 ? 500 : 200 }),
      ['http://a', 'http://b'],
      { outcome: ({ status }) => (status === 500 ? new Retry({ reason: '5xx' }) : undefined) }
    )
    const first = await run.request()
    t.equal(first.status, 500, "the service's answer, and not that there is no other")
    t.equal(first.exchange.attempts.length, 1)
    t.equal(service.breaker, 'open')
    t.equal((await run.request()).error, 'CIRCUIT_OPEN')
    await run.clock.advance(5_000)
    t.equal((await run.request()).status, 200)
    t.equal(service.breaker, 'closed')
    await run.close()
  }
)

t.test('limits: attempts of an endpoint, of a service, and retries', async (t) => {
  const hang = () => new Promise<UpstreamAnswer>(() => {})
  const perEndpoint = await world((service) => {
    service.limit({ per: 'endpoint', maxRequests: 2 })
    return {}
  }, hang)
  for (let i = 0; i < 4; i++) perEndpoint.run.begin({})
  await settle()
  t.strictSame(
    perEndpoint.service.endpoints.map(({ inFlight }) => inFlight),
    [2, 2]
  )
  const fifth = await perEndpoint.run.request()
  t.equal(fifth.error, 'OVERLOADED')
  t.equal(fifth.headers.get('retry-after'), '1')
  const [shown] = serviceViews(perEndpoint.run.generation, perEndpoint.run.clock.now())
  t.strictSame(shown?.limits, [{ name: 'requests per endpoint', max: 2, used: 2, waiting: 0, refused: 1 }])
  await perEndpoint.run.clock.advance(16_000)
  await perEndpoint.run.close()

  const perService = await world((service) => {
    service.limit({ per: 'service', maxRequests: 3, maxRetries: 1 })
    return {}
  }, hang)
  for (let i = 0; i < 3; i++) perService.run.begin({})
  await settle()
  t.equal((await perService.run.request()).error, 'OVERLOADED')
  const { text } = await perService.run.metrics.text()
  t.match(text, /outrigger_limit\{place="service",on="upstream",limit="requests"\} 3/)
  t.match(text, /outrigger_limit_used\{place="service",on="upstream",limit="requests"\} 3/)
  t.match(text, /outrigger_limit_refused_total\{place="service",on="upstream",limit="requests"\} 1/)
  const [view] = serviceViews(perService.run.generation, perService.run.clock.now())
  t.strictSame(view?.limits, [
    { name: 'requests', max: 3, used: 3, waiting: 0, refused: 1 },
    { name: 'retries', max: 1, used: 0, waiting: 0, refused: 0 }
  ])
  await perService.run.clock.advance(16_000)
  await perService.run.close()
})

t.test('a full endpoint is passed by while another has room', async (t) => {
  const { run, service } = await world(
    (service) => {
      service.limit({ per: 'endpoint', maxRequests: 1 })
      return { pick: (endpoints) => endpoints[0] }
    },
    () => new Promise<UpstreamAnswer>(() => {})
  )
  run.begin({})
  run.begin({})
  await settle()
  t.strictSame(
    service.endpoints.map(({ inFlight }) => inFlight),
    [1, 1]
  )
  await run.clock.advance(16_000)
  await run.close()
})

t.test("a plugin's knowledge of an endpoint and its own limit outlast the plugin", async (t) => {
  const made: string[] = []
  const { run, service } = await world(
    (service) => {
      const count = service.keep('count', (endpoint) => {
        made.push(endpoint.url)
        return { seen: 0 }
      })
      return {
        outcome({ endpoint }) {
          count(endpoint).seen++
        }
      }
    },
    () => ({})
  )
  for (let i = 0; i < 4; i++) await run.request()
  t.strictSame(made, ['http://a', 'http://b'])
  const again = service.keep('count', () => ({ seen: -1 }))
  t.strictSame(
    service.endpoints.map((endpoint) => again(endpoint).seen),
    [2, 2]
  )
  const limit = run.store.limits.hold({ kind: 'route', name: 'one' }, 'places', 2)
  t.equal(limit.take(), true)
  t.equal(limit.take(), true)
  t.equal(limit.take(), false)
  limit.max = 7
  t.equal(run.store.limits.hold({ kind: 'route', name: 'one' }, 'places', 2).max, 7, 'what was learnt stays')
  run.store.limits.release({ kind: 'route', name: 'one' }, 'places')
  const same = run.store.limits.hold({ kind: 'route', name: 'one' }, 'places', 9)
  t.equal(same, limit)
  t.equal(same.max, 9, 'unless something else is asked for')
  run.store.limits.release({ kind: 'route', name: 'one' }, 'places')
  t.equal(limit.used, 2)
  t.match(
    (await run.metrics.text()).text,
    /outrigger_limit_refused_total\{place="route",on="one",limit="places"\} 1/
  )
  run.store.limits.release({ kind: 'route', name: 'one' }, 'places')
  t.notMatch((await run.metrics.text()).text, /outrigger_limit_used\{place="route",on="one"/)
  await run.close()
})

t.test('two listings of a plugin in one place have bounds of their own', async (t) => {
  const bounds = definePlugin({
    name: 'bounds',
    setup({ limit }) {
      const places = limit('places', 1)
      return { request: () => void places.take() }
    }
  })
  const run = await TestPipeline.build({ route: [bounds, bounds] })
  await run.request()
  const text = (await run.metrics.text()).text
  t.match(text, /outrigger_limit_used\{place="route",on="route",limit="places"\} 1/)
  t.match(text, /outrigger_limit_used\{place="route",on="route",limit="places 2"\} 1/)
  t.notMatch(text, /outrigger_limit_refused_total\{[^}]*\} 1/)
  await run.close()
})

t.test('a failed probe whose body ends late frees no other probe', async (t) => {
  const { Breaker } = await import('../../../core/service/breaker.js')
  const breaker = new Breaker()
  breaker.trip(10, undefined)
  t.equal(breaker.admits(10), true)
  const first = breaker.begin() as number
  breaker.trip(20, undefined)
  t.equal(breaker.admits(20), true)
  const second = breaker.begin() as number
  t.equal(breaker.admits(20), false)
  breaker.probed(first, true)
  t.equal(breaker.admits(20), false, 'the second one is still under way')
  breaker.probed(second, false)
  t.equal(breaker.admits(20), true)
})

t.test('while levels share the traffic, a session and a key stay in theirs', async (t) => {
  const endpoints = [
    { url: 'http://a', zone: 'near' },
    { url: 'http://b', zone: 'near' },
    { url: 'http://far', zone: 'far' }
  ]
  const named = new Map<string, string | number>()
  const run = await TestPipeline.build({
    endpoints,
    service: [
      definePlugin({
        name: 'draws',
        setup({ service }) {
          service?.arrange({ order: ['zone'], zone: 'near', overprovisioning: 1.4 })
          service?.mark(service.endpoints[0] as never, 'unhealthy')
          service?.drawBy(({ request }) => {
            const by = named.get(request.path)
            if (request.path === '/throws') throw new Error('no')
            return typeof by === 'string' ? service.endpoints.find(({ url }) => url === by) : by
          })
          return {}
        }
      })
    ]
  })
  const went = async (path: string) => {
    const urls = new Set<string | undefined>()
    for (let i = 0; i < 40; i++) {
      const { exchange } = await run.request({ url: path })
      urls.add(exchange.attempts[0]?.endpoint.url)
    }
    return [...urls].sort()
  }
  named.set('/session', 'http://far')
  named.set('/low', 0.69)
  named.set('/high', 0.71)
  t.strictSame(await went('/session'), ['http://far'])
  t.strictSame(await went('/low'), ['http://b'])
  t.strictSame(await went('/high'), ['http://far'])
  t.strictSame(await went('/anyone'), ['http://b', 'http://far'])
  t.strictSame(await went('/throws'), ['http://b', 'http://far'], 'chance, where the plugin fails')
  await run.close()
})

t.test('a breaker that no plugin is left to close closes by a probe that is served', async (t) => {
  const { run, service } = await world(
    () => ({}),
    ({ index }) => ({ status: index === 0 ? 500 : 200 }),
    ['http://a']
  )
  for (const target of [service.endpoints[0], undefined]) {
    service.trip(target, 1_000, 'by one that is gone')
    t.equal((await run.request()).error, 'CIRCUIT_OPEN')
    await run.clock.advance(1_000)
    if (target !== undefined) {
      t.equal((await run.request()).status, 500)
      t.equal(service.endpoints[0]?.breaker, 'half-open', 'one that failed does not')
    }
    t.equal((await run.request()).status, 200)
    t.strictSame([service.breaker, service.endpoints[0]?.breaker], ['closed', 'closed'])
  }
  t.match(
    (await run.metrics.text()).text,
    /outrigger_breaker_state\{service="upstream",endpoint="http:\/\/a"\} 0/
  )
  await run.close()
})
