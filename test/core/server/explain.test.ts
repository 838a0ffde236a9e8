// What `explain` says is what a request gets.
import t from 'tap'
import { startProxy } from '../../support/lane.js'
import { parseResponse, RawClient } from '../../support/raw-client.js'

const routes = [
  { name: 'exact', match: { path: '/a/b' }, reply: { status: 200, body: 'exact' } },
  { name: 'prefix', match: { path: '/a/*' }, reply: { status: 200, body: 'prefix' } },
  { name: 'post', match: { path: '/a/*', methods: ['POST'] }, reply: { status: 200, body: 'post' } },
  { name: 'beta', match: { path: '/a/*', headers: { 'x-beta': '1' } }, reply: { status: 200, body: 'beta' } },
  { name: 'host', match: { path: '/*', host: 'shop.test' }, reply: { status: 200, body: 'host' } },
  { name: 'wild', match: { path: '/w/*', host: '*.test' }, reply: { status: 200, body: 'wild' } },
  { name: 'kept', match: { path: '/files/*' }, encodedSlashes: 'keep', reply: { status: 200, body: 'kept' } },
  { name: 'query', match: { path: '/q', query: { v: '2' } }, reply: { status: 200, body: 'query' } }
]

t.test('explain agrees with what is answered', async (t) => {
  const { proxy, url, close } = await startProxy({ listeners: { in: { address: '127.0.0.1:0' } }, routes })
  t.teardown(close)
  const cases: { method?: string; path: string; host?: string; headers?: Record<string, string> }[] = []
  for (const path of [
    '/a/b',
    '/a/',
    '/a/x',
    '/a',
    '/',
    '/w/1',
    '/q',
    '/q?v=2',
    '/q?v=3',
    '/files/a%2fb',
    '/a/a%2fb',
    '/none%2f',
    '/a/../a/b',
    '//a//b',
    '/%61/b',
    '/../x',
    '/a/%2e%2e/%2e%2e',
    '/a%00',
    '/a/..;/b',
    '/a#b'
  ])
    for (const host of ['any', 'shop.test', 'x.test', 'a b'])
      for (const [method, headers] of [
        ['GET', {}],
        ['POST', { 'x-beta': '1' }],
        ['GET', { 'x-beta': '1' }]
      ] as const)
        cases.push({ path, host, method, headers })
  let wrong = 0
  for (const { method = 'GET', path, host = 'any', headers = {} } of cases) {
    const client = await RawClient.connect(url())
    const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    client.write(`${method} ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n${fields.join('')}\r\n`)
    const response = parseResponse(await client.closed())
    let said: string
    try {
      said = proxy.explain(method, path, { headers: { ...headers, host } }).route
    } catch (error) {
      said = error instanceof TypeError ? '400' : String(error)
    }
    const got =
      response?.status === 200 ? response.body : response?.status === 404 ? '-' : String(response?.status)
    if (said !== got && wrong++ < 5)
      t.fail(`${method} ${path} on ${host}: explained as ${said}, answered as ${got}`)
  }
  t.equal(wrong, 0)
})

t.test('explain says why, in words', async (t) => {
  const { proxy, close } = await startProxy({ listeners: { in: { address: '127.0.0.1:0' } }, routes })
  t.teardown(close)
  const exact = proxy.explain('get', 'http://any/a/../a/b')
  t.equal(exact.route, 'exact')
  t.match(exact.request, { method: 'GET', host: 'any', path: '/a/b' })
  t.ok(exact.why.some((line) => /normalised to \/a\/b/.test(line)))
  t.ok(exact.why.some((line) => /before prefix: its path is exact/.test(line)))
  t.ok(exact.others.some(({ route, why }) => route === 'post' && /method is POST/.test(why)))
  t.match(proxy.explain('POST', '/a/x', { headers: { 'x-beta': '1' } }), { route: 'post' })
  t.match(proxy.explain('GET', '/none'), { route: '-', why: ['no route has this host and path'] })
  t.match(proxy.explain('GET', '/q'), { route: '-', why: [/all its conditions/] })
  t.throws(() => proxy.explain('GET', '/', { listener: 'nope' }), RangeError)
})
