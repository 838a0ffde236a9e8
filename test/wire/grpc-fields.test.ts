// What a gRPC call is on the wire at either side of the proxy: the fields that servers ask for, and where the status stands.
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import t from 'tap'
import { between, rawCall } from '../support/grpc-proxy.js'
import { startH2 } from '../support/grpc-upstream.js'
import { RawClient } from '../support/raw-client.js'

const PATH = '/shop.Orders/Get'
const CALL = Buffer.from([0, 0, 0, 0, 1, 7])

/** Answers with one message and its status behind it. */
function answer(stream: ServerHttp2Stream, trailers: Record<string, string> = { 'grpc-status': '0' }): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  stream.end(CALL)
}

t.test('the upstream gets what a gRPC server asks for', async (t) => {
  let seen: IncomingHttpHeaders = {}
  let body = Buffer.alloc(0)
  const upstream = await startH2(t, (stream, headers) => {
    seen = headers
    stream.on('data', (chunk: Buffer) => {
      body = Buffer.concat([body, chunk])
    })
    stream.on('end', () => answer(stream))
  })
  const { url } = await between(t, { endpoints: [upstream] })
  await rawCall(t, url, PATH, CALL, {
    'content-type': 'application/grpc+proto',
    'grpc-encoding': 'gzip',
    'grpc-accept-encoding': 'identity, gzip',
    'grpc-timeout': '30S',
    'x-token-bin': 'AAECAw',
    'user-agent': 'grpc-test/1.0'
  })
  t.match(seen, {
    ':method': 'POST',
    ':path': PATH,
    'content-type': 'application/grpc+proto',
    te: 'trailers',
    'grpc-encoding': 'gzip',
    'grpc-accept-encoding': 'identity, gzip',
    'x-token-bin': 'AAECAw',
    'user-agent': 'grpc-test/1.0'
  })
  t.match(seen['grpc-timeout'], /^\d{1,8}[HMSmun]$/)
  t.notOk('connection' in seen || 'transfer-encoding' in seen)
  t.same(body, CALL)
})

t.test('a status behind the messages arrives behind them', async (t) => {
  const upstream = await startH2(t, (stream) => {
    answer(stream, { 'grpc-status': '9', 'grpc-message': 'caf%C3%A9 %0A', 'grpc-status-details-bin': 'CAk' })
  })
  const { url } = await between(t, { endpoints: [upstream] })
  const { headers, alone, body, trailers } = await rawCall(t, url, PATH, CALL)
  t.equal(alone, false)
  t.match(headers, { ':status': 200, 'content-type': 'application/grpc+proto' })
  t.notOk('grpc-status' in headers)
  t.equal(body, CALL.toString('latin1'))
  t.match(trailers, {
    'grpc-status': '9',
    'grpc-message': 'caf%C3%A9 %0A',
    'grpc-status-details-bin': 'CAk'
  })
})

t.test('a response that is its trailers alone stays one', async (t) => {
  const upstream = await startH2(t, (stream) => {
    const fields = { 'content-type': 'application/grpc', 'grpc-status': '5', 'grpc-message': 'none' }
    stream.respond({ ':status': 200, ...fields }, { endStream: true })
  })
  const { url } = await between(t, { endpoints: [upstream] })
  const { headers, alone, body, trailers } = await rawCall(t, url, PATH, CALL)
  t.equal(alone, true, 'END_STREAM comes with the head')
  t.match(headers, { ':status': 200, 'grpc-status': '5', 'grpc-message': 'none' })
  t.notOk('content-length' in headers)
  t.equal(body, '')
  t.equal(trailers, undefined)
})

t.test('an answer that is not gRPC passes as it is, for the client to read its HTTP status', async (t) => {
  const upstream = await startH2(t, (stream) => {
    stream.respond({ ':status': 503, 'content-type': 'text/html' })
    stream.end('<html>busy</html>')
  })
  const { url } = await between(t, { endpoints: [upstream] })
  const { headers, body } = await rawCall(t, url, PATH, CALL)
  t.match(headers, { ':status': 503, 'content-type': 'text/html' })
  t.equal(body, '<html>busy</html>')
})

t.test('a client of HTTP/1.1 gets the status in the trailers of a chunked body', async (t) => {
  const upstream = await startH2(t, (stream) =>
    answer(stream, { 'grpc-status': '9', 'grpc-message': 'none' })
  )
  const { url } = await between(t, { endpoints: [upstream] })
  const client = await RawClient.connect(url)
  t.teardown(() => client.destroy())
  client.write(
    `POST ${PATH} HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/grpc\r\nTE: trailers\r\n` +
      `Connection: TE\r\nContent-Length: ${CALL.length}\r\n\r\n`
  )
  client.write(CALL)
  const text = await client.until((it) => it.endsWith('grpc-message: none\r\n\r\n'), 'the trailers')
  const [head = '', body] = text.split('\r\n\r\n')
  t.match(head, /^HTTP\/1\.1 200 /)
  t.notMatch(head, /grpc-status|content-length/i)
  t.match(head, /transfer-encoding: chunked/i)
  t.equal(body, `6\r\n${CALL.toString('latin1')}\r\n0\r\ngrpc-status: 9\r\ngrpc-message: none`)
})

t.test('each message arrives when it is sent, in both directions', async (t) => {
  const upstream = await startH2(t, (stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.on('data', (chunk: Buffer) => stream.write(chunk))
    stream.on('end', () => stream.end())
  })
  const { client } = await between(t, { endpoints: [upstream] })
  const { call, ended, next } = client.duplex()
  for (let i = 0; i < 50; i++) {
    call.write({ total: i })
    t.same(await next(), { total: i })
  }
  call.end()
  t.equal((await ended).code, 0)
})

t.test('an upstream that resets the stream before an answer is UNAVAILABLE', async (t) => {
  const upstream = await startH2(t, (stream) => stream.close(2))
  const { url } = await between(t, { endpoints: [upstream] })
  const { headers, alone } = await rawCall(t, url, PATH, CALL)
  t.match(headers, { ':status': 200, 'grpc-status': '14', 'x-outrigger-error': 'UPSTREAM_RESET' })
  t.equal(alone, true)
})
