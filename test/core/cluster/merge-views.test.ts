import t from 'tap'
import { mergeRoutes, mergeServices } from '../../../core/cluster/merge-views.js'
import type { EndpointView, ServiceView } from '../../../core/server/types.js'
import { endpointView, routeView } from '../admin/fake-proxy.js'

const service = (endpoints: EndpointView[], changes: Partial<ServiceView> = {}): ServiceView => ({
  name: 'orders',
  plugins: ['load-balancer'],
  inFlight: 0,
  breaker: { state: 'closed', openFor: 0, reason: undefined },
  limits: [],
  levels: [],
  endpoints,
  ...changes
})

t.test('what is under way is added up, and the worst mark is shown with who has it', async (t) => {
  const limit = { name: 'concurrency', max: 10, used: 3, waiting: 1, refused: 2 }
  const level = { local: undefined, priority: 0, endpoints: 2, usable: 2, share: 1, panic: false }
  const [merged] = mergeServices([
    [
      service(
        [
          endpointView('http://a', {
            inFlight: 2,
            attempts: 10,
            failures: 1,
            latency: 10,
            availableFor: 500
          }),
          endpointView('http://b', { inFlight: 1 })
        ],
        { inFlight: 3, limits: [limit], levels: [level] }
      )
    ],
    [
      service(
        [
          endpointView('http://a', { inFlight: 3, attempts: 5, failures: 2, latency: 30, availableFor: 900 }),
          endpointView('http://b', { healthy: false, reason: 'refused', availableFor: undefined })
        ],
        {
          inFlight: 3,
          limits: [limit],
          levels: [{ ...level, usable: 1, share: 0.5 }],
          breaker: { state: 'open', openFor: 700, reason: 'half of it failed' }
        }
      )
    ]
  ])
  t.match(merged, {
    inFlight: 6,
    breaker: { state: 'open', openFor: 700, reason: 'half of it failed (1 of 2 processes)' },
    limits: [{ name: 'concurrency', max: 20, used: 6, waiting: 2, refused: 4 }],
    levels: [{ endpoints: 2, usable: 1, share: 0.75 }]
  })
  t.match(merged?.endpoints, [
    {
      url: 'http://a',
      inFlight: 5,
      attempts: 15,
      failures: 3,
      latency: 20,
      availableFor: 500,
      healthy: true,
      reason: undefined
    },
    { url: 'http://b', healthy: false, reason: 'refused (1 of 2 processes)', availableFor: undefined }
  ])
})

t.test('an endpoint that stands twice, or in one process alone', async (t) => {
  const twice = () =>
    service([endpointView('http://a', { weight: 1 }), endpointView('http://a', { weight: 2 })])
  const [merged] = mergeServices([[twice()], [twice()]])
  t.same(
    merged?.endpoints.map(({ weight }) => weight),
    [1, 2]
  )
  const [found] = mergeServices([
    [service([endpointView('http://a')])],
    [service([endpointView('http://a'), endpointView('http://b')])]
  ])
  t.same(
    found?.endpoints.map(({ url }) => url),
    ['http://a', 'http://b']
  )
})

t.test('routes are the same in all, and their limits are added up', async (t) => {
  const limits = [{ name: 'rate', max: 5, used: 1, waiting: 0, refused: 0 }]
  const merged = mergeRoutes([
    [routeView('a', { limits }), routeView('b')],
    [routeView('a', { limits }), routeView('b')]
  ])
  t.same(
    merged.map(({ name }) => name),
    ['a', 'b']
  )
  t.match(merged[0]?.limits, [{ max: 10, used: 2 }])
})
