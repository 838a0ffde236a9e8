import t from 'tap'
import { Fields } from '../../../core/exchange/fields.js'
import { compileTemplate, type Exchange, ProxyError, readParameter } from '../../../core/index.js'

interface Asked {
  path?: string
  query?: string
  headers?: string[]
  identity?: string
}

function exchange({ path = '/orders/7', query = '', headers = [], identity }: Asked = {}): Exchange {
  return {
    id: 'an-id',
    client: { address: '10.0.0.7', port: 1, identity },
    route: { name: 'orders' },
    request: {
      path,
      query,
      host: 'shop.example.com',
      scheme: 'https',
      method: 'GET',
      headers: new Fields(headers)
    }
  } as unknown as Exchange
}

const path = (text: string, asked?: Asked) => compileTemplate(text, 'path')(exchange(asked))
const uri = (text: string, asked?: Asked) => compileTemplate(text, 'uri')(exchange(asked))
const header = (text: string, asked?: Asked) => compileTemplate(text, 'header')(exchange(asked))
const refused = { code: 'BAD_REQUEST', status: 400 }

t.test('each variable', async (t) => {
  t.equal(
    header('{method} {scheme}://{host}{path}{query}', { query: '?a=1' }),
    'GET https://shop.example.com/orders/7?a=1'
  )
  t.equal(header('{id} {route} {client.address}'), 'an-id orders 10.0.0.7')
  t.equal(header('[{client.identity}]'), '[]', 'a value that is missing leaves nothing in a header')
  t.equal(header('{client.identity}', { identity: 'spiffe://shop/a' }), 'spiffe://shop/a')
  t.equal(header('{query.tenant}', { query: '?tenant=a+b%21' }), 'a b!')
  t.equal(header('{header.X-Tenant}', { headers: ['x-tenant', 'a', 'X-Tenant', 'b'] }), 'a, b')
  t.equal(header('{cookie.v}', { headers: ['cookie', 'u=1; v=2'] }), '2')
  t.equal(header('{segment.1}-{segment.2}-{segment.3}'), 'orders-7-')
  t.equal(header('a {{b}} c'), 'a {b} c')
  t.equal(header(''), '')
})

t.test('what a value cannot do in a path', async (t) => {
  const tenant = (value: string) => ({ headers: ['x-tenant', value] })
  const text = '/tenants/{header.x-tenant}{path}'
  t.equal(path(text, tenant('a b?c#d%2e')), '/tenants/a%20b%3Fc%23d%252e/orders/7')
  t.equal(path(text, tenant('\u00c3\u00a9')), '/tenants/%C3%A9/orders/7', 'UTF-8 in a header stays that')
  for (const climbing of ['..', '.', 'a/b', '/', '\\', ''])
    t.throws(() => path(text, tenant(climbing)), refused, JSON.stringify(climbing))
  t.throws(() => path(text), refused, 'the field is missing')
  t.throws(
    () => path('/{header.x-tenant}{query.b}/x', { ...tenant('.'), query: '?b=.' }),
    refused,
    'two make one'
  )
  t.throws(() => path('/x/{segment.3}'), refused)
  t.equal(path('/x/{segment.2}'), '/x/7')
  t.ok(ProxyError.is(t.throws(() => path('/{query.a}', { query: `?a=${'x'.repeat(17_000)}` }), refused)))
})

t.test('in a reference a value with a slash is one value', async (t) => {
  t.equal(
    uri('https://{host}/go?to={query.to}', { query: '?to=https%3A%2F%2Fa%2F..' }),
    'https://shop.example.com/go?to=https%3A%2F%2Fa%2F..'
  )
  t.equal(uri('{path}{query}', { query: '?a=%20' }), '/orders/7?a=%20')
  t.throws(() => uri('/{query.to}/x', { query: '?to=..' }), refused)
})

t.test('a header gets no line end from a query', async (t) => {
  t.equal(header('{query.a}', { query: '?a=x%0D%0Ay%00%C3%A9%F0%9F%98%80' }), 'x%0D%0Ay%00%C3%A9%F0%9F%98%80')
})

t.test('what is wrong is told at load', async (t) => {
  for (const [text, message] of [
    ['/x{tenant}', /expected \{path\}, .* or \{segment\.N\}, not \{tenant\}/],
    ['{header.}', /not \{header\.\}/],
    ['{header.a b}', /not \{header\.a b\}/],
    ['{constructor}', /not \{constructor\}/],
    ['{}', /not \{\}/],
    ['{segment.0}', /\{segment\.1\} to \{segment\.64\}, not \{segment\.0\}/],
    ['{segment.x}', /not \{segment\.x\}/],
    ['/x{path', /braces in pairs/],
    ['/x}', /braces in pairs/],
    ['/{path}', /no slash before \{path\}/],
    ['/x{query}', /not \{query\}/],
    ['x'.repeat(2_049), /up to 2048 characters, not 2049/],
    ['{id}'.repeat(33), /up to 32 variables, not 33/]
  ] as const)
    t.throws(() => compileTemplate(text, 'path'), { name: 'TypeError', message }, text.slice(0, 20))
})

t.test('a parameter of a query', async (t) => {
  t.equal(readParameter('?a=1&b=2', 'b'), '2')
  t.equal(readParameter('a=1', 'a'), '1', 'without its question mark')
  t.equal(readParameter('?a', 'a'), '')
  t.equal(readParameter('?a=&b', 'a'), '')
  t.equal(readParameter('?aa=1&A=2', 'a'), undefined)
  t.equal(readParameter('', 'a'), undefined)
  t.equal(readParameter('?a=1&a=2', 'a'), '1', 'the first')
  t.equal(readParameter('?%61=1', 'a'), '1', 'an escaped name')
  t.equal(readParameter('?a+b=1', 'a b'), '1')
  t.equal(readParameter('?a=b=c', 'a'), 'b=c')
  t.equal(readParameter('?a=%zz', 'a'), '%zz', 'what does not decode stands as it is')
  t.equal(readParameter(`?${'b&'.repeat(1_000)}a=1`, 'a'), undefined, 'past a thousand none is looked at')
})
