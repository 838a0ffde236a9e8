// HTTP/2 on both sides, and over TLS: what HTTP/1.1 between proxy and upstream cannot show.
import { once } from 'node:events'
import {
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
  type ServerStreamResponseOptions
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { definePlugin } from '../../core/index.js'
import { certificate } from '../support/certificates.js'
import { answerOf, ask, openSession } from '../support/http2-client.js'
import { FrameClient } from '../support/http2-frame-client.js'
import { CODE, headers, request } from '../support/http2-frames.js'
import { startTestProxy } from '../support/proxy.js'
import { startUpstream } from '../support/upstream.js'

type OnStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void

async function startHttp2(t: Test, onStream: OnStream): Promise<string> {
  const server = createServer()
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    onStream(stream, headers)
  })
  const sessions = new Set<{ destroy(): void }>()
  server.on('session', (session) => sessions.add(session))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const withTrailers: ServerStreamResponseOptions = { waitForTrailers: true }

t.test('trailers cross in both directions', async (t) => {
  const url = await startHttp2(t, (stream) => {
    let trailers: IncomingHttpHeaders = {}
    let size = 0
    stream.on('trailers', (fields) => {
      trailers = fields
    })
    stream.on('data', (chunk) => {
      size += chunk.length
    })
    stream.on('end', () => {
      stream.respond({ ':status': 200 }, withTrailers)
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '2', 'x-seen': trailers['x-sum'] }))
      stream.end(String(size))
    })
  })
  const proxy = await startTestProxy(t, { endpoints: [url], service: { protocol: 'h2c' } })
  const session = await openSession(t, proxy.url())
  const stream = session.request({ ':method': 'POST', te: 'trailers' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '1' }))
  const answered = answerOf(stream)
  stream.end('hello')
  const answer = await answered
  t.same([answer.status, answer.text, answer.code], [200, '5', 0])
  t.match(answer.trailers, { 'x-sum': '2', 'x-seen': '1' })
})

t.test('a stream that either side resets is reset at the other', async (t) => {
  const closed: number[] = []
  let open = 0
  const url = await startHttp2(t, (stream, headers) => {
    open++
    stream.on('close', () => closed.push(stream.rstCode ?? -1))
    if (headers[':path'] === '/breaks') {
      stream.respond({ ':status': 200 })
      stream.write('hello')
      // `close` would end the answer first, as if it were whole.
      setTimeout(() => stream.destroy(new Error('it breaks')), 50)
    }
  })
  const proxy = await startTestProxy(t, { endpoints: [url], service: { protocol: 'h2c' } })
  const session = await openSession(t, proxy.url())
  const broken = await ask(session, { ':path': '/breaks' })
  t.same([broken.status, broken.text, broken.ended, broken.code], [200, 'hello', false, CODE.INTERNAL_ERROR])
  const stream = session.request({ ':path': '/waits' })
  stream.on('error', () => {})
  while (open < 2) await new Promise((resolve) => setTimeout(resolve, 5))
  const left = performance.now()
  stream.close(CODE.CANCEL)
  while (closed.length < 2) await new Promise((resolve) => setTimeout(resolve, 5))
  t.ok(performance.now() - left < 100, `${Math.round(performance.now() - left)} ms`)
  t.equal(closed[1], CODE.CANCEL)
})

t.test('an answer that comes before its upload is through', async (t) => {
  const url = await startHttp2(t, (stream) => {
    stream.respond({ ':status': 413 })
    stream.end('x'.repeat(50_000))
  })
  const proxy = await startTestProxy(t, { endpoints: [url], service: { protocol: 'h2c' } })
  const client = await FrameClient.connect(proxy.url())
  t.teardown(() => client.destroy())
  client.write(headers(1, request('/', [], 'POST'), false))
  await client.until(() => client.resetOf(1) !== undefined, 'the end')
  t.same([client.status(1), client.received.get(1), client.resetOf(1)], [413, 50_000, CODE.NO_ERROR])
})

t.test('both directions at once, message by message', async (t) => {
  const url = await startHttp2(t, (stream) => {
    stream.respond({ ':status': 200 })
    stream.on('data', (chunk) => stream.write(chunk))
    stream.on('end', () => stream.end())
  })
  const proxy = await startTestProxy(t, { endpoints: [url], service: { protocol: 'h2c' } })
  const session = await openSession(t, proxy.url())
  const stream = session.request({ ':method': 'POST' })
  stream.setEncoding('latin1')
  await once(stream, 'response')
  for (let i = 0; i < 20; i++) {
    stream.write(`${i};`)
    t.equal((await once(stream, 'data'))[0], `${i};`)
  }
  stream.end()
  stream.resume()
  await once(stream, 'close')
  t.equal(stream.rstCode, 0)
})

t.test('over TLS: requests, and a client that goes', async (t) => {
  const pair = certificate({ name: 'localhost' })
  const directory = t.testdir({ 'cert.pem': pair.cert, 'key.pem': pair.key })
  const statuses: number[] = []
  const recorder = definePlugin({
    name: 'recorder',
    setup: () => ({
      finish: ({ status }) => {
        statuses.push(status)
      }
    })
  })
  const upstream = await startUpstream(t, (request, response) => {
    if (request.url === '/never') return
    request.pipe(response)
  })
  const proxy = await startTestProxy(t, {
    endpoints: [upstream.url],
    plugins: [recorder],
    config: {
      listeners: {
        in: { address: '127.0.0.1:0', tls: { cert: `${directory}/cert.pem`, key: `${directory}/key.pem` } }
      }
    }
  })
  const port = Number(new URL(proxy.url()).port)
  const session = await openSession(t, `https://localhost:${port}`, { ca: pair.cert })
  const body = Buffer.alloc(300_000, 'body')
  const answer = await ask(session, { ':method': 'POST' }, body)
  t.same([answer.status, answer.body.equals(body)], [200, true])
  for (const leave of ['end', 'destroy'] as const) {
    const socket = connectTls({
      port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: pair.cert,
      ALPNProtocols: ['h2']
    })
    await once(socket, 'secureConnect')
    t.equal(socket.alpnProtocol, 'h2')
    const client = new FrameClient(socket)
    client.write(headers(1, request('/never')), headers(3, request('/')))
    await client.until(() => client.over(3), 'an answer')
    t.equal(proxy.proxy.inFlight, 1)
    const left = performance.now()
    socket[leave]()
    while (proxy.proxy.inFlight > 0 && performance.now() - left < 5_000)
      await new Promise((resolve) => setTimeout(resolve, 5))
    t.ok(performance.now() - left < 100, `${leave}: ${Math.round(performance.now() - left)} ms`)
    socket.destroy()
  }
  t.same(statuses, [200, 200, 499, 200, 499])
})
