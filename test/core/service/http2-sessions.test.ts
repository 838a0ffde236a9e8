// How many sessions there are, how they come to be and how they end.
import { createSecureServer, createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { createSecureContext, createServer as createTlsServer } from 'node:tls'
import t, { type Test } from 'tap'
import { connectionFor } from '../../../core/service/connect.js'
import type { UpstreamOptions } from '../../../core/service/connection.js'
import { Http2Upstream } from '../../../core/service/http2.js'
import type { UpstreamTls } from '../../../core/tls/upstream.js'
import { certificate } from '../../support/certificates.js'
import { Heard, options, until } from './http2-calls.js'

interface Served {
  readonly port: number
  readonly sessions: ServerHttp2Session[]
  readonly streams: ServerHttp2Stream[]
  /** Streams that wait for `answer`. */
  answer(): void
}

async function serve(
  t: Test,
  {
    listen = { port: 0, host: '127.0.0.1' } as object,
    settings = {},
    tls = undefined as object | undefined,
    held = false
  }
): Promise<Served> {
  const server = tls === undefined ? createServer({ settings }) : createSecureServer({ ...tls, settings })
  const sessions: ServerHttp2Session[] = []
  const streams: ServerHttp2Stream[] = []
  const answer = (stream: ServerHttp2Stream) => {
    if (stream.destroyed) return
    stream.respond({ ':status': 200 })
    stream.end('x'.repeat(128))
  }
  server.on('session', (session) => {
    sessions.push(session)
    session.on('error', () => {})
  })
  server.on('stream', (stream) => {
    stream.on('error', () => {})
    if (held) streams.push(stream)
    else answer(stream)
  })
  await new Promise<void>((resolve) => server.listen(listen, resolve))
  t.teardown(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return {
    port: (server.address() as AddressInfo).port,
    sessions,
    streams,
    answer: () => streams.splice(0).forEach(answer)
  }
}

function upstreamTo(t: Test, url: string | number, over: Partial<UpstreamOptions> = {}): Http2Upstream {
  const upstream = new Http2Upstream(options(typeof url === 'number' ? `http://127.0.0.1:${url}` : url, over))
  t.teardown(() => upstream.destroy())
  return upstream
}

t.test('thousands of requests share one session', async (t) => {
  const served = await serve(t, {})
  const upstream = upstreamTo(t, served.port)
  for (let round = 0; round < 4; round++) {
    const ends = await Promise.all(Array.from({ length: 1_000 }, () => new Heard(upstream).end))
    t.equal(ends.filter(({ bytes, error }) => bytes === 128 && error === undefined).length, 1_000)
  }
  t.equal(served.sessions.length, 1)
})

t.test(
  'streams that run out bring another session, up to maxConnections, then requests wait in turn',
  async (t) => {
    const served = await serve(t, { settings: { maxConcurrentStreams: 4 }, held: true })
    const upstream = upstreamTo(t, served.port, { maxConnections: 3 })
    const order: number[] = []
    const heard = Array.from({ length: 20 }, (_, i) => {
      const one = new Heard(upstream)
      void one.end.then(() => order.push(i))
      return one
    })
    await until(() => served.streams.length === 12)
    await new Promise((resolve) => setTimeout(resolve, 30))
    t.equal(served.streams.length, 12)
    t.equal(served.sessions.length, 3)
    heard[12]?.call.cancel()
    served.answer()
    await until(() => served.streams.length === 7)
    served.answer()
    await until(() => order.length === 19)
    t.same(
      [...order.slice(0, 12)].sort((a, b) => a - b),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    )
    t.notOk(order.includes(12), 'one that was cancelled while it waited never went out')
    t.equal(served.sessions.length, 3)
  }
)

t.test('nobody there is CONNECT_FAILED for all that wait, and the next request tries again', async (t) => {
  const probe = createTcpServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  const upstream = upstreamTo(t, port)
  const heard = [new Heard(upstream), new Heard(upstream)]
  for (const { end, call } of heard) {
    const { error } = await end
    t.match(error, { code: 'CONNECT_FAILED', cause: { code: 'ECONNREFUSED' } })
    t.notMatch(error?.message, /127|\d{4}/)
    t.equal(call.sent, false)
  }
  t.not(heard[0]?.error, heard[1]?.error)
  const served = await serve(t, { listen: { port, host: '127.0.0.1' } })
  t.equal((await new Heard(upstream).end).bytes, 128)
  t.equal(served.sessions.length, 1)
})

t.test('a handshake that never ends is CONNECT_TIMEOUT', async (t) => {
  const server = createTcpServer((socket) => socket.on('error', () => {}))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const upstream = upstreamTo(t, `https://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    protocol: 'h2',
    tls: trust(undefined),
    connectTimeout: 60
  })
  t.teardown(() => server.close())
  t.match((await new Heard(upstream).end).error, { code: 'CONNECT_TIMEOUT', cause: { code: 'ETIMEDOUT' } })
})

t.test('over a Unix socket', async (t) => {
  const path = join(t.testdir(), 'h2.sock')
  await serve(t, { listen: { path } })
  t.equal((await new Heard(upstreamTo(t, `unix:${path}`)).end).bytes, 128)
})

t.test('close lets what is under way end, takes nothing more, and leaves no connection', async (t) => {
  const served = await serve(t, { held: true })
  const upstream = upstreamTo(t, served.port)
  const heard = new Heard(upstream)
  await until(() => served.streams.length === 1)
  upstream.close()
  t.match((await new Heard(upstream).end).error, { code: 'CONNECT_FAILED' })
  served.answer()
  t.equal((await heard.end).bytes, 128)
  await until(() => served.sessions[0]?.destroyed === true)
  const waiting = upstreamTo(t, served.port)
  const last = new Heard(waiting)
  waiting.close()
  await until(() => served.streams.length === 1)
  served.answer()
  t.equal((await last.end).bytes, 128, 'one that waits for its session is under way too')
  await until(() => served.sessions[1]?.destroyed === true)
})

t.test('destroy cuts what is under way and what waits', async (t) => {
  const served = await serve(t, { settings: { maxConcurrentStreams: 1 }, held: true })
  const upstream = upstreamTo(t, served.port, { maxConnections: 1 })
  const heard = [new Heard(upstream), new Heard(upstream)]
  await until(() => served.streams.length === 1)
  upstream.destroy()
  t.match((await heard[0]?.end)?.error, { code: 'UPSTREAM_RESET' })
  t.match((await heard[1]?.end)?.error, { code: 'CONNECT_FAILED' })
  await until(() => served.sessions[0]?.destroyed === true)
})

const authority = certificate({ name: 'Test CA', authority: true })
const stranger = certificate({ name: 'Another CA', authority: true })
const shop = certificate({ name: 'shop.local', issuer: authority })
const address = certificate({ name: 'localhost,IP:127.0.0.1', issuer: authority })

function trust(ca: string | undefined, over: Partial<UpstreamTls> = {}): UpstreamTls {
  return { context: createSecureContext({ ca }), version: 1, serverName: undefined, insecure: false, ...over }
}

t.test('over TLS the certificate is verified, by name', async (t) => {
  const named = await serve(t, { tls: shop })
  const url = `https://127.0.0.1:${named.port}`
  const get = async (tls: UpstreamTls, to = url) => new Heard(upstreamTo(t, to, { protocol: 'h2', tls })).end
  t.equal((await get(trust(authority.cert, { serverName: 'shop.local' }))).bytes, 128)
  t.match((await get(trust(authority.cert))).error, {
    code: 'CONNECT_FAILED',
    cause: { code: 'ERR_TLS_CERT_ALTNAME_INVALID' }
  })
  t.match((await get(trust(authority.cert, { serverName: 'other.local' }))).error, {
    cause: { code: 'ERR_TLS_CERT_ALTNAME_INVALID' }
  })
  t.match((await get(trust(stranger.cert, { serverName: 'shop.local' }))).error, {
    code: 'CONNECT_FAILED',
    message: 'the service could not be reached',
    cause: { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' }
  })
  t.equal((await get(trust(undefined, { insecure: true }))).bytes, 128)
  const numbered = await serve(t, { tls: address })
  t.equal((await get(trust(authority.cert), `https://127.0.0.1:${numbered.port}`)).bytes, 128)
  t.equal((await get(trust(authority.cert), `https://localhost:${numbered.port}`)).bytes, 128)
  const byAddress = trust(authority.cert, { serverName: '127.0.0.1' })
  t.equal((await get(byAddress, `https://localhost:${numbered.port}`)).bytes, 128)
})

t.test('a context that was renewed is what the next connection uses', async (t) => {
  const served = await serve(t, { tls: shop })
  const tls = trust(stranger.cert, { serverName: 'shop.local' }) as { context: unknown } & UpstreamTls
  const upstream = upstreamTo(t, `https://127.0.0.1:${served.port}`, { protocol: 'h2', tls })
  t.match((await new Heard(upstream).end).error, { code: 'CONNECT_FAILED' })
  tls.context = createSecureContext({ ca: authority.cert })
  t.equal((await new Heard(upstream).end).bytes, 128)
  tls.context = createSecureContext({ ca: stranger.cert })
  served.sessions[0]?.destroy()
  await until(() => served.sessions[0]?.destroyed === true)
  t.match((await new Heard(upstream).end).error, { status: 502 })
  t.match(
    (await new Heard(upstream).end).error,
    { code: 'CONNECT_FAILED' },
    'no session of before is resumed'
  )
})

t.test('a handshake that does not settle on h2 fails, and says so', async (t) => {
  const server = createTlsServer({ ...shop, ALPNProtocols: undefined as never }, (socket) => {
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const upstream = connectionFor(
    options(`https://127.0.0.1:${(server.address() as AddressInfo).port}`, {
      protocol: 'h2',
      tls: trust(authority.cert, { serverName: 'shop.local' })
    })
  )
  t.match((await new Heard(upstream).end).error, {
    code: 'CONNECT_FAILED',
    message: 'the service does not speak HTTP/2',
    cause: { code: 'ERR_ALPN' }
  })
})
