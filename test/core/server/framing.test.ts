// Where messages begin and end, and which fields cross: on real sockets.
import { once } from 'node:events'
import { METHODS } from 'node:http'
import { createConnection } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startTestProxy } from '../../support/proxy.js'
import { parseResponse, RawClient } from '../../support/raw-client.js'
import { bodyOf, echo, startRawUpstream, startUpstream } from '../../support/upstream.js'

/** Until it holds, or 3 s have passed. */
async function until(holds: () => boolean): Promise<boolean> {
  for (let i = 0; i < 150 && !holds(); i++) await sleep(20)
  return holds()
}

t.test('an HTTP/1.0 client gets no 1xx and no chunks', async (t) => {
  const upstream = await startUpstream(t, (_request, response) => {
    response.write('a')
    response.end('b')
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await RawClient.connect(proxy.url())
  client.write('GET / HTTP/1.0\r\n\r\n')
  const text = await client.closed()
  t.match(text, /^HTTP\/1\.[01] 200 /)
  t.notMatch(text, /chunked/)
  t.ok(text.endsWith('\r\n\r\nab'), text)
})

t.test('HEAD, 204 and 304 carry no body and leave the connection usable', async (t) => {
  const upstream = await startUpstream(t, (request, response) => {
    response.statusCode = Number(request.url?.slice(1))
    if (request.method === 'HEAD') response.setHeader('content-length', 1000)
    if (response.statusCode === 304) response.setHeader('etag', '"x"')
    response.end()
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await RawClient.connect(proxy.url())
  let at = 0
  for (const request of ['HEAD /200', 'GET /204', 'GET /304', 'HEAD /503', 'HEAD /404']) {
    client.write(`${request} HTTP/1.1\r\nhost: a\r\n\r\n`)
    const text = await client.until((text) => text.indexOf('\r\n\r\n', at) > 0, request)
    t.match(text.slice(at), new RegExp(`^HTTP/1.1 ${request.slice(-3)} `), request)
    if (request.startsWith('HEAD')) t.match(text.slice(at), /content-length: 1000/i, request)
    at = text.length
    t.ok(text.endsWith('\r\n\r\n'), request)
  }
  client.destroy()
})

t.test('two Hosts, a Host that is none, a Host with a space: 400 and the end', async (t) => {
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  for (const head of [
    'host: a\r\nhost: b',
    'host: a\r\nhost: a',
    'host: a b',
    'host: a/b',
    'host: a@b',
    'host: [::1',
    'x: y'
  ]) {
    const client = await RawClient.connect(proxy.url())
    client.write(`GET / HTTP/1.1\r\n${head}\r\n\r\n`)
    const text = await client.closed()
    t.match(text, /^HTTP\/1\.1 400 /, head)
    t.match(text, /connection: close/i, head)
  }
  t.equal(upstream.count, 0)
})

t.test('an absolute-form target wins over Host, in everything the upstream is told', async (t) => {
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await RawClient.connect(proxy.url())
  client.write('GET http://right.example/x?y=1 HTTP/1.1\r\nhost: wrong.example\r\n\r\n')
  const text = await client.until((text) => parseResponse(text) !== undefined, 'an answer')
  const { url, rawHeaders } = JSON.parse(parseResponse(text)?.body ?? '{}')
  t.equal(url, '/x?y=1')
  t.notMatch(rawHeaders.join('\n'), /wrong\.example/)
  client.destroy()
})

t.test('a header named __proto__ is a header, both ways, and in a 103', async (t) => {
  const upstream = await startRawUpstream(t, (socket) => {
    socket.once('data', (chunk) => {
      const got = String(chunk).includes('__proto__: in') ? 'yes' : 'no'
      socket.write('HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n__proto__: hint\r\n\r\n')
      socket.write(`HTTP/1.1 200 OK\r\n__proto__: out\r\nx-got: ${got}\r\ncontent-length: 0\r\n\r\n`)
    })
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await RawClient.connect(proxy.url())
  client.write('GET / HTTP/1.1\r\nhost: a\r\n__proto__: in\r\n\r\n')
  const text = await client.until((text) => text.includes('x-got') && text.endsWith('\r\n\r\n'), 'an answer')
  t.match(text, /x-got: yes/)
  t.match(text, /__proto__: out/)
  client.destroy()
})

t.test('what Connection names does not cross, either way', async (t) => {
  const upstream = await startRawUpstream(t, (socket) => {
    socket.once('data', (chunk) => {
      const body = String(chunk)
      socket.write(
        `HTTP/1.1 200 OK\r\nconnection: keep-alive, X-Back\r\nx-back: secret\r\nkeep-alive: timeout=5\r\n` +
          `proxy-authenticate: Basic\r\ncontent-length: ${body.length}\r\n\r\n${body}`
      )
    })
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await RawClient.connect(proxy.url())
  client.write(
    'GET / HTTP/1.1\r\nhost: a\r\nconnection: close, X-User, Authorization, host\r\nx-user: admin\r\nauthorization: x\r\n' +
      'te: gzip\r\nproxy-authorization: y\r\nkeep-alive: z\r\nx-forwarded-for: 9.9.9.9\r\nforwarded: for=9.9.9.9\r\n\r\n'
  )
  const text = await client.closed()
  t.notMatch(text, /x-user|authorization:|proxy-auth|keep-alive: z|9\.9\.9\.9|x-back/i)
  t.match(text, /host: a\r\n/)
  t.match(text, /x-forwarded-for: 127\.0\.0\.1/)
})

t.test('a chunk size that is none, mid-upload: the upstream’s connection goes, at once', async (t) => {
  let complete = false
  const upstream = await startUpstream(t, async (request) => {
    await bodyOf(request)
    complete = true
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const { port } = new URL(proxy.url())
  // One that keeps its own half open, so that only the proxy can end it.
  const socket = createConnection({ host: '127.0.0.1', port: Number(port), allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  await once(socket, 'connect')
  socket.write('POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n')
  t.ok(
    await until(() => upstream.sockets.size === 1 && upstream.count === 1),
    'the upload reached the upstream'
  )
  // Not whether any is open: undici opens another in an aborted one's place.
  const used = [...upstream.sockets]
  socket.write('zz\r\nworld\r\n0\r\n\r\n')
  t.ok(await until(() => used.every(({ destroyed }) => destroyed)), 'the upstream’s connection is destroyed')
  t.ok(await until(() => proxy.proxy.inFlight === 0), 'the exchange has ended')
  t.notOk(complete, 'it saw no complete request')
  t.match(text, /^HTTP\/1\.1 400 |^$/)
})

t.test(
  'a malformed request behind a good one in the pipeline: the good one has its own answer',
  async (t) => {
    const upstream = await startUpstream(t, async (_request, response) => {
      await sleep(100)
      response.end('good')
    })
    const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
    const client = await RawClient.connect(proxy.url())
    client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost : a\r\n\r\n')
    const text = await client.closed()
    // Nothing, or the good one's: never a 400 where the good one's answer belongs.
    t.notMatch(text, /^HTTP\/1\.1 400/)
  }
)

t.test('methods and bodies in every combination arrive as they were sent', async (t) => {
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  for (const method of ['GET', 'DELETE', 'POST', 'PUT', 'PATCH', 'OPTIONS', 'PROPFIND', 'SEARCH', 'QUERY']) {
    for (const [framing, body] of [
      ['content-length: 5\r\n\r\n', 'hello'],
      ['transfer-encoding: chunked\r\n\r\n', '5\r\nhello\r\n0\r\n\r\n'],
      ['content-length: 0\r\n\r\n', ''],
      ['\r\n', '']
    ] as const) {
      if (method === 'QUERY' && !METHODS.includes(method)) continue
      const client = await RawClient.connect(proxy.url())
      client.write(`${method} /x HTTP/1.1\r\nhost: a\r\n${framing}${body}`)
      const text = await client.until((text) => parseResponse(text) !== undefined, `${method} ${framing}`)
      const seen = JSON.parse(parseResponse(text)?.body || '{}')
      t.equal(seen.method, method)
      t.equal(seen.length, body === '' ? 0 : 5, `${method} ${JSON.stringify(framing)}`)
      client.destroy()
    }
  }
})

t.test('ambiguous framing: 400, closed, nothing upstream', async (t) => {
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const heads = [
    'content-length: 5\r\ntransfer-encoding: chunked',
    'content-length: 5\r\ncontent-length: 6',
    'content-length: +5',
    'content-length: 5 5',
    'content-length: ',
    'transfer-encoding: chunked\r\ntransfer-encoding: chunked',
    'transfer-encoding: xchunked',
    'transfer-encoding: chunked, identity',
    'transfer-encoding: identity',
    'transfer-encoding: gzip, chunked',
    'x: a\r\n b',
    'x : a',
    'x: a\rb',
    'x: a\nb: c\0',
    ': a'
  ]
  for (const head of heads) {
    const before = upstream.count
    const client = await RawClient.connect(proxy.url())
    client.write(`POST / HTTP/1.1\r\nhost: a\r\n${head}\r\n\r\n5\r\nhello\r\n0\r\n\r\n`)
    const text = await client.closed().catch(() => `open: ${client.text}`)
    t.match(text, /^HTTP\/1\.1 400 /, JSON.stringify(head))
    t.equal(upstream.count, before, JSON.stringify(head))
    client.destroy()
  }
})
