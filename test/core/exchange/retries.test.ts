// Retry is a plugin's decision; what is safe is the core's.
import { Readable } from 'node:stream'
import t from 'tap'
import { definePlugin, type PluginHooks, Retry, type RetryOptions } from '../../../core/index.js'
import { TestPipeline } from '../../support/pipeline.js'

const retries = (options: RetryOptions = {}, hooks: PluginHooks = {}) =>
  definePlugin({
    name: 'retries',
    setup: () => ({
      ...hooks,
      outcome: ({ status, error }) => (status === 503 || error !== undefined ? new Retry(options) : undefined)
    })
  })

t.test('no more than 16 attempts, whatever is asked for', async (t) => {
  const run = await TestPipeline.build({
    route: [retries()],
    upstream: () => ({ status: 503, body: 'busy' })
  })
  const { status, body, exchange } = await run.request()
  t.equal(status, 503)
  t.equal(body, 'busy', 'the last outcome stands')
  t.equal(exchange.attempts.length, 16)
  t.same(
    exchange.attempts.map(({ end }) => end),
    [...Array(15).fill('discarded'), 'complete']
  )
  t.ok(exchange.attempts.every(({ endpoint }) => endpoint.inFlight === 0))
  await run.close()
})

t.test('tried endpoints are avoided while others remain, then used again', async (t) => {
  const run = await TestPipeline.build({
    endpoints: ['http://a', 'http://b', 'http://c'],
    route: [retries()],
    upstream: ({ index }) => ({ status: index < 5 ? 503 : 200 })
  })
  const { exchange } = await run.request()
  const urls = exchange.attempts.map(({ endpoint }) => endpoint.url)
  t.equal(urls.length, 6)
  t.equal(new Set(urls.slice(0, 3)).size, 3)
  await run.close()
})

t.test('avoidTried: false', async (t) => {
  const run = await TestPipeline.build({
    endpoints: ['http://a', 'http://b'],
    route: [
      definePlugin({
        name: 'same',
        setup: () => ({
          pick: (endpoints) => endpoints.find(({ url }) => url === 'http://a'),
          outcome: ({ number }) => (number === 1 ? new Retry({ avoidTried: false }) : undefined)
        })
      })
    ]
  })
  const { exchange } = await run.request()
  t.same(
    exchange.attempts.map(({ endpoint }) => endpoint.url),
    ['http://a', 'http://a']
  )
  await run.close()
})

t.test('to another service: its endpoints, its plugins, the route’s too', async (t) => {
  const trace: string[] = []
  const notes = (name: string) =>
    definePlugin({ name, setup: () => ({ attempt: ({ service }) => void trace.push(`${name} ${service}`) }) })
  const run = await TestPipeline.build({
    endpoints: ['http://a'],
    services: { backup: { endpoints: ['http://backup'], plugins: [notes('on-backup')] } },
    service: [notes('on-upstream')],
    route: [retries({ service: 'backup', reason: 'failover' }), notes('on-route')],
    upstream: ({ endpoint }) => ({ status: endpoint === 'http://backup' ? 200 : 503 })
  })
  const { status, exchange } = await run.request()
  t.equal(status, 200)
  t.same(trace, ['on-route upstream', 'on-upstream upstream', 'on-route backup', 'on-backup backup'])
  t.match(exchange.attempts[1], { service: 'backup', reason: 'failover', number: 2 })
  await run.close()
})

t.test('to a service that is not there: the same one again, and a warning', async (t) => {
  const run = await TestPipeline.build({
    route: [retries({ service: 'nowhere' })],
    upstream: ({ index }) => ({ status: index === 0 ? 503 : 200 })
  })
  const { status, exchange } = await run.request()
  t.equal(status, 200)
  t.equal(exchange.attempts[1]?.service, 'upstream')
  t.ok(run.log.lines.some(({ level, fields }) => level === 'warn' && fields.service === 'nowhere'))
  await run.close()
})

t.test('back-off on the clock; not past the deadline', async (t) => {
  const run = await TestPipeline.build({
    timeout: 1_000,
    route: [retries({ delay: 400 })],
    upstream: () => ({ status: 503 })
  })
  const under = run.begin()
  await run.clock.advance(390)
  t.equal(run.upstreams.seen.length, 1)
  await run.clock.advance(20)
  t.equal(run.upstreams.seen.length, 2)
  await run.clock.advance(370)
  t.equal(run.upstreams.seen.length, 2)
  await run.clock.advance(40)
  t.equal(run.upstreams.seen.length, 3)
  await run.clock.advance(20)
  t.ok(under.ended, 'a fourth would come after the deadline')
  t.equal(under.answer().status, 503)
  await run.close()
})

t.test('delays that are none do not upset it', async (t) => {
  for (const delay of [Number.NaN, Number.POSITIVE_INFINITY, -5]) {
    const run = await TestPipeline.build({
      route: [retries({ delay })],
      upstream: ({ index }) => ({ status: index === 0 ? 503 : 200 })
    })
    t.equal((await run.request()).status, delay === -5 ? 200 : 503, String(delay))
    await run.close()
  }
})

t.test('the client leaves during the back-off: nothing more is sent', async (t) => {
  const run = await TestPipeline.build({
    route: [retries({ delay: 400 })],
    upstream: () => ({ status: 503 })
  })
  const under = run.begin()
  await run.clock.advance(100)
  under.outgoing.destroy()
  await run.clock.advance(5_000)
  t.equal(run.upstreams.seen.length, 1)
  t.equal(run.results.get(under.exchange)?.[0]?.status, 499)
  t.equal(run.generation.inFlight, 0)
  await run.close()
})

t.test('the deadline passes during the back-off of a longer one', async (t) => {
  const slow = definePlugin({
    name: 'slow',
    setup: ({ clock }) => ({ candidates: () => undefined, attempt: () => clock.sleep(300) })
  })
  const run = await TestPipeline.build({
    timeout: 1_000,
    route: [retries({ delay: 500 }), slow],
    upstream: () => ({ status: 503 })
  })
  const { error, status } = await run.request()
  t.equal(`${status} ${error}`, '504 DEADLINE_EXCEEDED')
  t.equal(run.upstreams.seen.length, 1)
  await run.close()
})

t.test('a body that fits the replay buffer arrives whole each time, in pieces or not', async (t) => {
  for (const body of ['x'.repeat(60_000), Array.from({ length: 60 }, () => Buffer.alloc(1_000, 'x'))]) {
    const run = await TestPipeline.build({
      route: [retries()],
      upstream: ({ index }) => ({ status: index < 2 ? 503 : 200 })
    })
    t.equal((await run.request({ body })).status, 200)
    t.same(
      run.upstreams.seen.map(({ body }) => body.length),
      [60_000, 60_000, 60_000]
    )
    await run.close()
  }
})

t.test('a body that does not fit is sent once', async (t) => {
  const body = Array.from({ length: 80 }, () => Buffer.alloc(1_000, 'x'))
  const run = await TestPipeline.build({ route: [retries()], upstream: () => ({ status: 503 }) })
  const { status } = await run.request({ body })
  t.equal(status, 503)
  t.equal(run.upstreams.seen.length, 1)
  await run.close()
})

t.test('a body that was read whole by a plugin is replayed whatever its size', async (t) => {
  const reads = definePlugin({
    name: 'reads',
    body: { request: 'buffer' },
    setup: () => ({ request: async ({ request }) => void (await request.body.bytes()) })
  })
  const body = Array.from({ length: 200 }, () => Buffer.alloc(1_000, 'x'))
  const run = await TestPipeline.build({
    route: [reads, retries()],
    upstream: ({ index }) => ({ status: index === 0 ? 503 : 200 })
  })
  t.equal((await run.request({ body })).status, 200)
  t.same(
    run.upstreams.seen.map(({ body }) => body.length),
    [200_000, 200_000]
  )
  await run.close()
})

t.test('a refused connection before any of a large body was read: it goes elsewhere whole', async (t) => {
  const run = await TestPipeline.build({
    route: [retries()],
    upstream: ({ index }) => (index === 0 ? { error: 'CONNECT_FAILED' } : {})
  })
  const source = new Readable({ read() {} })
  const under = run.begin({ method: 'POST', headers: { 'content-length': '100000' } }, source)
  await run.clock.advance(20)
  source.push(Buffer.alloc(50_000))
  await run.clock.advance(20)
  source.push(Buffer.alloc(50_000))
  source.push(null)
  await run.clock.advance(100)
  t.ok(under.ended)
  await run.close()
})

t.test('an attempt’s own timeout: RESPONSE_TIMEOUT, and another may be made', async (t) => {
  const run = await TestPipeline.build({
    route: [retries({}, { attempt: (attempt) => void (attempt.timeout = 200) })],
    upstream: ({ index }) => (index === 0 ? new Promise(() => {}) : { body: 'second' })
  })
  const { body, exchange, result } = await run.request()
  t.equal(body, 'second')
  t.equal(exchange.attempts[0]?.error?.code, 'RESPONSE_TIMEOUT')
  t.equal(exchange.attempts[0]?.end, 'failed')
  t.ok((result?.duration ?? 0) < 300)
  await run.close()
})

t.test('the exchange’s deadline: 504, the attempt cancelled', async (t) => {
  const run = await TestPipeline.build({ timeout: 500, upstream: () => new Promise(() => {}) })
  const { status, error, exchange, result } = await run.request()
  t.equal(`${status} ${error}`, '504 DEADLINE_EXCEEDED')
  t.equal(exchange.attempts[0]?.end, 'cancelled')
  t.ok((result?.duration ?? 0) >= 500 && (result?.duration ?? 0) <= 560, String(result?.duration))
  await run.close()
})

t.test('each of the ways an attempt fails has its code and status', async (t) => {
  const codes = {
    CONNECT_FAILED: 502,
    CONNECT_TIMEOUT: 504,
    UPSTREAM_RESET: 502,
    BAD_UPSTREAM_RESPONSE: 502,
    RESPONSE_TIMEOUT: 504
  } as const
  for (const [code, status] of Object.entries(codes)) {
    const run = await TestPipeline.build({ upstream: () => ({ error: code as keyof typeof codes }) })
    const answer = await run.request()
    t.equal(answer.status, status, code)
    t.equal(answer.error, code)
    t.notMatch(answer.body, /one\.test|two\.test/)
    await run.close()
  }
})

t.test('of several that ask, the first Retry that can be made is made', async (t) => {
  const asks = (name: string, options: RetryOptions) =>
    definePlugin({
      name,
      setup: () => ({ outcome: ({ status }) => (status === 503 ? new Retry(options) : undefined) })
    })
  const run = await TestPipeline.build({
    services: { none: { endpoints: [] }, standby: { endpoints: ['http://standby'] } },
    route: [
      asks('too-late', { delay: 60_000, reason: 'late' }),
      asks('nowhere', { service: 'none', reason: 'none' }),
      asks('standby', { service: 'standby', reason: 'failover' })
    ],
    upstream: ({ endpoint }) => ({ status: endpoint === 'http://standby' ? 200 : 503 })
  })
  const { status, exchange } = await run.request()
  t.equal(status, 200)
  t.strictSame(
    exchange.attempts.map(({ reason }) => reason),
    [undefined, 'failover']
  )
  await run.close()
})

t.test(
  'among many endpoints a retry still goes elsewhere, and plugins see the list that they know',
  async (t) => {
    const lists = new Set<readonly unknown[]>()
    const run = await TestPipeline.build({
      endpoints: Array.from({ length: 100 }, (_, i) => `http://e${i}`),
      service: [
        definePlugin({
          name: 'picks',
          // At first always the same one.
          setup: () => ({
            pick: (endpoints) => {
              lists.add(endpoints)
              return endpoints[0]
            }
          })
        })
      ],
      route: [retries()],
      upstream: ({ index }) => ({ status: index < 2 ? 503 : 200 })
    })
    const { exchange } = await run.request()
    t.equal(new Set(exchange.attempts.map(({ endpoint }) => endpoint.url)).size, 3)
    await run.close()
  }
)
