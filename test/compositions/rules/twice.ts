import type { Rule } from '../rule.js'
import { type StageSetup, stage } from '../stage.js'
import { API_KEY, API_KEYS } from '../uses.js'

const tagged = (name: string, tags: Record<string, string>) => ({ url: `http://${name}.test`, tags })

export const twice: readonly Rule[] = [
  {
    about: 'retry on a route + retry on its service',
    pairs: [['retry', 'retry']],
    wins:
      "They do not multiply: attempts are counted over the whole exchange, and of two retries asked for the service's is made. " +
      'Each listing has a budget of its own.',
    async test(t) {
      const run = await stage(t, {
        route: [{ retry: { attempts: 3, on: [503], backoff: { base: 0, max: 0 } } }],
        service: [{ retry: { attempts: 3, on: [503], backoff: { base: 0, max: 0 } } }],
        upstream: () => ({ status: 503 })
      })
      t.equal((await run.request()).tried.length, 3)
      t.equal(run.seen.length, 3)
    }
  },
  {
    about: 'auth, rate-limit or concurrency, listed twice',
    pairs: [
      ['auth', 'auth'],
      ['rate-limit', 'rate-limit'],
      ['concurrency', 'concurrency']
    ],
    wins:
      'Both hold, each by itself: a request has to pass the two of them, and of two bounds the smaller one is met first. What the second ' +
      'one refuses has counted with the first.',
    async test(t) {
      const mobile = { auth: { apiKeys: API_KEYS } }
      const other = { auth: { apiKeys: API_KEYS, header: 'x-other-key' } }
      const guarded = await stage(t, { top: [mobile], route: [other] })
      t.same(await guarded.statuses(1, { headers: { 'x-api-key': API_KEY } }), ['UNAUTHENTICATED'])
      t.same(await guarded.statuses(1, { headers: { 'x-api-key': API_KEY, 'x-other-key': API_KEY } }), [200])

      const limited = await stage(t, {
        top: [{ 'rate-limit': { requests: 3, per: '1h', name: 'all' } }],
        route: [{ 'rate-limit': { requests: 2, per: '1h' } }]
      })
      t.same(await limited.statuses(4), [200, 200, 'RATE_LIMITED', 'RATE_LIMITED'])
      t.equal((await limited.request()).headers.getAll('ratelimit').length, 1, 'the top one refuses it now')

      const slow: StageSetup['upstream'] = async (_request, clock) => {
        await clock.sleep(20)
        return {}
      }
      const run = await stage(t, {
        route: [{ concurrency: { limit: 3, queue: 0 } }, { concurrency: { limit: 2, queue: 0 } }],
        upstream: slow
      })
      for (let round = 0; round < 3; round++) {
        const all = [run.begin(), run.begin(), run.begin()]
        const errors = await Promise.all(all.map(async (one) => (await one.end()).error))
        t.same(errors, [undefined, undefined, 'OVERLOADED'], 'and every place is given back')
      }
    }
  },
  {
    about: 'load-balancer or timeout, listed twice',
    pairs: [
      ['load-balancer', 'load-balancer'],
      ['timeout', 'timeout']
    ],
    wins:
      'Of two balancers the first that picks is the one asked. Of two timeouts the shorter `attempt` holds, and of the rest the last ' +
      "one set: the route's `request` rather than the top's.",
    async test(t) {
      const endpoints = ['http://one.test', 'http://two.test', 'http://three.test']
      const hash = { 'load-balancer': { policy: 'ring-hash', hashOn: { header: 'x-user' } } }
      const run = await stage(t, {
        endpoints,
        service: [hash, { 'load-balancer': { policy: 'random' } }]
      })
      const went = new Set<string>()
      for (let i = 0; i < 12; i++) {
        const { tried } = await run.request({ headers: { 'x-user': 'ann' } })
        went.add(tried[0] as string)
      }
      t.equal(went.size, 1)

      const hang: StageSetup['upstream'] = () => new Promise(() => {})
      const timed = await stage(t, {
        top: [{ timeout: { request: 100 } }],
        route: [{ timeout: { request: 300 } }],
        upstream: hang
      })
      const { took, error } = await timed.request()
      t.equal(error, 'DEADLINE_EXCEEDED')
      t.ok(took >= 300 && took < 330, `${took} ms`)
      for (const [top, route] of [
        [50, 200],
        [200, 50]
      ]) {
        const each = await stage(t, {
          top: [{ timeout: { attempt: top } }],
          route: [{ timeout: { attempt: route } }],
          upstream: hang
        })
        t.ok((await each.request()).took < 80)
      }
    }
  },
  {
    about: 'rewrite, mirror, split or canary, listed twice',
    pairs: [
      ['rewrite', 'rewrite'],
      ['mirror', 'mirror'],
      ['split', 'split'],
      ['canary', 'canary']
    ],
    wins:
      'Each does its part. Rewrites are applied in their order, to responses in reverse; every mirror makes its copy; splits by two tags ' +
      'both hold while an endpoint has both values; of two canaries for the same tags in one place either rule is enough.',
    async test(t) {
      const run = await stage(t, {
        services: { next: { endpoints: ['http://next.test'] }, later: { endpoints: ['http://later.test'] } },
        top: [{ rewrite: { path: { prefix: '/a', with: '/b' }, response: { append: { 'x-by': 'top' } } } }],
        route: [
          { rewrite: { path: { prefix: '/b', with: '/c' }, response: { append: { 'x-by': 'route' } } } },
          { mirror: { service: 'next' } },
          { mirror: { service: 'later' } }
        ]
      })
      const { headers } = await run.request({ url: '/a/1' })
      await run.clock.advance(1)
      t.equal(headers.get('x-by'), 'route, top')
      t.same(
        run.seen.map(({ path }) => path),
        ['/c/1', '/c/1', '/c/1']
      )
      t.match(run.counts, { next: 1, later: 1 })

      const split = await stage(t, {
        endpoints: [
          tagged('blue1', { colour: 'blue', version: 'v1' }),
          tagged('blue2', { colour: 'blue', version: 'v2' }),
          tagged('green2', { colour: 'green', version: 'v2' })
        ],
        route: [
          { split: { by: { colour: { blue: 1, green: 0 } } } },
          { split: { by: { version: { v1: 0, v2: 1 } } } }
        ]
      })
      for (let i = 0; i < 5; i++) t.same((await split.request()).tried, ['blue2'])

      const tags = { version: 'v2' }
      const canary = await stage(t, {
        endpoints: [tagged('one', { version: 'v1' }), tagged('two', { version: 'v2' })],
        route: [{ canary: { header: 'x-canary', tags } }, { canary: { cookie: 'canary', tags } }]
      })
      t.same((await canary.request()).tried, ['one'])
      t.same((await canary.request({ headers: { 'x-canary': '1' } })).tried, ['two'])
      t.same((await canary.request({ headers: { cookie: 'canary=1' } })).tried, ['two'])
    }
  }
]
