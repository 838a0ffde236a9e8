import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { type ConfigError, definePlugin, type ServiceHandle } from '../../../core/index.js'
import { checkConfig } from '../../../core/server/load.js'
import { runPlugin, type UpstreamAnswer, type UpstreamSeen } from '../../../core/testing/index.js'
import healthCheck from '../../../plugins/health-check/index.js'
import { host } from '../../../plugins/host.js'

type Options = NonNullable<Parameters<typeof runPlugin>[2]>

const ONE = 'http://one.test'
const TWO = 'http://two.test'
const isCheck = ({ headers }: UpstreamSeen) => headers.get('user-agent') === 'outrigger-health-check'

/** A service whose endpoints answer what `answers` says at the time, checks and traffic alike; closed with the test. */
async function checked(t: Test, config: object, options: Options = {}) {
  const answers = new Map<string, UpstreamAnswer | Promise<UpstreamAnswer>>()
  const checks: { at: number; endpoint: string }[] = []
  const run = runPlugin(
    healthCheck,
    { jitter: 0, ...config },
    {
      upstream: (seen) => {
        if (isCheck(seen)) checks.push({ at: run.clock.now(), endpoint: seen.endpoint })
        return answers.get(seen.endpoint) ?? {}
      },
      ...options
    }
  )
  t.teardown(() => run.close())
  // The service is there once a request was made.
  await run.request()
  const of = (endpoint: string) => {
    const view = run.service.endpoints.find(({ url }) => url === endpoint)
    if (view === undefined) throw new Error(`no endpoint ${endpoint}`)
    return view
  }
  const timesOf = (url: string) => checks.filter(({ endpoint }) => endpoint === url).map(({ at }) => at)
  return { run, answers, checks, of, timesOf }
}

/** A plugin whose service the test changes by itself. */
function holding(): { plugin: ReturnType<typeof definePlugin>; service: () => ServiceHandle } {
  let held: ServiceHandle | undefined
  const plugin = definePlugin({
    name: 'holding',
    places: ['service'],
    setup({ service }) {
      held = service
    }
  })
  return { plugin, service: () => held as ServiceHandle }
}

const http = { http: {} }

t.test(
  'an endpoint that answers 503 from the start is out at its first check, and back at its first success',
  async (t) => {
    const { run, answers, of } = await checked(t, http)
    answers.set(ONE, { status: 503 })
    await run.clock.advance(200)
    t.match(of(ONE), { healthy: false, reason: 'GET /healthz: 503' })
    t.match(of(TWO), { healthy: true, reason: undefined })
    const { attempts } = await run.request()
    t.equal(attempts[0]?.endpoint, TWO)
    answers.set(ONE, { status: 200 })
    await run.clock.advance(600)
    t.match(of(ONE), { healthy: true, reason: undefined })
  }
)

t.test(
  'each 5 s, and each 500 ms from a failure until two successes: out after three, back after two',
  async (t) => {
    const { run, answers, of, timesOf } = await checked(t, http)
    await run.clock.advance(1_000)
    t.same(timesOf(ONE), [100])
    answers.set(ONE, { status: 500 })
    await run.clock.advance(5_000)
    t.same(timesOf(ONE).slice(1), [5_100, 5_600])
    t.equal(of(ONE).healthy, true, 'two failures are not enough')
    await run.clock.advance(200)
    t.same(timesOf(ONE).slice(3), [6_100])
    t.equal(of(ONE).healthy, false)
    answers.set(ONE, {})
    await run.clock.advance(700)
    t.same(timesOf(ONE).slice(4), [6_600])
    t.equal(of(ONE).healthy, false, 'one success is not enough')
    await run.clock.advance(500)
    t.same(timesOf(ONE).slice(5), [7_100])
    t.equal(of(ONE).healthy, true)
    await run.clock.advance(5_000)
    t.same(timesOf(ONE).slice(6), [12_100], 'and each 5 s again')
  }
)

t.test('the thresholds and the intervals are what the configuration says', async (t) => {
  const config = { ...http, interval: '2s', unhealthyInterval: '1s', unhealthyAfter: 1, healthyAfter: 3 }
  const { run, answers, of, timesOf } = await checked(t, config)
  await run.clock.advance(1_000)
  answers.set(ONE, { status: 404 })
  await run.clock.advance(2_000)
  t.equal(of(ONE).reason, 'GET /healthz: 404')
  answers.set(ONE, {})
  await run.clock.advance(2_000)
  t.equal(of(ONE).healthy, false)
  await run.clock.advance(1_000)
  t.equal(of(ONE).healthy, true)
  t.same(timesOf(ONE), [100, 2_100, 3_100, 4_100, 5_100])
})

t.test('a shorter interval is also the shorter one: 250 ms are not slowed down to 500', async (t) => {
  const { run, answers, timesOf } = await checked(t, { ...http, interval: 250 })
  answers.set(ONE, { status: 500 })
  await run.clock.advance(1_000)
  t.same(timesOf(ONE), [50, 300, 550, 800])
})

t.test('what is said of an endpoint that does not answer', async (t) => {
  const { run, answers, of } = await checked(t, http, { autoAdvance: false })
  const cases: [answer: UpstreamAnswer | Promise<UpstreamAnswer>, reason: string][] = [
    [{ error: 'CONNECT_FAILED' }, 'GET /healthz: no connection'],
    [{ error: 'UPSTREAM_RESET' }, 'GET /healthz: the connection broke'],
    [{ error: 'BAD_UPSTREAM_RESPONSE' }, 'GET /healthz: as the test asked'],
    [new Promise<UpstreamAnswer>(() => {}), 'GET /healthz: timed out after 1s']
  ]
  for (const [answer, reason] of cases) {
    answers.set(ONE, answer)
    await run.clock.advance(10_000)
    t.match(of(ONE), { healthy: false, reason })
    answers.set(ONE, {})
    await run.clock.advance(10_000)
    t.match(of(ONE), { healthy: true, reason: undefined })
  }
})

t.test('the request is the one that is configured, and its query stays out of the logs', async (t) => {
  const config = {
    http: {
      path: '/status?token=sesame',
      method: 'POST',
      headers: { host: 'stock.shop', 'X-Key': 'k', 'user-agent': 'shop' },
      body: '{}',
      expect: ['2xx', 418]
    }
  }
  const { run, of } = await checked(t, config, { upstream: () => ({ status: 503 }) })
  await run.clock.advance(300)
  const sent = run.seen.find(({ path }) => path.startsWith('/status'))
  t.match(sent, { method: 'POST', path: '/status?token=sesame', body: Buffer.from('{}') })
  t.equal(sent?.headers.get('host'), 'stock.shop')
  t.equal(sent?.headers.get('x-key'), 'k')
  t.equal(sent?.headers.get('user-agent'), 'shop')
  t.equal(of(ONE).reason, 'POST /status: 503')
  t.notMatch(JSON.stringify(run.log), /sesame/)
})

t.test('whatever `expect` has passes', async (t) => {
  const { run, answers, of } = await checked(t, { http: { expect: ['2xx', '401-403', 418] } })
  for (const [status, healthy] of [
    [204, true],
    [302, false],
    [402, true],
    [404, false],
    [418, true],
    [500, false]
  ] as const) {
    answers.set(ONE, { status })
    await run.clock.advance(15_000)
    t.equal(of(ONE).healthy, healthy, String(status))
  }
})

t.test('a connection that fails under traffic brings the next check forward', async (t) => {
  const { run, answers, of, timesOf } = await checked(t, http)
  await run.clock.advance(1_000)
  answers.set(ONE, { error: 'CONNECT_FAILED' })
  answers.set(TWO, { status: 500 })
  await run.request()
  await run.request()
  await run.clock.advance(1_400)
  t.same(timesOf(ONE), [100, 1_000, 1_500, 2_000], 'at once, and not after 5 s')
  t.equal(of(ONE).healthy, false)
  t.same(timesOf(TWO).length, 1, 'an answer, whatever its status, does not')
})

t.test('where checks and attempts fail together, checks come ten times as fast, and no faster', async (t) => {
  const { run, answers, timesOf, of } = await checked(t, { ...http, unhealthyAfter: 5 })
  await run.clock.advance(1_000)
  answers.set(ONE, { error: 'UPSTREAM_RESET' })
  for (let i = 0; i < 60; i++) {
    await run.request()
    await run.clock.advance(10)
  }
  const times = timesOf(ONE).slice(1)
  for (const [i, at] of times.entries()) t.ok(i === 0 || at - (times[i - 1] as number) >= 50, String(at))
  t.equal(of(ONE).healthy, false)
  t.ok((times[4] as number) <= 1_400, `out after ${times[4]} ms`)
})

t.test('attempts that fail where the checks pass bring no more checks than of one in doubt', async (t) => {
  const answer = (seen: UpstreamSeen): UpstreamAnswer => (isCheck(seen) ? {} : { error: 'UPSTREAM_RESET' })
  const { run } = await checked(t, http, { upstream: answer })
  await run.clock.advance(1_000)
  for (let i = 0; i < 100; i++) {
    await run.request()
    await run.clock.advance(20)
  }
  const checks = run.seen.filter(isCheck).length
  t.ok(checks >= 6 && checks <= 12, `${checks} of two endpoints in 2 s`)
})

t.test('of the only endpoint a failed attempt brings no check forward', async (t) => {
  const { run, answers, timesOf } = await checked(t, http, { endpoints: [ONE] })
  await run.clock.advance(1_000)
  answers.set(ONE, { error: 'CONNECT_FAILED' })
  await run.request()
  await run.clock.advance(1_000)
  t.same(timesOf(ONE), [100])
})

t.test('a thousand endpoints: one check each per interval, spread over it', async (t) => {
  const endpoints = Array.from({ length: 1_000 }, (_, i) => `http://e${i}.test`)
  const { run, checks } = await checked(t, { ...http, jitter: 0.1 }, { endpoints })
  await run.clock.advance(5_100)
  t.equal(new Set(checks.map(({ endpoint }) => endpoint)).size, 1_000)
  await run.clock.advance(20_000)
  t.ok(checks.length >= 4_900 && checks.length <= 5_600, `${checks.length} in five intervals`)
  const perTurn = new Map<number, number>()
  for (const { at } of checks) perTurn.set(at, (perTurn.get(at) ?? 0) + 1)
  const most = Math.max(...perTurn.values())
  t.ok(most <= 50, `at most ${most} in 100 ms, of 20 that are due`)
})

t.test('jitter makes waits shorter, at most by its part', async (t) => {
  const { run, timesOf } = await checked(t, { ...http, jitter: 0.4 })
  await run.clock.advance(200_000)
  const times = timesOf(ONE)
  const waits = times.slice(1).map((at, i) => at - (times[i] as number))
  t.ok(
    Math.min(...waits) >= 3_000 && Math.max(...waits) <= 5_000,
    `${Math.min(...waits)} to ${Math.max(...waits)}`
  )
  t.ok(Math.max(...waits) - Math.min(...waits) > 1_000, 'and they differ')
})

t.test('at most 64 at once, none twice at once, and those in doubt do not hold up the others', async (t) => {
  const endpoints = Array.from({ length: 400 }, (_, i) => `http://e${i}.test`)
  const under = new Set<string>()
  let most = 0
  let twice = 0
  const passed = new Set<string>()
  const hangs = (url: string) => Number(url.slice('http://e'.length, -'.test'.length)) < 200
  const { run } = await checked(
    t,
    { ...http, interval: '2s', timeout: '1s' },
    {
      endpoints,
      autoAdvance: false,
      upstream: async (seen) => {
        if (!isCheck(seen)) return {}
        if (under.has(seen.endpoint)) twice++
        under.add(seen.endpoint)
        most = Math.max(most, under.size)
        if (hangs(seen.endpoint)) await run.clock.sleep(400)
        under.delete(seen.endpoint)
        if (!hangs(seen.endpoint)) passed.add(seen.endpoint)
        return hangs(seen.endpoint) ? { status: 500 } : {}
      }
    }
  )
  await run.clock.advance(10_000)
  t.equal(most, 64)
  t.equal(twice, 0)
  t.equal(passed.size, 200)
  passed.clear()
  await run.clock.advance(6_000)
  t.equal(
    passed.size,
    200,
    'with 200 of 400 hanging, those that serve are still checked within three intervals'
  )
  const out = run.service.endpoints.filter(({ healthy }) => !healthy)
  t.equal(out.length, 200)
  t.ok(out.every(({ url }) => hangs(url)))
})

t.test(
  'where more checks are due than there is room for, one that is out is checked all the same',
  async (t) => {
    const endpoints = Array.from({ length: 300 }, (_, i) => `http://e${i}.test`)
    const [sick = ''] = endpoints
    let status = 500
    const { run, of } = await checked(
      t,
      { ...http, interval: '1s' },
      {
        endpoints,
        autoAdvance: false,
        upstream: async (seen) => {
          if (isCheck(seen) && seen.endpoint !== sick) await run.clock.sleep(500)
          return { status: seen.endpoint === sick ? status : 200 }
        }
      }
    )
    await run.clock.advance(8_000)
    t.equal(of(sick).healthy, false)
    status = 200
    await run.clock.advance(2_000)
    t.equal(of(sick).healthy, true)
  }
)

t.test('endpoints that come are checked, and those that go are not any more', async (t) => {
  const { plugin, service } = holding()
  const { run, checks, timesOf, answers, of } = await checked(t, http, { after: [plugin] })
  const three = 'http://three.test'
  await run.clock.advance(1_000)
  answers.set(three, { status: 500 })
  service().replace([{ url: TWO }, { url: three }])
  await run.clock.advance(300)
  t.equal(timesOf(three).length, 1)
  t.equal(of(three).healthy, false)
  const before = checks.length
  await run.clock.advance(10_000)
  t.ok(checks.length > before)
  t.equal(timesOf(ONE).length, 1)
})

t.test('an ejection ends with the second success in a row, unless restoreEjected is false', async (t) => {
  for (const restoreEjected of [true, false]) {
    const { plugin, service } = holding()
    const { run, of } = await checked(t, { ...http, restoreEjected }, { after: [plugin] })
    await run.clock.advance(1_000)
    const [first] = service().endpoints
    service().eject(first as never, 60_000)
    await run.clock.advance(5_000)
    t.ok(of(ONE).ejectedFor > 0, 'one success is not enough')
    await run.clock.advance(5_000)
    t.equal(of(ONE).ejectedFor > 0, !restoreEjected)
  }
})

t.test('a mark that something else took away is set again by the next failure', async (t) => {
  const { plugin, service } = holding()
  const { run, answers, of } = await checked(t, http, { after: [plugin] })
  answers.set(ONE, { status: 500 })
  await run.clock.advance(1_000)
  service().mark(service().endpoints[0] as never, 'healthy')
  t.equal(of(ONE).healthy, true)
  await run.clock.advance(600)
  t.equal(of(ONE).healthy, false)
})

t.test('closed, it checks nothing, gives up what is under way and leaves nothing marked', async (t) => {
  const { run, answers, checks, of } = await checked(t, http, { autoAdvance: false })
  answers.set(ONE, { status: 500 })
  await run.clock.advance(1_000)
  t.equal(of(ONE).healthy, false)
  answers.set(TWO, new Promise(() => {}))
  await run.clock.advance(4_300)
  const before = checks.length
  t.match(
    await run.metrics(),
    /outrigger_limit_used\{place="service",on="upstream",limit="health-checks"\} 1/
  )
  await run.close()
  await run.clock.advance(20_000)
  t.equal(checks.length, before)
  t.equal(of(ONE).healthy, true)
  t.equal(of(TWO).healthy, true)
})

t.test('the metrics', async (t) => {
  const { run, answers } = await checked(t, http)
  answers.set(ONE, { status: 500 })
  await run.clock.advance(1_500)
  const text = await run.metrics()
  t.match(text, /outrigger_health_checks_total\{service="upstream",result="passed"\} 1\n/)
  t.match(text, /outrigger_health_checks_total\{service="upstream",result="failed"\} 3\n/)
  t.match(text, /outrigger_limit\{place="service",on="upstream",limit="health-checks"\} 64\n/)
})

t.test('what is no configuration of it', async (t) => {
  const wrong: [config: object, message: RegExp][] = [
    [{ http: {}, tcp: true }, /health-check\.tcp: expected one of http, tcp and grpc, not http and tcp/],
    [{ tcp: false }, /tcp: .*expected true/],
    [{ http: { path: 'healthz' } }, /http\.path: expected a path such as \/healthz, .* not "healthz"/],
    [{ http: { path: '/a b' } }, /http\.path: expected a path/],
    [{ http: { path: '/a#b' } }, /http\.path: expected a path/],
    [{ http: { expect: [] } }, /http\.expect: expected at least one status/],
    [{ http: { expect: [600] } }, /expect\.0: expected a status from 200 to 599, a class .* not 600/],
    [{ http: { expect: ['ok'] } }, /expect\.0: expected a status .* not "ok"/],
    [{ http: { method: 'DELETE' } }, /http\.method: /],
    [{ http: { body: 'x' } }, /http\.body: expected the method POST or PUT beside a body, not GET/],
    [{ http: { headers: { 'a b': 'x' } } }, /headers\.a b: expected the name of a header/],
    [
      { http: { headers: { connection: 'close' } } },
      /headers\.connection: connection follows from the request/
    ],
    [{ http: { headers: { 'x-key': 'a\nb' } } }, /headers\.x-key: expected visible characters/],
    [{ grpc: { service: 5 } }, /grpc\.service: /],
    [{ interval: 0 }, /interval: expected a duration .* of at least 10ms/],
    [{ timeout: 0 }, /timeout: expected a duration/],
    [{ unhealthyAfter: 0 }, /unhealthyAfter: /],
    [{ healthyAfter: 1.5 }, /healthyAfter: /],
    [{ jitter: 2 }, /jitter: /],
    [{ path: '/healthz' }, /path/]
  ]
  for (const [config, message] of wrong) {
    const error = (() => {
      try {
        runPlugin(healthCheck, config)
      } catch (error) {
        return error as ConfigError
      }
      return undefined
    })()
    t.match(error?.problems.map(({ path, message }) => `${path}: ${message}`).join('\n'), message)
  }
})

t.test('the example passes a check', async (t) => {
  const file = fileURLToPath(new URL('../../../plugins/health-check/example.yaml', import.meta.url))
  const config = await checkConfig(host, file)
  t.same([...config.services.keys()], ['orders', 'payment', 'stock', 'catalogue'])
})

t.test('what a file gets wrong is told in words', async (t) => {
  const wrong: [listing: string, message: RegExp][] = [
    ['{ tcp: false }', /tcp: .*true/],
    ['{ http: true }', /http: expected an object, not true/],
    ['{ http: { method: DELETE } }', /method: expected .*GET.*not "DELETE"/],
    ['{ http: { expect: 200 } }', /expect: expected a list, not 200/],
    ['{ grpc: { service: 5 } }', /service: expected a string, not 5/],
    ['{ intervall: 5s }', /unknown key "intervall".*interval/],
    ['{ unhealthyAfter: 0 }', /unhealthyAfter: expected .*1.*not 0/]
  ]
  for (const [listing, message] of wrong) {
    const file = join(t.testdir(), 'sidecar.yaml')
    await writeFile(
      file,
      `
listeners: { in: { address: 127.0.0.1:0 } }
services: { shop: { endpoints: ["http://127.0.0.1:1"], plugins: [{ health-check: ${listing} }] } }
routes: [{ name: all, service: shop }]
`
    )
    const problems = await checkConfig(host, file).then(
      () => [],
      (error: ConfigError) => error.problems
    )
    t.match(problems.map(({ path, message }) => `${path}: ${message}`).join('\n'), message, listing)
  }
})

t.test('the headers of a check are masked wherever a configuration is shown', async (t) => {
  const plugins = [{ 'health-check': { http: { headers: { authorization: 'Bearer sesame' } } } }]
  const config = await checkConfig(host, {
    listeners: { in: { address: '127.0.0.1:0' } },
    services: { shop: { endpoints: ['http://127.0.0.1:1'], plugins } },
    routes: [{ name: 'all', service: 'shop' }]
  })
  t.match(JSON.stringify(config.masked), /health-check/)
  t.notMatch(JSON.stringify(config.masked), /sesame/)
})
