import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Rule } from '../rule.js'
import { type StageSetup, stage } from '../stage.js'
import { API_KEY, API_KEYS, type PluginName } from '../uses.js'

const auth = { auth: { apiKeys: API_KEYS } }
const known = { headers: { 'x-api-key': API_KEY } }
const next = { services: { next: { endpoints: ['http://next.test'] } } }
const mirror = { mirror: { service: 'next' } }

/** Who refuses or answers a request, in a setting where it does, and what the client then gets. */
interface Refusal {
  readonly by: PluginName
  readonly setup: StageSetup
  readonly status: number
}

const refusals: readonly Refusal[] = [
  { by: 'auth', setup: { route: [auth] }, status: 401 },
  { by: 'rate-limit', setup: { route: [{ 'rate-limit': { requests: 1, per: '1h' } }] }, status: 429 },
  { by: 'fault', setup: { route: [{ fault: { abort: { status: 418 } } }] }, status: 418 },
  { by: 'redirect', setup: { route: [{ redirect: { to: '/new' } }] }, status: 308 },
  { by: 'timeout', setup: { route: [{ timeout: { request: 50 } }] }, status: 504 },
  { by: 'concurrency', setup: { route: [{ concurrency: { limit: 1, queue: 0 } }] }, status: 503 },
  { by: 'circuit-breaker', setup: { service: [{ 'circuit-breaker': { failures: 1 } }] }, status: 503 },
  {
    by: 'admission',
    setup: { service: [{ admission: { minRequests: 1, maxRejection: 1 } }] },
    status: 503
  },
  { by: 'failover', setup: { route: [{ failover: { reply: { status: 203 } } }] }, status: 203 },
  {
    by: 'canary',
    setup: { route: [{ canary: { methods: ['GET'], tags: { version: 'none' }, strict: true } }] },
    status: 503
  }
]

/** Fails, and slowly: so that each of them has something to refuse. */
const failing: StageSetup['upstream'] = async (_request, clock) => {
  await clock.sleep(100)
  return { status: 502 }
}

export const passing: readonly Rule[] = [
  {
    about: 'mirror + whatever refuses',
    pairs: [
      ['mirror', 'auth'],
      ['mirror', 'rate-limit'],
      ['mirror', 'fault'],
      ['mirror', 'redirect'],
      ['mirror', 'concurrency'],
      ['mirror', 'admission'],
      ['mirror', 'circuit-breaker']
    ],
    wins:
      'What is refused is not copied, wherever `mirror` stands in the list: a copy is made of what a service was asked. It has no part in ' +
      'limits, breakers and places. The credential that `auth` looked at is gone by then; what nobody looked at, a cookie say, is copied ' +
      'unless `strip` names it.',
    async test(t) {
      const limit = { 'rate-limit': { requests: 1, per: '1h' } }
      for (const route of [
        [auth, limit, mirror],
        [mirror, auth, limit]
      ]) {
        const run = await stage(t, { ...next, route })
        t.same(await run.statuses(1), ['UNAUTHENTICATED'])
        t.same(await run.statuses(3, known), [200, 'RATE_LIMITED', 'RATE_LIMITED'])
        await run.clock.advance(1)
        t.equal(run.counts.next, 1)
        t.equal(run.seen.at(-1)?.endpoint, 'http://next.test')
        t.equal(run.seen.at(-1)?.headers.get('x-api-key'), undefined)
      }
      const fault = { fault: { abort: { status: 503 } } }
      for (const setup of [
        { route: [mirror, fault] },
        { route: [mirror], service: [fault] },
        { route: [mirror, { redirect: { to: '/new' } }] }
      ]) {
        const run = await stage(t, { ...next, ...setup })
        await run.statuses(2)
        await run.clock.advance(1)
        t.equal(run.seen.length, 0)
      }
      const stripped = await stage(t, {
        ...next,
        route: [{ mirror: { service: 'next', strip: ['authorization'] } }]
      })
      await stripped.request({ headers: { authorization: 'Basic x', cookie: 'a=b' } })
      await stripped.clock.advance(1)
      t.same(
        stripped.seen.map(({ headers }) => [headers.get('authorization'), headers.get('cookie')]),
        [
          ['Basic x', 'a=b'],
          [undefined, 'a=b']
        ]
      )
      const hung = await stage(t, {
        services: {
          next: { endpoints: ['http://next.test'], plugins: [{ 'circuit-breaker': { failures: 1 } }] }
        },
        route: [{ concurrency: { limit: 1, queue: 0 } }, { mirror: { service: 'next', timeout: '1s' } }],
        upstream: ({ endpoint }) => (endpoint.includes('next') ? new Promise(() => {}) : {})
      })
      t.same(await hung.statuses(4), [200, 200, 200, 200], 'copies that hang hold no place')
      await hung.clock.advance(2_000)
      t.equal(hung.endpoint('next', 'next').breaker.state, 'closed')
      await hung.clock.advance(5_000)
    }
  },
  {
    about: 'mirror + rewrite',
    pairs: [['mirror', 'rewrite']],
    wins:
      'Rewrite on a route or at the top, in either order: the copy goes out as the original did. What `rewrite` on a service does is for ' +
      'that service alone.',
    async test(t) {
      const rewrite = { rewrite: { path: { prefix: '/api', with: '' }, request: { remove: ['x-debug'] } } }
      for (const route of [
        [mirror, rewrite],
        [rewrite, mirror]
      ]) {
        const run = await stage(t, {
          ...next,
          route,
          service: [{ rewrite: { request: { set: { 'x-by': 'service' } } } }]
        })
        await run.request({ url: '/api/orders', headers: { 'x-debug': '1' } })
        await run.clock.advance(1)
        t.same(
          run.seen.map(({ path, headers }) => [path, headers.get('x-debug'), headers.get('x-by')]),
          [
            ['/orders', undefined, 'service'],
            ['/orders', undefined, undefined]
          ]
        )
      }
    }
  },
  {
    about: 'rewrite + redirect, rate-limit, canary',
    pairs: [
      ['rewrite', 'redirect'],
      ['rewrite', 'rate-limit'],
      ['rewrite', 'canary']
    ],
    wins:
      'The one listed first. Behind `rewrite` a redirect names the rewritten path, a limit counts by the rewritten header and canary asks ' +
      'of it; before it they see what the client sent. What `rewrite` says of responses is on their answers too, in either order.',
    async test(t) {
      const rewrite = {
        rewrite: {
          path: { prefix: '/api', with: '' },
          request: { set: { 'x-tenant': 'all' }, remove: ['x-canary'] },
          response: { set: { 'x-seen': 'yes' } }
        }
      }
      const redirect = { redirect: { to: 'https://shop.test{path}' } }
      const location = async (route: object[]) => {
        const { headers } = await (await stage(t, { route: route as never })).request({ url: '/api/orders' })
        return [headers.get('location'), headers.get('x-seen')]
      }
      t.same(await location([rewrite, redirect]), ['https://shop.test/orders', 'yes'])
      t.same(await location([redirect, rewrite]), ['https://shop.test/api/orders', 'yes'])

      const limit = { 'rate-limit': { requests: 1, per: '1h', key: 'header:x-tenant' } }
      const limited = async (route: object[]) => {
        const run = await stage(t, { route: route as never })
        const of = (tenant: string) => run.request({ headers: { 'x-tenant': tenant } })
        return [(await of('one')).status, (await of('two')).status]
      }
      t.same(await limited([rewrite, limit]), [200, 429])
      t.same(await limited([limit, rewrite]), [200, 200])

      const canary = { canary: { header: 'x-canary', tags: { version: 'v2' } } }
      const endpoints = ['http://one.test', { url: 'http://two.test', tags: { version: 'v2' } }]
      const went = async (route: object[]) =>
        (
          await (
            await stage(t, { route: route as never, endpoints })
          ).request({ headers: { 'x-canary': '1' } })
        ).tried
      t.same(await went([canary, rewrite]), ['two'])
      t.same(await went([rewrite, canary]), ['one'])
    }
  },
  {
    about: 'logging, metrics + whatever refuses or answers itself',
    pairs: refusals.flatMap(({ by }) => [['logging', by] as const, ['metrics', by] as const]),
    wins:
      'Both see every request end, once, with the status that the client got, wherever they stand in the list: before the plugin that ' +
      'refuses or behind it. At the top they see requests of every route and of none.',
    async test(t) {
      const folder = t.testdir({})
      for (const { by, setup, status } of refusals) {
        for (const place of ['first', 'last'] as const) {
          const file = join(folder, `${by}-${place}.log`)
          const observers = [{ logging: { destination: file } }, 'metrics']
          const { route = [], service = [] } = setup
          const run = await stage(t, {
            route: place === 'first' ? [...observers, ...route] : [...route, ...observers],
            service,
            upstream: failing
          })
          const answers = []
          // Some refuse the first one, some only when there was one before, or beside.
          const beside = run.begin()
          answers.push((await run.request()).status, (await beside.end()).status)
          for (let i = 0; i < 6; i++) answers.push((await run.request()).status)
          const expected = answers.filter((each) => each === status).length
          t.ok(expected > 0, `${by} answered ${expected} of 8 with ${status}`)
          const text = await run.metrics()
          const line = new RegExp(`^outrigger_requests_total\\{.*code="${status}"\\} (\\d+)$`, 'm').exec(text)
          t.equal(Number(line?.[1]), expected, `metrics, ${place}, of ${by}`)
          await run.close()
          const logged = readFileSync(file, 'utf8').trim().split('\n')
          t.equal(logged.length, 8, `logging, ${place}, of ${by}`)
          t.equal(logged.filter((one) => JSON.parse(one).status === status).length, expected)
        }
      }
    }
  },
  {
    about: 'logging, metrics + retry, failover',
    pairs: [
      ['logging', 'retry'],
      ['metrics', 'retry'],
      ['logging', 'failover'],
      ['metrics', 'failover']
    ],
    wins:
      'One line and one request, however many attempts there were: the endpoint and service named are those whose answer went out. ' +
      '`metrics` counts each attempt besides, and each retry by its reason.',
    async test(t) {
      const file = join(t.testdir({}), 'access.log')
      const run = await stage(t, {
        route: [
          { logging: { destination: file } },
          'metrics',
          { retry: { attempts: 2, on: [503], backoff: { base: 0, max: 0 } } },
          { failover: { services: ['standby'] } }
        ],
        services: { standby: { endpoints: ['http://standby.test'] } },
        upstream: ({ endpoint }) => ({ status: endpoint.includes('standby') ? 200 : 503 })
      })
      await run.request()
      const text = await run.metrics()
      t.match(text, 'outrigger_requests_total{route="orders",service="standby",method="GET",code="200"} 1')
      t.match(text, 'outrigger_retries_total{route="orders",reason="5xx"} 1')
      t.match(text, 'outrigger_retries_total{route="orders",reason="failover"} 1')
      await run.close()
      const [line, ...others] = readFileSync(file, 'utf8').trim().split('\n')
      t.same(others, [])
      t.match(JSON.parse(line as string), { status: 200, service: 'standby', attempts: 3 })
    }
  },
  {
    about: 'logging + auth',
    pairs: [['logging', 'auth']],
    wins:
      'The line of a request that `auth` let in says who it was, in either order; it never holds the credential: a header that carries ' +
      'one is refused as a field when the configuration loads.',
    async test(t) {
      const folder = t.testdir({})
      for (const order of ['first', 'last'] as const) {
        const file = join(folder, `${order}.log`)
        const logging = { logging: { destination: file } }
        const run = await stage(t, { route: order === 'first' ? [logging, auth] : [auth, logging] })
        await run.statuses(1, known)
        await run.statuses(1)
        await run.close()
        const text = readFileSync(file, 'utf8')
        t.notMatch(text, API_KEY)
        t.same(
          text
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line).identity),
          ['mobile', undefined]
        )
      }
      await t.rejects(
        stage(t, { route: [{ logging: { destination: 'a.log', fields: ['header:x-api-key'] } }] }),
        /credential/
      )
    }
  }
]
