// Where a plugin sends an exchange, and the times it gives it.
import { createServer } from 'node:http'
import { connect, createServer as createTcpServer } from 'node:net'
import t from 'tap'
import { definePlugin, type PluginHooks, ProxyError, Reply, Retry } from '../../../core/index.js'
import type { UpstreamAnswer } from '../../../core/testing/fake-upstream.js'
import { settle, TestPipeline } from '../../support/pipeline.js'
import { startTestProxy } from '../../support/proxy.js'

const plugin = (hooks: PluginHooks, name = 'steers') => definePlugin({ name, setup: () => hooks })
const services = { standby: { endpoints: ['http://standby'] }, none: { endpoints: [] } }

t.test('request chooses another service', async (t) => {
  const seen: (string | undefined)[] = []
  const run = await TestPipeline.build({
    services,
    route: [
      plugin({
        request(exchange) {
          seen.push(exchange.service)
          if (exchange.request.path === '/standby') exchange.service = 'standby'
          if (exchange.request.path === '/nowhere') exchange.service = 'nowhere'
          seen.push(exchange.service)
        }
      })
    ]
  })
  const { exchange } = await run.request({ url: '/standby' })
  t.equal(exchange.attempts[0]?.endpoint.url, 'http://standby')
  t.strictSame(seen, ['upstream', 'standby'])
  t.equal(exchange.route.service, 'upstream', 'the route stays as it is configured')
  t.equal((await run.request({ url: '/nowhere' })).error, 'PLUGIN_FAILED')
  t.match(run.log.lines.at(-1)?.fields, { error: { message: 'there is no service "nowhere"' } })
  await run.close()
})

t.test('error asks for another try: at another service, and again if that fails, too', async (t) => {
  const asked: string[] = []
  const run = await TestPipeline.build({
    endpoints: [],
    services,
    route: [
      plugin({
        error({ code }, exchange) {
          asked.push(`${code} at ${exchange.service}`)
          if (exchange.service === 'upstream') return new Retry({ service: 'none', reason: 'failover' })
          if (exchange.service === 'none') return new Retry({ service: 'standby', reason: 'failover' })
        }
      })
    ],
    upstream: ({ path }) => (path === '/broken' ? { error: 'CONNECT_FAILED' } : { body: 'from standby' })
  })
  const refused = await run.request()
  t.equal(refused.error, 'NO_ENDPOINT', 'a service without endpoints takes no retry: what was said stands')
  t.strictSame(asked.splice(0), ['NO_ENDPOINT at upstream'])
  await run.close()

  const direct = await TestPipeline.build({
    endpoints: [],
    services,
    route: [
      plugin({
        error({ code }, exchange) {
          asked.push(`${code} at ${exchange.service}`)
          return exchange.service === 'upstream'
            ? new Retry({ service: 'standby', reason: 'failover' })
            : new Reply(200, { canned: true })
        }
      })
    ],
    upstream: ({ path }) => (path === '/broken' ? { error: 'CONNECT_FAILED' } : { body: 'from standby' })
  })
  const answer = await direct.request()
  t.equal(answer.body, 'from standby')
  t.equal(answer.result?.error, undefined)
  t.strictSame(asked.splice(0), ['NO_ENDPOINT at upstream'])
  const canned = await direct.request({ url: '/broken' })
  t.strictSame(JSON.parse(canned.body), { canned: true })
  t.strictSame(asked, ['NO_ENDPOINT at upstream', 'CONNECT_FAILED at standby'])
  t.strictSame(
    canned.exchange.attempts.map(({ reason, service }) => [reason, service]),
    [['failover', 'standby']]
  )
  await direct.close()
})

t.test('error that asks for ever is not heard for ever', async (t) => {
  let asked = 0
  const run = await TestPipeline.build({
    route: [
      plugin({
        attempt() {
          throw new ProxyError('OVERLOADED', 'no')
        },
        error() {
          asked++
          return new Retry()
        }
      })
    ]
  })
  t.equal((await run.request()).error, 'OVERLOADED')
  t.equal(asked, 16)
  await run.close()
})

t.test('an error while the response is made is not tried again', async (t) => {
  const run = await TestPipeline.build({
    route: [
      plugin({
        response() {
          throw new Error('broken')
        },
        error: () => new Retry()
      })
    ]
  })
  const { error, exchange } = await run.request()
  t.equal(error, 'PLUGIN_FAILED')
  t.equal(exchange.attempts.length, 1)
  await run.close()
})

t.test('an exchange gets another time than its route has', async (t) => {
  const ends: number[] = []
  for (const timeout of [200, 30_000]) {
    const run = await TestPipeline.build({
      timeout: 2_000,
      route: [
        plugin({
          request(exchange) {
            exchange.timeout = timeout
          }
        })
      ],
      upstream: () => new Promise<UpstreamAnswer>(() => {})
    })
    const under = run.begin({})
    await run.clock.advance(timeout - 1)
    t.equal(under.ended, false)
    await run.clock.advance(60)
    t.equal(under.answer().error, 'DEADLINE_EXCEEDED')
    ends.push(under.answer().result?.duration ?? 0)
    await run.close()
  }
  t.ok(ends[0] !== undefined && ends[0] < 260, `${ends[0]}`)
})

t.test('waits of attempt hooks are no part of how long an endpoint takes', async (t) => {
  const run = await TestPipeline.build({
    endpoints: ['http://a'],
    service: [
      definePlugin({
        name: 'waits',
        setup: ({ clock }) => ({ attempt: () => clock.sleep(1_000).then(() => {}) })
      })
    ]
  })
  const { exchange } = await run.request()
  const [attempt] = exchange.attempts
  t.ok((attempt?.latency ?? 1_000) < 500, `${attempt?.latency}`)
  t.ok((attempt?.startedAt ?? 0) >= 1_000)
  await run.close()
})

t.test('what is kept of a body can be had when it is over, and no more than that', async (t) => {
  const kept: (string | undefined)[] = []
  const run = await TestPipeline.build({
    route: [
      plugin({
        request: ({ request }) => void kept.push(request.body.kept()?.toString()),
        finish: (_result, { request }) => void kept.push(request.body.kept()?.toString().slice(0, 10))
      })
    ]
  })
  await run.request({ method: 'POST', body: 'an order' })
  t.strictSame(kept.splice(0), [undefined, 'an order'])
  await run.request({ method: 'GET' })
  t.strictSame(kept.splice(0), ['', ''])
  await run.request({ method: 'POST', body: [Buffer.alloc(60_000, 'a'), Buffer.alloc(60_000, 'b')] })
  t.strictSame(kept, [undefined, undefined], 'more than is kept for a retry')
  await run.close()
})

t.test("an attempt's own time for a connection", async (t) => {
  // Connections are made and not one of them is ever accepted by TLS: nothing is sent.
  const deaf = createTcpServer(() => {}).listen(0, '127.0.0.1')
  await new Promise((resolve) => deaf.once('listening', resolve))
  const { port } = deaf.address() as { port: number }
  const proxy = await startTestProxy(t, {
    endpoints: [`https://127.0.0.1:${port}`],
    service: { connectTimeout: '10s' },
    plugins: [
      plugin({
        attempt(attempt) {
          t.equal(attempt.connectTimeout, 10_000)
          attempt.connectTimeout = 100
        }
      })
    ]
  })
  const response = await fetch(`${proxy.url()}/`)
  t.equal(response.status, 504)
  t.equal(response.headers.get('x-outrigger-error'), 'CONNECT_TIMEOUT')
  deaf.close()
})

t.test("an attempt's own time for a pause of the response", async (t) => {
  const service = createServer((_request, response) => {
    response.write('begins')
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => service.once('listening', resolve))
  const { port } = service.address() as { port: number }
  const proxy = await startTestProxy(t, {
    endpoints: [`http://127.0.0.1:${port}`],
    plugins: [
      plugin({
        attempt(attempt) {
          attempt.idleTimeout = 150
        }
      })
    ]
  })
  const response = await fetch(`${proxy.url()}/`)
  t.equal(response.status, 200)
  await t.rejects(response.text(), 'cut when it paused for too long')
  service.closeAllConnections()
  service.close()
})

t.test('limits of connections that a plugin sets hold for the endpoint', async (t) => {
  const held: import('node:http').ServerResponse[] = []
  let sockets = 0
  const service = createServer((_request, response) => void held.push(response)).listen(0, '127.0.0.1')
  service.on('connection', () => void sockets++)
  await new Promise((resolve) => service.once('listening', resolve))
  const { port } = service.address() as { port: number }
  const limits = definePlugin({
    name: 'limits',
    setup({ service }) {
      service?.limit({ per: 'endpoint', maxConnections: 2, maxPending: 1 })
      return {}
    }
  })
  const proxy = await startTestProxy(t, {
    endpoints: [`http://127.0.0.1:${port}`],
    service: { plugins: [limits] }
  })
  const { hostname, port: at } = new URL(proxy.url())
  const clients = Array.from({ length: 3 }, () => {
    const socket = connect(Number(at), hostname)
    socket.write('GET / HTTP/1.1\r\nHost: shop\r\n\r\n')
    return socket
  })
  while (held.length < 2 || (proxy.proxy.services()[0]?.inFlight ?? 0) < 3) await settle()
  t.equal(sockets, 2, 'the third waits')
  const refused = await fetch(`${proxy.url()}/`)
  t.equal(refused.status, 503)
  t.equal(refused.headers.get('x-outrigger-error'), 'OVERLOADED')
  for (const response of held.splice(0)) response.end('done')
  while (held.length < 1) await settle()
  t.equal(sockets, 2)
  for (const response of held.splice(0)) response.end('done')
  for (const socket of clients) socket.destroy()
  service.close()
})

t.test('a Retry from error goes past no plugin that has not let the request pass', async (t) => {
  const run = await TestPipeline.build({
    services,
    route: [
      plugin({ error: () => new Retry({ service: 'standby' }) }, 'failover'),
      plugin(
        {
          request() {
            throw new ProxyError('OVERLOADED', 'full')
          }
        },
        'bound'
      ),
      plugin({ request: () => new Reply(401) }, 'auth')
    ]
  })
  const { error, exchange } = await run.request()
  t.equal(error, 'OVERLOADED')
  t.equal(exchange.attempts.length, 0)
  await run.close()
})
