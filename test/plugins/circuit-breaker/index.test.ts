import t from 'tap'
import { type PluginRun, type RunOptions, runPlugin } from '../../../core/testing/index.js'
import breaker from '../../../plugins/circuit-breaker/index.js'
import retry from '../../../plugins/retry/index.js'

interface Closing {
  teardown(close: () => unknown): unknown
}

const ONE = ['http://one.test']

interface Bench {
  readonly run: PluginRun
  /** What the upstream answers from now on. */
  readonly now: { status: number }
  /** The error of one request, or else its status. */
  get(): Promise<string | number>
  times(count: number): Promise<(string | number)[]>
}

function bench(t: Closing, config: object = {}, options: RunOptions = {}): Bench {
  const now = { status: 503 }
  const run = runPlugin(breaker, config, {
    endpoints: ONE,
    upstream: () => ({ status: now.status }),
    ...options
  })
  t.teardown(() => run.close())
  const get = async () => {
    const { error, status } = await run.request()
    return error ?? status
  }
  const times = async (count: number) => {
    const answers: (string | number)[] = []
    for (let i = 0; i < count; i++) answers.push(await get())
    return answers
  }
  return { run, now, get, times }
}

t.test(
  'it opens after exactly five failures in a row, and what is refused says when to come back',
  async (t) => {
    const { run, times } = bench(t)
    t.same(await times(5), [503, 503, 503, 503, 503])
    t.equal(run.service.endpoints[0]?.breaker.state, 'open')
    const refused = await run.request()
    t.equal(refused.error, 'CIRCUIT_OPEN')
    t.equal(refused.status, 503)
    t.equal(refused.headers.get('retry-after'), '60')
    t.equal(run.seen.length, 5, 'nothing was sent')
    t.match(await run.metrics(), /outrigger_breaker_trips_total\{service="upstream"\} 1/)
  }
)

t.test('four failures do not open it, nor nine with one that is served among them', async (t) => {
  const { run, now, get, times } = bench(t)
  await times(4)
  now.status = 200
  await times(1)
  now.status = 503
  t.same(await times(4), [503, 503, 503, 503])
  t.equal(run.service.endpoints[0]?.breaker.state, 'closed')
  await times(1)
  t.equal(await get(), 'CIRCUIT_OPEN')
})

t.test('a failed probe opens it again for as long; one that is served closes it', async (t) => {
  const { run, now, get, times } = bench(t)
  await times(5)
  await run.clock.advance(59_999)
  t.equal(await get(), 'CIRCUIT_OPEN')
  await run.clock.advance(1)
  t.equal(await get(), 503, 'the probe')
  t.equal(await get(), 'CIRCUIT_OPEN', 'it is open again')
  await run.clock.advance(59_999)
  t.equal(await get(), 'CIRCUIT_OPEN')
  await run.clock.advance(1)
  now.status = 200
  t.same(await times(2), [200, 200])
  t.equal(run.service.endpoints[0]?.breaker.state, 'closed')
  now.status = 503
  t.same(await times(5), [503, 503, 503, 503, 503], 'it takes five again')
  t.equal(await get(), 'CIRCUIT_OPEN')
})

t.test('with maxReset, each failed probe doubles the wait, and one that is served begins anew', async (t) => {
  const { run, now, get, times } = bench(t, { failures: 2, reset: '1s', maxReset: '4s' })
  await times(2)
  const waits: number[] = []
  const opened = async () => {
    let waited = 0
    while ((await get()) === 'CIRCUIT_OPEN') {
      await run.clock.advance(500)
      waited += 500
    }
    return waited
  }
  for (let i = 0; i < 4; i++) waits.push(await opened())
  t.same(waits, [1_000, 2_000, 4_000, 4_000])
  now.status = 200
  await opened()
  now.status = 503
  await times(2)
  t.equal(await opened(), 1_000)
})

t.test('each endpoint has its own: the other one goes on', async (t) => {
  const { run, times } = bench(
    t,
    { failures: 3 },
    { endpoints: [...ONE, 'http://two.test'], upstream: onlyTwoServes }
  )
  const answers = await times(20)
  t.equal(answers.filter((answer) => answer === 503).length, 3)
  t.equal(answers.filter((answer) => answer === 200).length, 17)
  t.same(
    run.service.endpoints.map((endpoint) => endpoint.breaker.state),
    ['open', 'closed']
  )
})

t.test('per: service counts all endpoints together and opens for all', async (t) => {
  const { run, now, get, times } = bench(
    t,
    { failures: 4, per: 'service', reset: '10s' },
    { endpoints: [...ONE, 'http://two.test'] }
  )
  t.same(await times(4), [503, 503, 503, 503])
  t.equal(await get(), 'CIRCUIT_OPEN')
  t.equal(run.seen.length, 4)
  t.equal(run.service.breaker.state, 'open')
  await run.clock.advance(10_000)
  now.status = 200
  t.same(await times(3), [200, 200, 200])
  t.equal(run.service.breaker.state, 'closed')
})

t.test('a share of the requests within the window opens it', async (t) => {
  let index = 0
  const upstream = () => ({ status: index++ % 4 === 3 ? 500 : 200 })
  const { times } = bench(t, { failureRate: 0.25, window: '10s', minRequests: 8 }, { upstream })
  const answers = await times(9)
  t.same(answers, [200, 200, 200, 500, 200, 200, 200, 500, 'CIRCUIT_OPEN'])
})

t.test('both rules: whichever is met first', async (t) => {
  const { times } = bench(t, { failures: 3, failureRate: 0.5, minRequests: 100 })
  t.same(await times(4), [503, 503, 503, 'CIRCUIT_OPEN'])
})

t.test('errors count as well as statuses do; 4xx do not', async (t) => {
  const errors = bench(t, {}, { upstream: () => ({ error: 'UPSTREAM_RESET' }) })
  t.same(await errors.times(6), [...Array(5).fill('UPSTREAM_RESET'), 'CIRCUIT_OPEN'])
  const refused = bench(t, {}, { upstream: () => ({ error: 'CONNECT_FAILED' }) })
  t.same((await refused.times(6)).at(-1), 'CIRCUIT_OPEN')
  const wrong = bench(t)
  wrong.now.status = 404
  t.same((await wrong.times(20)).at(-1), 404)
})

t.test('gRPC statuses count as HTTP ones do', async (t) => {
  const headers = { 'content-type': 'application/grpc' }
  for (const [status, last] of [
    ['14', 'CIRCUIT_OPEN'],
    ['5', undefined]
  ] as const) {
    const upstream = () => ({ headers: { ...headers, 'grpc-status': status } })
    const { run } = bench(t, {}, { upstream })
    let error: string | undefined
    for (let i = 0; i < 6; i++) ({ error } = await run.request({ method: 'POST', headers }))
    t.equal(error, last, `grpc-status ${status}`)
  }
})

t.test('an endpoint that never answers within the exchange has failed', async (t) => {
  const { times } = bench(t, { failures: 2 }, { upstream: () => new Promise(() => {}), timeout: 1_000 })
  t.same(await times(3), ['DEADLINE_EXCEEDED', 'DEADLINE_EXCEEDED', 'CIRCUIT_OPEN'])
})

t.test('limits: past maxRequests of the service it is OVERLOADED, and no failure', async (t) => {
  const held: (() => void)[] = []
  const upstream = () => new Promise<object>((resolve) => held.push(() => resolve({ status: 200 })))
  const { run, get } = bench(
    t,
    { maxRequests: 2, per: 'service', failures: 1 },
    { upstream, autoAdvance: false }
  )
  const first = [get(), get()]
  await run.clock.advance(1)
  t.equal(held.length, 2)
  t.equal(await get(), 'OVERLOADED')
  for (const answer of held) answer()
  t.same(await Promise.all(first), [200, 200])
  const next = get()
  await run.clock.advance(1)
  held[2]?.()
  t.equal(await next, 200, 'and the breaker is closed')
})

t.test('retries stop where the breaker opens, and their attempts count', async (t) => {
  const options = { on: [503], attempts: 10, backoff: { base: 0, max: 0 }, budget: { ratio: 1 } }
  const run = runPlugin(retry, options, {
    endpoints: ONE,
    onService: [[breaker, { failures: 4 }]],
    upstream: () => ({ status: 503 })
  })
  t.teardown(() => run.close())
  const first = await run.request()
  t.equal(first.attempts.length, 4, 'four attempts of one request')
  t.same([first.status, first.error], [503, undefined], 'the answer that is there goes out')
  const second = await run.request()
  t.equal(second.attempts.length, 0)
  t.equal(second.error, 'CIRCUIT_OPEN')
})

t.test('a retry goes to an endpoint whose breaker is closed', async (t) => {
  const run = runPlugin(
    retry,
    { on: [503] },
    {
      endpoints: [...ONE, 'http://two.test'],
      onService: [[breaker, { failures: 1 }]],
      upstream: onlyTwoServes
    }
  )
  t.teardown(() => run.close())
  const statuses: number[] = []
  for (let i = 0; i < 10; i++) statuses.push((await run.request()).status)
  t.same(new Set(statuses), new Set([200]))
  t.equal(run.seen.filter(({ endpoint }) => endpoint === ONE[0]).length, 1)
})

function onlyTwoServes({ endpoint }: { endpoint: string }) {
  return { status: endpoint === ONE[0] ? 503 : 200 }
}
