import t from 'tap'
import { type PluginRun, type RunOptions, runPlugin } from '../../../core/testing/index.js'
import admission from '../../../plugins/admission/index.js'
import { rejection } from '../../../plugins/admission/rejection.js'
import retry from '../../../plugins/retry/index.js'

interface Closing {
  teardown(close: () => unknown): unknown
}

/** A seeded source of chance (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const PLACES = ['service', 'route', 'top'] as const

function bench(t: Closing, config: object, options: RunOptions = {}): PluginRun {
  const run = runPlugin(admission, config, { random: seeded(7), ...options })
  t.teardown(() => run.close())
  return run
}

/** How many of so many were rejected. */
async function rejected(run: PluginRun, times: number): Promise<number> {
  let count = 0
  for (let i = 0; i < times; i++) if ((await run.request()).error === 'OVERLOADED') count++
  return count
}

t.test('the formula', async (t) => {
  const aim = { successRate: 0.95, maxRejection: 0.8, minRequests: 0 }
  t.equal(rejection(0, 0, aim), 0)
  t.equal(rejection(100, 100, aim), 0)
  t.equal(rejection(100, 95, aim), 0, 'at the rate that is aimed at')
  t.ok(Math.abs(rejection(100, 94, aim) - (100 - 94 / 0.95) / 101) < 1e-12)
  t.ok(Math.abs(rejection(100, 50, aim) - 0.469) < 0.001)
  t.equal(rejection(100, 0, aim), 0.8, 'never more than maxRejection')
  t.equal(rejection(1, 0, { ...aim, maxRejection: 1 }), 0.5)
  t.equal(rejection(19, 0, { ...aim, minRequests: 20 }), 0)
})

t.test('what is wrong is told at load', async (t) => {
  for (const wrong of [
    { successRate: 0 },
    { successRate: 95 },
    { window: '10ms' },
    { maxRejection: 1.1 },
    { minRequests: -1 },
    { rate: 0.9 }
  ]) {
    t.throws(() => runPlugin(admission, wrong), JSON.stringify(wrong))
  }
})

for (const place of PLACES) {
  t.test(`on a ${place}: nothing is rejected while things go well, nor by a few failures`, async (t) => {
    let index = 0
    const run = bench(t, {}, { place, upstream: () => ({ status: index++ % 25 === 24 ? 500 : 200 }) })
    t.equal(await rejected(run, 300), 0)
  })

  t.test(`on a ${place}: when all fail, four of five are rejected before they are sent`, async (t) => {
    const run = bench(t, {}, { place, upstream: () => ({ status: 503 }) })
    t.equal(await rejected(run, 20), 0, 'minRequests')
    const count = await rejected(run, 500)
    // Three standard deviations of a draw of 500 at 0.8.
    t.ok(Math.abs(count - 400) < 27, `${count} of 500`)
    t.equal(run.seen.length, 520 - count)
    const refused = await untilRefused(run)
    t.equal(refused.status, 503)
    t.equal(refused.headers.get('retry-after'), '1')
    const name = { service: 'upstream', route: 'route', top: '\\*' }[place]
    const metrics = await run.metrics()
    t.match(metrics, new RegExp(`outrigger_admission_rejected_total\\{place="${place}",on="${name}"\\} \\d+`))
    t.match(metrics, new RegExp(`outrigger_admission_rejection_ratio\\{place="${place}",on="${name}"\\} 0.8`))
  })
}

t.test('at half the requests failing it rejects what its formula says', async (t) => {
  let index = 0
  const run = bench(t, { window: '1h' }, { upstream: () => ({ status: index++ % 2 === 0 ? 500 : 200 }) })
  await rejected(run, 400)
  const count = await rejected(run, 1_000)
  const expected = 1 - 0.5 / 0.95
  t.ok(
    Math.abs(count / 1_000 - expected) < 3 * Math.sqrt((expected * (1 - expected)) / 1_000),
    `${count} of 1000`
  )
})

t.test('what it rejects does not count: it lets go as soon as what goes through is served', async (t) => {
  let status = 503
  const run = bench(t, {}, { upstream: () => ({ status }) })
  await rejected(run, 200)
  status = 200
  await run.clock.advance(30_000)
  t.equal(await rejected(run, 200), 0)
})

t.test('what failed is forgotten with the window, without a request', async (t) => {
  const run = bench(t, { window: '10s' }, { upstream: () => ({ status: 503 }) })
  await rejected(run, 100)
  await run.clock.advance(10_000)
  t.equal(await rejected(run, 19), 0)
})

t.test('which outcomes are failures', async (t) => {
  const grpc = (status: string) => ({
    headers: { 'content-type': 'application/grpc', 'grpc-status': status }
  })
  const outcomes: [name: string, upstream: RunOptions['upstream'], failure: boolean][] = [
    ['404', () => ({ status: 404 }), false],
    ['429', () => ({ status: 429 }), false],
    ['500', () => ({ status: 500 }), true],
    ['a refused connection', () => ({ error: 'CONNECT_FAILED' }), true],
    ['a reset', () => ({ error: 'UPSTREAM_RESET' }), true],
    ['a gRPC status of the call', () => grpc('5'), false],
    ['a gRPC status of the service', () => grpc('8'), true]
  ]
  for (const place of ['service', 'route'] as const) {
    for (const [name, upstream, failure] of outcomes) {
      const run = bench(t, { minRequests: 1, maxRejection: 1 }, { place, upstream: upstream as never })
      const headers = name.includes('gRPC') ? { 'content-type': 'application/grpc' } : {}
      for (let i = 0; i < 40; i++) await run.request({ method: 'POST', headers })
      t.equal(run.seen.length < 40, failure, `${name} on a ${place}`)
    }
  }
})

t.test('a service that does not answer in time has failed', async (t) => {
  const upstream = () => new Promise<never>(() => {})
  for (const place of ['service', 'route'] as const) {
    const run = bench(t, { minRequests: 1, maxRejection: 1 }, { place, upstream, timeout: 100 })
    for (let i = 0; i < 20; i++) await run.request()
    t.ok(run.seen.length < 15, `${run.seen.length} of 20 on a ${place}`)
  }
})

t.test('before a retry on the route it counts requests, on the service attempts', async (t) => {
  const upstream = ({ index }: { index: number }) => ({ status: index % 2 === 0 ? 503 : 200 })
  const retrying = [retry, { on: [503], backoff: { base: 0, max: 0 } }] as const
  const options = { minRequests: 1 }
  const outside = bench(t, options, { place: 'route', after: [retrying], upstream })
  t.equal(await rejected(outside, 100), 0, 'each request is served by its second attempt')
  const inside = runPlugin(retry, retrying[1], {
    onService: [[admission, options]],
    random: seeded(7),
    upstream
  })
  t.teardown(() => inside.close())
  t.ok((await rejected(inside, 100)) > 10, 'half the attempts fail')
})

async function untilRefused(run: PluginRun) {
  for (let i = 0; i < 50; i++) {
    const result = await run.request()
    if (result.error === 'OVERLOADED') return result
  }
  throw new Error('nothing was rejected')
}
