// What README.md says of headers, and what it says is not there yet: a list that must not outlive what it is about.
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:http2'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { checkout } from '../repository/command.js'
import { startTestProxy } from '../support/proxy.js'
import { parseResponse, RawClient } from '../support/raw-client.js'
import { startRawUpstream, startUpstream } from '../support/upstream.js'
import { codes, section, table } from './markdown.js'

const text = await readFile(join(checkout, 'README.md'), 'utf8')
const headers = new Map(
  table(section(text, 'For the service'), 'headers').map(([what = '', names]) => [what, codes(names)])
)
const [bothWays = [], fromRequests = [], added = []] = headers.values()

/** These frame the very message they would have to be sent in. */
const FRAMING = ['connection', 'transfer-encoding', 'trailer']

/** What an upstream gets of the bytes that a client sends, and the answer. */
async function exchange(t: Test, bytes: (authority: string) => string) {
  const seen: { fields: string[]; trailers: string[]; body: string }[] = []
  const upstream = await startUpstream(t, async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    seen.push({ fields: request.rawHeaders, trailers: request.rawTrailers, body })
    response.end('plain')
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await RawClient.connect(proxy.url())
  t.teardown(() => client.destroy())
  client.write(bytes(new URL(proxy.url()).host))
  return { client, seen }
}

async function answered(client: RawClient) {
  return parseResponse(await client.until((got) => parseResponse(got) !== undefined))
}

t.test('headers of a request', async (t) => {
  t.same([bothWays.length, fromRequests.length, added.length], [8, 7, 4])
  const sent = [...bothWays, ...fromRequests].filter((name) => !FRAMING.includes(name))
  const { client, seen } = await exchange(t, (authority) =>
    [
      'GET / HTTP/1.1',
      `Host: ${authority}`,
      'Connection: X-Named',
      'X-Named: 1',
      'X-Kept: one',
      ...sent.map((name) => `${name}: ${name === 'expect' ? '100-continue' : 'the client'}`),
      'x-KEPT: two',
      '\r\n'
    ].join('\r\n')
  )
  const response = await answered(client)
  const fields = seen[0]?.fields ?? []
  const names = fields.filter((_, i) => i % 2 === 0)
  const own = names.slice(names.indexOf('X-Kept'))
  t.same(own, ['X-Kept', 'x-KEPT', ...added], 'what is kept, as it was sent, then what is added')
  t.notMatch(fields, 'the client')
  t.same(
    names.slice(0, names.indexOf('X-Kept')).map((name) => name.toLowerCase()),
    ['host', 'connection']
  )
  t.match(fields[fields.indexOf('x-forwarded-for') + 1], '127.0.0.1')
  t.match(fields[fields.indexOf('x-request-id') + 1], /^[0-9a-f]{8}-[0-9a-f]{4}-7/)
  const needed = ['connection', 'content-length', 'date', 'keep-alive']
  const got = response?.fields.map((field) => field.split(':')[0]?.toLowerCase()) ?? []
  t.ok(got.includes('content-length'))
  t.same(
    got.filter((name) => !needed.includes(name ?? '')),
    [],
    'the response gets nothing but what the connection needs'
  )
})

t.test('headers of a response', async (t) => {
  const sent = bothWays.filter((name) => !FRAMING.includes(name))
  const upstream = await startRawUpstream(t, (socket) => {
    const fields = [
      ...sent.map((name) => `${name}: the service`),
      'connection: x-named',
      'x-named: the service'
    ]
    socket.on('data', () =>
      socket.write(`HTTP/1.1 200 OK\r\n${fields.join('\r\n')}\r\ncontent-length: 0\r\n\r\n`)
    )
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await RawClient.connect(proxy.url())
  t.teardown(() => client.destroy())
  client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  const response = await answered(client)
  t.equal(response?.status, 200)
  t.notMatch(response?.fields.join('\n'), 'the service')
})

t.test('not yet: an upgrade to anything but a WebSocket is a plain request', async (t) => {
  const { client, seen } = await exchange(
    t,
    (authority) =>
      `GET / HTTP/1.1\r\nHost: ${authority}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n` +
      'HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n'
  )
  t.equal((await answered(client))?.status, 200)
  t.notMatch(seen[0]?.fields.join('\n').toLowerCase(), /upgrade|http2-settings/)
})

t.test('not yet: WebSockets over HTTP/2', async (t) => {
  const upstream = await startUpstream(t, (_request, response) => void response.end())
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const session = connect(proxy.url())
  t.teardown(() => session.destroy())
  const [settings] = await once(session, 'remoteSettings')
  t.not(settings.enableConnectProtocol, true)
})

t.test('not yet: the head of a request waits for its body', async (t) => {
  const { client, seen } = await exchange(
    t,
    (authority) => `POST / HTTP/1.1\r\nHost: ${authority}\r\nContent-Length: 2\r\n\r\n`
  )
  const other = await exchange(t, (authority) => `GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`)
  await answered(other.client)
  t.same(seen, [], 'nothing has gone to the service while another request was answered')
  client.write('hi')
  t.equal((await answered(client))?.status, 200)
  t.match(seen, [{ body: 'hi' }])
})

t.test('not yet: CONNECT', async (t) => {
  const { client, seen } = await exchange(
    t,
    (authority) => `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`
  )
  t.notMatch(await client.closed(), ' 200 ')
  t.same(seen, [])
})

t.test('not yet: trailers of requests', async (t) => {
  const { client, seen } = await exchange(
    t,
    (authority) =>
      `POST / HTTP/1.1\r\nHost: ${authority}\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n` +
      '4\r\nbody\r\n0\r\nx-sum: 1\r\n\r\n'
  )
  t.equal((await answered(client))?.status, 200)
  t.match(seen, [{ body: 'body', trailers: [] }])
  t.same(seen[0]?.trailers, [])
})
