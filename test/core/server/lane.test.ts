// The server's side of the fast lane: what it takes, what it hands over and when, and that nobody can tell.
import { once } from 'node:events'
import t from 'tap'
import { VirtualClock } from '../../../core/testing/index.js'
import { startProxy } from '../../../plugins/testing.js'
import { startTestProxy } from '../../support/proxy.js'
import { RawClient } from '../../support/raw-client.js'
import { bodyOf, startUpstream } from '../../support/upstream.js'

/** Says what it was asked, one line a request. */
const tell = async (t: Tap.Test) =>
  startUpstream(t, async (request, response) => {
    const body = await bodyOf(request)
    response.end(`[${request.method} ${request.url} ${body.length}]`)
  })

declare namespace Tap {
  type Test = { teardown(close: () => unknown): unknown }
}

const answers = (text: string) => text.match(/\[[^\]]+\]/g)

async function handovers(proxy: { proxy: { metrics(): Promise<{ text: string }> } }): Promise<number> {
  const { text } = await proxy.proxy.metrics()
  return Number(/^outrigger_fast_lane_handovers_total\{[^}]*\} (\d+)$/m.exec(text)?.[1] ?? 0)
}

const get = (path: string, fields = '') => `GET ${path} HTTP/1.1\r\nHost: shop.test\r\n${fields}\r\n`
const post = (path: string, body: string) =>
  `POST ${path} HTTP/1.1\r\nHost: shop.test\r\nContent-Length: ${body.length}\r\n\r\n${body}`

t.test('plain requests stay: with bodies, in pieces and in a pipeline', async (t) => {
  const upstream = await tell(t)
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], config: { fastLane: true } })
  const client = await RawClient.connect(proxy.url())
  client.write(get('/1'))
  await client.until((text) => text.includes('/1 '), 'one')
  client.write(post('/2', 'x'.repeat(300)))
  await client.until((text) => text.includes('/2 300'), 'an upload in one piece')
  const large = post('/3', 'y'.repeat(150_000))
  client.write(large.slice(0, 100))
  await client.until((text) => text.includes('/2 300'), 'nothing yet')
  client.write(large.slice(100))
  await client.until((text) => text.includes('/3 150000'), 'an upload in many')
  client.write(get('/4') + post('/5', 'abc') + get('/6', 'Connection: keep-alive\r\n'))
  await client.until((text) => text.includes('/6 '), 'a pipeline')
  t.same(answers(client.text), [
    '[GET /1 0]',
    '[POST /2 300]',
    '[POST /3 150000]',
    '[GET /4 0]',
    '[POST /5 3]',
    '[GET /6 0]'
  ])
  client.write(get('/7', 'Connection: close\r\n'))
  t.match(await client.closed(), /Connection: close\r\n[\s\S]*\[GET \/7 0\]$/, 'and ends when it is asked to')
  t.equal(await handovers(proxy), 0)
})

const ODD: readonly (readonly [name: string, bytes: string, answer: RegExp])[] = [
  [
    'a chunked upload',
    'POST /odd HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    /\[POST \/odd 3\]/
  ],
  ['HTTP/1.0', 'GET /odd HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n', /\[GET \/odd 0\]/],
  ['an absolute target', 'GET http://a/odd HTTP/1.1\r\nHost: a\r\n\r\n', /\[GET \/odd 0\]/],
  [
    'an expectation',
    'POST /odd HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc',
    /100 Continue[\s\S]*\[POST \/odd 3\]/
  ],
  ['a field of the connection', get('/odd', 'Connection: x-a\r\nX-A: 1\r\n'), /\[GET \/odd 0\]/],
  ['a tab in a value', get('/odd', 'X-A: a\tb\r\n'), /\[GET \/odd 0\]/],
  ['lines before it', `\r\n${get('/odd')}`, /\[GET \/odd 0\]/],
  ['a method of its own', 'QUERY /odd HTTP/1.1\r\nHost: a\r\n\r\n', / 4\d\d |\[QUERY \/odd 0\]/],
  ['no host', 'GET /odd HTTP/1.1\r\nX-A: 1\r\n\r\n', / 400 Bad Request/],
  ['two hosts', 'GET /odd HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', / 400 Bad Request/],
  [
    'two lengths',
    'POST /odd HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc',
    / 400 Bad Request/
  ],
  [
    'a length that is none',
    'POST /odd HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc',
    / 400 Bad Request/
  ],
  ['a line without a colon', get('/odd', 'X-A\r\n'), / 400 Bad Request/],
  ['a bare line end', get('/odd', 'X-A: 1\nX-B: 2\r\n'), / 400 Bad Request/],
  ['a folded line', get('/odd', 'X-A: 1\r\n  2\r\n'), / 400 Bad Request/]
]

for (const [name, bytes, answer] of ODD) {
  t.test(`${name}: handed over with what is behind it, and as ever`, async (t) => {
    const upstream = await tell(t)
    const proxy = await startTestProxy(t, { endpoints: [upstream.url], config: { fastLane: true } })
    const client = await RawClient.connect(proxy.url())
    client.write(get('/before'))
    await client.until((text) => text.includes('[GET /before 0]'), 'the one before')
    client.write(bytes + get('/behind'))
    const refused = answer.source.includes('400')
    const text = refused
      ? await client.closed()
      : await client.until((text) => / 4\d\d |\/behind 0\]/.test(text), 'both')
    t.match(text, answer)
    if (refused) t.notMatch(text, '/behind', 'nothing behind it is read')
    t.equal(await handovers(proxy), 1)
    client.destroy()
  })
}

t.test('a head in two pieces is handed over, and its time runs', async (t) => {
  const upstream = await tell(t)
  const listeners = { in: { address: '127.0.0.1:0', headersTimeout: '300ms' } }
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], config: { fastLane: true, listeners } })
  const client = await RawClient.connect(proxy.url())
  client.write('GET /a HTTP/1.1\r\nHo')
  t.match(await client.closed(), / 408 /)
  t.equal(await handovers(proxy), 1)
  const silent = await RawClient.connect(proxy.url())
  t.equal(await silent.closed(), '', 'it might have spoken HTTP/2')
  const http1 = await startTestProxy(t, {
    endpoints: [upstream.url],
    config: { fastLane: true, listeners: { in: { ...listeners.in, http2: false } } }
  })
  const mute = await RawClient.connect(http1.url())
  t.match(await mute.closed(), / 408 /)
  t.match((await http1.proxy.metrics()).text, 'refusals_total{listener="in",reason="REQUEST_TIMEOUT"} 1')
})

t.test('a connection without a request ends after idleTimeout', async (t) => {
  const clock = new VirtualClock()
  const upstream = await tell(t)
  const proxy = await startProxy(
    {
      listeners: { in: { address: '127.0.0.1:0', idleTimeout: '30s' } },
      services: { app: { endpoints: [upstream.url] } },
      routes: [{ name: 'all', service: 'app' }]
    },
    { clock }
  )
  t.teardown(() => proxy.close())
  const client = await RawClient.connect(proxy.url())
  client.write(get('/1'))
  await client.until((text) => text.includes('[GET /1 0]'), 'the answer')
  t.match(client.text, 'Keep-Alive: timeout=30\r\n')
  await clock.advance(29_000)
  client.write(get('/2'))
  await client.until((text) => text.includes('[GET /2 0]'), 'still there')
  await clock.advance(31_000)
  await client.closed()
  t.pass('closed')
})

t.test('what waits behind a request that is answered slowly is bounded', async (t) => {
  let release: () => void = () => {}
  const upstream = await startUpstream(t, (_request, response) => {
    release = () => response.end('[done]')
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], config: { fastLane: true } })
  const client = await RawClient.connect(proxy.url())
  const asked = once(upstream.server, 'request')
  client.write(get('/slow'))
  await asked
  const { socket } = client
  // More than the buffers of two sockets hold, all of it requests.
  const many = get('/more').repeat(20_000)
  for (let i = 0; i < 40; i++) socket.write(many)
  await new Promise((resolve) => setTimeout(resolve, 300))
  t.ok(socket.writableLength > 0, 'the client is held back')
  t.equal(upstream.count, 1)
  release()
  await client.until((text) => text.includes('[done]'), 'the first answer')
  client.destroy()
})

t.test('a drain ends what is idle, and the rest with its answer', async (t) => {
  const held: (() => void)[] = []
  const upstream = await startUpstream(t, (request, response) => {
    if (request.url === '/slow') held.push(() => response.end('[slow]'))
    else response.end('[quick]')
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], config: { fastLane: true } })
  const [unasked, idle, busy] = await Promise.all(
    [1, 2, 3].map(() => RawClient.connect(proxy.url())) as [
      Promise<RawClient>,
      Promise<RawClient>,
      Promise<RawClient>
    ]
  )
  idle.write(get('/quick'))
  await idle.until((text) => text.includes('[quick]'), 'its answer')
  const asked = once(upstream.server, 'request')
  busy.write(get('/slow'))
  await asked
  const drained = proxy.proxy.drain()
  await Promise.all([unasked.closed(), idle.closed()])
  held[0]?.()
  t.match(await busy.closed(), /connection: close\r\n[\s\S]*\[slow\]$/i)
  await drained
})

t.test('fastLane: false: nothing is read here', async (t) => {
  const upstream = await tell(t)
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], config: { fastLane: false } })
  const client = await RawClient.connect(proxy.url())
  client.write(get('/1') + post('/2', 'abc'))
  await client.until((text) => text.includes('[POST /2 3]'), 'both')
  t.equal(await handovers(proxy), 0)
  client.destroy()
})
