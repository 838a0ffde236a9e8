// What a second reading of the code brought up, each with its bytes.
import { once } from 'node:events'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { definePlugin, Reply } from '../../core/index.js'
import { type Certificate, certificate } from '../support/certificates.js'
import { startTestProxy } from '../support/proxy.js'
import { RawClient, readAnswers } from '../support/raw-client.js'
import { startRawUpstream, startUpstream } from '../support/upstream.js'
import { PemFolder } from './tls-peers.js'

const MIB = 1024 * 1024

async function secureService(t: Test, shown: Certificate): Promise<number> {
  const server = createHttpsServer(shown, (_request, response) => void response.end('secure'))
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

/** @returns whether it holds before 5 s have passed */
async function comesTrue(test: () => boolean): Promise<boolean> {
  const end = Date.now() + 5_000
  while (!test() && Date.now() < end) await sleep(20)
  return test()
}

t.test(
  'a certificate with another name is refused each time, and its connection slot is free again',
  async (t) => {
    const pems = new PemFolder(t)
    const other = certificate({ name: 'other.example' })
    const port = await secureService(t, other)
    const proxy = await startTestProxy(t, {
      endpoints: [`https://127.0.0.1:${port}`],
      service: {
        protocol: 'https',
        maxConnections: 1,
        tls: { ca: pems.text('ca.pem', other.cert), serverName: 'right.example' }
      },
      route: { timeout: '2s' }
    })
    for (let i = 0; i < 3; i++) {
      const response = await fetch(proxy.url())
      await response.text()
      t.equal(response.status, 502, `request ${i + 1}`)
    }
  }
)

t.test(
  'a request that cannot be sent as a plugin left it is 400, and holds no connection slot',
  async (t) => {
    const upstream = await startUpstream(t, (_request, response) => void response.end('ok'))
    const twoHosts = definePlugin({
      name: 'two-hosts',
      setup: () => ({ request: ({ request }) => request.headers.append('host', 'x') })
    })
    const proxy = await startTestProxy(t, {
      endpoints: [upstream.url],
      config: {
        services: { upstream: { endpoints: [upstream.url], maxConnections: 1 } },
        routes: [
          { name: 'bad', match: { path: '/bad' }, service: 'upstream', timeout: '2s', plugins: [twoHosts] },
          { name: 'good', match: { path: '/*' }, service: 'upstream', timeout: '2s' }
        ]
      }
    })
    const statuses: number[] = []
    for (const path of ['/bad', '/bad', '/bad', '/good']) {
      const response = await fetch(`${proxy.url()}${path}`)
      await response.text()
      statuses.push(response.status)
    }
    t.same(statuses, [400, 400, 400, 200])
  }
)

t.test('a client that measures the round trip with a PING per piece is no flood', async (t) => {
  const pieces = 100
  const server = createHttp2Server()
  server.on('stream', (stream) => {
    stream.on('error', () => {})
    stream.respond({ ':status': 200 })
    let sent = 0
    const timer = setInterval(() => {
      stream.write(Buffer.alloc(1_000))
      if (++sent < pieces) return
      clearInterval(timer)
      stream.end()
    }, 5)
    stream.once('close', () => clearInterval(timer))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const proxy = await startTestProxy(t, {
    endpoints: [`http://127.0.0.1:${port}`],
    service: { protocol: 'h2c' }
  })
  const session = connectHttp2(proxy.url())
  t.teardown(() => session.destroy())
  const goaways: number[] = []
  session.on('goaway', (code) => goaways.push(code))
  session.on('error', () => {})
  const call = session.request({ ':path': '/' })
  let got = 0
  let pings = 0
  let waiting = false
  call.on('error', (error) => t.fail(error.message))
  call.on('data', (piece: Buffer) => {
    got += piece.length
    if (waiting || session.destroyed) return
    waiting = session.ping(() => {
      waiting = false
    })
    if (waiting) pings++
  })
  await new Promise((resolve) => call.once('close', resolve))
  t.equal(got, pieces * 1_000)
  t.ok(pings > 20, `${pings} PINGs`)
  t.same(goaways, [])
})

t.test('a client that never reads what a plugin answers is let go', async (t) => {
  const upstream = await startUpstream(t, (_request, response) => void response.end('ok'))
  const reached: string[] = []
  const reply = definePlugin({
    name: 'reply',
    setup: () => ({
      request: () => {
        reached.push('reply')
        return new Reply(200, 'y'.repeat(12 * MIB))
      }
    })
  })
  const stream = definePlugin({
    name: 'stream',
    body: { response: 'stream' },
    setup: () => ({
      response: ({ body }) => {
        reached.push('stream')
        body.stream().resume()
        body.replace(Readable.from(Array.from({ length: 12 * 16 }, () => Buffer.alloc(MIB / 16))))
      }
    })
  })
  for (const plugin of [reply, stream]) {
    const proxy = await startTestProxy(t, {
      endpoints: [upstream.url],
      plugins: [plugin],
      config: { listeners: { in: { address: '127.0.0.1:0', bodyTimeout: '300ms' } } }
    })
    const client = await RawClient.connect(proxy.url())
    t.teardown(() => client.destroy())
    client.socket.pause()
    client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    t.ok(await comesTrue(() => reached.includes(plugin.name)), `${plugin.name}: under way`)
    t.ok(await comesTrue(() => proxy.proxy.inFlight === 0), `${plugin.name}: over`)
  }
})

t.test('a plugin that turns a 101 into a 403 refuses the handshake, whole', async (t) => {
  const upstream = await startRawUpstream(t, (socket) => {
    socket.once('data', () =>
      socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n')
    )
  })
  const forbid = definePlugin({
    name: 'forbid',
    setup: () => ({
      response: (response) => {
        response.status = 403
      }
    })
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], plugins: [forbid] })
  const client = await RawClient.connect(proxy.url())
  t.teardown(() => client.destroy())
  client.write(
    'GET /chat HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n' +
      'sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'
  )
  const answers = readAnswers(await client.closed(), true)
  t.match(answers, [{ status: 403, complete: true }])
  t.equal(answers.length, 1)
  t.ok(await comesTrue(() => proxy.proxy.inFlight === 0 && upstream.sockets.size === 0))
})

t.test('a refused reload leaves a listener trusting whom it trusted', async (t) => {
  const upstream = await startUpstream(t, (request, response) => {
    response.end(String(request.headers['x-forwarded-for']))
  })
  const taken = createTcpServer()
  taken.listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as AddressInfo
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const forged = async () => {
    const headers = { 'x-forwarded-for': '6.6.6.6', connection: 'close' }
    return (await fetch(proxy.url(), { headers })).text()
  }
  t.equal(await forged(), '127.0.0.1')
  await t.rejects(
    proxy.proxy.reload({
      listeners: {
        in: { address: '127.0.0.1:0', trustedProxies: ['127.0.0.1'] },
        second: { address: `127.0.0.1:${port}` }
      },
      services: { upstream: { endpoints: [upstream.url] } },
      routes: [{ name: 'all', match: { path: '/*' }, service: 'upstream' }]
    })
  )
  t.equal(await forged(), '127.0.0.1')
})

t.test('a CONNECT behind a request is refused behind its answer', async (t) => {
  const upstream = await startUpstream(t, (_request, response) => {
    setTimeout(() => response.end('slow answer'), 200)
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await RawClient.connect(proxy.url())
  t.teardown(() => client.destroy())
  client.write('GET /slow HTTP/1.1\r\nhost: a\r\n\r\nCONNECT b:443 HTTP/1.1\r\nhost: b:443\r\n\r\n')
  const answers = readAnswers(await client.closed(), true)
  t.same(
    answers.map(({ status }) => status),
    [200, 400]
  )
  t.equal(answers[0]?.body, 'slow answer')
})

t.test('a serverName that is an address has to be in the certificate', async (t) => {
  const pems = new PemFolder(t)
  const localhost = certificate({ name: 'localhost', names: 'DNS:localhost,IP:127.0.0.1' })
  const port = await secureService(t, localhost)
  const ca = pems.text('ca.pem', localhost.cert)
  const ask = async (serverName: string) => {
    const proxy = await startTestProxy(t, {
      endpoints: [`https://127.0.0.1:${port}`],
      service: { protocol: 'https', tls: { ca, serverName } }
    })
    const response = await fetch(proxy.url())
    await response.text()
    return response.status
  }
  t.equal(await ask('localhost'), 200)
  t.equal(await ask('10.9.9.9'), 502)
})

t.test('a large answer to an upgrade that is declined comes whole, and its client may leave', async (t) => {
  const body = 'x'.repeat(2 * MIB)
  const upstream = await startUpstream(t, (_request, response) => response.end(body))
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const handshake =
    'GET / HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
  const client = await RawClient.connect(proxy.url())
  client.write(handshake)
  const text = await client.until((received) => received.length > body.length, 'all of it')
  t.match(text, /^HTTP\/1\.1 200 /)
  client.destroy()

  const gone = await RawClient.connect(proxy.url())
  gone.write(handshake)
  await gone.until((received) => received.includes('xxx'), 'the beginning')
  gone.destroy()
  t.ok(await comesTrue(() => proxy.proxy.inFlight === 0), 'nothing is held for it')
})
