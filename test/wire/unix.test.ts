// Unix sockets on both sides of the proxy.
import { once } from 'node:events'
import { existsSync, statSync } from 'node:fs'
import { createServer, request as httpRequest, type Server } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { createConnection, createServer as createTcpServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { definePlugin } from '../../core/index.js'
import { startProxy } from '../support/lane.js'
import { startTestProxy } from '../support/proxy.js'
import { parseResponse, RawClient } from '../support/raw-client.js'
import { echo, startUpstream } from '../support/upstream.js'
import { ca, PemFolder, run, server } from './tls-peers.js'

/** Paths of Unix sockets are 107 bytes at most, and a test's own folder may be deeper than that. */
function socketsIn(t: Test): (name: string) => string {
  const folder = new PemFolder(t)
  return (name) => join(folder.path, name)
}

/** Listens on a path; closed with the test. */
async function listen(
  t: Test,
  service: Server | ReturnType<typeof createHttp2Server>,
  path: string
): Promise<void> {
  const sockets = new Set<Socket>()
  service.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
  })
  service.listen(path)
  await once(service, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    service.close()
  })
}

function dial(path: string): Promise<RawClient> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path)
    socket.once('error', reject)
    socket.once('connect', () => resolve(new RawClient(socket)))
  })
}

function get(socketPath: string, path = '/'): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath, path, headers: { host: 'shop' }, agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (chunk) => (body += chunk))
      response.once('end', () => resolve({ status: response.statusCode ?? 0, body }))
    })
    request.once('error', reject)
    request.end()
  })
}

async function get2(path: string): Promise<{ status: number; body: string }> {
  const session = connectHttp2('http://shop', { createConnection: () => createConnection(path) })
  const stream = session.request({ ':path': '/' })
  let status = 0
  let body = ''
  stream.once('response', (headers) => (status = Number(headers[':status'])))
  for await (const chunk of stream.setEncoding('utf8')) body += chunk
  session.close()
  return { status, body }
}

t.test('a listener on a Unix socket: HTTP/1.1 and HTTP/2, and who asked has no address', async (t) => {
  const path = socketsIn(t)('in.sock')
  const clients: unknown[] = []
  const who = definePlugin({
    name: 'who',
    setup: () => ({
      request: ({ client, request }) => {
        clients.push([client.address, client.port, request.httpVersion])
      }
    })
  })
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, {
    endpoints: [upstream.url],
    plugins: [who],
    config: {
      // Nobody on a Unix socket is in a range of addresses.
      listeners: { in: { address: `unix:${path}`, forwarded: true, trustedProxies: ['0.0.0.0/0', '::/0'] } }
    }
  })
  t.equal(proxy.url(), `unix:${path}`)
  t.ok(statSync(path).isSocket())
  for (const [version, ask] of Object.entries({ '1.1': get, '2.0': get2 })) {
    clients.length = 0
    const { status, body } = await ask(path)
    t.equal(status, 200, version)
    t.same(clients, [['', 0, version]])
    t.notMatch(body.toLowerCase(), 'x-forwarded-for', `${version}: and none is made up`)
    t.match(body, /"forwarded","for=unknown;proto=http;host=/, version)
  }
  const { code, out } = await run('curl', ['-s', '-S', '--unix-socket', path, 'http://shop/by-curl'])
  t.equal(code, 0)
  t.match(out, '"url":"/by-curl"')
  const { out: out2 } = await run('curl', [
    '-s',
    '--http2-prior-knowledge',
    '--unix-socket',
    path,
    'http://shop/2'
  ])
  t.match(out2, '"url":"/2"')
  const claimed = await dial(path)
  claimed.write('GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 203.0.113.7\r\nx-request-id: mine\r\n\r\n')
  const text = await claimed.until((all) => parseResponse(all) !== undefined, 'an answer')
  claimed.destroy()
  t.notMatch(text, /203\.0\.113\.7|"mine"/, 'what it claims is not believed')
  await proxy.close()
  t.notOk(existsSync(path), 'the file goes with the listener')
})

t.test('a file that a killed process left is taken over; one that is in use is not', async (t) => {
  const path = socketsIn(t)('in.sock')
  const upstream = await startUpstream(t, echo)
  const left = createTcpServer().listen(path)
  await once(left, 'listening')
  const config = {
    listeners: { in: { address: `unix:${path}` } },
    services: { s: { endpoints: [upstream.url] } },
    routes: [{ name: 'all', match: { path: '/*' }, service: 's' }]
  }
  await t.rejects(startProxy(config), /in use|taken/, 'somebody serves there')
  const client = await dial(path)
  client.destroy()
  t.pass('and still does')
  left.close()
  // What is left of a process that had no time to remove it.
  const { code } = await run(process.execPath, [
    '-e',
    `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  ])
  t.not(code, 0)
  t.ok(existsSync(path))
  const proxy = await startProxy(config)
  t.teardown(() => proxy.close())
  t.equal((await get(path)).status, 200)
})

t.test('an endpoint on a Unix socket: HTTP/1.1, h2c and what is found out', async (t) => {
  const at = socketsIn(t)
  const service = createServer(echo)
  await listen(t, service, at('one.sock'))
  const service2 = createHttp2Server((request, response) => {
    response.end(JSON.stringify({ version: request.httpVersion, headers: request.headers, url: request.url }))
  })
  await listen(t, service2, at('two.sock'))
  for (const protocol of ['http', 'h2c', 'auto']) {
    const path = at(protocol === 'http' ? 'one.sock' : 'two.sock')
    const proxy = await startTestProxy(t, { endpoints: [`unix:${path}`], service: { protocol } })
    const response = await fetch(`${proxy.url()}/a?b=c`, { method: 'GET' })
    const seen = (await response.json()) as { url: string; version?: string }
    t.equal(response.status, 200, protocol)
    t.equal(seen.url, '/a?b=c', protocol)
    if (protocol !== 'http') t.equal(seen.version, '2.0', protocol)
    const upload = await fetch(proxy.url(), { method: 'POST', body: Buffer.alloc(300_000) })
    t.equal(upload.status, 200, `${protocol}: with a body`)
  }
  const found = await startTestProxy(t, {
    endpoints: [`unix:${at('one.sock')}`],
    service: { protocol: 'auto' }
  })
  t.equal((await fetch(found.url())).status, 200, 'auto, where HTTP/1.1 alone is spoken')
  const none = await startTestProxy(t, { endpoints: [`unix:${at('none.sock')}`] })
  const missing = await fetch(none.url())
  t.equal(missing.status, 502)
  t.notMatch(await missing.text(), 'none.sock', 'whose path nobody is told')
})

t.test('Unix sockets on both sides, a WebSocket through them', async (t) => {
  const at = socketsIn(t)
  const service = createServer(echo)
  const sockets = new WebSocketServer({ server: service })
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(`echo ${data}`)))
  await listen(t, service, at('app.sock'))
  await startTestProxy(t, {
    endpoints: [`unix:${at('app.sock')}`],
    config: { listeners: { in: { address: `unix:${at('in.sock')}` } } }
  })
  t.equal((await get(at('in.sock'), '/x')).status, 200)
  t.equal((await get2(at('in.sock'))).status, 200)
  const socket = new WebSocket(`ws+unix://${at('in.sock')}:/chat`)
  await once(socket, 'open')
  socket.send('hi')
  const [data] = await once(socket, 'message')
  t.equal(String(data), 'echo hi')
  socket.close()
  await once(socket, 'close')
})

t.test('TLS on a Unix socket; each connection counts once', async (t) => {
  const at = socketsIn(t)
  const folder = new PemFolder(t)
  const upstream = await startUpstream(t, echo)
  await startTestProxy(t, {
    endpoints: [upstream.url],
    config: {
      listeners: {
        in: { address: `unix:${at('in.sock')}`, tls: folder.pair('server', server), maxConnections: 2 }
      }
    }
  })
  const secured = () =>
    new RawClient(connectTls({ path: at('in.sock'), ca: ca.cert, servername: 'localhost' }))
  const clients = [secured(), secured()]
  for (const [index, client] of clients.entries()) {
    client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await client.until((text) => text.startsWith('HTTP/1.1 200 '), `answer ${index + 1}`)
  }
  const third = await dial(at('in.sock'))
  t.equal(await third.closed(), '', 'a third is one too many')
  for (const client of clients) client.destroy()
})
