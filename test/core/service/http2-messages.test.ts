// Requests and responses over HTTP/2, against Node's own server.
import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import type { UpstreamOptions } from '../../../core/service/connection.js'
import { Http2Upstream } from '../../../core/service/http2.js'
import { Heard, options, until } from './http2-calls.js'

type Handler = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: string[]) => void

interface Serving {
  readonly upstream: Http2Upstream
  readonly sessions: ServerHttp2Session[]
  readonly server: Http2Server
}

async function serve(t: Test, handler: Handler, over: Partial<UpstreamOptions> = {}): Promise<Serving> {
  const server = createServer()
  const sessions: ServerHttp2Session[] = []
  server.on('session', (session) => {
    sessions.push(session)
    session.on('error', () => {})
  })
  server.on('stream', (stream: ServerHttp2Stream, headers, _flags, ...more: unknown[]) => {
    stream.on('error', () => {})
    handler(stream, headers, more[0] as string[])
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const upstream = new Http2Upstream(
    options(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, over)
  )
  t.teardown(() => {
    upstream.destroy()
    for (const session of sessions) session.destroy()
    server.close()
  })
  return { upstream, sessions, server }
}

t.test('fields go out in lower case, in order, host as :authority, and none of the connection', async (t) => {
  let seen: string[] = []
  const { upstream } = await serve(t, (stream, _, raw) => {
    seen = raw
    stream.respond({ ':status': 204 }, { endStream: true })
  })
  const headers = [
    ...['Host', 'Shop.example:81', 'X-A', '1', 'Cookie', 'a=1', 'x-A', '2', 'cookie', 'b=2'],
    ...['__proto__', 'a header', 'Connection', 'close', 'Transfer-Encoding', 'chunked', 'Upgrade', 'h2c'],
    ...['TE', 'gzip', 'Keep-Alive', '1', 'If-None-Match', '"a"', 'If-None-Match', '"b"', 'X-Latin', 'caf\xe9']
  ]
  await new Heard(upstream, { path: '/a?b=c', headers, acceptsTrailers: true }).end
  t.same(seen, [
    ...[':method', 'GET', ':scheme', 'http', ':authority', 'Shop.example:81', ':path', '/a?b=c'],
    ...['x-a', '1', 'x-a', '2', 'cookie', 'a=1', 'cookie', 'b=2', '__proto__', 'a header'],
    ...['if-none-match', '"a", "b"', 'x-latin', 'caf\xe9', 'te', 'trailers']
  ])
})

t.test('a response comes with its fields as sent, interim ones before, trailers behind', async (t) => {
  const { upstream } = await serve(t, (stream) => {
    stream.additionalHeaders({ ':status': 103, link: '</a.css>' })
    stream.respond(
      { ':status': 201, 'set-cookie': ['a=1', 'b=2'], __proto: '1', 'x-latin': 'caf\xe9' },
      { waitForTrailers: true }
    )
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-t': ['1', '2'] }))
    stream.end('hello')
  })
  const heard = await new Heard(upstream).end
  t.same(heard.information_, [[103, ['link', '</a.css>']]])
  t.equal(heard.status, 201)
  t.same(heard.headers.slice(0, -2), [
    'set-cookie',
    'a=1',
    'set-cookie',
    'b=2',
    '__proto',
    '1',
    'x-latin',
    'caf\xe9'
  ])
  t.equal(heard.final, false)
  t.equal(heard.body, 'hello')
  t.same(heard.trailers, ['grpc-status', '0', 'x-t', '1', 'x-t', '2'])
  t.same(heard.told, ['information', 'responded', 'data', 'ended'])
})

t.test('a head with END_STREAM is final', async (t) => {
  const { upstream } = await serve(t, (stream) =>
    stream.respond({ ':status': 200, 'grpc-status': '5' }, { endStream: true })
  )
  const heard = await new Heard(upstream).end
  t.equal(heard.final, true)
  t.same(heard.told, ['responded', 'ended'])
})

t.test('bodies: none, whole, streamed, with trailers and without', async (t) => {
  const { upstream } = await serve(t, (stream, headers) => {
    let trailers: unknown
    stream.on('trailers', (fields) => (trailers = fields['x-end']))
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => {
      stream.respond({ ':status': 200 })
      const length = headers['content-length']
      stream.end(JSON.stringify({ body: Buffer.concat(chunks).toString(), length, trailers }))
    })
  })
  const send = async (over: object) => JSON.parse((await new Heard(upstream, over).end).body)
  const end = { fields: ['X-End', 'yes', 'Connection', 'close'] }
  t.same(await send({ method: 'POST' }), { body: '' })
  t.same(await send({ method: 'POST', trailers: end }), { body: '', trailers: 'yes' })
  const whole = { body: Buffer.from('whole'), headers: ['Host', 'a', 'Content-Length', '5'] }
  t.same(await send(whole), { body: 'whole', length: '5' })
  t.same(await send({ ...whole, trailers: { fields: [] } }), { body: 'whole', length: '5' })
  t.same(await send({ ...whole, trailers: end }), { body: 'whole', length: '5', trailers: 'yes' })
  t.same(await send({ body: Readable.from([Buffer.from('a'), Buffer.from('b')]) }), { body: 'ab' })
  t.same(await send({ body: Readable.from([]) }), { body: '' })
  const later = { fields: [] as string[] }
  const body = Readable.from(
    (async function* () {
      yield Buffer.from('first')
      later.fields.push('x-end', 'late')
    })()
  )
  t.same(await send({ body, trailers: later }), { body: 'first', trailers: 'late' })
})

t.test('an upload waits for an upstream that does not read', async (t) => {
  let taken = 0
  const body = new Readable({
    read() {
      taken += 65_536
      this.push(taken > 32 * 1024 * 1024 ? null : Buffer.alloc(65_536))
    }
  })
  let stream: ServerHttp2Stream | undefined
  const { upstream } = await serve(t, (one) => (stream = one))
  const heard = new Heard(upstream, { body })
  await until(() => stream !== undefined)
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.ok(taken < 1024 * 1024, `${taken} bytes were taken of a body that nobody reads`)
  let received = 0
  stream?.on('data', (chunk) => (received += chunk.length))
  stream?.on('end', () => stream?.respond({ ':status': 200 }, { endStream: true }))
  await heard.end
  t.equal(received, 32 * 1024 * 1024)
})

t.test('a slow reader holds its sender back, and nobody else', async (t) => {
  let sent = 0
  const { upstream, sessions } = await serve(t, (stream, headers) => {
    stream.respond({ ':status': 200 })
    if (headers[':path'] === '/small') return stream.end('small')
    const source = new Readable({
      read() {
        sent += 65_536
        this.push(sent > 64 * 1024 * 1024 ? null : Buffer.alloc(65_536))
      }
    })
    return source.pipe(stream)
  })
  const slow = new Heard(upstream, { path: '/big' }, false)
  await slow.head
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.ok(sent < 2 * 1024 * 1024, `${sent} bytes were sent to a reader that does not read`)
  t.equal(slow.bytes, 0, 'nothing is handed on before it is asked for')
  for (let i = 0; i < 20; i++) t.equal((await new Heard(upstream, { path: '/small' }).end).body, 'small')
  slow.call.resume()
  await until(() => slow.bytes > 0)
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.equal(slow.told.filter((one) => one === 'data').length, 1, 'one piece at a time')
  slow.open = true
  slow.chunks = []
  slow.call.resume()
  await slow.end
  t.equal(slow.bytes, 64 * 1024 * 1024)
  t.equal(sessions.length, 1)
})

t.test('a response that ended while it was held back comes whole, its trailers too', async (t) => {
  const { upstream } = await serve(t, (stream) => {
    stream.respond({ ':status': 200 }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-end': '1' }))
    stream.end('held')
  })
  const heard = new Heard(upstream, {}, false)
  await heard.head
  await new Promise((resolve) => setTimeout(resolve, 30))
  t.same(heard.told, ['responded'])
  heard.open = true
  heard.call.resume()
  t.same((await heard.end).trailers, ['x-end', '1'])
  t.equal(heard.body, 'held')
})

t.test('cancel resets the stream and nothing else', async (t) => {
  const codes: number[] = []
  const { upstream, sessions } = await serve(t, (stream, headers) => {
    stream.on('close', () => codes.push(stream.rstCode))
    if (headers[':path'] === '/silent') return
    stream.respond({ ':status': 200 })
    if (headers[':path'] === '/body') stream.write('some')
    else stream.end('fine')
  })
  const silent = new Heard(upstream, { path: '/silent' })
  const body = new Heard(upstream, { path: '/body' })
  const upload = new Heard(upstream, { path: '/silent', body: new Readable({ read() {} }) })
  await until(() => body.bytes > 0)
  for (const { call } of [silent, body, upload]) call.cancel()
  await until(() => codes.length === 3)
  t.same(codes, [8, 8, 8])
  t.same(silent.told, [])
  t.same(body.told, ['responded', 'data'])
  const before = new Heard(upstream)
  before.call.cancel()
  t.equal((await new Heard(upstream).end).body, 'fine')
  t.same(before.told, [])
  t.equal(sessions.length, 1)
})

t.test('a request that cannot be sent is refused, and ends nothing else', async (t) => {
  const { upstream, sessions } = await serve(t, (stream) => {
    stream.respond({ ':status': 200 })
    stream.end('fine')
  })
  await new Heard(upstream).end
  const bad: [string, object][] = [
    ['a path with a space', { path: '/a b' }],
    ['a name that is none', { headers: ['x y', '1'] }],
    ['a value with a line break', { headers: ['x', '1\r\ny: 2'] }],
    ['a single value twice', { headers: ['authorization', 'a', 'authorization', 'b'] }]
  ]
  for (const [what, over] of bad) {
    const heard = await new Heard(upstream, over).end
    t.match(heard.error, { code: 'BAD_REQUEST' }, what)
    t.equal(heard.call.sent, false)
  }
  const upgrade = await new Heard(upstream, { upgrade: 'websocket' }).end
  t.match(upgrade.error, { code: 'BAD_UPSTREAM_RESPONSE' }, 'an upgrade')
  t.equal((await new Heard(upstream).end).body, 'fine')
  t.equal(sessions.length, 1)
})

t.test('an upload that breaks off resets its stream', async (t) => {
  const codes: number[] = []
  const { upstream } = await serve(t, (stream) => void stream.on('close', () => codes.push(stream.rstCode)))
  const body = new Readable({ read() {} })
  const heard = new Heard(upstream, { body })
  body.push('some')
  await new Promise((resolve) => setTimeout(resolve, 20))
  body.destroy(new Error('the client left'))
  t.match((await heard.end).error, { code: 'BAD_REQUEST', cause: { message: 'the client left' } })
  await until(() => codes.length === 1)
  t.same(codes, [8])
  t.match(
    (await new Heard(upstream, { body }).end).error,
    { code: 'BAD_REQUEST' },
    'nor is one that had broken off'
  )
})

t.test('a whole response ends an upload that nobody reads any more', async (t) => {
  let closed = 0
  const { upstream } = await serve(t, (stream) => {
    stream.on('close', () => closed++)
    stream.respond({ ':status': 413 })
    stream.end('too much')
  })
  const body = new Readable({
    read() {
      this.push(Buffer.alloc(65_536))
    }
  })
  const heard = await new Heard(upstream, { body }).end
  t.equal(heard.body, 'too much')
  t.same(heard.told, ['responded', 'data', 'ended'])
  await until(() => body.destroyed && closed === 1)
})

t.test(
  'a body that pauses for too long is RESPONSE_TIMEOUT; one that is not read may take its time',
  async (t) => {
    const { upstream } = await serve(
      t,
      (stream) => {
        stream.respond({ ':status': 200 })
        stream.write('some')
      },
      { idleTimeout: 80 }
    )
    const read = new Heard(upstream)
    const unread = new Heard(upstream, {}, false)
    const waiting = new Heard(upstream, { body: new Readable({ read() {} }) })
    t.match((await read.end).error, { code: 'RESPONSE_TIMEOUT' })
    t.match((await waiting.end).error, { code: 'RESPONSE_TIMEOUT' })
    t.same(unread.told, ['responded'])
  }
)

t.test('resident memory stays flat while a fast upstream meets a slow reader', async (t) => {
  const total = 256 * 1024 * 1024
  const { upstream } = await serve(t, (stream) => {
    let left = total / 65_536
    stream.respond({ ':status': 200 })
    new Readable({
      read() {
        this.push(left-- > 0 ? Buffer.alloc(65_536) : null)
      }
    }).pipe(stream)
  })
  let most = 0
  let bytes = 0
  const before = process.memoryUsage().arrayBuffers
  await new Promise<void>((resolve, reject) => {
    const call = upstream.send(
      {
        method: 'GET',
        path: '/',
        headers: [],
        body: null,
        trailers: undefined,
        acceptsTrailers: false,
        upgrade: undefined,
        idleTimeout: undefined
      },
      {
        information() {},
        responded: () => true,
        data(chunk) {
          bytes += chunk.length
          most = Math.max(most, process.memoryUsage().arrayBuffers - before)
          setImmediate(() => call.resume())
          return false
        },
        ended: () => resolve(),
        failed: reject,
        upgraded() {}
      }
    )
  })
  t.equal(bytes, total)
  t.ok(most < 64 * 1024 * 1024, `${Math.round(most / 1024 / 1024)} MiB were held`)
})
