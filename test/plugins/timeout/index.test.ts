import type { ServerResponse } from 'node:http'
import t from 'tap'
import { type Attempt, definePlugin, type Exchange } from '../../../core/index.js'
import { runPlugin } from '../../../core/testing/index.js'
import retry from '../../../plugins/retry/index.js'
import timeout from '../../../plugins/timeout/index.js'
import { startTestProxy } from '../../support/proxy.js'
import { startUpstream } from '../../support/upstream.js'

const never = () => new Promise<never>(() => {})

/** What the attempt and its exchange were given, seen by a plugin behind. */
async function given(
  config: object,
  options: { place?: 'top' | 'route' | 'service'; timeout?: number } = {}
) {
  const seen: { attempt?: Attempt; exchange?: Exchange } = {}
  const watch = definePlugin({
    name: 'watch',
    setup: () => ({
      attempt: (attempt, exchange) => {
        Object.assign(seen, { attempt, exchange })
      }
    })
  })
  const run = runPlugin(timeout, config, { ...options, after: [watch] })
  t.teardown(() => run.close())
  await run.request()
  const { attempt, exchange } = seen as { attempt: Attempt; exchange: Exchange }
  return {
    request: exchange.timeout,
    attempt: attempt.timeout,
    connect: attempt.connectTimeout,
    idle: attempt.idleTimeout
  }
}

t.test('the configuration', async (t) => {
  const schema = timeout.config
  t.same(schema?.parse({ request: '5s', attempt: '1s', connect: '300ms', idle: '1m' }), {
    request: 5000,
    attempt: 1000,
    connect: 300,
    idle: 60_000
  })
  t.match(schema?.safeParse({}).error?.issues, [
    { message: 'missing: expected at least one of request, attempt, connect and idle' }
  ])
  for (const wrong of [{ attempt: 0 }, { connect: 0 }, { request: -1 }, { whole: '5s' }, { idle: 'long' }]) {
    t.equal(schema?.safeParse(wrong).success, false, JSON.stringify(wrong))
  }
})

t.test('each key sets its own time, and leaves the others alone', async (t) => {
  const none = await given({ attempt: '20s' })
  t.same(none, { request: 15_000, attempt: 20_000, connect: 5000, idle: 300_000 })
  t.same(await given({ request: '2s' }), { ...none, request: 2000, attempt: Number.POSITIVE_INFINITY })
  t.same(await given({ attempt: '1s' }), { ...none, attempt: 1000 })
  t.match(await given({ connect: '300ms' }), { connect: 300, idle: 300_000 })
  t.match(await given({ idle: '10s' }), { connect: 5000, idle: 10_000 })
})

t.test('0 is for ever', async (t) => {
  t.match(await given({ request: 0 }), { request: Number.POSITIVE_INFINITY })
  t.match(await given({ idle: 0 }), { idle: Number.POSITIVE_INFINITY })
})

t.test('on a service, attempts are timed and requests are not', async (t) => {
  const place = 'service'
  t.match(await given({ attempt: '1s', connect: '1s', idle: '1s' }, { place }), {
    attempt: 1000,
    connect: 1000,
    idle: 1000,
    request: 15_000
  })
  await t.rejects(
    given({ request: '1s' }, { place }),
    /timeout.request: the time of a whole exchange.*on a route/s
  )
})

t.test('the shorter attempt timeout holds, and of the others the last', async (t) => {
  const both = async (first: object, second: object) => {
    const run = runPlugin(timeout, first, { before: [[timeout, second]], upstream: never })
    t.teardown(() => run.close())
    const { result, error } = await run.request()
    return { error, duration: Math.round(result.duration / 100) * 100 }
  }
  t.same(await both({ attempt: '1s' }, { attempt: '3s' }), { error: 'RESPONSE_TIMEOUT', duration: 1000 })
  t.same(await both({ attempt: '3s' }, { attempt: '1s' }), { error: 'RESPONSE_TIMEOUT', duration: 1000 })
  t.same(await both({ request: '3s' }, { request: '1s' }), { error: 'DEADLINE_EXCEEDED', duration: 3000 })
})

t.test('the time of a request takes the place of its route’s, longer or shorter', async (t) => {
  for (const [request, duration] of [
    ['500ms', 500],
    ['4s', 4000]
  ] as const) {
    const run = runPlugin(timeout, { request }, { upstream: never, timeout: 2000 })
    t.teardown(() => run.close())
    const answer = await run.request()
    t.match(answer, { status: 504, error: 'DEADLINE_EXCEEDED' })
    t.ok(Math.abs(answer.result.duration - duration) <= 40, `${request}: ${answer.result.duration} ms`)
  }
})

t.test('an attempt that runs out of time', async (t) => {
  const upstream = ({ index }: { index: number }) => (index === 0 ? never() : { body: 'in time' })

  t.test('is answered with 504 RESPONSE_TIMEOUT', async (t) => {
    const run = runPlugin(timeout, { attempt: '1s' }, { upstream })
    t.teardown(() => run.close())
    t.match(await run.request(), { status: 504, error: 'RESPONSE_TIMEOUT' })
  })

  t.test('is tried again by a retry that names timeouts, and by no other', async (t) => {
    const run = runPlugin(timeout, { attempt: '1s' }, { upstream, after: [[retry, { on: ['timeout'] }]] })
    t.teardown(() => run.close())
    const answer = await run.request()
    t.match(answer, {
      status: 200,
      body: 'in time',
      attempts: [{ error: 'RESPONSE_TIMEOUT' }, { status: 200 }]
    })
    const other = runPlugin(timeout, { attempt: '1s' }, { upstream, after: [[retry, { on: ['reset'] }]] })
    t.teardown(() => other.close())
    t.match(await other.request(), { status: 504, error: 'RESPONSE_TIMEOUT' })
  })

  t.test('while the time of the request ends all of its attempts', async (t) => {
    const run = runPlugin(
      timeout,
      { request: '2500ms', attempt: '1s' },
      {
        upstream: never,
        endpoints: ['http://one.test', 'http://two.test', 'http://three.test', 'http://four.test'],
        after: [[retry, { attempts: 9, on: ['timeout'], backoff: { base: 0, max: 0 } }]]
      }
    )
    t.teardown(() => run.close())
    const answer = await run.request()
    t.match(answer, { status: 504, error: 'DEADLINE_EXCEEDED' })
    t.equal(answer.attempts.length, 3)
    t.ok(Math.abs(answer.result.duration - 2500) <= 40, `${answer.result.duration} ms`)
  })
})

t.test('over real sockets', async (t) => {
  t.test('a connection that is not there in time', async (t) => {
    const held: ServerResponse[] = []
    const upstream = await startUpstream(t, (_request, response) => void held.push(response))
    const { url } = await startTestProxy(t, {
      endpoints: [upstream.url],
      service: { maxConnections: 1 },
      plugins: [{ timeout: { connect: '100ms' } }]
    })
    const first = fetch(url())
    while (held.length === 0) await new Promise((resolve) => setImmediate(resolve))
    const second = await fetch(url())
    t.equal(second.headers.get('x-outrigger-error'), 'CONNECT_TIMEOUT')
    t.equal(second.status, 504)
    held[0]?.end('at last')
    t.equal(await (await first).text(), 'at last', 'who has one is not timed any more')
    t.equal(upstream.count, 1)
  })

  t.test('a response that pauses for too long is broken off', async (t) => {
    const upstream = await startUpstream(t, (_request, response) => {
      response.writeHead(200, { 'content-length': '10' })
      response.write('half')
    })
    const { url } = await startTestProxy(t, {
      endpoints: [upstream.url],
      plugins: [{ timeout: { idle: '100ms' } }]
    })
    const response = await fetch(url())
    t.equal(response.status, 200)
    await t.rejects(response.text())
  })
})
