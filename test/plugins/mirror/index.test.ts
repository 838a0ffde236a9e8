import t from 'tap'
import { type ConfigError, definePlugin, Reply, Retry } from '../../../core/index.js'
import mirror from '../../../plugins/mirror/index.js'
import { runPlugin } from '../../../plugins/testing.js'

const ORIGINAL = 'http://orders.test'
const COPY = 'http://shadow.test'

interface Closing {
  teardown(close: () => unknown): unknown
}

function start(t: Closing, config: object = {}, options: Parameters<typeof runPlugin>[2] = {}) {
  const run = runPlugin(
    mirror,
    { service: 'shadow', ...config },
    { endpoints: [ORIGINAL], services: { shadow: [COPY] }, ...options }
  )
  t.teardown(() => run.close())
  return {
    run,
    /** The copies so far. The last one leaves as its original ends. */
    async copies() {
      for (let i = 0; i < 5; i++) await new Promise(setImmediate)
      return run.seen.filter(({ endpoint }) => endpoint === COPY)
    },
    async counted(result: string) {
      const text = await run.metrics()
      const found = new RegExp(
        `outrigger_mirrored_total\\{service="shadow",result="${result}"\\} (\\d+)`
      ).exec(text)
      return Number(found?.[1] ?? 0)
    }
  }
}

t.test('a copy is what the service got, and says that it is one', async (t) => {
  const { run, copies, counted } = start(t, {}, { upstream: ({ endpoint }) => ({ body: endpoint }) })
  const answer = await run.request({
    method: 'POST',
    url: '/orders/1?dry=1',
    headers: { host: 'shop.local', 'content-type': 'text/plain', cookie: 'a=1', 'x-two': ['1', '2'] },
    body: 'two apples'
  })
  t.equal(answer.body, ORIGINAL, 'the answer is the service that was asked')
  const [copy, ...more] = await copies()
  t.same(more, [])
  const original = run.seen[0]
  t.match(copy, { method: 'POST', path: '/orders/1?dry=1' })
  t.equal(copy?.body.toString(), 'two apples')
  t.same(
    [...(copy?.headers ?? [])].sort(),
    [...(original?.headers ?? []), ['x-outrigger-mirror', '1']].sort()
  )
  t.equal(copy?.headers.get('host'), 'shop.local')
  t.same(copy?.headers.getAll('x-two'), ['1', '2'])
  t.equal(await counted('ok'), 1)
})

t.test('what other plugins made of the request is copied too', async (t) => {
  const rewrite = definePlugin({
    name: 'rewrite-it',
    body: { request: 'buffer' },
    setup: () => ({
      request({ request }) {
        request.path = '/v2/orders'
        request.headers.set('x-by', 'plugin')
        request.body.replace('replaced')
      }
    })
  })
  const { run, copies } = start(t, {}, { after: [rewrite] })
  await run.request({ method: 'POST', url: '/orders', body: 'sent' })
  const [copy] = await copies()
  t.equal(copy?.path, '/v2/orders')
  t.equal(copy?.headers.get('x-by'), 'plugin')
  t.equal(copy?.body.toString(), 'replaced')
})

t.test('strip: fields that the copy goes without', async (t) => {
  const { run, copies } = start(t, { strip: ['Authorization', 'cookie'] })
  await run.request({ headers: { Authorization: 'Bearer x', Cookie: 'a=1', 'x-other': '1' } })
  const [copy] = await copies()
  t.notOk(copy?.headers.has('authorization'))
  t.notOk(copy?.headers.has('cookie'))
  t.equal(copy?.headers.get('x-other'), '1')
  t.equal(run.seen[0]?.headers.get('authorization'), 'Bearer x', 'the original has them')
})

t.test('a share of requests', async (t) => {
  const drawn = Array.from({ length: 200 }, (_, i) => ((i * 37) % 200) / 200)
  let at = 0
  const { run, copies } = start(t, { percent: 10 }, { random: () => drawn[at++ % drawn.length] as number })
  for (let i = 0; i < 200; i++) await run.request()
  t.equal((await copies()).length, 20)
  const none = start(t, { percent: 0 }, { random: () => 0 })
  await none.run.request()
  t.same(await none.copies(), [])
  const all = start(t, {}, { random: () => 0.999_999 })
  await all.run.request()
  t.equal((await all.copies()).length, 1)
})

t.test('what is not copied', async (t) => {
  const refuse = definePlugin({
    name: 'refuse',
    setup: () => ({
      request: ({ request }) => (request.headers.has('x-refuse') ? new Reply(403) : undefined)
    })
  })
  const { run, copies, counted } = start(t, { methods: ['get', 'POST'], maxBody: 1_000 }, { after: [refuse] })
  await run.request({ method: 'PUT', body: 'x' })
  await run.request({ headers: { 'x-refuse': '1' } })
  await run.request({ headers: { 'X-Outrigger-Mirror': '1' } })
  await run.request({ method: 'POST', headers: { 'content-type': 'application/grpc' } })
  t.same(await copies(), [], 'another method, one refused here, a copy, a gRPC call')
  await run.request({ method: 'POST', body: 'x'.repeat(1_001) })
  await run.request({ method: 'POST', body: 'x'.repeat(100_000) })
  t.same(await copies(), [])
  t.equal(await counted('body'), 2)
  await run.request({ method: 'POST', body: 'x'.repeat(1_000) })
  t.equal((await copies()).length, 1)
})

t.test('a request without a body is copied without one, an empty body as one', async (t) => {
  const { run, copies } = start(t)
  await run.request({ method: 'GET' })
  await run.request({ method: 'POST', body: '' })
  const [get, post] = await copies()
  t.notOk(get?.headers.has('content-length'))
  t.equal(post?.headers.get('content-length'), '0')
})

t.test('one copy of each request, however often it was tried, and of failed ones', async (t) => {
  const again = definePlugin({
    name: 'again',
    setup: () => ({
      outcome: ({ number }) => (number < 3 ? new Retry() : undefined)
    })
  })
  const upstream = ({ endpoint }: { endpoint: string }) =>
    endpoint === COPY ? {} : { error: 'UPSTREAM_RESET' as const }
  const { run, copies } = start(t, {}, { after: [again], upstream })
  const { status, attempts } = await run.request({ method: 'POST', body: 'x' })
  t.equal(status, 502)
  t.equal(attempts.length, 3)
  t.equal((await copies()).length, 1)
})

t.test('what becomes of a copy is counted, and changes nothing', async (t) => {
  const errors = ['CONNECT_FAILED', 'CONNECT_TIMEOUT', 'UPSTREAM_RESET', 'BAD_UPSTREAM_RESPONSE'] as const
  let next: object = {}
  const { run, copies, counted } = start(
    t,
    {},
    { upstream: ({ endpoint }) => (endpoint === COPY ? next : { body: 'ok' }) }
  )
  const rounds: object[] = [{ status: 503 }, { status: 404 }, ...errors.map((error) => ({ error }))]
  for (const round of rounds) {
    next = round
    t.match(await run.request(), { status: 200, body: 'ok' })
    await copies()
  }
  t.equal(await counted('5xx'), 1)
  t.equal(await counted('ok'), 1)
  t.equal(await counted('failed'), 3)
  t.equal(await counted('timeout'), 1)
  t.same(
    run.log.filter(({ level }) => level === 'error'),
    []
  )
})

t.test('copies that hang: no more than maxConcurrent of them, until their time is up', async (t) => {
  const never = new Promise<object>(() => {})
  const { run, copies, counted } = start(
    t,
    { maxConcurrent: 3, timeout: '2s' },
    { autoAdvance: false, upstream: ({ endpoint }) => (endpoint === COPY ? never : { body: 'ok' }) }
  )
  for (let i = 0; i < 10; i++) t.match(await run.request(), { status: 200, body: 'ok' })
  t.equal(run.clock.now(), 0)
  t.equal((await copies()).length, 3)
  t.equal(await counted('dropped'), 7)
  t.match(await run.metrics(), /outrigger_limit_used\{[^}]*mirror-shadow[^}]*\} 3/)
  await run.clock.advance(2_000)
  t.equal(await counted('timeout'), 3)
  await run.request()
  t.equal((await copies()).length, 4)
})

t.test('the configuration', async (t) => {
  t.match(mirror.config?.parse({ service: 'shadow' }), {
    service: 'shadow',
    percent: 100,
    methods: undefined,
    strip: [],
    maxBody: 65_536,
    maxConcurrent: 64,
    timeout: 5_000,
    maxResponse: 65_536
  })
  const problems = (config: object) => {
    try {
      runPlugin(mirror, config)
      return 'none'
    } catch (error) {
      return (error as ConfigError).problems.map(({ path, message }) => `${path}: ${message}`).join('\n')
    }
  }
  t.match(problems({}), /mirror.service/)
  t.match(
    problems({ service: 's', percent: 101 }),
    /mirror.percent: expected a share from 0 to 100 percent, not 101/
  )
  t.match(problems({ service: 's', maxBody: '65KiB' }), /mirror.maxBody: .*at most 64KiB, not "65KiB"/)
  t.match(problems({ service: 's', maxConcurrent: 0 }), /mirror.maxConcurrent: .*not 0/)
  t.match(problems({ service: 's', methods: [] }), /mirror.methods/)
  t.match(problems({ service: 's', strip: ['a b'] }), /expected a header name, not "a b"/)
  t.match(problems({ service: 'nowhere' }), /mirror.service: there is no service "nowhere"/)
})
