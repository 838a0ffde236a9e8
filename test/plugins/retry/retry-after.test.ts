import t from 'tap'
import { definePlugin, type HeaderList } from '../../../core/index.js'
import { type RunOptions, runPlugin } from '../../../core/testing/index.js'
import retry from '../../../plugins/retry/index.js'
import { askedWait } from '../../../plugins/retry/retry-after.js'

const NOW = Date.UTC(2025, 0, 1)

t.test('what a response asks for', async (t) => {
  const asked = (fields: Record<string, string>, grpc = false) =>
    askedWait({ get: (name: string) => fields[name] } as unknown as HeaderList, grpc, NOW)
  const after = (value: string) => asked({ 'retry-after': value })
  t.equal(after('3'), 3000)
  t.equal(after('0'), 0)
  t.ok(Number(after('99999999999999999999999')) > 1e20)
  t.equal(after('Wed, 01 Jan 2025 00:00:05 GMT'), 5000)
  t.equal(after('Wednesday, 01-Jan-25 00:00:05 GMT'), 5000, 'RFC 850’s form')
  t.equal(after('Wed Jan  1 00:00:05 2025'), 5000, 'asctime’s form, which is in GMT too')
  t.equal(after('Tue, 31 Dec 2024 00:00:05 GMT'), 0, 'a time that is over')
  for (const nothing of [
    '',
    'soon',
    '-1',
    '1.5',
    'Wed',
    '2025-01-01T00:00:05Z',
    'Wed, 99 Foo 2025 00:00:05 GMT'
  ])
    t.equal(after(nothing), undefined, nothing)
  t.equal(asked({}), undefined)
  t.equal(asked({ 'grpc-retry-pushback-ms': '250' }, true), 250)
  t.equal(asked({ 'grpc-retry-pushback-ms': '-1' }, true), 'never')
  t.equal(asked({ 'grpc-retry-pushback-ms': 'x' }, true), 'never')
  t.equal(asked({ 'grpc-retry-pushback-ms': '250' }), undefined, 'of gRPC calls alone')
})

/** The first answer is a 503 that asks for `value`; how many attempts there were, and when the second was sent. */
async function tried(config: object, headers: Record<string, string>, options: RunOptions = {}) {
  const run = runPlugin(
    retry,
    { on: [503, 'unavailable'], backoff: { base: 0, max: 0 }, ...config },
    { upstream: ({ index }) => (index === 0 ? { status: 503, headers } : {}), ...options }
  )
  const answer = await run.request()
  await run.close()
  const [, second] = answer.exchange.attempts
  return { status: answer.status, after: second && second.startedAt - answer.exchange.startedAt }
}

t.test('a retry comes when the service wants it', async (t) => {
  const in2s = { 'retry-after': '2' }
  t.same(await tried({}, in2s), { status: 200, after: 2000 })
  t.same(await tried({}, { 'retry-after': 'Wed, 01 Jan 2025 00:00:04 GMT' }), { status: 200, after: 4000 })
  t.same(await tried({ retryAfter: false }, in2s), { status: 200, after: 0 })
  t.same(await tried({ retryAfter: '3s' }, in2s), { status: 200, after: 2000 })
  t.same(await tried({}, {}), { status: 200, after: 0 })
  const spread = await tried({ backoff: { base: '100ms', max: '100ms' } }, in2s, { random: () => 0.5 })
  t.same(spread, { status: 200, after: 2050 }, 'with the back-off on top, so that not all come at once')
})

t.test('and not at all where that is too late', async (t) => {
  const none = { status: 503, after: undefined }
  t.same(await tried({ retryAfter: '1s' }, { 'retry-after': '2' }), none, 'for the configuration')
  t.same(await tried({}, { 'retry-after': '15' }), none, 'for the exchange')
  t.same(await tried({}, { 'retry-after': '301' }, { timeout: 1_000_000 }), none, 'for anyone')
  t.same(await tried({}, { 'retry-after': '299' }, { timeout: 1_000_000 }), { status: 200, after: 299_000 })
})

t.test('a gRPC service pushes back', async (t) => {
  const called = async (pushback: string) => {
    const run = runPlugin(
      retry,
      { on: ['unavailable'], backoff: { base: 0, max: 0 } },
      {
        upstream: ({ index }) => ({
          headers: {
            'content-type': 'application/grpc',
            'grpc-status': index === 0 ? '14' : '0',
            ...(index === 0 ? { 'grpc-retry-pushback-ms': pushback } : {})
          }
        })
      }
    )
    t.teardown(() => run.close())
    const { result, attempts } = await run.request({
      method: 'POST',
      url: '/shop.Stock/Get',
      headers: { 'content-type': 'application/grpc' }
    })
    return { grpcStatus: result.grpcStatus, attempts: attempts.length, duration: result.duration }
  }
  t.same(await called('700'), { grpcStatus: 0, attempts: 2, duration: 700 })
  t.same(await called('-1'), { grpcStatus: 14, attempts: 1, duration: 0 })
})

t.test('conditions on headers', async (t) => {
  const again = async (
    on: unknown[],
    answer: { status?: number; headers?: Record<string, string | string[]> }
  ) => {
    const run = runPlugin(
      retry,
      { on, backoff: { base: 0, max: 0 } },
      { upstream: ({ index }) => (index === 0 ? answer : {}) }
    )
    const { attempts } = await run.request()
    await run.close()
    return attempts[1]?.reason
  }
  const yes = { headers: { 'X-Should-Retry': 'yes' } }
  const any = { header: 'x-should-retry' }
  t.equal(await again([any], yes), 'header', 'there, whatever it says')
  t.equal(await again([any], {}), undefined)
  t.equal(await again([{ ...any, value: 'yes' }], yes), 'header')
  t.equal(await again([{ ...any, value: 'no' }], yes), undefined)
  t.equal(await again([{ ...any, value: 'Yes' }], yes), undefined, 'exactly')
  t.equal(
    await again([{ ...any, value: 'yes' }], { headers: { 'x-should-retry': ['no', 'yes'] } }),
    'header',
    'one of several'
  )
  t.equal(await again([{ ...any, value: true }], { headers: { 'x-should-retry': 'true' } }), 'header')
  t.equal(await again([{ ...any, status: 503 }], { status: 503, ...yes }), 'header')
  t.equal(await again([{ ...any, status: 503 }], { status: 500, ...yes }), undefined, 'both')
  t.equal(await again([{ ...any, status: '5xx' }], { status: 500, ...yes }), 'header')
  t.equal(await again([{ ...any, status: '5xx' }], yes), undefined)
  t.equal(await again([{ ...any, status: '503' }], { status: 503, ...yes }), 'header')
  t.equal(await again([503, any], { status: 503, ...yes }), '5xx', 'a status that is named is the reason')
  t.equal(await again(['reset', any], { status: 404, ...yes }), 'header', 'any of them is enough')
})

t.test('a service with nobody left to ask is not asked again', async (t) => {
  const trip = definePlugin({
    name: 'trip',
    places: ['service'],
    setup: ({ service }) => ({
      outcome: ({ status }) => {
        if (status === 503) service?.trip(undefined, 10_000)
      }
    })
  })
  const run = runPlugin(retry, { on: [503] }, { onService: [trip], upstream: () => ({ status: 503 }) })
  t.teardown(() => run.close())
  t.match(await run.request(), { status: 503, attempts: { length: 1 } }, 'the answer that there is stands')
  t.match(await run.request(), { status: 503, error: 'CIRCUIT_OPEN', attempts: { length: 0 } })
  t.match(await run.metrics(), 'outrigger_limit_used{place="route",on="route",limit="retry budget"} 0')
})
