// What the service gets, and what the client gets, over real sockets.
import { request } from 'node:http'
import t from 'tap'
import { startTestProxy } from '../../support/proxy.js'
import { bodyOf, echo, startUpstream } from '../../support/upstream.js'

interface Seen {
  status: number
  headers: Record<string, string | string[] | undefined>
  url: string
  /** A field as the service got it: each of its values. */
  field(name: string): string[]
}

async function get(origin: string, path: string, headers: Record<string, string> = {}): Promise<Seen> {
  const { hostname, port } = new URL(origin)
  const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    request({ hostname, port, path, headers, agent: false }, resolve).on('error', reject).end()
  })
  const text = (await bodyOf(response)).toString()
  const { url = '', rawHeaders = [] } = JSON.parse(text) as { url?: string; rawHeaders?: string[] }
  const field = (name: string) =>
    rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === name)
  return { status: response.statusCode as number, headers: response.headers, url, field }
}

async function start(t: Tap, ...plugins: object[]): Promise<string> {
  const upstream = await startUpstream(t, (incoming, response) => {
    response.setHeader('x-powered-by', 'shop')
    response.setHeader('x-version', '1')
    return echo(incoming, response)
  })
  const { url } = await startTestProxy(t, { endpoints: [upstream.url], plugins })
  return url()
}

type Tap = { teardown(close: () => unknown): unknown }

t.test('a prefix, in whole segments', async (t) => {
  const url = await start(t, { rewrite: { path: { prefix: '/old', with: '/new' } } })
  t.equal((await get(url, '/old')).url, '/new')
  t.equal((await get(url, '/old/')).url, '/new/')
  t.equal((await get(url, '/old/x%20y?a=%2Fold')).url, '/new/x%20y?a=%2Fold', 'the query stays')
  t.equal((await get(url, '/older')).url, '/older')
  t.equal((await get(url, '/x/old')).url, '/x/old')
  t.equal((await get(url, '/a/../old/x')).url, '/new/x', 'of the path that was matched')

  for (const instead of ['', '/']) {
    const off = await start(t, { rewrite: { path: { prefix: '/api/', with: instead } } })
    t.equal((await get(off, '/api/orders')).url, '/orders')
    t.equal((await get(off, '/api')).url, '/')
  }
  const all = await start(t, { rewrite: { path: { prefix: '/', with: '/shop' } } })
  t.equal((await get(all, '/orders')).url, '/shop/orders')
  t.equal((await get(all, '/')).url, '/shop/')
})

t.test('an expression', async (t) => {
  const url = await start(t, {
    rewrite: { path: { regex: '^/(\\w+)/v(\\d+)(?:/(.*))?$', with: '/v$2/$1/$3' } }
  })
  t.equal((await get(url, '/orders/v2/7')).url, '/v2/orders/7')
  t.equal((await get(url, '/orders/v2')).url, '/v2/orders/', 'a group that took no part is nothing')
  t.equal((await get(url, '/orders')).url, '/orders', 'what does not match stays')

  const first = await start(t, {
    rewrite: { path: { regex: 'a', with: '_$0$$_' } }
  })
  t.equal((await get(first, '/baab')).url, '/b_a$_ab', 'the first match alone')
})

t.test('a template', async (t) => {
  const url = await start(t, { rewrite: { path: '/tenants/{header.x-tenant}/{segment.1}/{query.id}' } })
  const asked = await get(url, '/orders/x?id=a%20b', { 'x-tenant': 'shop 1' })
  t.equal(asked.url, '/tenants/shop%201/orders/a%20b?id=a%20b')
  t.equal((await get(url, '/orders?id=1')).status, 400, 'a value is missing')
  for (const tenant of ['..', 'a/../..', '%2e%2e/x'])
    t.equal((await get(url, '/orders?id=1', { 'x-tenant': tenant })).status, 400, tenant)
  t.equal((await get(url, '/orders?id=1', { 'x-tenant': '%2e%2e' })).url, '/tenants/%252e%252e/orders/1?id=1')
})

t.test('the host', async (t) => {
  const url = await start(t, { rewrite: { host: 'inner.shop.local:8443' } })
  const seen = await get(url, '/', { host: 'shop.example.com' })
  t.same(seen.field('host'), ['inner.shop.local:8443'])
  t.same(seen.field('x-forwarded-host'), ['shop.example.com'], 'what the client asked for is told')

  const tenant = await start(t, { rewrite: { host: '{header.x-tenant}.shop.local' } })
  t.same((await get(tenant, '/', { 'x-tenant': 'a' })).field('host'), ['a.shop.local'])
  t.equal((await get(tenant, '/', { 'x-tenant': 'a b' })).status, 400)
  t.equal((await get(tenant, '/', { 'x-tenant': 'evil/x?' })).status, 400)
})

t.test("a request's headers", async (t) => {
  const change = {
    set: {
      'x-tenant': '{query.tenant}',
      'x-one': 1,
      'x-empty': '',
      'x-id': '{id}',
      'x-from': '{client.address}'
    },
    append: { via: '1.1 shop', 'x-none': '{header.x-none}' },
    remove: ['x-secret', 'x-gone']
  }
  const url = await start(t, { rewrite: { request: change } })
  const headers = { 'x-tenant': 'forged', x_tenant: 'forged', 'x-secret': 's', 'x-one': '2', via: '1.1 edge' }
  const seen = await get(url, '/?tenant=a%0D%0Ax-evil:%201', headers)
  t.same(seen.field('x-tenant'), ['a%0D%0Ax-evil: 1'], 'no line end comes from a value')
  t.same(seen.field('x_tenant'), [], 'nor what a service may take for it from the client')
  t.same(seen.field('x-evil'), [])
  t.same(seen.field('x-one'), ['1'])
  t.same(seen.field('x-empty'), [''])
  t.same(seen.field('x-from'), ['127.0.0.1'])
  t.same(seen.field('x-id'), seen.field('x-request-id'))
  t.same(seen.field('x-secret'), [])
  t.same(seen.field('x-none'), [])
  t.same(seen.field('via'), ['1.1 edge', '1.1 shop'])
  t.same(
    (await get(url, '/', headers)).field('x-tenant'),
    [],
    "set to nothing, the client's own does not pass"
  )
})

const toResponse = {
  set: { 'x-version': '2', 'strict-transport-security': 'max-age=3600' },
  append: { 'x-path': '{path}' },
  remove: ['x-powered-by']
}

t.test("a response's headers, the proxy's own answers too", async (t) => {
  const url = await start(
    t,
    { rewrite: { response: toResponse } },
    { fault: { abort: {}, header: 'x-fault' } }
  )
  const { headers } = await get(url, '/orders')
  t.match(headers, { 'x-version': '2', 'x-path': '/orders', 'strict-transport-security': 'max-age=3600' })
  t.equal(headers['x-powered-by'], undefined)
  const local = await get(url, '/orders', { 'x-fault': '1' })
  t.match(local, { status: 503, headers: { 'strict-transport-security': 'max-age=3600' } })
})

t.test('on a service', async (t) => {
  const upstream = await startUpstream(t, (incoming, response) => {
    response.setHeader('x-powered-by', 'shop')
    return echo(incoming, response)
  })
  const rewrite = {
    host: 'inner',
    request: { set: { 'x-a': '{method}' }, remove: ['x-b'] },
    response: toResponse
  }
  const { url } = await startTestProxy(t, { endpoints: [upstream.url], service: { plugins: [{ rewrite }] } })
  const seen = await get(url(), '/orders', { 'x-b': '1' })
  t.same([seen.field('host'), seen.field('x-a'), seen.field('x-b')], [['inner'], ['GET'], []])
  t.match(seen.headers, { 'x-version': '2', 'x-path': '/orders' })
  t.equal(seen.headers['x-powered-by'], undefined)

  const path = { rewrite: { path: '/x{path}' } }
  await t.rejects(
    startTestProxy(t, { endpoints: [upstream.url], service: { plugins: [path] } }),
    /list rewrite with path on a route/
  )
})

t.test('several, in the order they are listed', async (t) => {
  const url = await start(
    t,
    { rewrite: { path: { prefix: '/a', with: '/b' }, request: { set: { 'x-path': '{path}' } } } },
    { rewrite: { path: '/c{path}', request: { set: { 'x-then': '{path}' } } } }
  )
  const seen = await get(url, '/a/1')
  t.equal(seen.url, '/c/b/1')
  t.same(
    [seen.field('x-path'), seen.field('x-then')],
    [['/a/1'], ['/b/1']],
    'variables are the path as it came there'
  )
})
