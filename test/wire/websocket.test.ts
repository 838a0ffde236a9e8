// wire-cases, line 12 and what belongs to it: WebSockets through the proxy, with the ws package's own client and server.
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { type ClientOptions, WebSocket, WebSocketServer } from 'ws'
import { definePlugin, Reply, type Result } from '../../core/index.js'
import { closeOf, messageOf, socketOf, until } from '../core/upgrade/front.js'
import { certificate } from '../support/certificates.js'
import { type ProxySetup, startTestProxy } from '../support/proxy.js'
import { RawClient } from '../support/raw-client.js'
import { bodyOf, startRawUpstream, startUpstream } from '../support/upstream.js'

interface Closing {
  teardown(close: () => unknown): unknown
}

const HANDSHAKE =
  'GET /chat?x=1 HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
const AGREED =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n'

/** A plugin that sees each message and changes none. */
const looks = definePlugin({ name: 'looks', setup: () => ({ async message() {} }) })

async function startSocketServer(t: Closing, compress = true) {
  const perMessageDeflate = compress ? { threshold: 0 } : false
  const server = new WebSocketServer({
    port: 0,
    host: '127.0.0.1',
    perMessageDeflate,
    handleProtocols: (offered) => (offered.has('chat.v2') ? 'chat.v2' : false)
  })
  await once(server, 'listening')
  server.on('headers', (headers) => headers.push('Set-Cookie: seen=1', 'Set-Cookie: twice=2'))
  t.teardown(() => {
    for (const socket of server.clients) socket.terminate()
    server.close()
  })
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

function connect(t: Closing, url: string, options: ClientOptions = {}, protocols: string[] = []): WebSocket {
  const given = { perMessageDeflate: { threshold: 0 }, ...options }
  const client = new WebSocket(url.replace(/^http/, 'ws'), protocols, given)
  client.on('error', () => {})
  t.teardown(() => client.terminate())
  return client
}

/** A proxy between the ws package's client and server. */
async function between(t: Closing, setup: Partial<ProxySetup> = {}, compress = true) {
  const { server: listener, url } = await startSocketServer(t, compress)
  const proxy = await startTestProxy(t, { endpoints: [url], ...setup })
  const open = async () => {
    const connected = once(listener, 'connection')
    const client = connect(t, proxy.url())
    await once(client, 'open')
    const [server, request] = (await connected) as [WebSocket, IncomingMessage]
    server.on('error', () => {})
    return { client, server, request }
  }
  return { proxy, open, ...(await open()) }
}

/** What an upgrade that was refused was answered. */
async function refusal(
  client: WebSocket
): Promise<{ status: number; headers: IncomingMessage['headers']; body: string }> {
  const [, response] = (await once(client, 'unexpected-response')) as [unknown, IncomingMessage]
  const body = (await bodyOf(response)).toString()
  return { status: response.statusCode ?? 0, headers: response.headers, body }
}

for (const [how, plugins] of [
  ['as they are', []],
  ['through a plugin', [looks]]
] as const) {
  t.test(`100 KiB messages both ways, ${how}`, async (t) => {
    const { client, server } = await between(t, { plugins })
    const large = randomBytes(100 * 1024)
    const text = 'grüße '.repeat(15_000)
    for (const [from, to] of [
      [client, server],
      [server, client]
    ] as const) {
      for (const sent of [large, text, '']) {
        const got = messageOf(to)
        from.send(sent)
        const { data, binary } = await got
        t.ok(data.equals(Buffer.from(sent as string)))
        t.equal(binary, typeof sent !== 'string')
      }
    }
  })

  t.test(`fragments, a ping between them, and its pong, ${how}`, async (t) => {
    const { client, server } = await between(t, { plugins })
    const got = messageOf(server)
    const [pinged, ponged] = [once(server, 'ping'), once(client, 'pong')]
    client.send('one ', { fin: false })
    client.ping('within')
    client.send('two', { fin: true })
    t.equal(String((await pinged)[0]), 'within')
    t.equal(String((await ponged)[0]), 'within')
    t.equal((await got).data.toString(), 'one two')
  })

  t.test(`each close code that may be sent, by either side, with its reason, ${how}`, async (t) => {
    const { open } = await between(t, { plugins })
    const codes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999]
    for (const code of [...codes, undefined]) {
      for (const by of ['client', 'server'] as const) {
        const ends = await open()
        const seen = Promise.all([closeOf(ends.client), closeOf(ends.server)])
        if (code === undefined) ends[by].close()
        else ends[by].close(code, 'why')
        const expected = code === undefined ? [1005, ''] : [code, 'why']
        t.same(await seen, [expected, expected], `${code} by the ${by}`)
      }
    }
  })

  t.test(`a slow reader holds the sender back, and gets all of it, ${how}`, async (t) => {
    const { client, server } = await between(t, { plugins }, false)
    const message = randomBytes(100 * 1024)
    const total = 400
    for (const [writer, reader] of [
      [server, client],
      [client, server]
    ] as const) {
      reader.pause()
      let sent = 0
      const send = () => {
        if (sent < total) writer.send(message, send)
        sent++
      }
      send()
      for (let still = 0, before = -1; still < 50; still++) {
        if (sent !== before) still = 0
        before = sent
        await sleep(2)
      }
      t.ok(sent < total, `${sent} of ${total} were sent`)
      let read = 0
      reader.on('message', (data) => {
        if ((data as Buffer).equals(message)) read++
      })
      reader.resume()
      await until(() => read === total, 'all of them')
      t.equal(read, total)
    }
  })

  t.test(`drain: 1001 to both, and the drain ends with them, ${how}`, async (t) => {
    const { proxy, client, server } = await between(t, { plugins })
    const seen = Promise.all([closeOf(client), closeOf(server)])
    await proxy.proxy.drain()
    t.same(
      (await seen).map(([code]) => code),
      [1001, 1001]
    )
    t.equal(proxy.proxy.state, 'closed')
  })

  t.test(`a reload leaves open sockets alone, and their plugins with them, ${how}`, async (t) => {
    let closed = 0
    const watches = definePlugin({ name: 'watches', setup: ({ onClose }) => onClose(() => void closed++) })
    const { proxy, client, server } = await between(t, { plugins: [...plugins, watches] })
    await proxy.proxy.reload({
      listeners: { in: { address: '127.0.0.1:0' } },
      admin: false,
      routes: [{ name: 'new', match: { path: '/*' }, reply: { status: 200, body: 'new' } }]
    })
    t.equal(await (await fetch(proxy.url())).text(), 'new')
    const got = messageOf(server)
    client.send('still here')
    t.equal((await got).data.toString(), 'still here')
    t.equal(closed, 0)
    const seen = closeOf(client)
    client.close(1000)
    await seen
    await until(() => closed === 1, 'the old configuration’s end')
  })

  t.test(`one side breaks off, so does the other, ${how}`, async (t) => {
    const { open } = await between(t, { plugins })
    for (const by of ['client', 'server'] as const) {
      const ends = await open()
      const seen = closeOf(ends[by === 'client' ? 'server' : 'client'])
      socketOf(ends[by]).resetAndDestroy()
      t.equal((await seen)[0], 1006, by)
    }
  })
}

t.test('compression passes where no plugin sees messages, and is not agreed on where one does', async (t) => {
  const raw = await between(t)
  t.match(raw.client.extensions, /permessage-deflate/)
  const got = messageOf(raw.server)
  const before = socketOf(raw.server).bytesRead
  raw.client.send('a'.repeat(100 * 1024))
  t.equal((await got).data.length, 100 * 1024)
  t.ok(socketOf(raw.server).bytesRead - before < 4_096, 'it came compressed')
  const seen = await between(t, { plugins: [looks] })
  t.equal(seen.client.extensions, '')
  t.equal(seen.request.headers['sec-websocket-extensions'], undefined)
})

t.test('cookies, credentials, the path and the subprotocol pass, both ways', async (t) => {
  const { server, url } = await startSocketServer(t)
  const proxy = await startTestProxy(t, { endpoints: [url] })
  const connected = once(server, 'connection')
  const headers = { cookie: 'a=1; b=2', authorization: 'Bearer xyz', origin: 'https://shop.example' }
  const client = connect(t, `${proxy.url()}/chat?room=7`, { headers }, ['chat.v1', 'chat.v2'])
  const opened = once(client, 'open')
  const [answer] = (await once(client, 'upgrade')) as [IncomingMessage]
  const [, request] = (await connected) as [WebSocket, IncomingMessage]
  t.equal(request.url, '/chat?room=7')
  t.match(request.headers, headers)
  t.equal(request.headers['sec-websocket-protocol'], 'chat.v1,chat.v2')
  t.match(request.headers['x-request-id'], /-/)
  t.same(answer.headers['set-cookie'], ['seen=1', 'twice=2'])
  await opened
  t.equal(client.protocol, 'chat.v2')
})

t.test('an upstream’s 401 is a 401, with its fields and its body', async (t) => {
  const upstream = await startUpstream(t, () => {})
  upstream.server.on('upgrade', (_request, socket) => {
    socket.end(
      'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 10\r\n\r\nwho is it?'
    )
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], plugins: [looks] })
  const { status, headers, body } = await refusal(connect(t, proxy.url()))
  t.equal(status, 401)
  t.equal(headers['www-authenticate'], 'Basic realm="x"')
  t.equal(headers['x-outrigger-error'], undefined)
  t.equal(body, 'who is it?')
})

t.test('the 101 comes after the upstream’s, and what came with it is not lost', async (t) => {
  let agree: (() => void) | undefined
  const upstream = await startRawUpstream(t, (socket) => {
    let got = ''
    socket.on('data', (data) => {
      got += data.toString('latin1')
      if (agree === undefined && got.includes('\r\n\r\n'))
        agree = () => socket.write(Buffer.concat([Buffer.from(AGREED), Buffer.of(0x81, 2, 0x68, 0x69)]))
      if (got.endsWith('early')) socket.end()
    })
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await RawClient.connect(proxy.url())
  client.write(`${HANDSHAKE}early`)
  await until(() => agree !== undefined)
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
  t.equal(client.text, '', 'nothing yet')
  agree?.()
  const text = await client.until((text) => text.endsWith('hi'), 'the upstream’s first frame')
  t.match(text, /^HTTP\/1\.1 101 Switching Protocols\r\n/)
  t.match(text, /\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/i)
  t.equal(text.match(/\r\nconnection:/gi)?.length, 1)
  await client.closed()
  client.destroy()
})

t.test('an upstream that answers 200 gets no tunnel, and its socket no other request', async (t) => {
  const heard: string[] = []
  const upstream = await startRawUpstream(t, (socket, index) => {
    socket.on('data', (data) => {
      heard.push(`${index} ${data.toString('latin1').split('\r\n')[0]}`)
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain')
    })
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await RawClient.connect(proxy.url())
  client.write(HANDSHAKE)
  const text = await client.until((text) => text.endsWith('plain'), 'the answer')
  t.match(text, /^HTTP\/1\.1 200 OK\r\n/)
  client.write('GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.closed()
  t.equal(await (await fetch(`${proxy.url()}/next`)).text(), 'plain')
  t.same(heard, ['0 GET /chat?x=1 HTTP/1.1', '1 GET /next HTTP/1.1'])
})

t.test(
  'the plugins of any request ran: auth refuses with 401 and 403, and the upstream hears nothing',
  async (t) => {
    const { server, url } = await startSocketServer(t)
    const sha256 = createHash('sha256').update('secret').digest('hex')
    const proxy = await startTestProxy(t, {
      endpoints: [url],
      plugins: [{ auth: { apiKeys: { mobile: `sha256:${sha256}` } } }]
    })
    let connections = 0
    server.on('connection', () => connections++)
    const without = await refusal(connect(t, proxy.url()))
    t.match(without, { status: 401, headers: { 'x-outrigger-error': 'UNAUTHENTICATED' } })
    const wrong = await refusal(connect(t, proxy.url(), { headers: { 'x-api-key': 'guess' } }))
    t.match(wrong, { status: 403, headers: { 'x-outrigger-error': 'FORBIDDEN' } })
    t.equal(connections, 0)
    const right = connect(t, proxy.url(), { headers: { 'x-api-key': 'secret' } })
    await once(right, 'open')
    await until(() => connections === 1)
  }
)

t.test(
  'every hook runs on the handshake, open and message behind it, and finish when it has ended',
  async (t) => {
    const trace: string[] = []
    let result: Result | undefined
    const traces = definePlugin({
      name: 'traces',
      setup: () => ({
        request: ({ request }) => void trace.push(`request ${request.upgrade}`),
        response: ({ status }) => void trace.push(`response ${status}`),
        open: ({ protocol }) => void trace.push(`open ${protocol}`),
        message: ({ from }) => void trace.push(`message ${from}`),
        finish(ended) {
          result = ended
          trace.push('finish')
        }
      })
    })
    const shouts = definePlugin({
      name: 'shouts',
      setup: () => ({ message: async (message) => message.replace(message.text().toUpperCase()) })
    })
    const { client, server } = await between(t, { plugins: [traces, shouts] })
    const asked = messageOf(server)
    client.send('question')
    t.equal((await asked).data.toString(), 'QUESTION')
    const answered = messageOf(client)
    server.send('answer')
    t.equal((await answered).data.toString(), 'ANSWER')
    t.equal(result, undefined)
    client.close(1000)
    await until(() => result !== undefined)
    t.same(trace, [
      'request websocket',
      'response 101',
      'open ',
      'message client',
      'message upstream',
      'finish'
    ])
    t.match(result, { status: 101, code: undefined, error: undefined, local: false })
    t.ok((result?.bytesIn ?? 0) >= 14 && (result?.bytesOut ?? 0) >= 8)
  }
)

t.test('a response hook that answers itself refuses what the upstream agreed to', async (t) => {
  const refuses = definePlugin({ name: 'refuses', setup: () => ({ response: () => new Reply(409, 'no') }) })
  const { server, url } = await startSocketServer(t)
  const proxy = await startTestProxy(t, { endpoints: [url], plugins: [refuses] })
  const connected = once(server, 'connection')
  t.match(await refusal(connect(t, proxy.url())), { status: 409, body: 'no' })
  const [upstream] = (await connected) as [WebSocket]
  await closeOf(upstream)
})

t.test('a plugin that fails ends it with 1011; too large a message with 1009', async (t) => {
  const culprit = definePlugin({
    name: 'culprit',
    setup: () => ({
      message({ data }) {
        if (data.length < 10) throw new Error('swordfish')
      }
    })
  })
  const { proxy, open, client, server } = await between(t, { plugins: [culprit] })
  const seen = Promise.all([closeOf(client), closeOf(server)])
  client.send('a')
  t.same(await seen, [
    [1011, 'PLUGIN_FAILED'],
    [1011, 'PLUGIN_FAILED']
  ])
  t.match(
    proxy.log.filter(({ level }) => level === 'error'),
    [{ message: 'plugin culprit failed in message', fields: { plugin: 'culprit', hook: 'message' } }]
  )
  const large = await open()
  const closed = Promise.all([closeOf(large.client), closeOf(large.server)])
  large.client.send(Buffer.alloc(1024 * 1024 + 1))
  t.same(
    (await closed).map(([code]) => code),
    [1009, 1009]
  )
})

t.test('idle: both are told 1001', async (t) => {
  const { client, server } = await between(t, { service: { idleTimeout: 200 } })
  t.same(
    (await Promise.all([closeOf(client), closeOf(server)])).map(([code]) => code),
    [1001, 1001]
  )
})

t.test('over TLS on both sides; the upstream’s certificate is verified', async (t) => {
  const ca = certificate({ name: 'shop test CA', authority: true })
  const { cert, key } = certificate({ name: 'localhost', issuer: ca })
  const files = t.testdir({ 'ca.pem': ca.cert, 'cert.pem': cert, 'key.pem': key })
  const upstream = createTlsServer({ cert, key })
  const sockets = new WebSocketServer({ server: upstream })
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)))
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    upstream.close()
  })
  const endpoint = `https://localhost:${(upstream.address() as AddressInfo).port}`
  const listeners = {
    in: { address: '127.0.0.1:0', tls: { cert: `${files}/cert.pem`, key: `${files}/key.pem` } }
  }
  const config = { config: { listeners }, endpoints: [endpoint] }
  const trusting = await startTestProxy(t, { ...config, service: { tls: { ca: `${files}/ca.pem` } } })
  const url = (proxy: typeof trusting) => proxy.url().replace('127.0.0.1', 'localhost')
  const client = connect(t, url(trusting), { ca: ca.cert })
  await once(client, 'open')
  for (const size of [1, 100 * 1024]) {
    const got = messageOf(client)
    client.send(Buffer.alloc(size, 1))
    t.equal((await got).data.length, size)
  }
  const seen = closeOf(client)
  client.close(4000, 'done')
  t.same(await seen, [4000, 'done'])
  const strict = await startTestProxy(t, config)
  t.match(await refusal(connect(t, url(strict), { ca: ca.cert })), {
    status: 502,
    headers: { 'x-outrigger-error': 'CONNECT_FAILED' }
  })
})
