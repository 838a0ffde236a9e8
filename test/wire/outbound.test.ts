// An outbound listener as a service's HTTP_PROXY: its destinations are the configured services and nothing else.
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import t, { type Test } from 'tap'
import { startTestProxy } from '../support/proxy.js'
import { parseResponse, RawClient } from '../support/raw-client.js'
import { echo, startRawUpstream, startUpstream } from '../support/upstream.js'
import { run } from './tls-peers.js'

/** One route by its host, to a service that is somewhere else. */
async function start(t: Test) {
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, {
    endpoints: [upstream.url],
    route: { match: { host: 'orders.shop' } }
  })
  return { upstream, proxy, url: proxy.url() }
}

/** Absolute-form by Node: the whole URL in the place of the path. */
function through(
  proxy: string,
  target: string,
  headers: Record<string, string> = {}
): Promise<[number, string, string]> {
  const { hostname, port } = new URL(proxy)
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: hostname, port, path: target, headers, agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (chunk) => (body += chunk))
      const code = String(response.headers['x-outrigger-error'] ?? '')
      response.once('end', () => resolve([response.statusCode ?? 0, code, body]))
    })
    request.once('error', reject)
    request.end()
  })
}

const curl = (...args: string[]) => run('curl', ['-s', '-S', '--noproxy', '', '--max-time', '8', ...args])

t.test('curl and Node by absolute-form: to the service of that name', async (t) => {
  const { upstream, url } = await start(t)
  const { code, out } = await curl('-x', url, 'http://orders.shop/v1/a?b=c')
  t.equal(code, 0)
  const seen = JSON.parse(out) as { url: string; rawHeaders: string[] }
  t.equal(seen.url, '/v1/a?b=c', 'the service sees a plain path')
  t.match(seen.rawHeaders.join(' ').toLowerCase(), 'host orders.shop')
  t.notMatch(seen.rawHeaders.join(' ').toLowerCase(), 'proxy-connection', "what was the proxy's stays here")
  const posted = await curl('-x', url, '-d', 'a=1', 'http://orders.shop:8080/form')
  t.match(posted.out, /"method":"POST","url":"\/form"/, 'with a port, and a body')
  t.match(posted.out, '"length":3')
  const [status, , body] = await through(url, 'http://ORDERS.shop/x', { host: 'orders.shop' })
  t.equal(status, 200)
  t.match(body, '"url":"/x"')
  const [bare] = await through(url, 'http://orders.shop', { host: 'orders.shop' })
  t.equal(bare, 200, 'a URL without a path')
  t.equal(upstream.count, 4)
})

t.test('a URL whose host is not the one of the Host field: the URL is meant', async (t) => {
  const { url } = await start(t)
  const [status, , body] = await through(url, 'http://orders.shop/', { host: 'elsewhere.example' })
  t.equal(status, 200)
  t.match(body, '"host","orders.shop"', 'and Host is made to say so')
  t.notMatch(body, 'elsewhere.example', 'everywhere')
  t.same((await through(url, 'http://elsewhere.example/', { host: 'orders.shop' })).slice(0, 2), [
    404,
    'NO_ROUTE'
  ])
})

t.test('a host that is not configured is 404 NO_ROUTE, and is never connected to', async (t) => {
  const { url, upstream } = await start(t)
  const stranger = await startRawUpstream(t, () => {})
  const { host } = new URL(stranger.url)
  for (const target of [
    `http://${host}/`,
    `http://localhost:${stranger.port}/`,
    'http://example.com/',
    `https://${host}/`
  ]) {
    t.same(
      (await through(url, target, { host: new URL(target).host })).slice(0, 2),
      [404, 'NO_ROUTE'],
      target
    )
  }
  const { out } = await curl('-x', url, '-w', '%{http_code}', '-o', '/dev/null', `http://${host}/`)
  t.equal(out, '404', 'by curl')
  const http2 = await curl(
    '--http2-prior-knowledge',
    '-H',
    `host: ${host}`,
    '-w',
    '%{http_code}',
    '-o',
    '/dev/null',
    url
  )
  t.equal(http2.out, '404', 'over HTTP/2')
  for (const [target, status] of [
    ['http://user:secret@orders.shop/', 400],
    ['http:///path', 400],
    ['http://orders.shop:99999/', 400],
    ['http://orders.shop/../admin', 400],
    ['ftp://orders.shop/', 400],
    ['orders.shop/x', 400],
    ['*', 400]
  ] as const) {
    const client = await RawClient.connect(url)
    client.write(`GET ${target} HTTP/1.1\r\nhost: orders.shop\r\n\r\n`)
    const text = await client.until((all) => parseResponse(all) !== undefined, 'an answer')
    client.destroy()
    t.equal(parseResponse(text)?.status, status, target)
  }
  t.equal(upstream.count, 0)
  t.equal(stranger.sockets.size, 0, 'nobody came to the stranger')
})

t.test('CONNECT is refused, whomever it names', async (t) => {
  const { url, upstream } = await start(t)
  const stranger = await startRawUpstream(t, () => {})
  for (const target of ['orders.shop:80', `127.0.0.1:${stranger.port}`, 'example.com:443']) {
    const client = await RawClient.connect(url)
    client.write(
      `CONNECT ${target} HTTP/1.1\r\nhost: ${target}\r\n\r\nGET / HTTP/1.1\r\nhost: orders.shop\r\n\r\n`
    )
    const text = await client.closed()
    t.match(text, /^HTTP\/1\.1 400 /, target)
    t.equal(text.match(/HTTP\/1\.1/g)?.length, 1, `${target}: what follows is no request`)
  }
  const { code, err } = await curl('-x', url, 'https://orders.shop/')
  t.not(code, 0, 'curl asks for a tunnel for https')
  t.match(err, /400/)
  t.equal(upstream.count, 0)
  t.equal(stranger.sockets.size, 0)
})

t.test('a request that asks for h2c is served as the HTTP/1.1 that it is', async (t) => {
  const { url, upstream } = await start(t)
  const { host } = new URL(url)
  const at = ['--connect-to', `orders.shop:80:${host}`, 'http://orders.shop/a']
  const plain = await curl('--http2', ...at, '-w', '\n%{http_version}')
  t.match(plain.out, /"url":"\/a"[\s\S]*\n1\.1$/, 'curl --http2')
  t.notMatch(plain.out.toLowerCase(), /upgrade|http2-settings/, 'the service hears nothing of it')
  const twice = await curl('--http2', ...at, ...at, '-w', '\n%{num_connects}\n')
  t.match(twice.out, /\n1\n[\s\S]*\n0\n$/, 'the connection goes on after it')
  const body = await curl('--http2', '-d', 'x'.repeat(100_000), ...at)
  t.match(body.out, /"method":"POST"[\s\S]*"length":100000/, 'with a body')
  const through = await curl('--http2', '-x', url, 'http://orders.shop/by-proxy')
  t.match(through.out, '"url":"/by-proxy"', 'by absolute-form')
  t.equal(upstream.count, 5)
})

const H2C =
  'connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n'

t.test('h2c requests in every place of a connection', async (t) => {
  const { url, upstream } = await start(t)
  const get = (path: string, fields = '') => `GET ${path} HTTP/1.1\r\nhost: orders.shop\r\n${fields}\r\n`
  const post = (path: string, framing: string, body: string, fields = '') =>
    `POST ${path} HTTP/1.1\r\nhost: orders.shop\r\n${fields}${framing}\r\n\r\n${body}`
  const all = [
    get('/1', H2C),
    get('/2'),
    post('/3', 'content-length: 5', 'hello', H2C),
    post('/4', 'transfer-encoding: chunked', '5\r\nhello\r\n0\r\n\r\n', H2C),
    get('/5', 'connection: keep-alive, Upgrade\r\nupgrade: h2c\r\n'),
    get('/6', 'connection: Upgrade\r\nupgrade: something/7, else\r\n'),
    post('/7', 'content-length: 2', 'ok'),
    get('/8', H2C)
  ]
  const urls = (text: string) => [...text.matchAll(/"url":"\/(\d)"/g)].map(([, digit]) => Number(digit))
  const wanted = [1, 2, 3, 4, 5, 6, 7, 8]
  const pipelined = await RawClient.connect(url)
  pipelined.write(all.join(''))
  await pipelined.until((text) => urls(text).length === 8, 'every answer')
  t.same(urls(pipelined.text), wanted, 'pipelined, in order')
  t.equal(pipelined.text.match(/"length":5\b/g)?.length, 2, 'bodies are whole')
  pipelined.destroy()
  const kept = await RawClient.connect(url)
  for (const [index, one] of all.entries()) {
    kept.write(one)
    await kept.until((text) => urls(text).length === index + 1, `answer ${index + 1}`)
  }
  t.same(urls(kept.text), wanted, 'one after the other')
  kept.destroy()
  const cut = await RawClient.connect(url)
  for (const byte of all.slice(0, 4).join('')) {
    cut.write(byte)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await cut.until((text) => urls(text).length === 4, 'every answer')
  t.same(urls(cut.text), [1, 2, 3, 4], 'byte by byte')
  cut.destroy()
  t.equal(upstream.count, 20)
  const last = await RawClient.connect(url)
  last.write(get('/1', H2C.replace('Upgrade,', 'close, Upgrade,')))
  t.match(await last.closed(), /"url":"\/1"/, 'one that wants to be the last, is')
})

t.test('h2c requests behind slow ones wait for their turn', async (t) => {
  const release: (() => void)[] = []
  const upstream = await startUpstream(t, (request, response) => {
    if (request.url?.startsWith('/slow')) release.push(() => response.end(`[${request.url}]`))
    else response.end(`[${request.url}]`)
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const line = (path: string, fields = '') => `GET ${path} HTTP/1.1\r\nhost: a\r\n${fields}\r\n`
  const client = await RawClient.connect(proxy.url())
  const held = async (count: number) => {
    while (release.length < count) await once(upstream.server, 'request')
  }
  client.write(line('/slow-1') + line('/slow-2') + line('/h2c', H2C) + line('/after'))
  await held(1)
  t.equal(client.text, '', 'nothing is answered out of turn')
  t.ok(upstream.count <= 2, 'and not asked before')
  release[0]?.()
  await held(2)
  t.equal(upstream.count, 2)
  release[1]?.()
  await client.until((text) => text.includes('[/after]'), 'all four')
  t.same(client.text.match(/\[[^\]]+\]/g), ['[/slow-1]', '[/slow-2]', '[/h2c]', '[/after]'])
  client.destroy()

  // Behind one that is the connection's last there is nothing to be asked.
  const last = await RawClient.connect(proxy.url())
  last.write(line('/slow-3', 'connection: close\r\n') + line('/h2c', H2C))
  await held(3)
  release[2]?.()
  t.same((await last.closed()).match(/\[[^\]]+\]/g), ['[/slow-3]'])
  t.equal(upstream.count, 5)
})

t.test('a connection of many h2c requests is one like any other', async (t) => {
  const { url, upstream } = await start(t)
  const warnings: string[] = []
  const warn = (warning: Error) => void warnings.push(String(warning))
  process.on('warning', warn)
  t.teardown(() => process.off('warning', warn))
  const client = await RawClient.connect(url)
  for (let i = 1; i <= 40; i++) {
    client.write(`GET /${i} HTTP/1.1\r\nhost: orders.shop\r\n${H2C}\r\n`)
    await client.until((text) => text.includes(`"url":"/${i}"`), `answer ${i}`)
  }
  t.equal(upstream.count, 40)
  t.same(warnings, [], 'nothing is left behind on it')
  const closed = client.closed()
  client.socket.end()
  await closed
})
