import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { type ConfigError, definePlugin, Hedge, Retry, type ServiceHandle } from '../../../core/index.js'
import { checkConfig } from '../../../core/server/load.js'
import { runPlugin, type UpstreamAnswer } from '../../../core/testing/index.js'
import { host } from '../../../plugins/host.js'
import outliers from '../../../plugins/outlier-detection/index.js'

type Options = NonNullable<Parameters<typeof runPlugin>[2]>

const urls = (count: number) => Array.from({ length: count }, (_, i) => `http://e${i}.test`)

/** A service whose endpoints answer what `answers` says at the time; closed with the test. */
function detected(t: Test, config: object, endpoints: number | string[], options: Options = {}) {
  const answers = new Map<string, UpstreamAnswer>()
  const list = typeof endpoints === 'number' ? urls(endpoints) : endpoints
  let held: ServiceHandle | undefined
  const holding = definePlugin({
    name: 'holding',
    places: ['service'],
    setup({ service }) {
      held = service
    }
  })
  const run = runPlugin(outliers, config, {
    endpoints: list,
    upstream: ({ endpoint }) => answers.get(endpoint) ?? {},
    ...options,
    after: [holding, ...(options.after ?? [])]
  })
  t.teardown(() => run.close())
  return {
    run,
    answers,
    service: () => held as ServiceHandle,
    /** In s, of each that is out. */
    out: () =>
      Object.fromEntries(
        run.service.endpoints
          .filter(({ ejectedFor }) => ejectedFor > 0)
          .map(({ url, ejectedFor }) => [/e?(\w+)\.test/.exec(url)?.[1], ejectedFor / 1000])
      ),
    reasonOf: (url: string) => run.service.endpoints.find((one) => one.url === url)?.reason,
    async requests(count: number, sent: Parameters<typeof run.request>[0] = {}) {
      for (let i = 0; i < count; i++) await run.request(sent)
    }
  }
}

const only = { successRate: false, failurePercentage: false }
const [E0, E1, E2, E3, E4] = urls(5) as [string, string, string, string, string]

t.test('five errors in a row eject at once, for 30 s', async (t) => {
  const { run, answers, out, requests, reasonOf } = detected(t, {}, 2)
  answers.set(E0, { status: 503 })
  await requests(8)
  t.same(out(), {}, 'four are not enough')
  await requests(2)
  t.same(out(), { 0: 30 })
  t.equal(reasonOf(E0), '5 errors in a row, the last: 503')
  const { attempts } = await run.request()
  t.equal(attempts[0]?.endpoint, E1)
  await run.clock.advance(29_999)
  t.same(out(), { 0: 0.001 })
  await run.clock.advance(1)
  t.same(out(), {})
})

t.test('a success between them begins anew', async (t) => {
  const { run, answers, out } = detected(t, {}, 2)
  for (let i = 0; i < 40; i++) {
    answers.set(E0, i % 10 === 8 ? {} : { status: 500 })
    await run.request()
  }
  t.same(out(), {}, 'four, one that succeeds, four')
})

t.test('what is an error and what is not', async (t) => {
  const kinds: [answer: UpstreamAnswer, words: string | undefined][] = [
    [{ status: 500 }, '500'],
    [{ status: 501 }, '501'],
    [{ status: 599 }, '599'],
    [{ error: 'CONNECT_FAILED' }, 'no connection'],
    [{ error: 'CONNECT_TIMEOUT' }, 'no connection in time'],
    [{ error: 'UPSTREAM_RESET' }, 'the connection broke'],
    [{ error: 'BAD_UPSTREAM_RESPONSE' }, 'a response that is not HTTP'],
    [{ error: 'RESPONSE_TIMEOUT' }, 'no answer in time'],
    [{ error: 'OVERLOADED' }, undefined],
    [{ error: 'FAULT_INJECTED' }, undefined],
    [{ status: 200 }, undefined],
    [{ status: 404 }, undefined],
    [{ status: 429 }, undefined]
  ]
  for (const [answer, words] of kinds) {
    const { run, answers, reasonOf } = detected(t, { consecutiveErrors: 1 }, 2)
    answers.set(E0, answer)
    await run.request({ method: 'POST' })
    t.equal(reasonOf(E0), words === undefined ? undefined : `an error: ${words}`, JSON.stringify(answer))
  }
})

t.test("a gRPC call's status: those that Envoy maps to a 5xx, but for UNIMPLEMENTED", async (t) => {
  const names: Record<number, string> = {
    2: 'UNKNOWN',
    4: 'DEADLINE_EXCEEDED',
    13: 'INTERNAL',
    14: 'UNAVAILABLE',
    15: 'DATA_LOSS'
  }
  for (let code = 0; code <= 16; code++) {
    const { run, answers, reasonOf } = detected(t, { consecutiveErrors: 1 }, 2)
    const headers = { 'content-type': 'application/grpc', 'grpc-status': String(code) }
    answers.set(E0, { headers })
    await run.request({ method: 'POST', headers: { 'content-type': 'application/grpc' } })
    const name = names[code]
    t.equal(reasonOf(E0), name === undefined ? undefined : `an error: ${name}`, String(code))
  }
})

t.test('each ejection in a row is longer by the first, up to maxEjection', async (t) => {
  const config = { ...only, consecutiveErrors: 1, baseEjection: '10s', maxEjection: '25s' }
  const { run, answers, out } = detected(t, config, 2)
  answers.set(E0, { status: 500 })
  const lengths: number[] = []
  for (let i = 0; i < 4; i++) {
    do await run.request()
    while (Object.keys(out()).length === 0)
    lengths.push(out()[0] as number)
    await run.clock.advance((out()[0] as number) * 1000)
  }
  t.same(lengths, [10, 20, 25, 25])
})

t.test('the multiplier drops one step for each whole interval that it is in', async (t) => {
  const config = { ...only, consecutiveErrors: 1, baseEjection: '5s', interval: '10s' }
  const { run, answers, out } = detected(t, config, 2)
  const ejected = async () => {
    answers.set(E0, { status: 500 })
    do await run.request()
    while (Object.keys(out()).length === 0)
    const { 0: seconds } = out()
    answers.delete(E0)
    await run.clock.advance((seconds as number) * 1000)
    return seconds
  }
  t.same([await ejected(), await ejected(), await ejected()], [5, 10, 15])
  // At 30 s; the interval that ends at 40 s is its first whole one.
  await run.clock.advance(20_500)
  t.same([await ejected()], [10], 'two steps down, and one up')
})

t.test('at most a tenth are out, and always one', async (t) => {
  for (const [count, most] of [
    [3, 1],
    [20, 2],
    [45, 4]
  ] as const) {
    const { run, answers, out, requests } = detected(t, { ...only, consecutiveErrors: 2 }, count)
    for (const url of urls(count).slice(1)) answers.set(url, { status: 500 })
    await requests(count * 4)
    t.equal(Object.keys(out()).length, most, `${most} of ${count}`)
    t.match(
      await run.metrics(),
      /outrigger_outlier_ejections_refused_total\{service="upstream",reason="consecutive-errors"\} \d+/
    )
  }
})

t.test('ejections by others count towards the most that may be out', async (t) => {
  const { run, answers, service, out, requests } = detected(t, { ...only, consecutiveErrors: 1 }, 3)
  await run.request()
  const [, , third] = service().endpoints
  service().eject(third as never, 60_000)
  answers.set(E0, { status: 500 })
  await requests(6)
  t.same(Object.keys(out()), ['2'])
})

t.test('the last usable endpoint stays, unless all of them may be out', async (t) => {
  const one = detected(t, { ...only, consecutiveErrors: 1 }, 1)
  one.answers.set(E0, { status: 500 })
  await one.requests(5)
  t.same(one.out(), {}, 'the only one')

  const two = detected(t, { ...only, consecutiveErrors: 1 }, 2)
  await two.run.request()
  two.service().mark(two.service().endpoints[1] as never, 'unhealthy')
  two.answers.set(E0, { status: 500 })
  await two.requests(5)
  t.same(two.out(), {}, 'the other one is unhealthy')

  const all = detected(t, { ...only, consecutiveErrors: 1, maxEjectedPercent: 100 }, 2)
  all.answers.set(E0, { status: 500 })
  all.answers.set(E1, { status: 500 })
  await all.requests(2)
  t.same(Object.keys(all.out()), ['0', '1'])
  t.equal((await all.run.request()).error, 'NO_ENDPOINT')

  const none = detected(t, { ...only, consecutiveErrors: 1, maxEjectedPercent: 0 }, 2)
  none.answers.set(E0, { status: 500 })
  await none.requests(10)
  t.same(none.out(), {})
})

/** Sends each endpoint its share: of `of` requests `failing` fail, spread out so that few are in a row. */
async function shares(
  { run, answers }: Pick<ReturnType<typeof detected>, 'run' | 'answers'>,
  failing: Record<string, number>,
  of: number,
  endpoints: number
) {
  for (let i = 0; i < of; i++) {
    for (const [url, failures] of Object.entries(failing)) {
      const due = Math.floor(((i + 1) * failures) / of) > Math.floor((i * failures) / of)
      answers.set(url, { status: due ? 500 : 200 })
    }
    for (let j = 0; j < endpoints; j++) await run.request()
  }
}

t.test('success rate: the one below mean - 1.9 x deviation is ejected when the interval ends', async (t) => {
  const it = detected(t, { consecutiveErrors: false, failurePercentage: false }, 5)
  await shares(it, { [E2]: 40 }, 100, 5)
  t.same(it.out(), {})
  await it.run.clock.advance(10_000)
  t.same(it.out(), { 2: 30 })
  t.equal(it.reasonOf(E2), '60% succeeded, expected 92% less 1.9 x 16%')
  t.match(
    await it.run.metrics(),
    /outrigger_outlier_ejections_total\{service="upstream",reason="success-rate"\} 1\n/
  )
})

t.test('success rate: too few endpoints, too few requests, or all alike', async (t) => {
  const few = detected(t, { consecutiveErrors: false, failurePercentage: false }, 4)
  await shares(few, { [E2]: 40 }, 100, 4)
  await few.run.clock.advance(10_000)
  t.same(few.out(), {}, 'four endpoints')

  const quiet = detected(t, { consecutiveErrors: false, failurePercentage: false }, 5)
  await shares(quiet, { [E2]: 40 }, 99, 5)
  await quiet.run.clock.advance(10_000)
  t.same(quiet.out(), {}, '99 requests')

  const alike = detected(t, { consecutiveErrors: false, failurePercentage: false }, 5)
  await shares(alike, { [E0]: 30, [E1]: 30, [E2]: 30, [E3]: 30, [E4]: 30 }, 100, 5)
  await alike.run.clock.advance(10_000)
  t.same(alike.out(), {}, 'all at 70%')
})

t.test('success rate: a few failures where the others have none are no outlier', async (t) => {
  const it = detected(t, { consecutiveErrors: false, failurePercentage: false }, 5)
  await shares(it, { [E2]: 4 }, 100, 5)
  await it.run.clock.advance(10_000)
  t.same(it.out(), {})
  await shares(it, { [E2]: 5 }, 100, 5)
  await it.run.clock.advance(10_000)
  t.same(it.out(), { 2: 30 })
})

t.test('counts are those of one interval', async (t) => {
  const it = detected(t, { consecutiveErrors: false, failurePercentage: false }, 5)
  await shares(it, { [E2]: 30 }, 60, 5)
  await it.run.clock.advance(10_000)
  await shares(it, { [E2]: 30 }, 60, 5)
  await it.run.clock.advance(10_000)
  t.same(it.out(), {}, '60 and 60 are not 100')
})

t.test(
  'failure percentage: 85 of 100 is ejected, 84 is not; where there is room for one, it is the worst',
  async (t) => {
    const config = { consecutiveErrors: false, successRate: false }
    const under = detected(t, config, 5)
    await shares(under, { [E3]: 84 }, 100, 5)
    await under.run.clock.advance(10_000)
    t.same(under.out(), {})

    const at = detected(t, config, 5)
    await shares(at, { [E1]: 85, [E3]: 90 }, 100, 5)
    await at.run.clock.advance(10_000)
    t.same(at.out(), { 3: 30 })
    t.equal(at.reasonOf(E3), '90% of 100 attempts failed')

    const four = detected(t, config, 4)
    await shares(four, { [E3]: 100 }, 100, 4)
    await four.run.clock.advance(10_000)
    t.same(four.out(), {}, 'of four endpoints none')
    const asked = detected(t, { ...config, failurePercentage: { minEndpoints: 1, threshold: 50 } }, 2)
    await shares(asked, { [E1]: 25 }, 50, 2)
    await asked.run.clock.advance(10_000)
    t.same(asked.out(), { 1: 30 })
  }
)

t.test('an endpoint that never answers is out, though it is the exchange whose time ends', async (t) => {
  const config = { ...only, consecutiveErrors: 3 }
  const upstream = ({ endpoint }: { endpoint: string }) =>
    endpoint === E0 ? new Promise<UpstreamAnswer>(() => {}) : {}
  const { run, out, requests, reasonOf } = detected(t, config, 2, { upstream, timeout: 1_000 })
  await requests(5)
  t.same(Object.keys(out()), ['0'])
  t.equal(reasonOf(E0), '3 errors in a row, the last: no answer in time')
  t.equal((await run.request()).status, 200)
})

t.test(
  'one that had less than half of the time, or whose caller had little patience, is not to blame',
  async (t) => {
    const config = { ...only, consecutiveErrors: 1 }
    const upstream = async ({ endpoint }: { endpoint: string }): Promise<UpstreamAnswer> => {
      if (endpoint === E0) await run.clock.sleep(600)
      else await new Promise(() => {})
      return { error: 'OVERLOADED' }
    }
    const again = definePlugin({ name: 'again', setup: () => ({ outcome: () => new Retry() }) })
    const { run, out } = detected(t, config, 2, { upstream, timeout: 1_000, before: [again] })
    t.equal((await run.request()).error, 'DEADLINE_EXCEEDED')
    t.same(out(), {}, 'the second attempt had 400 ms of 1 s')

    const hangs = () => new Promise<UpstreamAnswer>(() => {})
    const hurried = detected(t, config, 2, { upstream: hangs })
    const headers = { 'content-type': 'application/grpc', 'grpc-timeout': '10m' }
    t.equal((await hurried.run.request({ method: 'POST', headers })).result.grpcStatus, 4)
    t.same(hurried.out(), {}, '10 ms are no time')
  }
)

t.test("a hedge's loser is no error", async (t) => {
  const hedging = definePlugin({
    name: 'hedging',
    setup: () => ({ attempt: ({ reason }) => (reason === undefined ? new Hedge({ after: 10 }) : undefined) })
  })
  const upstream = ({ endpoint }: { endpoint: string }) =>
    endpoint === E0 ? new Promise<UpstreamAnswer>(() => {}) : {}
  const { run, out } = detected(t, { ...only, consecutiveErrors: 1 }, 2, { upstream, before: [hedging] })
  const { status, attempts } = await run.request()
  t.same([status, attempts.map(({ endpoint }) => endpoint)], [200, [E0, E1]])
  t.same(out(), {})
})

t.test("a breaker's probe is the breaker's to judge", async (t) => {
  const { run, answers, service, out } = detected(t, { ...only, consecutiveErrors: 1 }, 2)
  await run.request()
  const [first] = service().endpoints
  service().trip(first as never, 1_000)
  answers.set(E0, { status: 500 })
  await run.clock.advance(1_000)
  const statuses = [(await run.request()).status, (await run.request()).status]
  t.same(statuses.sort(), [200, 500])
  t.same(out(), {})
})

t.test('what was under way when it was ejected does not lengthen the next ejection', async (t) => {
  const config = { ...only, consecutiveErrors: 2, baseEjection: '5s', maxEjectedPercent: 100 }
  let answer: () => void = () => {}
  const all = new Promise<void>((resolve) => {
    answer = resolve
  })
  const upstream = async ({ endpoint }: { endpoint: string }) => {
    if (endpoint === E0) await all
    return { status: endpoint === E0 ? 500 : 200 }
  }
  const { run, out } = detected(t, config, 2, { upstream, autoAdvance: false })
  const under = Array.from({ length: 20 }, () => run.request())
  answer()
  await Promise.all(under)
  t.same(out(), { 0: 5 })
  t.match(await run.metrics(), /outrigger_ejections_total\{service="upstream"\} 1\n/)
})

t.test('the metrics say why', async (t) => {
  const { run, answers, requests } = detected(t, only, 2)
  answers.set(E0, { status: 500 })
  await requests(10)
  const text = await run.metrics()
  t.match(text, /outrigger_outlier_ejections_total\{service="upstream",reason="consecutive-errors"\} 1\n/)
  t.match(text, /outrigger_ejections_total\{service="upstream"\} 1\n/)
})

t.test('what is no configuration of it', async (t) => {
  const wrong: [config: object, message: RegExp][] = [
    [{ consecutiveErrors: 0 }, /consecutiveErrors/],
    [{ consecutiveErrors: 2.5 }, /consecutiveErrors/],
    [{ interval: 5 }, /interval: expected a duration .* of at least 100ms, not 5/],
    [
      { baseEjection: '10m', maxEjection: '5m' },
      /baseEjection: expected no more than maxEjection, which is 300000 ms, not 600000 ms/
    ],
    [{ maxEjectedPercent: 101 }, /maxEjectedPercent/],
    [{ successRate: true }, /successRate/],
    [{ successRate: { minEndpoints: 1 } }, /successRate/],
    [{ failurePercentage: { threshold: 0 } }, /failurePercentage/],
    [{ errors: 5 }, /errors/]
  ]
  for (const [config, message] of wrong) {
    const error = (() => {
      try {
        runPlugin(outliers, config)
      } catch (error) {
        return error as ConfigError
      }
      return undefined
    })()
    t.match(error?.problems.map(({ path, message }) => `${path}: ${message}`).join('\n'), message)
  }
  t.same(outliers.config?.parse({ baseEjection: '10m' }), {
    consecutiveErrors: 5,
    interval: 10_000,
    baseEjection: 600_000,
    maxEjectedPercent: 10,
    successRate: { minEndpoints: 5, minRequests: 100, stdev: 1.9 },
    failurePercentage: { threshold: 85, minRequests: 50, minEndpoints: 5 }
  })
})

t.test('the example passes a check', async (t) => {
  const file = fileURLToPath(new URL('../../../plugins/outlier-detection/example.yaml', import.meta.url))
  const config = await checkConfig(host, file)
  t.same([...config.services.keys()], ['orders', 'payment', 'catalogue'])
})

t.test('what a file gets wrong is told in words', async (t) => {
  const wrong: [listing: string, message: RegExp][] = [
    ['{ consecutiveErrors: 0 }', /consecutiveErrors: expected .*not 0/],
    ['{ consecutiveErrors: off }', /consecutiveErrors: expected .*not "off"/],
    ['{ successRate: true }', /successRate: expected .*not true/],
    ['{ successRate: { stddev: 2 } }', /successRate.*: .*stddev.*stdev/],
    ['{ failurePercentage: { threshold: 850 } }', /failurePercentage.threshold: expected .*100.*not 850/],
    ['{ maxEjectedPercent: 110 }', /maxEjectedPercent: expected .*100.*not 110/],
    ['{ maxEjectionPercent: 10 }', /unknown key "maxEjectionPercent".*maxEjectedPercent/]
  ]
  for (const [listing, message] of wrong) {
    const file = join(t.testdir(), 'sidecar.yaml')
    await writeFile(
      file,
      `
listeners: { in: { address: 127.0.0.1:0 } }
services: { shop: { endpoints: ["http://127.0.0.1:1"], plugins: [{ outlier-detection: ${listing} }] } }
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
