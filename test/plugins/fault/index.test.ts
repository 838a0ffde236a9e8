import t from 'tap'
import { type ConfigError, definePlugin } from '../../../core/index.js'
import { type RunOptions, runPlugin, type SentRequest } from '../../../core/testing/index.js'
import fault from '../../../plugins/fault/index.js'
import retry from '../../../plugins/retry/index.js'

const start = (config: object, options: RunOptions = {}) => runPlugin(fault, config, options)

async function once(config: object, sent: SentRequest = {}, options: RunOptions = {}) {
  const run = start(config, options)
  const { status, error, result, attempts, headers } = await run.request(sent)
  await run.close()
  return { status, error, took: result.duration, attempts: attempts.length, grpc: headers.get('grpc-status') }
}

for (const place of ['top', 'route', 'service'] as const) {
  t.test(`delays and errors: ${place}`, async (t) => {
    t.match(await once({ delay: { for: '200ms' } }, {}, { place }), { status: 200, took: 200 })
    t.match(await once({ abort: {} }, {}, { place }), { status: 503, error: 'FAULT_INJECTED', took: 0 })
    t.match(await once({ abort: { status: 429 } }, {}, { place }), { status: 429, error: 'FAULT_INJECTED' })
    const both = await once({ delay: { for: 150 }, abort: { status: 500 } }, {}, { place })
    t.match(both, { status: 500, took: 150 }, 'first the one, then the other')
    t.equal(both.attempts, place === 'service' ? 1 : 0)
  })
}

t.test('an attempt is not slow by a delay before it', async (t) => {
  let latency: number | undefined
  const watch = definePlugin({
    name: 'watch',
    setup: () => ({ outcome: (attempt) => void (latency = attempt.latency) })
  })
  const run = start({ delay: { for: '1s' } }, { place: 'service', after: [watch] })
  t.equal((await run.request()).result.duration, 1_000)
  t.equal(latency, 0)
  await run.close()
})

t.test('each is drawn by itself, the delay first', async (t) => {
  const config = { delay: { for: 100, percent: 10 }, abort: { percent: 5 } }
  const of = (...draws: number[]) => once(config, {}, { random: () => draws.shift() as number })
  t.match(await of(0.09, 0.04), { status: 503, took: 100 })
  t.match(await of(0.09, 0.05), { status: 200, took: 100 })
  t.match(await of(0.1, 0.049), { status: 503, took: 0 })
  t.match(await of(0.1, 0.05), { status: 200, took: 0 })
})

t.test('the percentages come out', async (t) => {
  const run = start({ delay: { for: 50, percent: 20 }, abort: { percent: 10 } })
  let delayed = 0
  let aborted = 0
  const n = 600
  for (let i = 0; i < n; i++) {
    const { status, result } = await run.request()
    if (status === 503) aborted++
    if (result.duration === 50) delayed++
  }
  // Of the binomial distribution, 3.3 standard deviations either side: one in a thousand. The draws are the same each time.
  t.ok(Math.abs(delayed - n * 0.2) < 3.3 * Math.sqrt(n * 0.2 * 0.8), `${delayed} of ${n} delayed`)
  t.ok(Math.abs(aborted - n * 0.1) < 3.3 * Math.sqrt(n * 0.1 * 0.9), `${aborted} of ${n} aborted`)
  const metrics = await run.metrics()
  t.match(metrics, `outrigger_faults_total{route="route",kind="delay"} ${delayed}`)
  t.match(metrics, `outrigger_faults_total{route="route",kind="abort"} ${aborted}`)
  await run.close()
})

t.test('only requests that carry the header', async (t) => {
  const config = { abort: {}, delay: { for: 100 }, header: 'x-fault' }
  t.match(await once(config), { status: 200, took: 0 })
  t.match(await once(config, { headers: { 'X-Fault': '' } }), { status: 503, took: 100 })
})

t.test('a gRPC call ends with the status that is given', async (t) => {
  const headers = { 'content-type': 'application/grpc' }
  const sent = { method: 'POST', url: '/shop.Stock/Get', headers }
  t.match(await once({ abort: { grpcStatus: 8 } }, sent), { status: 200, error: 'FAULT_INJECTED', grpc: '8' })
  t.match(await once({ abort: { status: 503 } }, sent), { status: 200, grpc: '14' }, 'what 503 comes to')
  t.match(
    await once({ abort: { grpcStatus: 8 } }),
    { status: 503, grpc: undefined },
    'on what is no call it is HTTP'
  )
})

t.test('an error that is injected is the answer: it is not tried again', async (t) => {
  const after = [[retry, { on: ['5xx'] }]] as const
  t.match(await once({ abort: {} }, {}, { place: 'service', after }), { status: 503, attempts: 1 })
  t.match(await once({ abort: {} }, {}, { place: 'route', after }), { status: 503, attempts: 0 })
})

t.test('each attempt of a retry is delayed on a service, and the request once on a route', async (t) => {
  const options = {
    after: [[retry, { attempts: 2, on: ['5xx'], backoff: { base: 0, max: 0 } }]] as const,
    upstream: ({ index }: { index: number }) => ({ status: index === 0 ? 503 : 200 })
  }
  t.match(await once({ delay: { for: 100 } }, {}, { place: 'service', ...options }), {
    took: 200,
    attempts: 2
  })
  t.match(await once({ delay: { for: 100 } }, {}, { place: 'route', ...options }), { took: 100, attempts: 2 })
})

t.test("the exchange's time goes on meanwhile", async (t) => {
  const cut = await once({ delay: { for: '2s' } }, {}, { timeout: 500 })
  t.match(cut, { status: 504, error: 'DEADLINE_EXCEEDED', took: 500 })
})

t.test('no more are held up at once than may be', async (t) => {
  const run = start({ delay: { for: '1s' }, maxDelayed: 1 }, { autoAdvance: false })
  const first = run.request()
  const second = await run.request()
  t.match(second, { status: 200, result: { duration: 0 } }, 'past the bound it goes through')
  await run.clock.advance(1_000)
  t.match(await first, { status: 200, result: { duration: 1_000 } })
  const third = run.request()
  await run.clock.advance(0)
  await run.clock.advance(1_000)
  t.match(await third, { result: { duration: 1_000 } }, 'its place is free again')
  await run.close()
})

/** What is told at load. */
function problems(config: object) {
  try {
    runPlugin(fault, config)
  } catch (error) {
    return (error as ConfigError).problems
  }
  return []
}

t.test('what is wrong with a configuration', async (t) => {
  for (const [config, at, message] of [
    [{}, 'fault', /expected delay or abort/],
    [{ header: 'x-a' }, 'fault', /expected delay or abort/],
    [{ delay: {} }, 'fault.delay.for', /./],
    [
      { delay: { for: '6s' } },
      'fault.delay.for',
      /no more than 4000 ms, since a hook is given 5s, not 6000 ms/
    ],
    [{ delay: { for: 0 } }, 'fault.delay.for', /expected more than 0/],
    [{ delay: { for: 1, percent: 101 } }, 'fault.delay.percent', /<=100/],
    [{ abort: { status: 200 } }, 'fault.abort.status', />=400/],
    [{ abort: { grpcStatus: 17 } }, 'fault.abort.grpcStatus', /<=16/],
    [{ abort: {}, header: 'x fault' }, 'fault.header', /the name of a header, not "x fault"/]
  ] as const)
    t.match(problems(config), [{ path: at, message }], JSON.stringify(config))
})
