import t from 'tap'
import { type ConfigError, definePlugin, key } from '../../../core/index.js'
import rateLimit from '../../../plugins/rate-limit/index.js'
import { runPlugin } from '../../../plugins/testing.js'
import { TestPipeline } from '../../support/pipeline.js'

type Run = ReturnType<typeof runPlugin>
type Sent = NonNullable<Parameters<Run['request']>[0]>

function start(t: { teardown(close: () => unknown): unknown }, config: object, options: object = {}): Run {
  const run = runPlugin(rateLimit, config, options)
  t.teardown(() => run.close())
  return run
}

/** The statuses of `count` requests one behind the other, at one moment of the clock. */
async function statuses(run: Run, count: number, sent: Sent = {}): Promise<number[]> {
  const all: number[] = []
  for (let i = 0; i < count; i++) all.push((await run.request(sent)).status)
  return all
}

const from = (address: string): Sent => ({ client: { address } })

t.test('so many pass, and the next is refused and told when to come back', async (t) => {
  const run = start(t, { requests: 2, per: '10s' })
  const first = await run.request()
  t.equal(first.status, 200)
  t.equal(first.headers.get('ratelimit-policy'), '"default";q=2;w=10')
  t.equal(first.headers.get('ratelimit'), '"default";r=1;t=5')
  t.equal((await run.request()).headers.get('ratelimit'), '"default";r=0;t=5')
  const refused = await run.request()
  t.match(refused, { status: 429, error: 'RATE_LIMITED', attempts: [] })
  t.equal(refused.headers.get('retry-after'), '5')
  t.equal(refused.headers.get('ratelimit-policy'), '"default";q=2;w=10')
  t.equal(refused.headers.get('ratelimit'), '"default";r=0;t=5')
  t.equal(run.seen.length, 2)
  await run.clock.advance(4_900)
  t.match(await run.request(), { status: 429 }, 'not yet')
  await run.clock.advance(100)
  t.same(await statuses(run, 2), [200, 429])
  t.match(await run.metrics(), /outrigger_rate_limited_total\{route="route"\} 3/)
})

t.test('burst is what may come at once, and is not added to requests', async (t) => {
  const run = start(t, { requests: 100, per: '1s', burst: 20 })
  const first = await statuses(run, 25)
  t.equal(first.filter((status) => status === 200).length, 20)
  let passed = 20
  for (let i = 0; i < 50; i++) {
    await run.clock.advance(20)
    passed += (await statuses(run, 4)).filter((status) => status === 200).length
  }
  t.ok(Math.abs(passed - 120) <= 1, `${passed} in the first second: the burst and the rate`)
})

t.test('each address by itself, and an IPv6 network as one', async (t) => {
  const run = start(t, { requests: 1, per: '1m' })
  t.same(await statuses(run, 2, from('10.0.0.1')), [200, 429])
  t.same(await statuses(run, 1, from('10.0.0.2')), [200])
  t.same(await statuses(run, 1, from('2001:db8:1:2::1')), [200])
  t.same(await statuses(run, 1, from('2001:db8:1:2:ffff::1')), [429])
  t.same(await statuses(run, 1, from('2001:db8:1:3::1')), [200])
})

t.test('each value of a header; those without it are one key', async (t) => {
  const run = start(t, { requests: 1, per: '1m', key: 'header:X-Tenant' })
  const of = (value?: string): Sent => (value === undefined ? {} : { headers: { 'x-tenant': value } })
  t.same(await statuses(run, 2, of('a')), [200, 429])
  t.same(await statuses(run, 1, of('b')), [200])
  t.same(await statuses(run, 2, of()), [200, 429])
  t.same(await statuses(run, 1, of('none')), [200], 'no value is that key')
  const long = 'x'.repeat(4_000)
  t.same(await statuses(run, 2, of(`${long}a`)), [200, 429])
  t.same(await statuses(run, 1, of(`${long}b`)), [200], 'long ones are told apart to their end')
})

t.test('each identity: that of auth, of a certificate, or else the address', async (t) => {
  const identity = key<string>('identity')
  const who = definePlugin({
    name: 'who',
    provides: [identity],
    setup: () => ({
      request(exchange) {
        const name = exchange.request.headers.get('x-who')
        if (name !== undefined) exchange.set(identity, name)
      }
    })
  })
  const run = start(t, { requests: 1, per: '1m', key: 'identity' }, { before: [who] })
  const as = (name: string, address = '10.0.0.1'): Sent => ({
    headers: { 'x-who': name },
    client: { address }
  })
  t.same(await statuses(run, 2, as('ada')), [200, 429])
  t.same(await statuses(run, 1, as('ada', '10.0.0.9')), [429], 'from wherever')
  t.same(await statuses(run, 1, as('bob')), [200])
  const certificate = {
    client: { address: '10.0.0.1', certificate: { uris: ['spiffe://shop.local/orders'] } }
  }
  t.same(await statuses(run, 2, certificate), [200, 429])
  t.same(await statuses(run, 2, from('10.0.0.1')), [200, 429], 'nobody is their address')
  t.same(await statuses(run, 1, as('10.0.0.1')), [200], 'and no name is an address')
})

t.test('the route as a whole, at the top each route by itself', async (t) => {
  const run = start(t, { requests: 1, per: '1m', key: 'route' })
  t.same(await statuses(run, 1, from('10.0.0.1')), [200])
  t.same(await statuses(run, 1, from('10.0.0.2')), [429])

  const config = rateLimit.config?.parse({ requests: 1, per: '1m', key: 'route' })
  const pipeline = await TestPipeline.build({
    top: [{ plugin: rateLimit, config }],
    routes: ['orders', 'stock'].map((name) => ({
      name,
      match: { path: `/${name}/*`, host: undefined, methods: undefined, headers: undefined, query: undefined }
    }))
  })
  t.teardown(() => pipeline.close())
  const asked = async (url: string) => (await pipeline.request({ url })).status
  t.equal(await asked('/orders/1'), 200)
  t.equal(await asked('/orders/2'), 429)
  t.equal(await asked('/stock/1'), 200)
  t.equal(await asked('/nowhere'), 404)
  t.equal(await asked('/nowhere'), 429, 'what matches no route is one too')
})

t.test('two limits: both hold, and both are told', async (t) => {
  const minute = { requests: 3, per: '1m', name: 'minute' }
  const run = start(t, { requests: 2, per: '1s', name: 'second' }, { before: [[rateLimit, minute]] })
  const first = await run.request()
  t.same(first.headers.getAll('ratelimit-policy').sort(), ['"minute";q=3;w=60', '"second";q=2;w=1'])
  t.same(first.headers.getAll('ratelimit').sort(), ['"minute";r=2;t=40', '"second";r=1;t=1'])
  t.same(await statuses(run, 2), [200, 429])
  await run.clock.advance(1_000)
  t.same(await statuses(run, 1), [429], 'the refused one counted for the minute, which was asked first')
})

t.test('headers: false tells nothing but when to come back', async (t) => {
  const run = start(t, { requests: 1, headers: false })
  const first = await run.request()
  const refused = await run.request()
  for (const { headers } of [first, refused]) {
    t.notOk(headers.has('ratelimit'))
    t.notOk(headers.has('ratelimit-policy'))
  }
  t.equal(refused.headers.get('retry-after'), '1')
})

t.test("the service's own RateLimit fields stay", async (t) => {
  const upstream = () => ({ headers: { RateLimit: '"own";r=7;t=9' } })
  const run = start(t, { requests: 5, per: '5s' }, { upstream })
  t.same((await run.request()).headers.getAll('ratelimit'), ['"own";r=7;t=9', '"default";r=4;t=4'])
})

t.test('a gRPC call is told so in its own words', async (t) => {
  const run = start(t, { requests: 1, per: '1m' })
  const call: Sent = {
    method: 'POST',
    url: '/shop.Stock/Get',
    headers: { 'content-type': 'application/grpc' }
  }
  await run.request(call)
  const refused = await run.request(call)
  t.equal(refused.status, 200)
  t.equal(refused.headers.get('grpc-status'), '8', 'RESOURCE_EXHAUSTED')
})

t.test('a named limit is one for all that list it, and outlives a reload', async (t) => {
  const named = rateLimit.config?.parse({ requests: 2, per: '1m', name: 'shop' })
  const bare = rateLimit.config?.parse({ requests: 2, per: '1m' })
  const pipeline = await TestPipeline.build({
    routes: [
      { name: 'a', config: named },
      { name: 'b', config: named },
      { name: 'c', config: bare },
      { name: 'd', config: bare }
    ].map(({ name, config }) => ({
      name,
      match: { path: `/${name}`, host: undefined, methods: undefined, headers: undefined, query: undefined },
      plugins: [
        {
          name: 'rate-limit',
          plugin: rateLimit,
          config,
          when: undefined,
          onFailure: 'close' as const,
          hookTimeout: 5_000,
          at: name
        }
      ]
    }))
  })
  t.teardown(() => pipeline.close())
  const asked = async (url: string) => (await pipeline.request({ url })).status
  t.same([await asked('/a'), await asked('/b'), await asked('/a'), await asked('/b')], [200, 200, 429, 429])
  t.same([await asked('/c'), await asked('/c'), await asked('/d')], [200, 200, 200])
})

t.test('keys beyond maxKeys are counted, and no way past the limit', async (t) => {
  const run = start(t, { requests: 1, per: '1m', maxKeys: 2 })
  for (const last of [1, 2, 3]) await run.request(from(`10.0.0.${last}`))
  t.same(await statuses(run, 1, from('10.0.0.1')), [429])
  t.match(await run.metrics(), /outrigger_rate_limit_evicted_total [1-9]/)
})

t.test('the configuration', async (t) => {
  t.match(rateLimit.config?.parse({ requests: 100 }), {
    requests: 100,
    per: 1000,
    burst: undefined,
    key: 'address',
    store: 'memory',
    onStoreError: 'allow',
    storeTimeout: 25,
    maxKeys: 100_000,
    headers: true
  })
  const problems = (config: object) => {
    try {
      runPlugin(rateLimit, config)
      return 'none'
    } catch (error) {
      return (error as ConfigError).problems.map(({ path, message }) => `${path}: ${message}`).join('\n')
    }
  }
  t.match(problems({}), /rate-limit.requests: expected how many requests, a whole number from 1 to/)
  t.match(problems({ requests: 0 }), /not 0/)
  t.match(problems({ requests: 1.5 }), /not 1.5/)
  t.match(problems({ requests: 1, burst: 0 }), /rate-limit.burst: .*not 0/)
  t.match(problems({ requests: 1, per: '0s' }), /rate-limit.per: /)
  t.match(problems({ requests: 5000, per: '1ms' }), /no more than 1000000 requests a second/)
  t.match(
    problems({ requests: 1, key: 'cookie' }),
    /expected address, identity, route or header:NAME, not "cookie"/
  )
  t.match(problems({ requests: 1, key: 'header:a b' }), /header:NAME/)
  t.match(problems({ requests: 1, onStoreError: 'open' }), /rate-limit.onStoreError/)
  t.match(problems({ requests: 1, limit: 1 }), /limit/)
  const secret = problems({ requests: 1, store: 'redis://:hush@127.0.0.1/orders' })
  t.match(secret, /rate-limit.store: expected memory, redis:/)
  t.notMatch(secret, /hush/)
})
