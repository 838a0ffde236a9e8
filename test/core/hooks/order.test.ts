import t from 'tap'
import {
  definePlugin,
  type HookName,
  type PluginHooks,
  ProxyError,
  Reply,
  Retry
} from '../../../core/index.js'
import { TestPipeline } from '../../support/pipeline.js'

const ALL: HookName[] = [
  'request',
  'candidates',
  'pick',
  'attempt',
  'outcome',
  'settled',
  'response',
  'error',
  'finish'
]

/** Notes each call as `hook name`. */
function noting(name: string, trace: string[], how: 'sync' | 'async' = 'sync', over: PluginHooks = {}) {
  const hooks: Record<string, unknown> = {}
  for (const hook of ALL) {
    const own = over[hook] as ((...args: unknown[]) => unknown) | undefined
    const sync = ['candidates', 'pick', 'settled', 'finish'].includes(hook)
    hooks[hook] =
      how === 'sync' || sync
        ? (...args: unknown[]) => {
            trace.push(`${hook} ${name}`)
            return own?.(...args)
          }
        : async (...args: unknown[]) => {
            await Promise.resolve()
            trace.push(`${hook} ${name}`)
            return own?.(...args)
          }
  }
  return definePlugin({ name, setup: () => hooks as PluginHooks })
}

for (const how of ['sync', 'async'] as const) {
  t.test(`an exchange that goes well, ${how}`, async (t) => {
    const trace: string[] = []
    const list = (...names: string[]) => names.map((name) => noting(name, trace, how))
    const run = await TestPipeline.build({
      top: list('t1', 't2'),
      route: list('r1', 'r2'),
      service: list('s1', 's2')
    })
    t.equal((await run.request()).status, 200)
    const each = (hook: HookName, names: string) => names.split(' ').map((name) => `${hook} ${name}`)
    t.same(trace, [
      ...each('request', 't1 t2 r1 r2'),
      ...each('candidates', 't1 t2 r1 r2 s1 s2'),
      ...each('pick', 't1 t2 r1 r2 s1 s2'),
      ...each('attempt', 't1 t2 r1 r2 s1 s2'),
      ...each('outcome', 's1 s2 t1 t2 r1 r2'),
      ...each('response', 'r2 r1 t2 t1'),
      ...each('settled', 's1 s2 t1 t2 r1 r2'),
      ...each('finish', 'r2 r1 t2 t1')
    ])
    await run.close()
  })

  t.test(`every outcome runs, and the first Retry is kept, ${how}`, async (t) => {
    const trace: string[] = []
    const asks = (reason: string): PluginHooks => ({
      outcome: ({ number }) => (number === 1 ? new Retry({ reason }) : undefined)
    })
    const run = await TestPipeline.build({
      top: [noting('t', trace, how, asks('top'))],
      route: [noting('r', trace, how, asks('route'))],
      service: [noting('s1', trace, how), noting('s2', trace, how, asks('service'))]
    })
    const { exchange } = await run.request()
    t.same(trace.filter((line) => line.startsWith('outcome')).slice(0, 4), [
      'outcome s1',
      'outcome s2',
      'outcome t',
      'outcome r'
    ])
    t.equal(exchange.attempts[1]?.reason, 'service')
    t.equal(exchange.attempts.length, 2)
    await run.close()
  })

  t.test(`a Reply from request ends the list there; response and finish see it, ${how}`, async (t) => {
    const trace: string[] = []
    const run = await TestPipeline.build({
      top: [noting('t', trace, how)],
      route: [
        noting('r1', trace, how, { request: () => new Reply(403, { no: true }, { 'x-a': ['1', '2'] }) }),
        noting('r2', trace, how)
      ]
    })
    const { status, body, headers, result } = await run.request()
    t.equal(status, 403)
    t.equal(body, '{"no":true}')
    t.same(headers.getAll('x-a'), ['1', '2'])
    t.equal(headers.get('content-type'), 'application/json; charset=utf-8')
    t.match(result, { status: 403, local: true, code: undefined, endpoint: undefined, bytesOut: 11 })
    t.same(trace, [
      'request t',
      'request r1',
      'response r2',
      'response r1',
      'response t',
      'finish r2',
      'finish r1',
      'finish t'
    ])
    await run.close()
  })

  t.test(`error runs once, then response, then finish, ${how}`, async (t) => {
    const trace: string[] = []
    const run = await TestPipeline.build({
      top: [noting('t', trace, how)],
      route: [
        noting('r', trace, how, {
          response() {
            throw new Error('again')
          }
        })
      ],
      upstream: () => ({ error: 'UPSTREAM_RESET' })
    })
    const { status } = await run.request()
    t.equal(status, 500)
    t.equal(trace.filter((line) => line === 'error t').length, 1)
    t.equal(trace.filter((line) => line === 'response r').length, 1)
    t.equal(trace.filter((line) => line === 'finish t').length, 1)
    t.equal(trace.filter((line) => line === 'settled t').length, 1)
    await run.close()
  })
}

t.test('an error’s Reply goes out; of response’s the last to run counts and ends the list', async (t) => {
  const trace: string[] = []
  const run = await TestPipeline.build({
    top: [noting('outer', trace)],
    route: [
      noting('mends', trace, 'sync', { error: ({ code }) => new Reply(203, `mended ${code}`) }),
      noting('inner', trace)
    ],
    upstream: () => ({ error: 'CONNECT_FAILED' })
  })
  const { status, body } = await run.request()
  t.equal(status, 203)
  t.equal(body, 'mended CONNECT_FAILED')
  t.same(
    trace.filter((line) => /^(error|response) /.test(line)),
    ['error inner', 'error mends', 'response inner', 'response mends', 'response outer']
  )
  await run.close()
})

t.test(
  'candidates is a waterfall: each gets what the one before left, and undefined leaves it',
  async (t) => {
    const got: string[][] = []
    const sees = (name: string, then?: (list: readonly { url: string }[]) => unknown) =>
      definePlugin({
        name,
        setup: () => ({
          candidates(endpoints) {
            got.push(endpoints.map(({ url }) => url.slice(7)))
            return then?.(endpoints) as never
          }
        })
      })
    const run = await TestPipeline.build({
      endpoints: ['http://a', 'http://b', 'http://c'],
      route: [
        sees('drops', (list) => list.slice(1)),
        sees('leaves'),
        sees('drops-more', (list) => list.slice(1)),
        sees('last')
      ]
    })
    const { exchange } = await run.request()
    t.same(got, [['a', 'b', 'c'], ['b', 'c'], ['b', 'c'], ['c']])
    t.equal(exchange.attempts[0]?.endpoint.url, 'http://c')
    await run.close()
  }
)

t.test('pick: the first answer counts; without one, round robin', async (t) => {
  const trace: string[] = []
  const run = await TestPipeline.build({
    endpoints: ['http://a', 'http://b', 'http://c'],
    route: [
      noting('none', trace),
      noting('chooses', trace, 'sync', {
        pick: (endpoints, { request }) => (request.path === '/last' ? endpoints.at(-1) : undefined)
      }),
      noting('after', trace)
    ]
  })
  const { exchange } = await run.request({ url: '/last' })
  t.equal(exchange.attempts[0]?.endpoint.url, 'http://c')
  t.same(
    trace.filter((line) => line.startsWith('pick')),
    ['pick none', 'pick chooses']
  )
  const urls: (string | undefined)[] = []
  for (let i = 0; i < 6; i++) urls.push((await run.request()).exchange.attempts[0]?.endpoint.url.slice(7))
  t.same(urls, ['a', 'b', 'c', 'a', 'b', 'c'])
  await run.close()
})

t.test('no endpoint left: NO_ENDPOINT', async (t) => {
  const run = await TestPipeline.build({
    route: [definePlugin({ name: 'none', setup: () => ({ candidates: () => [] }) })]
  })
  const { status, error, exchange } = await run.request()
  t.equal(status, 503)
  t.equal(error, 'NO_ENDPOINT')
  t.equal(exchange.attempts.length, 0)
  await run.close()
})

t.test('when no route matches, the top’s plugins run, on route -', async (t) => {
  const trace: string[] = []
  const run = await TestPipeline.build({
    top: [noting('t', trace)],
    route: [noting('r', trace)],
    routes: [
      { match: { path: '/here', host: undefined, methods: undefined, headers: undefined, query: undefined } }
    ]
  })
  const { status, error, exchange } = await run.request({ url: '/elsewhere' })
  t.equal(status, 404)
  t.equal(error, 'NO_ROUTE')
  t.equal(exchange.route.name, '-')
  t.same(trace, ['request t', 'error t', 'response t', 'finish t'])
  await run.close()
})

t.test('a request that is refused before a route is found has a finish', async (t) => {
  const trace: string[] = []
  const run = await TestPipeline.build({ top: [noting('t', trace)] })
  const { status, error } = await run.request({ url: '/../etc' })
  t.equal(status, 400)
  t.equal(error, 'BAD_REQUEST')
  t.same(trace, ['error t', 'response t', 'finish t'])
  await run.close()
})

t.test('a ProxyError’s code, status and headers reach the client, and error knows the plugin', async (t) => {
  let seen: ProxyError | undefined
  const run = await TestPipeline.build({
    route: [
      definePlugin({ name: 'sees', setup: () => ({ error: (error) => void (seen = error) }) }),
      definePlugin({
        name: 'limits',
        setup: () => ({
          async request() {
            throw new ProxyError('RATE_LIMITED', 'slow down', { headers: { 'retry-after': '7' } })
          }
        })
      })
    ]
  })
  const { status, error, headers, body } = await run.request()
  t.equal(status, 429)
  t.equal(error, 'RATE_LIMITED')
  t.equal(headers.get('retry-after'), '7')
  t.match(JSON.parse(body), { error: 'RATE_LIMITED', message: 'slow down', requestId: /^[0-9a-f-]{36}$/ })
  t.equal(seen?.plugin, 'limits')
  t.equal(seen?.hook, 'request')
  t.same(
    run.log.lines.filter(({ level }) => level === 'error'),
    [],
    'an answer is no failure'
  )
  await run.close()
})
