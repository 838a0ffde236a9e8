import type { Rule } from '../rule.js'
import { type StageSetup, stage } from '../stage.js'
import { API_KEY, API_KEYS, type PluginName } from '../uses.js'

const auth = { auth: { apiKeys: API_KEYS } }
const known = { headers: { 'x-api-key': API_KEY } }

const slow: StageSetup['upstream'] = async (_request, clock) => {
  await clock.sleep(30)
  return {}
}

const pairsOf = (names: readonly PluginName[]) =>
  names.flatMap((one, i) => names.slice(i + 1).map((other) => [one, other] as const))

export const guarding: readonly Rule[] = [
  {
    about: 'concurrency + rate-limit',
    pairs: [['concurrency', 'rate-limit']],
    wins:
      'The one listed first. `rate-limit` before it: who is over the limit takes no place and waits for none; who finds no place has ' +
      'been counted. `concurrency` before it: what it refuses counts for nobody. Limit first, unless a place is dear.',
    async test(t) {
      const limit = { 'rate-limit': { requests: 2, per: '1h' } }
      const concurrency = { concurrency: { limit: 1, queue: 0 } }
      const codes = async (route: object[]) => {
        const run = await stage(t, { route: route as never, upstream: slow })
        const all = [run.begin(), run.begin(), run.begin()]
        const errors: (string | undefined)[] = []
        for (const one of all) errors.push((await one.end()).error)
        return [...errors, (await run.request()).error]
      }
      t.same(await codes([limit, concurrency]), [undefined, 'OVERLOADED', 'RATE_LIMITED', 'RATE_LIMITED'])
      t.same(await codes([concurrency, limit]), [undefined, 'OVERLOADED', 'OVERLOADED', undefined])
    }
  },
  {
    about: 'concurrency with priority + auth',
    pairs: [['concurrency', 'auth']],
    wins:
      'The one listed first. `auth` first: strangers take no place, however urgent they say they are. Behind it a stranger takes a ' +
      "place, or another's turn, until it is refused.",
    async test(t) {
      const concurrency = { concurrency: { limit: 1, queue: 1, priority: { header: 'x-priority' } } }
      const run = await stage(t, { route: [auth, concurrency], upstream: slow })
      const inside = run.begin(known)
      const waits = run.begin({ headers: { ...known.headers, 'x-priority': '1' } })
      const stranger = await run.request({ headers: { 'x-priority': '9' } })
      t.equal(stranger.error, 'UNAUTHENTICATED')
      t.same([(await inside.end()).status, (await waits.end()).status], [200, 200])

      const behind = await stage(t, { route: [concurrency, auth], upstream: slow })
      const first = behind.begin(known)
      const patient = behind.begin({ headers: { ...known.headers, 'x-priority': '1' } })
      const urgent = behind.begin({ headers: { 'x-priority': '9' } })
      t.equal((await patient.end()).error, 'OVERLOADED', 'its turn was taken')
      t.equal((await first.end()).status, 200)
      t.equal((await urgent.end()).error, 'UNAUTHENTICATED')
    }
  },
  {
    about: 'concurrency + rewrite',
    pairs: [['concurrency', 'rewrite']],
    wins:
      'Listed first, `rewrite` says what priority `concurrency` sees, and so takes away what clients claim. Behind it comes too late. ' +
      '`concurrency` on a service sees the request as the route left it.',
    async test(t) {
      const run = await stage(t, {
        route: [{ rewrite: { request: { remove: ['x-priority'] } } }],
        service: [{ concurrency: { limit: 1, queue: 1, priority: { header: 'x-priority' } } }],
        upstream: slow
      })
      const first = run.begin()
      const waits = run.begin()
      const claims = run.begin({ headers: { 'x-priority': '9' } })
      t.equal((await claims.end()).error, 'OVERLOADED')
      t.same([(await first.end()).status, (await waits.end()).status], [200, 200])
    }
  },
  {
    about: 'auth + rate-limit (key: identity)',
    pairs: [['auth', 'rate-limit']],
    wins:
      'The one listed first. Behind `auth` each identity has a limit of its own, and strangers are not counted; before it wrong keys ' +
      'count too, so that guessing is bounded, and as nobody is known yet the address is what is counted.',
    async test(t) {
      const twoKeys = {
        auth: {
          apiKeys: {
            ...API_KEYS,
            // Of the key try-you.
            desk: 'sha256:d3fcb30a12a8517b418921fe8ae9a6d408c12c75e72ddb1e5c804081d85393b3'
          }
        }
      }
      const limit = { 'rate-limit': { requests: 1, per: '1h', key: 'identity' } }
      const behind = await stage(t, { route: [twoKeys, limit] })
      t.same(await behind.statuses(2), ['UNAUTHENTICATED', 'UNAUTHENTICATED'])
      t.same(await behind.statuses(2, known), [200, 'RATE_LIMITED'], 'strangers were not counted')
      t.same(await behind.statuses(2, { headers: { 'x-api-key': 'try-you' } }), [200, 'RATE_LIMITED'])
      const before = await stage(t, { route: [limit, twoKeys] })
      t.same(await before.statuses(2), ['UNAUTHENTICATED', 'RATE_LIMITED'])
      t.same(await before.statuses(1, known), ['RATE_LIMITED'], 'by the address')
      t.same(await before.statuses(1, { ...known, client: { address: '10.0.0.9' } }), [200])
    }
  },
  {
    about: 'auth + rewrite',
    pairs: [['auth', 'rewrite']],
    wins:
      'The one listed first. `auth` takes the credential that it looked at out of the request, so that a `rewrite` behind it may put ' +
      "the service's own there. A `rewrite` before it changes what `auth` sees: one that removes the credential locks everyone out, and " +
      'one that sets it lets everyone in.',
    async test(t) {
      const own = { rewrite: { request: { set: { 'x-api-key': 'of-the-service' } } } }
      const run = await stage(t, { route: [auth, own] })
      t.same(await run.statuses(2, known), [200, 200])
      t.same(await run.statuses(1), ['UNAUTHENTICATED'])
      t.equal(run.seen[0]?.headers.get('x-api-key'), 'of-the-service')
      const removing = await stage(t, { route: [{ rewrite: { request: { remove: ['x-api-key'] } } }, auth] })
      t.same(await removing.statuses(1, known), ['UNAUTHENTICATED'])
      const setting = await stage(t, {
        route: [{ rewrite: { request: { set: { 'x-api-key': API_KEY } } } }, auth]
      })
      t.same(await setting.statuses(1), [200])
      t.equal(setting.seen[0]?.headers.get('x-api-key'), undefined)
    }
  },
  {
    about: 'those that answer or refuse a request themselves',
    pairs: pairsOf(['auth', 'rate-limit', 'redirect', 'fault', 'grpc-health', 'concurrency', 'admission']),
    wins:
      'The one listed first answers, and the others are not asked: strangers are refused by `auth` before `redirect` or `grpc-health`, ' +
      'and answered by these before `auth`; a `rate-limit` counts redirects and faults when it stands before them; a request that ' +
      '`fault` delays holds a place of a `concurrency` that stands before it.',
    async test(t) {
      const listings: Record<string, object> = {
        UNAUTHENTICATED: auth,
        '302': { redirect: { to: '/new', status: 302 } },
        FAULT_INJECTED: { fault: { abort: { status: 503 } } },
        '200': 'grpc-health' as never
      }
      const call = { method: 'POST', url: '/grpc.health.v1.Health/Check' }
      const grpc = { ...call, headers: { 'content-type': 'application/grpc' }, body: new Uint8Array(5) }
      for (const [answer, first] of Object.entries(listings)) {
        for (const [other, second] of Object.entries(listings)) {
          if (first === second) continue
          const run = await stage(t, { route: [first, second] as never })
          // To others a call of grpc.health.v1 is one like any other.
          if (answer !== '200' && other !== '200') t.same(await run.statuses(1), [answer])
          const { headers, error, exchange } = await run.request(grpc)
          if (answer === '200') t.equal(headers.get('content-type'), 'application/grpc')
          t.equal(error, /^\d/.test(answer) ? undefined : answer, `${answer} before ${other}`)
          t.equal(exchange.attempts.length, 0)
        }
      }
      const limit = { 'rate-limit': { requests: 1, per: '1h' } }
      const fault = { fault: { abort: { status: 503 } } }
      const twice = async (route: object[]) => (await stage(t, { route: route as never })).statuses(2)
      t.same(await twice([limit, fault]), ['FAULT_INJECTED', 'RATE_LIMITED'])
      t.same(await twice([fault, limit]), ['FAULT_INJECTED', 'FAULT_INJECTED'])
      const admission = { admission: { minRequests: 1, maxRejection: 1 } }
      for (const [route, isAsked] of [
        [[auth, admission], false],
        [[admission, auth], true]
      ] as const) {
        const run = await stage(t, { route, upstream: () => ({ status: 503 }) })
        await run.statuses(10, known)
        t.equal(
          (await run.statuses(10)).includes('OVERLOADED'),
          isAsked,
          'strangers, where the service fails'
        )
      }
      const delay = { fault: { delay: { for: 100 } } }
      const concurrency = { concurrency: { limit: 1, queue: 0 } }
      const atOnce = async (route: object[]) => {
        const run = await stage(t, { route: route as never })
        const all = [run.begin(), run.begin()]
        return Promise.all(all.map(async (one) => (await one.end()).error))
      }
      t.same(await atOnce([concurrency, delay]), [undefined, 'OVERLOADED'])
      t.same(await atOnce([delay, concurrency]), [undefined, undefined], 'an answer at once holds no place')
    }
  },
  {
    about: 'fault + timeout',
    pairs: [['fault', 'timeout']],
    wins:
      "`timeout`'s `request` counts a delay that was injected, and ends it; its `attempt` does not: an attempt's time begins when it is " +
      'sent, behind the delay of a service.',
    async test(t) {
      const fault = { fault: { delay: { for: 200 } } }
      for (const setup of [
        { route: [{ timeout: { request: 100 } }, fault] },
        { route: [{ timeout: { request: 100 } }], service: [fault] }
      ]) {
        const { error, took } = await (await stage(t, setup)).request()
        t.equal(error, 'DEADLINE_EXCEEDED')
        t.ok(took < 130, `${took} ms`)
      }
      const attempt = await stage(t, { route: [{ timeout: { attempt: 50 } }], service: [fault] })
      const { status, took } = await attempt.request()
      t.equal(status, 200)
      t.ok(took >= 200)
    }
  },
  {
    about: 'concurrency + timeout',
    pairs: [['concurrency', 'timeout']],
    wins: "`timeout`'s `request` counts the wait for a place, and ends it; its `attempt` does not. Who is ended while waiting takes no place.",
    async test(t) {
      const hang: StageSetup['upstream'] = () => new Promise(() => {})
      const run = await stage(t, {
        route: [{ timeout: { request: 100 } }],
        service: [{ concurrency: { limit: 1, queue: 5, queueTimeout: '1s' } }],
        upstream: hang
      })
      const first = run.begin()
      await run.clock.advance(50)
      const waits = run.begin()
      t.equal((await first.end()).error, 'DEADLINE_EXCEEDED')
      t.equal((await waits.end()).error, 'DEADLINE_EXCEEDED')
      t.match(run.service().limits, [{ used: 0, waiting: 0 }])
      const timed = await stage(t, {
        route: [{ timeout: { attempt: 50 } }],
        service: [{ concurrency: { limit: 1 } }],
        upstream: slow
      })
      const both = [timed.begin(), timed.begin()]
      for (const one of both) t.equal((await one.end()).status, 200)
    }
  },
  {
    about: 'concurrency + load-balancer',
    pairs: [['concurrency', 'load-balancer']],
    wins:
      'The endpoint is chosen first, and the attempt then waits for its place: it counts as under way there for `least-request`, and what ' +
      'it waited is no part of the response time that `least-response-time` learns, in either order.',
    async test(t) {
      const balancer = { 'load-balancer': { policy: 'least-response-time' } }
      const concurrency = { concurrency: { limit: 1, queue: 10 } }
      for (const service of [
        [balancer, concurrency],
        [concurrency, balancer]
      ]) {
        const run = await stage(t, { service, upstream: slow })
        const all = [run.begin(), run.begin(), run.begin(), run.begin()]
        await run.clock.advance(1)
        t.same(
          run.service().endpoints.map(({ inFlight }) => inFlight),
          [2, 2]
        )
        for (const one of all) t.equal((await one.end()).status, 200)
        for (const { latency } of run.service().endpoints) t.equal(latency, 30)
      }
    }
  },
  {
    about: 'concurrency, admission + circuit-breaker, outlier-detection',
    pairs: [
      ['concurrency', 'circuit-breaker'],
      ['admission', 'circuit-breaker'],
      ['admission', 'concurrency'],
      ['concurrency', 'outlier-detection'],
      ['admission', 'outlier-detection']
    ],
    wins:
      'None counts what another refused: `OVERLOADED` opens no breaker and ejects nobody, `CIRCUIT_OPEN` takes no place and is no ' +
      'failure to `admission`. A half-open probe that is refused a place decides nothing, and the next attempt is the probe.',
    async test(t) {
      const run = await stage(t, {
        endpoints: ['http://one.test'],
        service: [
          { 'circuit-breaker': { failures: 1 } },
          { concurrency: { limit: 1, queue: 0 } },
          { 'outlier-detection': { consecutiveErrors: 1 } },
          { admission: { minRequests: 1 } }
        ],
        upstream: slow
      })
      const first = run.begin()
      for (let i = 0; i < 5; i++) t.equal((await run.begin().end()).error, 'OVERLOADED')
      t.equal((await first.end()).status, 200)
      t.match(run.endpoint('one'), { breaker: { state: 'closed' }, ejections: 0 })
      t.same(await run.statuses(5), [200, 200, 200, 200, 200], 'nor did admission count them')

      let status = 503
      const opened = await stage(t, {
        endpoints: ['http://one.test'],
        route: [{ admission: { minRequests: 12 } }],
        service: [
          { 'circuit-breaker': { failures: 1, reset: '1s' } },
          { concurrency: { limit: 1, queue: 0 } }
        ],
        upstream: () => ({ status })
      })
      t.same(await opened.statuses(10), [503, ...Array(9).fill('CIRCUIT_OPEN')])
      status = 200
      await opened.clock.advance(1_000)
      t.same(await opened.statuses(10), Array(10).fill(200))
    }
  }
]
