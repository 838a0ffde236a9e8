import * as checks from '../checks.js'
import type { Rule } from '../rule.js'
import { type StageSetup, stage } from '../stage.js'

/** Of two that have to pass, the first is not enough. */
const CHECK = { ...checks.CHECK, healthyAfter: 2 }

/** What each endpoint answers to a check and to a request, by its name; 200 where nothing is said. */
interface Statuses {
  check: Record<string, number>
  request: Record<string, number>
}

const answering =
  (say: Statuses): NonNullable<StageSetup['upstream']> =>
  ({ endpoint, path }) => {
    const name = endpoint.slice('http://'.length, -'.test'.length)
    return { status: (path === '/healthz' ? say.check : say.request)[name] ?? 200 }
  }

/** Requests that were no checks. */
const requestsTo = (run: { seen: readonly { endpoint: string; path: string }[] }, name: string) =>
  run.seen.filter(({ endpoint, path }) => endpoint === `http://${name}.test` && path !== '/healthz').length

export const health: readonly Rule[] = [
  {
    about: 'circuit-breaker + panic (load-balancer)',
    pairs: [['circuit-breaker', 'load-balancer']],
    wins:
      'The breaker. A panic uses endpoints that are unhealthy or ejected, and never one whose breaker is open: what a breaker ' +
      'knows, it knows of real requests. With all of them open there is nobody to ask: `CIRCUIT_OPEN`.',
    async test(t) {
      const say: Statuses = { check: { one: 500, two: 500, three: 500 }, request: { one: 503 } }
      const run = await stage(t, {
        endpoints: ['http://one.test', 'http://two.test', 'http://three.test'],
        service: [
          { 'load-balancer': { policy: 'round-robin', panicThreshold: 0.5 } },
          { 'health-check': CHECK },
          { 'circuit-breaker': { failures: 1 } }
        ],
        upstream: answering(say)
      })
      await run.clock.advance(500)
      t.match(run.service().levels, [{ usable: 0, panic: true }])
      t.same(
        (await run.statuses(10)).filter((status) => status !== 200),
        [503]
      )
      t.equal(requestsTo(run, 'one'), 1)
      t.equal(run.endpoint('two').healthy, false, 'and used all the same')
      say.request = { one: 503, two: 503, three: 503 }
      t.same(await run.statuses(4), [503, 503, 'CIRCUIT_OPEN', 'CIRCUIT_OPEN'])
    }
  },
  {
    about: 'circuit-breaker + health-check',
    pairs: [['circuit-breaker', 'health-check']],
    wins:
      'Both have to let an endpoint be used. A passing check closes no breaker, and a probe that is served makes nothing healthy. ' +
      'Checks are no attempts: they go out past an open breaker, and count for none.',
    async test(t) {
      const say: Statuses = { check: {}, request: { one: 503 } }
      const run = await stage(t, {
        endpoints: ['http://one.test', 'http://two.test'],
        service: [{ 'health-check': CHECK }, { 'circuit-breaker': { failures: 1, reset: '2s' } }],
        upstream: answering(say)
      })
      await run.statuses(4)
      await run.clock.advance(1_000)
      t.equal(run.endpoint('one').breaker.state, 'open', 'though its checks pass')
      t.equal(run.endpoint('one').healthy, true)
      t.equal(requestsTo(run, 'one'), 1)
      say.check = { one: 500 }
      say.request = {}
      await run.clock.advance(2_000)
      await run.statuses(6)
      t.equal(requestsTo(run, 'one'), 1, 'half open, and unhealthy')
      say.check = {}
      await run.clock.advance(2_000)
      await run.statuses(6)
      t.equal(run.endpoint('one').breaker.state, 'closed')
      t.ok(requestsTo(run, 'one') >= 3)
    }
  },
  {
    about: 'circuit-breaker + outlier-detection',
    pairs: [['circuit-breaker', 'outlier-detection']],
    wins:
      'Each counts for itself, and an endpoint is used when neither keeps it out: the longer time holds. What a half-open ' +
      "breaker's probe came to is the breaker's to judge, and no error to outlier detection. A breaker takes out as many as " +
      'fail; `maxEjectedPercent` bounds ejections alone.',
    async test(t) {
      const say: Statuses = { check: {}, request: { one: 503 } }
      const run = await stage(t, {
        endpoints: ['http://one.test', 'http://two.test'],
        service: [
          { 'outlier-detection': { consecutiveErrors: 2, baseEjection: 300, interval: '1s' } },
          { 'circuit-breaker': { failures: 2, reset: '1s' } }
        ],
        upstream: answering(say)
      })
      await run.statuses(4)
      t.ok(run.endpoint('one').ejectedFor > 0)
      t.equal(run.endpoint('one').breaker.state, 'open')
      await run.clock.advance(500)
      t.equal(run.endpoint('one').ejectedFor, 0)
      await run.statuses(4)
      t.equal(requestsTo(run, 'one'), 2, 'no more ejected, and still open')
      await run.clock.advance(500)
      await run.statuses(2)
      t.equal(requestsTo(run, 'one'), 3, 'the probe')
      t.equal(run.endpoint('one').breaker.state, 'open')
      t.equal(run.endpoint('one').ejections, 1, 'the failed probe ejects nobody')
    }
  },
  {
    about: 'health-check + outlier-detection',
    pairs: [['health-check', 'outlier-detection']],
    wins:
      'The checks. An endpoint that was ejected comes back as soon as `healthyAfter` checks in a row have passed while it was out, ' +
      'and not only when its time is over; with `restoreEjected: false` it serves its time. One that is unhealthy stays out ' +
      'however long ago its ejection ended.',
    async test(t) {
      for (const [restoreEjected, back] of [
        [true, true],
        [false, false]
      ] as const) {
        const say: Statuses = { check: {}, request: { one: 503 } }
        const run = await stage(t, {
          endpoints: ['http://one.test', 'http://two.test'],
          service: [
            { 'health-check': { ...CHECK, restoreEjected } },
            { 'outlier-detection': { consecutiveErrors: 1, baseEjection: '30s' } }
          ],
          upstream: answering(say)
        })
        await run.clock.advance(300)
        await run.statuses(2)
        t.ok(run.endpoint('one').ejectedFor > 0)
        await run.clock.advance(1_000)
        t.equal(run.endpoint('one').ejectedFor === 0, back)
        say.check = { one: 500 }
        await run.clock.advance(31_000)
        t.equal(run.endpoint('one').ejectedFor, 0)
        const before = requestsTo(run, 'one')
        await run.statuses(4)
        t.equal(requestsTo(run, 'one'), before, 'unhealthy')
      }
    }
  },
  {
    about: 'load-balancer + health-check, outlier-detection',
    pairs: [
      ['load-balancer', 'health-check'],
      ['load-balancer', 'outlier-detection']
    ],
    wins:
      'What they take out no policy chooses, nor does affinity: its clients move and, while they keep the cookie, are not called back. ' +
      'With `slowStart` what comes back begins with a small weight, whoever had taken it out.',
    async test(t) {
      const say: Statuses = { check: { one: 500 }, request: {} }
      const run = await stage(t, {
        endpoints: ['http://one.test', 'http://two.test'],
        service: [
          { 'load-balancer': { policy: 'round-robin', slowStart: '10s' } },
          { 'health-check': CHECK }
        ],
        upstream: answering(say)
      })
      await run.clock.advance(11_000)
      await run.statuses(10)
      t.equal(requestsTo(run, 'one'), 0)
      say.check = {}
      await run.clock.advance(1_000)
      await run.statuses(1)
      const { healthy, scale } = run.endpoint('one')
      t.equal(healthy, true)
      t.ok(scale < 0.3, `it begins with ${scale} of its weight`)
      t.equal(run.endpoint('two').scale, 1)
      const before = requestsTo(run, 'one')
      await run.statuses(20)
      t.ok(requestsTo(run, 'one') - before <= 5)
      await run.clock.advance(10_000)
      const grown = requestsTo(run, 'one')
      await run.statuses(20)
      t.equal(requestsTo(run, 'one') - grown, 10)
    }
  },
  {
    about: 'timeout + circuit-breaker, outlier-detection',
    pairs: [
      ['timeout', 'circuit-breaker'],
      ['timeout', 'outlier-detection']
    ],
    wins:
      "An attempt that ran out of its own time is a failure of its endpoint. One that was cut off by the end of the request's time " +
      'is too, for outlier detection where it had at least half of that time, and 100 ms: else it was others who had spent it.',
    async test(t) {
      const upstream: StageSetup['upstream'] = ({ endpoint }) =>
        endpoint.includes('one') ? new Promise(() => {}) : {}
      for (const timeout of [{ attempt: 50 }, { request: 200 }]) {
        const run = await stage(t, {
          endpoints: ['http://one.test', 'http://two.test'],
          route: [{ timeout }],
          service: [
            { 'circuit-breaker': { failures: 1 } },
            { 'outlier-detection': { consecutiveErrors: 1 } }
          ],
          upstream
        })
        const statuses = await run.statuses(6)
        t.equal(statuses.filter((status) => status !== 200).length, 1, String(statuses))
        t.equal(run.endpoint('one').breaker.state, 'open')
        t.ok(run.endpoint('one').ejectedFor > 0)
      }
    }
  },
  {
    about: 'fault + circuit-breaker, outlier-detection, load-balancer, health-check',
    pairs: [
      ['fault', 'circuit-breaker'],
      ['fault', 'outlier-detection'],
      ['fault', 'load-balancer'],
      ['fault', 'health-check']
    ],
    wins:
      "A fault is nobody's failure: an error injected opens no breaker and ejects nobody, a delay is no part of the response time " +
      'that `load-balancer` and `/services` know, and checks meet no faults.',
    async test(t) {
      const run = await stage(t, {
        service: [
          { fault: { abort: { status: 503 } } },
          { 'circuit-breaker': { failures: 1 } },
          { 'outlier-detection': { consecutiveErrors: 1 } },
          { 'health-check': CHECK }
        ]
      })
      t.same(new Set(await run.statuses(6)), new Set(['FAULT_INJECTED']))
      await run.clock.advance(500)
      for (const { breaker, ejections, healthy } of run.service().endpoints)
        t.same([breaker.state, ejections, healthy], ['closed', 0, true])
      const late = await stage(t, {
        service: [{ 'load-balancer': { policy: 'least-response-time' } }, { fault: { delay: { for: 200 } } }]
      })
      const { took, tried } = await late.request()
      t.ok(took >= 200)
      t.equal(late.endpoint(tried[0] as string).latency, 0)
    }
  },
  {
    about: 'grpc-health + health-check, outlier-detection, circuit-breaker',
    pairs: [
      ['grpc-health', 'health-check'],
      ['grpc-health', 'outlier-detection'],
      ['grpc-health', 'circuit-breaker']
    ],
    wins: '`grpc-health` says what they know: NOT_SERVING while none of the endpoints of a service can be used. Nothing is sent there to find out.',
    async test(t) {
      const say: Statuses = { check: {}, request: {} }
      const run = await stage(t, {
        route: [{ 'grpc-health': { services: { 'shop.Orders': 'orders' } } }],
        service: [{ 'health-check': CHECK }],
        upstream: answering(say)
      })
      const name = Buffer.from('shop.Orders')
      const message = Buffer.from([0x0a, name.length, ...name])
      const ask = async () => {
        const { exchange, body } = await run.request({
          method: 'POST',
          url: '/grpc.health.v1.Health/Check',
          headers: { 'content-type': 'application/grpc' },
          body: Buffer.from([0, 0, 0, 0, message.length, ...message])
        })
        t.equal(exchange.attempts.length, 0)
        return body.charCodeAt(body.length - 1)
      }
      const [SERVING, NOT_SERVING] = [1, 2]
      await run.clock.advance(500)
      t.equal(await ask(), SERVING)
      say.check = { one: 500 }
      await run.clock.advance(500)
      t.equal(await ask(), SERVING, 'there is another')
      say.check = { one: 500, two: 500 }
      await run.clock.advance(500)
      t.equal(await ask(), NOT_SERVING)
    }
  }
]
