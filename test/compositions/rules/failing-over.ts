import { CHECK, sick } from '../checks.js'
import type { Rule } from '../rule.js'
import { type StageSetup, stage } from '../stage.js'
import { API_KEY, API_KEYS } from '../uses.js'

const standby = { services: { standby: { endpoints: ['http://standby.test'] } } }
const failover = { failover: { services: ['standby'] } }
export const failingOver: readonly Rule[] = [
  {
    about: 'failover + circuit-breaker',
    pairs: [['failover', 'circuit-breaker']],
    wins:
      'The breaker keeps requests off, and failover takes them on: an open breaker, of the service or of all of its endpoints, ' +
      'means the standby at once, whatever `on` and the method say, since nothing was sent. Half open, one request is the probe. The ' +
      "first attempt at a standby is no retry to the standby's `maxRetries`.",
    async test(t) {
      for (const per of ['endpoint', 'service']) {
        const run = await stage(t, {
          ...standby,
          route: [failover],
          service: [{ 'circuit-breaker': { failures: 1, reset: '1s', per } }],
          endpoints: ['http://one.test'],
          upstream: ({ endpoint }) => ({ status: endpoint.includes('one') ? 503 : 200 })
        })
        t.same((await run.request()).tried, ['one', 'standby'])
        t.same((await run.request({ method: 'POST', body: 'x' })).tried, ['standby'])
        await run.clock.advance(1_000)
        t.same((await run.request()).tried, ['one', 'standby'], 'the probe')
        t.same((await run.request()).tried, ['standby'])
      }
      const all = await stage(t, {
        route: [failover],
        services: {
          standby: {
            endpoints: ['http://standby.test'],
            plugins: [{ 'circuit-breaker': { failures: 0, maxRetries: 0 } }]
          }
        },
        upstream: ({ endpoint }) => ({ status: endpoint.includes('standby') ? 200 : 503 })
      })
      t.same(
        (await all.request()).tried,
        ['one', 'standby'],
        'to the standby it is no retry, whatever its `maxRetries`'
      )
    }
  },
  {
    about: 'failover + health-check, outlier-detection',
    pairs: [
      ['failover', 'health-check'],
      ['failover', 'outlier-detection']
    ],
    wins:
      'What they take out is gone before failover looks: as a level loses endpoints its share goes to the next, and a service ' +
      'with nobody left goes to the standby without an attempt. It comes back as they do.',
    async test(t) {
      let isSick = true
      const run = await stage(t, {
        ...standby,
        route: [failover],
        service: [{ 'health-check': CHECK }],
        upstream: (request, clock) => (isSick ? sick('one', 'two')(request, clock) : {})
      })
      await run.clock.advance(500)
      t.same((await run.request({ method: 'POST', body: 'x' })).tried, ['standby'])
      isSick = false
      await run.clock.advance(1_000)
      t.not((await run.request()).tried[0], 'standby')

      const levels = await stage(t, {
        service: [{ failover: { order: ['priority'] } }, { 'outlier-detection': { consecutiveErrors: 1 } }],
        endpoints: ['http://one.test', 'http://two.test', { url: 'http://next.test', priority: 1 }],
        upstream: ({ endpoint }) => ({ status: endpoint.includes('one') ? 503 : 200 })
      })
      await levels.statuses(2)
      t.ok(levels.endpoint('one').ejectedFor > 0)
      t.match(levels.service().levels, [
        { priority: 0, usable: 1, share: 0.7 },
        { priority: 1, usable: 1 }
      ])
      const before = levels.counts.next ?? 0
      await levels.statuses(100)
      const moved = (levels.counts.next ?? 0) - before
      t.ok(moved > 15 && moved < 45, `${moved} of 100 went to the next level, expected about 30`)
    }
  },
  {
    about: 'failover + concurrency, admission on a service',
    pairs: [
      ['failover', 'concurrency'],
      ['failover', 'admission']
    ],
    wins:
      'What a full or failing service refuses (`OVERLOADED`) goes to the standby at once, and of `concurrency` with a queue after ' +
      'the wait.',
    async test(t) {
      const upstream: StageSetup['upstream'] = async ({ endpoint }, clock) => {
        if (!endpoint.includes('standby')) await clock.sleep(30)
        return {}
      }
      const concurrency = { concurrency: { limit: 1, queue: 0 } }
      const run = await stage(t, { ...standby, route: [failover], service: [concurrency], upstream })
      const one = run.begin()
      const other = await run.request({ method: 'POST', body: 'x' })
      t.equal(other.status, 200)
      t.equal(other.tried.at(-1), 'standby')
      t.equal((await one.end()).tried.length, 1)
      const admitted = await stage(t, {
        ...standby,
        route: [failover],
        service: [{ admission: { minRequests: 1 } }],
        upstream: ({ endpoint }) => ({ status: endpoint.includes('standby') ? 200 : 503 })
      })
      t.same(new Set(await admitted.statuses(30)), new Set([200]))
      t.ok(admitted.seen.length < 55, 'most were not sent to orders first')
    }
  },
  {
    about: 'failover + auth and whatever else refuses a request before any service is asked',
    pairs: [
      ['failover', 'auth'],
      ['failover', 'rate-limit'],
      ['failover', 'concurrency'],
      ['failover', 'admission']
    ],
    wins:
      'The refusal. Failover is for what services do: nobody comes to a standby past a plugin that has refused the request, nor past ' +
      'those listed behind it. `reply` answers for a route that is at its bound (`OVERLOADED`), and never for `auth` or `rate-limit`.',
    async test(t) {
      const slow: StageSetup['upstream'] = async (_request, clock) => {
        await clock.sleep(50)
        return {}
      }
      const auth = { auth: { apiKeys: API_KEYS } }
      const known = { headers: { 'x-api-key': API_KEY } }
      const full = { concurrency: { limit: 1, queue: 0 } }
      for (const route of [
        [failover, full, auth],
        [full, failover, auth],
        [full, auth, failover]
      ]) {
        const run = await stage(t, { ...standby, route, upstream: slow })
        const inside = run.begin(known)
        t.equal((await run.request()).error, 'OVERLOADED', 'a stranger')
        t.equal((await run.request(known)).error, 'OVERLOADED')
        t.equal((await inside.end()).status, 200)
        t.same(await run.statuses(1), ['UNAUTHENTICATED'])
        t.same(run.counts, { one: 1 })
      }
      const canned = { failover: { reply: { status: 200, body: 'stale' } } }
      const limit = { 'rate-limit': { requests: 1, per: '1h' } }
      t.same(await (await stage(t, { route: [canned, auth] })).statuses(1), ['UNAUTHENTICATED'])
      t.same(await (await stage(t, { route: [canned, limit] })).statuses(2), [200, 'RATE_LIMITED'])
    }
  },
  {
    about: 'failover + timeout',
    pairs: [['failover', 'timeout']],
    wins:
      "An attempt that ran out of `timeout`'s `attempt` fails over, with a safe method; its `request` is the time of both services " +
      'together, and when that has run out there is no standby, but `reply` still answers.',
    async test(t) {
      const upstream: StageSetup['upstream'] = ({ endpoint }) =>
        endpoint.includes('standby') ? {} : new Promise(() => {})
      const run = await stage(t, { ...standby, route: [failover, { timeout: { attempt: 100 } }], upstream })
      const { status, tried, took } = await run.request()
      t.same([status, tried], [200, ['one', 'standby']])
      t.ok(took >= 100 && took < 130, `${took} ms`)
      t.equal((await run.request({ method: 'POST', body: 'x' })).error, 'RESPONSE_TIMEOUT')

      const whole = await stage(t, {
        ...standby,
        route: [failover, { timeout: { attempt: 100, request: 150 } }],
        upstream: () => new Promise(() => {})
      })
      const late = await whole.request()
      t.equal(late.error, 'DEADLINE_EXCEEDED')
      t.ok(late.took < 180, `${late.took} ms`)
      const canned = await stage(t, {
        route: [{ failover: { reply: { status: 200, body: 'stale' } } }, { timeout: { request: 100 } }],
        upstream: () => new Promise(() => {})
      })
      t.equal((await canned.request()).body, 'stale')
    }
  },
  {
    about: 'failover (reply) + rewrite, rate-limit',
    pairs: [
      ['failover', 'rewrite'],
      ['failover', 'rate-limit']
    ],
    wins:
      'The `reply` goes out in place of the answer, and plugins listed before failover see it as they would any other: what `rewrite` says ' +
      'of responses is on it, and so are the `RateLimit` fields. Those listed behind have seen the answer that failed.',
    async test(t) {
      for (const failed of [
        { status: 503, headers: { 'x-service': 'yes' } },
        { error: 'CONNECT_FAILED' }
      ] as const) {
        const run = await stage(t, {
          top: [{ rewrite: { response: { set: { 'x-seen': 'yes' } } } }],
          route: [{ 'rate-limit': { requests: 5 } }, { failover: { reply: { body: { stale: true } } } }],
          upstream: () => failed
        })
        const { status, headers, body } = await run.request()
        t.same([status, JSON.parse(body)], [200, { stale: true }])
        t.equal(headers.get('x-seen'), 'yes')
        t.match(headers.get('ratelimit'), /r=4/)
        t.equal(headers.get('x-service'), undefined)
        t.equal(headers.get('x-outrigger-error'), undefined)
        t.equal(headers.get('content-length'), String(body.length))
      }
    }
  },
  {
    about: 'failover + mirror',
    pairs: [['failover', 'mirror']],
    wins: 'The copy is made once, when the request is over, whichever service answered; of one that no service was asked, none.',
    async test(t) {
      const run = await stage(t, {
        services: { ...standby.services, next: { endpoints: ['http://next.test'] } },
        route: [failover, { mirror: { service: 'next' } }],
        upstream: ({ endpoint }) => ({ status: endpoint.includes('standby') ? 200 : 503 })
      })
      t.same((await run.request()).tried, ['one', 'standby'])
      await run.clock.advance(1)
      t.equal(run.counts.next, 1)
    }
  }
]
