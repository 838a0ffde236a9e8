import t from 'tap'
import { definePlugin, type ServiceHandle } from '../../../core/index.js'
import { type RunOptions, runPlugin } from '../../../core/testing/index.js'
import failover from '../../../plugins/failover/index.js'
import retry from '../../../plugins/retry/index.js'

const HOME = ['http://one.test', 'http://two.test']
const services = { standby: ['http://standby.test'], last: ['http://last.test'] }

type Upstream = NonNullable<RunOptions['upstream']>

/** Each endpoint answers what is written for it, by the first word of its name: a status, or how it fails. */
const answers =
  (map: Record<string, number | 'CONNECT_FAILED' | 'UPSTREAM_RESET' | 'never'>): Upstream =>
  ({ endpoint }) => {
    const name = /\/\/(\w+)/.exec(endpoint)?.[1] as string
    const answer = map[name] ?? 200
    if (answer === 'never') return new Promise(() => {})
    return typeof answer === 'string' ? { error: answer } : { status: answer, body: name }
  }

/** A plugin of the service's that hands its handle to the test. */
function handleOf(): { plugin: ReturnType<typeof definePlugin>; handle: () => ServiceHandle } {
  let handle: ServiceHandle | undefined
  const plugin = definePlugin({
    name: 'handle',
    places: ['service'],
    setup: ({ service }) => {
      handle = service
    }
  })
  return { plugin, handle: () => handle as ServiceHandle }
}

function start(config: object, options: RunOptions = {}) {
  const { plugin, handle } = handleOf()
  const run = runPlugin(failover, config, {
    endpoints: HOME,
    services,
    onService: [plugin],
    ...options
  })
  t.teardown(() => run.close())
  return { run, handle }
}

/** Where the attempts went, by the first word of the endpoint, and what came of them. */
const path = (answer: { attempts: { endpoint: string; status: unknown; error: unknown }[] }) =>
  answer.attempts.map(
    ({ endpoint, status, error }) => `${/\/\/(\w+)/.exec(endpoint)?.[1]} ${error ?? status}`
  )

t.test('the configuration', async (t) => {
  const schema = failover.config
  const wrong: [config: object, problem: object][] = [
    [{ order: ['zone', 'zone'] }, { path: ['order'], message: 'expected each word once' }],
    [
      { order: ['priority'], zone: 'a' },
      { path: ['zone'], message: /of no use where order has no zone/ }
    ],
    [{ services: ['a', 'a'] }, { path: ['services'], message: 'expected each service once' }],
    [{ on: ['4xx'] }, { path: ['on', 0], message: /expected connect-failure, .*not "4xx"/ }],
    [{ reply: { status: 204, body: 'x' } }, { path: ['reply', 'body'], message: /has no body/ }],
    [
      { reply: { headers: { 'content-length': '3' } } },
      { path: ['reply', 'headers', 'content-length'], issues: [{ message: /follows from the message/ }] }
    ],
    [{ reply: { headers: { 'x-a': 'b\n' } } }, { message: /visible characters/ }],
    [{ reply: { status: 99 } }, { path: ['reply', 'status'] }],
    [{ overprovisioning: 0.5 }, { path: ['overprovisioning'] }]
  ]
  for (const [config, problem] of wrong)
    t.match(schema?.safeParse(config).error?.issues, [problem], JSON.stringify(config))
  t.ok(
    schema?.safeParse({ order: ['zone', 'priority'], overprovisioning: 1.4 }).success,
    'the zone may be for another plugin to say'
  )
})

t.test('keys that stand in the wrong place are told at load', async (t) => {
  const refused = async (config: object, place: 'top' | 'route' | 'service') => {
    try {
      const run = runPlugin(failover, config, { place, services })
      t.teardown(() => run.close())
      await run.request()
      return 'taken'
    } catch (error) {
      return (error as Error).message
    }
  }
  t.match(
    await refused({ services: ['standby'], on: [503] }, 'service'),
    /services: expected on a route[\s\S]*on: expected on a route/
  )
  t.match(await refused({ reply: {} }, 'service'), /reply: expected on a route or at the top/)
  t.match(await refused({ order: ['priority'], reply: {} }, 'top'), /order: expected on a service/)
  t.equal(await refused({ order: ['zone', 'priority'], overprovisioning: 1.4, reply: {} }, 'route'), 'taken')
  t.match(await refused({ zone: 'a', services: ['standby'] }, 'top'), /zone: expected on a service/)
  t.match(await refused({}, 'route'), /missing: expected services, reply or both/)
  t.match(await refused({ on: [503] }, 'top'), /missing: expected services, reply or both/)
  t.match(await refused({ services: ['standy'] }, 'route'), /services.0: there is no service "standy"/)
  t.equal(await refused({}, 'service'), 'taken', 'on a service it has its defaults')
  t.equal(await refused({ services: ['standby'] }, 'top'), 'taken')
})

t.test('an attempt that fails goes on to the next service', async (t) => {
  for (const bad of [503, 500, 'CONNECT_FAILED', 'UPSTREAM_RESET'] as const) {
    const { run } = start(
      { services: ['standby', 'last'] },
      { upstream: answers({ one: bad, standby: bad }) }
    )
    const answer = await run.request()
    t.match(answer, { status: 200, body: 'last' })
    t.same(path(answer), [`one ${bad}`, `standby ${bad}`, 'last 200'])
    t.same(
      answer.attempts.map(({ reason }) => reason),
      [undefined, 'failover', 'failover']
    )
    const metrics = await run.metrics()
    t.match(metrics, 'outrigger_failovers_total{route="route",service="upstream",to="standby"} 1')
    t.match(metrics, 'outrigger_failovers_total{route="route",service="standby",to="last"} 1')
  }
})

t.test('what is no failure stays', async (t) => {
  for (const status of [200, 404, 429]) {
    const { run } = start({ services: ['standby'], reply: {} }, { upstream: answers({ one: status }) })
    t.match(path(await run.request()), [`one ${status}`])
  }
})

t.test('on narrows what counts', async (t) => {
  const asked = async (on: (string | number)[], bad: 503 | 500 | 'CONNECT_FAILED' | 'UPSTREAM_RESET') => {
    const { run } = start({ services: ['standby'], reply: {}, on }, { upstream: answers({ one: bad }) })
    return path(await run.request()).length === 2
  }
  t.same(
    [await asked([503], 503), await asked([503], 500), await asked([503], 'CONNECT_FAILED')],
    [true, false, false]
  )
  t.same(
    [
      await asked(['connect-failure'], 'CONNECT_FAILED'),
      await asked(['connect-failure'], 'UPSTREAM_RESET'),
      await asked(['reset'], 'UPSTREAM_RESET'),
      await asked(['reset', '500'], 500)
    ],
    [true, false, true, true]
  )
})

t.test('what may have been done is not done again elsewhere', async (t) => {
  const asked = async (config: object, upstream: Upstream, sent: object = {}) => {
    const { run } = start({ services: ['standby'], ...config }, { upstream })
    return path(await run.request({ method: 'POST', ...sent }))
  }
  t.same(await asked({}, answers({ one: 503 })), ['one 503'])
  t.same(await asked({}, answers({ one: 'UPSTREAM_RESET' })), ['one UPSTREAM_RESET'])
  t.same(await asked({}, answers({ one: 'CONNECT_FAILED' })), ['one CONNECT_FAILED', 'standby 200'])
  t.same(await asked({ nonIdempotent: true }, answers({ one: 503 })), ['one 503', 'standby 200'])
  t.same(await asked({}, answers({ one: 503 }), { method: 'PUT' }), ['one 503', 'standby 200'])
})

t.test('gRPC calls, by the status that is named', async (t) => {
  const unavailable: Upstream = ({ endpoint }) =>
    endpoint.includes('one')
      ? { headers: { 'content-type': 'application/grpc', 'grpc-status': '14' } }
      : { headers: { 'content-type': 'application/grpc', 'grpc-status': '0' } }
  const sent = { method: 'POST', url: '/shop.Stock/Get', headers: { 'content-type': 'application/grpc' } }
  const { run } = start({ services: ['standby'], reply: { body: 'canned' } }, { upstream: unavailable })
  const answer = await run.request(sent)
  t.equal(answer.result.grpcStatus, 0)
  t.equal(answer.attempts.length, 2)
  const down = start({ reply: { body: 'canned' } }, { upstream: answers({ one: 'CONNECT_FAILED' }) })
  const told = await down.run.request(sent)
  t.equal(told.headers.get('grpc-status'), '14', 'and no reply that is none of gRPC')
  const other = start({ services: ['standby'], on: ['5xx'] }, { upstream: unavailable })
  t.equal((await other.run.request(sent)).attempts.length, 1)
})

t.test('a service with no usable endpoint is passed over', async (t) => {
  const { run, handle } = start({ services: ['standby'] }, { upstream: answers({}) })
  t.equal((await run.request()).body, 'one')
  for (const endpoint of handle().endpoints) handle().mark(endpoint, 'unhealthy')
  for (const method of ['GET', 'POST']) {
    const answer = await run.request({ method })
    t.same(path(answer), ['standby 200'], `${method}: with its first attempt`)
    t.equal(answer.exchange.service, 'standby')
  }
  handle().mark(handle().endpoints[0] as never, 'healthy')
  t.equal((await run.request()).body, 'one', 'and has its traffic back when it is up')
  t.match(await run.metrics(), 'outrigger_failovers_total{route="route",service="upstream",to="standby"} 2')
})

t.test('a service whose breaker is open is passed over, and probed when its time is over', async (t) => {
  const { run, handle } = start({ services: ['standby'] }, { upstream: answers({}) })
  await run.request()
  handle().trip(undefined, 10_000)
  t.same(path(await run.request()), ['standby 200'])
  t.same(path(await run.request({ method: 'POST', body: 'x' })), ['standby 200'])
  await run.clock.advance(10_000)
  const probe = await run.request()
  t.match(path(probe), [/^(one|two) 200$/])
  t.equal(probe.exchange.attempts[0]?.probe, true)
})

t.test('so is one at its limit', async (t) => {
  const { run, handle } = start({ services: ['standby'] }, { upstream: answers({}) })
  await run.request()
  handle().limit({ per: 'service', maxRequests: 0 })
  const answer = await run.request({ method: 'POST', body: 'order' })
  t.same(path(answer), ['standby 200'])
  t.equal(answer.attempts[0]?.reason, 'failover')
})

t.test('a standby that is down itself is passed over', async (t) => {
  const { run } = start(
    { services: ['none', 'last'] },
    { services: { ...services, none: [] }, endpoints: [] }
  )
  t.same(path(await run.request()), ['last 200'])
})

t.test('the reply, when no service is left', async (t) => {
  const reply = { status: 200, body: { items: [] }, headers: { 'cache-control': 'no-store' } }

  t.test('takes the place of a failed answer', async (t) => {
    for (const bad of [503, 'CONNECT_FAILED', 'UPSTREAM_RESET'] as const) {
      const { run } = start(
        { services: ['standby'], reply },
        { upstream: answers({ one: bad, standby: bad }) }
      )
      const answer = await run.request()
      t.match(answer, { status: 200, body: '{"items":[]}' })
      t.same(path(answer), [`one ${bad}`, `standby ${bad}`])
      t.equal(answer.headers.get('x-outrigger-failover'), 'reply')
      t.equal(answer.headers.get('cache-control'), 'no-store')
      t.match(answer.headers.get('content-type'), 'application/json')
      t.notOk(answer.headers.has('x-outrigger-error'))
      t.match(await run.metrics(), 'outrigger_failovers_total{route="route",service="standby",to="reply"} 1')
    }
  })

  t.test('and of an error without an attempt', async (t) => {
    const { run } = start({ reply }, { endpoints: [] })
    t.match(await run.request(), { status: 200, body: '{"items":[]}', attempts: [] })
  })

  t.test('and of a time that ran out', async (t) => {
    const { run } = start({ reply }, { upstream: answers({ one: 'never' }), timeout: 1000 })
    t.match(await run.request(), { status: 200, body: '{"items":[]}' })
  })

  t.test('but of nothing that is not the services’ failure', async (t) => {
    const guard = definePlugin({
      name: 'guard',
      setup: () => ({
        request: ({ request }) => {
          if (request.path === '/secret') throw new Error('boom')
        }
      })
    })
    const { run } = start({ reply }, { upstream: answers({ one: 404 }), after: [guard] })
    t.match(await run.request(), { status: 404 })
    t.match(await run.request({ url: '/secret' }), { status: 500, error: 'PLUGIN_FAILED' })
    const narrow = start({ reply, on: ['connect-failure'] }, { upstream: answers({ one: 503 }) })
    t.match(await narrow.run.request(), { status: 503, body: 'one' })
  })

  t.test('nor of an answer that was good', async (t) => {
    const { run } = start({ services: ['standby'], reply }, { upstream: answers({ one: 503 }) })
    const answer = await run.request()
    t.match(answer, { status: 200, body: 'standby' })
    t.notOk(answer.headers.has('x-outrigger-failover'))
  })
})

t.test('with retry', async (t) => {
  const twice = [retry, { attempts: 2, on: ['5xx'], backoff: { base: 0, max: 0 } }] as const

  t.test('listed before it: the service’s own endpoints are tried first', async (t) => {
    const { run } = start(
      { services: ['standby', 'last'] },
      { before: [twice], upstream: answers({ one: 503, two: 500, standby: 503 }) }
    )
    const answer = await run.request()
    t.same(path(answer), ['one 503', 'two 500', 'standby 503', 'last 200'])
    t.same(
      answer.attempts.map(({ reason }) => reason),
      [undefined, '5xx', 'failover', 'failover']
    )
  })

  t.test('listed behind it: the first failure goes on at once', async (t) => {
    const { run } = start(
      { services: ['standby'] },
      { after: [twice], upstream: answers({ one: 503, two: 500 }) }
    )
    t.same(path(await run.request()), ['one 503', 'standby 200'])
  })

  t.test('on the service: as listed before', async (t) => {
    const { run } = start(
      { services: ['standby'] },
      { onService: [twice], upstream: answers({ one: 503, two: 500 }) }
    )
    t.same(path(await run.request()), ['one 503', 'two 500', 'standby 200'])
  })

  t.test('whose budget is spent: the standby has the rest', async (t) => {
    const { run } = start(
      { services: ['standby'] },
      {
        before: [[retry, { attempts: 2, on: ['5xx'], budget: { ratio: 0, min: 0 } }]],
        upstream: answers({ one: 503, two: 503 })
      }
    )
    t.match(path(await run.request()), [/^(one|two) 503$/, 'standby 200'])
  })

  t.test('whose service’s breaker has opened meanwhile: no second try there', async (t) => {
    let trip: (() => void) | undefined
    const { plugin, handle } = handleOf()
    const { run } = start(
      { services: ['standby'] },
      {
        before: [twice],
        onService: [plugin],
        upstream: (seen) => {
          if (!seen.endpoint.includes('standby')) trip?.()
          return { status: seen.endpoint.includes('standby') ? 200 : 503 }
        }
      }
    )
    await run.request()
    trip = () => handle().trip(undefined, 10_000)
    const answer = await run.request()
    t.match(path(answer), [/^(one|two) 503$/, 'standby 200'])
  })
})

t.test('plugins listed before it see the reply, and what they add to it goes out', async (t) => {
  const outer = definePlugin({
    name: 'outer',
    setup: () => ({ response: ({ headers, status }) => headers.set('x-outer', String(status)) })
  })
  for (const bad of ['CONNECT_FAILED', 503] as const) {
    const { run } = start(
      {
        reply: { status: 200, body: { items: [] }, headers: { 'content-type': 'application/vnd.shop+json' } }
      },
      {
        before: [outer],
        upstream: () => (bad === 503 ? { status: 503, headers: { etag: 'x' } } : { error: bad })
      }
    )
    const { status, headers, body } = await run.request()
    t.equal(status, 200)
    t.equal(body, '{"items":[]}')
    t.equal(headers.get('x-outer'), '200')
    t.equal(headers.get('content-type'), 'application/vnd.shop+json')
    t.equal(headers.get('etag'), undefined, 'nothing is left of the answer it stands for')
    t.equal(headers.get('x-outrigger-error'), undefined)
    const head = await run.request({ method: 'HEAD' })
    t.equal(head.body, '')
  }
})
