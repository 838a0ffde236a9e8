// What a gRPC client is told by the proxy itself: statuses of gRPC's, never HTML or JSON.
import { once } from 'node:events'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { constants, type ServerHttp2Stream } from 'node:http2'
import { status } from '@grpc/grpc-js'
import t from 'tap'
import { between, frame, rawCall } from '../support/grpc-proxy.js'
import { GrpcServer } from '../support/grpc-server.js'
import { startH2 } from '../support/grpc-upstream.js'
import { closedPort } from '../support/upstream.js'

const TEST_SERVICE = '/grpc.testing.TestService'

t.test('an upstream that is down is UNAVAILABLE', async (t) => {
  const { client, url } = await between(t, { endpoints: [`http://127.0.0.1:${await closedPort()}`] })
  const ended = await client.unary('EmptyCall', {})
  t.equal(ended.code, status.UNAVAILABLE)
  t.same(ended.trailing.get('x-outrigger-error'), ['CONNECT_FAILED'])
  t.notMatch(ended.details, /127\.0\.0\.1/, 'no address is told')

  const { headers, alone, body } = await rawCall(t, url, `${TEST_SERVICE}/EmptyCall`, Buffer.alloc(5))
  t.match(headers, { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '14' })
  t.equal(headers['content-length'], undefined)
  t.equal(alone, true, 'one head is all of it')
  t.equal(body, '')
})

t.test('a service that no route knows is UNIMPLEMENTED', async (t) => {
  const server = await GrpcServer.start(t)
  const { client } = await between(t, {
    endpoints: [server.url],
    route: { match: { path: '/shop.Orders/*' } }
  })
  const ended = await client.unary('EmptyCall', {})
  t.equal(ended.code, status.UNIMPLEMENTED)
  t.same(ended.trailing.get('x-outrigger-error'), ['NO_ROUTE'])
  t.equal(server.calls.length, 0)
})

t.test('auth: no key is UNAUTHENTICATED, a wrong one PERMISSION_DENIED', async (t) => {
  const server = await GrpcServer.start(t)
  const auth = {
    auth: { apiKeys: { mobile: 'sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b' } }
  }
  const { client } = await between(t, { endpoints: [server.url], plugins: [auth] })
  const none = await client.unary('EmptyCall', {})
  t.equal(none.code, status.UNAUTHENTICATED)
  t.match(none.details, /key/)
  t.match(none.trailing.get('www-authenticate'), [/ApiKey/], 'and its challenge')
  const wrong = await client.unary('EmptyCall', {}, { metadata: { 'x-api-key': 'guess' } })
  t.equal(wrong.code, status.PERMISSION_DENIED)
  t.equal(server.calls.length, 0)
  const right = await client.unary('EmptyCall', {}, { metadata: { 'x-api-key': 'secret' } })
  t.equal(right.code, status.OK, right.details)
  const { call, ended } = client.duplex()
  call.write({ payload: Buffer.alloc(100_000) })
  t.equal((await ended).code, status.UNAUTHENTICATED, 'a stream too')
})

t.test("a route's own reply is a status", async (t) => {
  const { client } = await between(t, {
    endpoints: [],
    config: {
      services: {},
      routes: [
        { name: 'closed', match: { path: `${TEST_SERVICE}/*` }, reply: { status: 403, body: 'closed today' } }
      ]
    }
  })
  t.match(await client.unary('EmptyCall', {}), { code: status.PERMISSION_DENIED, details: 'closed today' })
})

t.test("the route's time is over: DEADLINE_EXCEEDED, and the call ends upstream", async (t) => {
  const server = await GrpcServer.start(t)
  const { client } = await between(t, { endpoints: [server.url], route: { timeout: '200ms' } })
  const { ended } = client.output({ responses: [{ size: 1, pause: 60_000 }] })
  const end = await ended
  t.equal(end.code, status.DEADLINE_EXCEEDED)
  t.same(end.trailing.get('x-outrigger-error'), ['DEADLINE_EXCEEDED'])
  await server.until(({ cancelled }) => cancelled === 1, 'the cancellation')
})

t.test("grpc-timeout is the exchange's deadline, whatever the route allows", async (t) => {
  const streams: ServerHttp2Stream[] = []
  const upstream = await startH2(t, (stream) => streams.push(stream))
  const { url } = await between(t, { endpoints: [upstream], route: { timeout: '1m' } })
  const { headers, alone } = await rawCall(t, url, `${TEST_SERVICE}/EmptyCall`, frame({}), {
    'grpc-timeout': '200m'
  })
  t.match(headers, { ':status': 200, 'grpc-status': '4', 'x-outrigger-error': 'DEADLINE_EXCEEDED' })
  t.equal(alone, true)
  t.equal(streams.length, 1)
  const [stream] = streams as [ServerHttp2Stream]
  if (!stream.closed) await once(stream, 'close')
  t.equal(stream.rstCode, constants.NGHTTP2_CANCEL, 'and the call ends upstream')
})

t.test('it also ends a stream that has begun, by its trailers', async (t) => {
  const streams: ServerHttp2Stream[] = []
  const upstream = await startH2(t, (stream) => {
    streams.push(stream)
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
    stream.write(frame({ total: 1 }))
  })
  const { url } = await between(t, { endpoints: [upstream] })
  const { headers, body, trailers } = await rawCall(t, url, `${TEST_SERVICE}/EmptyCall`, frame({}), {
    'grpc-timeout': '300m'
  })
  t.equal(headers['grpc-status'], undefined)
  t.equal(body, frame({ total: 1 }).toString('latin1'), 'what came before the deadline')
  t.match(trailers, { 'grpc-status': '4' })
  const [stream] = streams as [ServerHttp2Stream]
  if (!stream.closed) await once(stream, 'close')
  t.equal(stream.rstCode, constants.NGHTTP2_CANCEL)
})

t.test("a stream is not cut by the route's time once it has begun", async (t) => {
  const server = await GrpcServer.start(t)
  const { client } = await between(t, { endpoints: [server.url], route: { timeout: '200ms' } })
  const { ended } = client.output({ responses: [{ size: 1 }, { size: 2, pause: 600 }] })
  const end = await ended
  t.equal(end.code, status.OK, end.details)
  t.equal(end.messages.length, 2)
})

t.test('an upstream that dies in the middle of a stream is an error, and no clean end', async (t) => {
  const server = await GrpcServer.start(t)
  const { client } = await between(t, { endpoints: [server.url] })
  const { call, ended, next } = client.duplex()
  call.write({ responses: [{ size: 10 }] })
  t.equal((await next())?.payload?.length, 10)
  server.stop()
  const end = await ended
  t.equal(end.code, status.UNAVAILABLE)
  t.equal(end.messages.length, 1, 'what had come is there')
})

t.test('an upstream that ends its connections as they age loses no call', async (t) => {
  const server = await GrpcServer.start(t, undefined, { 'grpc.max_connection_age_ms': 60 })
  const { client } = await between(t, { endpoints: [server.url] })
  const { ended } = client.output({ responses: [{ size: 1 }, { size: 2, pause: 500 }] })
  const seen = new Map<number, number>()
  const end = performance.now() + 600
  while (performance.now() < end) {
    const calls = await Promise.all(
      Array.from({ length: 5 }, () => client.unary('UnaryCall', { responseSize: 100 }))
    )
    for (const { code } of calls) seen.set(code, (seen.get(code) ?? 0) + 1)
  }
  t.same([...seen.keys()], [status.OK])
  t.match(await ended, { code: status.OK }, 'nor a stream that was open')
})

t.test('a client of HTTP/1.1 is told the same, in fields', async (t) => {
  const { url } = await between(t, { endpoints: [`http://127.0.0.1:${await closedPort()}`] })
  const answer = await new Promise<{
    status: number | undefined
    headers: IncomingHttpHeaders
    body: string
  }>((resolve, reject) => {
    const request = httpRequest(`${url}${TEST_SERVICE}/EmptyCall`, {
      method: 'POST',
      headers: { 'content-type': 'application/grpc+proto' },
      agent: false
    })
    request.on('error', reject)
    request.on('response', (response) => {
      let body = ''
      response.setEncoding('latin1')
      response.on('data', (chunk: string) => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }))
    })
    request.end(Buffer.alloc(5))
  })
  t.match(answer, {
    status: 200,
    body: '',
    headers: {
      'content-type': 'application/grpc',
      'grpc-status': '14',
      'grpc-message': String,
      'x-outrigger-error': 'CONNECT_FAILED'
    }
  })
})

t.test('what is no call keeps its JSON', async (t) => {
  const { url } = await between(t, { endpoints: [`http://127.0.0.1:${await closedPort()}`] })
  for (const type of ['application/json', 'application/grpc-web+proto']) {
    const response = await fetch(`${url}${TEST_SERVICE}/EmptyCall`, {
      method: 'POST',
      headers: { 'content-type': type },
      body: '{}'
    })
    t.equal(response.status, 502, type)
    t.match(await response.json(), { error: 'CONNECT_FAILED' })
    t.equal(response.headers.get('grpc-status'), null)
  }
})
