// Endpoints whose protocol is found out.
import { createServer as createHttp1, type Server } from 'node:http'
import { createServer as createHttp2, createSecureServer, type ServerHttp2Session } from 'node:http2'
import { createServer as createHttps } from 'node:https'
import { type AddressInfo, createServer as createTcp, type Server as NetServer, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { createSecureContext } from 'node:tls'
import t, { type Test } from 'tap'
import { connectionFor } from '../../../core/service/connect.js'
import type { UpstreamOptions } from '../../../core/service/connection.js'
import { Http2Upstream } from '../../../core/service/http2.js'
import { Negotiated, REMEMBERED } from '../../../core/service/negotiate.js'
import { Upstream } from '../../../core/service/upstream.js'
import { certificate } from '../../support/certificates.js'
import { Heard, options, until } from './http2-calls.js'

const authority = certificate({ name: 'Test CA', authority: true })
const shop = certificate({ name: 'shop.local', issuer: authority })
const tls = {
  context: createSecureContext({ ca: authority.cert }),
  version: 1,
  serverName: 'shop.local',
  insecure: false
}

/** @returns how many connections there were */
async function listen(
  t: Test,
  server: NetServer,
  port = 0
): Promise<{ port: number; connections: () => number }> {
  const sockets = new Set<Socket>()
  let count = 0
  server.on('connection', (socket) => {
    count++
    sockets.add(socket.on('close', () => sockets.delete(socket)).on('error', () => {}))
  })
  server.on('session', (session: ServerHttp2Session) => session.on('error', () => {}))
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, connections: () => count }
}

function http1(): Server {
  return createHttp1(answer)
}

function answer(
  request: { httpVersion: string } & Readable,
  response: { end(text: string): unknown; statusCode: number }
): void {
  const chunks: Buffer[] = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', () => response.end(request.httpVersion + Buffer.concat(chunks)))
}

const http2 = () => createHttp2(answer as never)

function to(t: Test, port: number, over: Partial<UpstreamOptions> = {}) {
  const scheme = over.tls === undefined ? 'http' : 'https'
  const url = `${scheme}://127.0.0.1:${port}`
  const connection = connectionFor(options(url, { protocol: 'auto', ...over }))
  t.teardown(() => connection.destroy())
  return connection
}

t.test('without TLS, an endpoint that answers the preface is spoken to in HTTP/2', async (t) => {
  const { port, connections } = await listen(t, http2())
  const connection = to(t, port)
  const ends = await Promise.all([1, 2, 3].map(() => new Heard(connection).end))
  t.same(
    ends.map(({ body }) => body),
    ['2.0', '2.0', '2.0']
  )
  t.equal(connections(), 1)
})

t.test('one that does not, in HTTP/1.1, bodies and all, after one connection that asked', async (t) => {
  const { port, connections } = await listen(t, http1())
  const connection = to(t, port, { maxConnections: 1 })
  const bodies = [null, Buffer.from('whole'), Readable.from([Buffer.from('streamed')])]
  const ends = await Promise.all(bodies.map((body) => new Heard(connection, { body }).end))
  t.same(
    ends.map(({ body }) => body),
    ['1.1', '1.1whole', '1.1streamed']
  )
  t.same(
    ends.map(({ told }) => told),
    ends.map(() => ['responded', 'data', 'ended'])
  )
  await new Heard(connection).end
  t.equal(connections(), 2, 'one that asked, and one that all went over')
})

t.test('one that closes at the preface, or is silent, in HTTP/1.1 too', async (t) => {
  for (const silent of [false, true]) {
    const server = createTcp((socket) => {
      socket.once('data', (chunk) => {
        if (chunk.toString('latin1').startsWith('GET'))
          socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
        else if (!silent) socket.destroy()
      })
    })
    const { port } = await listen(t, server)
    t.equal((await new Heard(to(t, port, { connectTimeout: 80 })).end).body, 'ok')
  }
})

t.test('over TLS by ALPN', async (t) => {
  const both = await listen(t, createSecureServer({ ...shop, allowHTTP1: true }, answer as never))
  t.equal((await new Heard(to(t, both.port, { tls })).end).body, '2.0')
  const old = await listen(t, createHttps(shop, answer as never))
  const connection = to(t, old.port, { tls, maxConnections: 1 })
  t.equal((await new Heard(connection).end).body, '1.1')
  t.equal((await new Heard(connection).end).body, '1.1')
  t.equal(old.connections(), 2)
})

t.test('a certificate that does not verify is no reason to try HTTP/1.1', async (t) => {
  const { port, connections } = await listen(t, createHttps(shop, answer as never))
  const wrong = { ...tls, serverName: 'other.local' }
  t.match((await new Heard(to(t, port, { tls: wrong })).end).error, {
    code: 'CONNECT_FAILED',
    cause: { code: 'ERR_TLS_CERT_ALTNAME_INVALID' }
  })
  t.equal(connections(), 1)
})

t.test('an upgrade goes over HTTP/1.1 whatever else is spoken', async (t) => {
  const server = http1()
  server.on('upgrade', (_, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n')
  })
  const { port, connections } = await listen(t, server)
  const heard = new Heard(to(t, port), { upgrade: 'websocket' })
  await heard.head
  t.same(heard.told, ['upgraded'])
  heard.socket?.destroy()
  t.equal(connections(), 1)
})

t.test(
  'what was found is asked again after a time, by one request, and the others do not wait',
  async (t) => {
    let now = 0
    const old = http1()
    const { port } = await listen(t, old)
    const all = options(`http://127.0.0.1:${port}`, { protocol: 'auto', connectTimeout: 500 })
    const connection = new Negotiated(
      all,
      new Http2Upstream(all),
      new Upstream({ ...all, protocol: 'http' }),
      () => now
    )
    t.teardown(() => connection.destroy())
    t.equal((await new Heard(connection).end).body, '1.1')
    now = REMEMBERED + 1
    const again = await Promise.all([1, 2, 3].map(() => new Heard(connection).end))
    t.same(
      again.map(({ body }) => body),
      ['1.1', '1.1', '1.1'],
      'it is still the same'
    )
    old.closeAllConnections()
    await new Promise((resolve) => old.close(resolve))
    await listen(t, http2(), port)
    now += REMEMBERED + 1
    t.equal((await new Heard(connection).end).body, '2.0', 'it was upgraded')
    t.equal((await new Heard(connection).end).body, '2.0')
  }
)

t.test('a failure over HTTP/1.1 has the next request ask again', async (t) => {
  const old = http1()
  const { port } = await listen(t, old)
  const connection = to(t, port)
  t.equal((await new Heard(connection).end).body, '1.1')
  old.closeAllConnections()
  await new Promise((resolve) => old.close(resolve))
  await listen(t, http2(), port)
  let bodies: string[] = []
  for (let i = 0; i < 3; i++) bodies = [...bodies, (await new Heard(connection).end).body]
  t.equal(bodies.at(-1), '2.0')
})

t.test('an endpoint that went back to HTTP/1.1 is followed', async (t) => {
  const fresh = http2()
  const sessions: ServerHttp2Session[] = []
  fresh.on('session', (session) => sessions.push(session))
  const { port } = await listen(t, fresh)
  const connection = to(t, port)
  t.equal((await new Heard(connection).end).body, '2.0')
  for (const session of sessions) session.destroy()
  await new Promise((resolve) => fresh.close(resolve))
  await listen(t, http1(), port)
  await new Promise((resolve) => setTimeout(resolve, 30))
  t.equal((await new Heard(connection).end).body, '1.1')
})

t.test(
  'a request that waits to find out can be cancelled, and close and destroy reach both ways',
  async (t) => {
    const server = createTcp(() => {})
    const { port, connections } = await listen(t, server)
    const connection = to(t, port)
    const heard = new Heard(connection)
    heard.call.cancel()
    const cut = new Heard(connection)
    await until(() => connections() === 1)
    connection.destroy()
    t.match((await cut.end).error, { status: 502 })
    t.same(heard.told, [])
  }
)
