import t from 'tap'
import type { ConfigError, Exchange } from '../../../core/index.js'
import { runPlugin } from '../../../core/testing/index.js'
import redirect from '../../../plugins/redirect/index.js'
import { locationOf } from '../../../plugins/redirect/location.js'
import { startTestProxy } from '../../support/proxy.js'
import { RawClient } from '../../support/raw-client.js'
import { echo, startUpstream } from '../../support/upstream.js'

interface Asked {
  /** Path and query. */
  target?: string
  host?: string
  method?: string
  fields?: string
}

/** What comes over the wire: `status location`, or `200` where the request was let through. */
async function start(t: Tap, config: object) {
  const upstream = await startUpstream(t, echo)
  const { url } = await startTestProxy(t, { endpoints: [upstream.url], plugins: [{ redirect: config }] })
  return async ({
    target = '/orders/7?a=1',
    host = 'shop.example.com',
    method = 'GET',
    fields = ''
  }: Asked = {}) => {
    const client = await RawClient.connect(url())
    client.write(`${method} ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${fields}\r\n`)
    await client.until(() => client.ended)
    const [head = ''] = client.text.split('\r\n\r\n')
    const status = head.slice(9, 12)
    const location = /^location: (.*)$/im.exec(head)?.[1]?.trim()
    client.socket.destroy()
    return location === undefined ? status : `${status} ${location}`
  }
}

type Tap = { teardown(close: () => unknown): unknown }

t.test('to', async (t) => {
  const moved = await start(t, { to: 'https://www.example.com/shop{path}' })
  t.equal(await moved(), '308 https://www.example.com/shop/orders/7?a=1')
  t.equal(await moved({ target: '/' }), '308 https://www.example.com/shop/')
  t.equal(
    await moved({ target: '/a%20b/../c?x=%0d%0a', method: 'POST' }),
    '308 https://www.example.com/shop/c?x=%0d%0a'
  )

  const own = await start(t, { to: '/find?q={segment.2}&v=2#top', status: 302 })
  t.equal(await own(), '302 /find?q=7&v=2&a=1#top', 'the query goes behind, the fragment last')
  t.equal(await own({ target: '/orders' }), '400', 'no value for it')

  const dropped = await start(t, { to: 'https://{host}:8443{path}', query: 'drop', status: 307 })
  t.equal(await dropped({ host: 'Shop.example.com:8080' }), '307 https://shop.example.com:8443/orders/7')
})

t.test('each status', async (t) => {
  for (const status of [301, 302, 303, 307, 308]) {
    const run = runPlugin(redirect, { to: '/x', status })
    const { status: got, headers, attempts, body } = await run.request({ url: '/' })
    t.same([got, headers.get('location'), attempts.length, body], [status, '/x', 0, ''])
    await run.close()
  }
})

t.test('https', async (t) => {
  const secure = await start(t, { https: true })
  t.equal(await secure(), '308 https://shop.example.com/orders/7?a=1')
  t.equal(
    await secure({ host: 'shop.example.com:8080' }),
    '308 https://shop.example.com/orders/7?a=1',
    "not http's port"
  )
  t.equal(await secure({ host: '[::1]:80' }), '308 https://[::1]/orders/7?a=1')
  const port = await start(t, { https: true, host: '{host}:8443' })
  t.equal(await port(), '308 https://shop.example.com:8443/orders/7?a=1')
})

t.test('what came over https already is let through', async (t) => {
  const config = { https: true as const, status: 308 as const, query: 'keep' as const }
  const asked = (scheme: string, host: string) =>
    locationOf(config)({
      request: { scheme, host, path: '/x', query: '', headers: { get: () => host } }
    } as unknown as Exchange)
  t.equal(asked('https', 'shop.example.com'), undefined)
  t.equal(asked('http', 'shop.example.com'), 'https://shop.example.com/x')
  t.throws(() => asked('http', ''), { code: 'BAD_REQUEST' }, 'HTTP/1.0 may name no host')
})

t.test('another host, and none where it is the one', async (t) => {
  const www = await start(t, { host: 'www.example.com', status: 301 })
  t.equal(await www({ host: 'example.com' }), '301 http://www.example.com/orders/7?a=1')
  t.equal(await www({ host: 'WWW.example.com' }), '200')
  t.equal(await www({ host: 'www.example.com:80' }), '200')
})

t.test('another path, and none where it is the one', async (t) => {
  const path = await start(t, { path: '/{segment.1}' })
  t.equal(await path(), '308 /orders?a=1', 'on the same host, whichever that is')
  t.equal(await path({ target: '/orders' }), '200')
})

t.test('a link cannot choose where it leads', async (t) => {
  const to = await start(t, { to: '/go/{query.next}', query: 'drop' })
  for (const next of [
    'https://evil.example',
    '//evil.example',
    '/\\evil.example',
    'x%0D%0ALocation:%20http://evil.example'
  ]) {
    const answer = await to({ target: `/?next=${next.replaceAll('\\', '%5C')}` })
    t.match(answer, /^308 \/go\/[^/\\\s]*$/, next)
  }
  const path = await start(t, { to: '{path}x' })
  t.equal(await path({ target: '//evil.example/' }), '308 /evil.example/x')
})

/** What is told at load. */
function problems(config: object) {
  try {
    runPlugin(redirect, config)
  } catch (error) {
    return (error as ConfigError).problems
  }
  return []
}

t.test('what is wrong with a configuration', async (t) => {
  for (const [config, at, message] of [
    [{}, 'redirect', /either to, or https, host and path, not neither/],
    [{ to: '/x', https: true }, 'redirect', /either to, or https, host and path, not both/],
    [{ to: 'x' }, 'redirect.to', /begins with one \/ or with \{path\}, or http/],
    [{ to: '//evil.example' }, 'redirect.to', /begins with one \//],
    [{ to: '/{path}' }, 'redirect.to', /no slash before \{path\}/],
    [{ to: '{query.next}' }, 'redirect.to', /begins with one \//],
    [
      { to: 'https://www.example.com{header.x}' },
      'redirect.to',
      /no variable but \{host\} in a host, not \{header\.x\}/
    ],
    [{ to: 'https://{cookie.h}/x' }, 'redirect.to', /no variable but \{host\}/],
    [{ to: 'https:///x' }, 'redirect.to', /expected a host such as/],
    [{ to: '/a b' }, 'redirect.to', /without spaces/],
    [{ to: '/{who}' }, 'redirect.to', /not \{who\}/],
    [{ host: '{query.h}' }, 'redirect.host', /no variable but \{host\}/],
    [{ host: 'a/b' }, 'redirect.host', /expected a host such as/],
    [{ path: '/x?y' }, 'redirect.path', /a path alone, without a query/],
    [{ path: 'https://a' }, 'redirect.path', /./],
    [{ to: '/x', status: 200 }, 'redirect.status', /expected 301, 302, 303, 307, 308, not 200/],
    [{ to: '/x', query: 'no' }, 'redirect.query', /./],
    [{ https: false }, 'redirect.https', /./]
  ] as const)
    t.match(problems(config), [{ path: at, message }], JSON.stringify(config))
})
