// wire-cases, first group, lines 5 and 6: bodies in, whatever they call themselves.
import t from 'tap'
import { definePlugin, Reply } from '../../core/index.js'
import { startTestProxy } from '../support/proxy.js'
import { parseResponse, RawClient } from '../support/raw-client.js'
import { bodyOf, echo, startUpstream } from '../support/upstream.js'

const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, i) => i))

async function raw(url: string, request: string | Buffer): Promise<ReturnType<typeof parseResponse>> {
  const client = await RawClient.connect(url)
  client.write(request)
  const text = await client.until((text) => parseResponse(text) !== undefined, 'a response')
  client.destroy()
  return parseResponse(text)
}

t.test('5. text/plain passes byte for byte', async (t) => {
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  for (const type of [
    'text/plain',
    'application/json',
    'multipart/form-data; boundary=x',
    'not a type at all;;',
    ''
  ]) {
    const head = `POST / HTTP/1.1\r\nhost: a\r\ncontent-type: ${type}\r\ncontent-length: 256\r\n\r\n`
    const response = await raw(proxy.url(), Buffer.concat([Buffer.from(head), EVERY_BYTE]))
    t.equal(response?.status, 200, type)
    t.equal(JSON.parse(response?.body ?? '{}').body, EVERY_BYTE.toString('base64'), type)
  }
  const untyped = Buffer.concat([
    Buffer.from('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 256\r\n\r\n'),
    EVERY_BYTE
  ])
  t.equal(JSON.parse((await raw(proxy.url(), untyped))?.body ?? '{}').length, 256, 'no type')
})

t.test('5. text/plain streams, past any size that a parser would cap', async (t) => {
  const upstream = await startUpstream(t, async (request, response) => {
    request.once('data', () => response.writeContinue())
    response.end(String((await bodyOf(request)).length))
  })
  const firstPiece = new Promise<number>((resolve) => {
    upstream.server.on('request', (request) => request.once('data', (chunk: Buffer) => resolve(chunk.length)))
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await RawClient.connect(proxy.url())
  const size = 3 * 1024 * 1024
  client.write(`POST / HTTP/1.1\r\nhost: a\r\ncontent-type: text/plain\r\ncontent-length: ${size}\r\n\r\n`)
  client.write(Buffer.alloc(1024))
  t.ok((await firstPiece) > 0, 'the upstream has the beginning before the client has sent the end')
  client.destroy()
})

t.test('5. a large text/plain upload arrives whole', async (t) => {
  const upstream = await startUpstream(t, async (request, response) => {
    response.end(String((await bodyOf(request)).length))
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const size = 5 * 1024 * 1024
  const response = await fetch(proxy.url(), {
    method: 'POST',
    headers: { 'content-type': 'text/plain' },
    body: Buffer.alloc(size)
  })
  t.equal(await response.text(), String(size))
})

t.test('5. a chunked body arrives chunked and whole, in pieces of any size', async (t) => {
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await RawClient.connect(proxy.url())
  client.write('PUT /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n')
  client.write('1;ext=1\r\n \r\n5\r\nworld\r\n0\r\n\r\n')
  const text = await client.until((text) => parseResponse(text) !== undefined, 'a response')
  client.destroy()
  const seen = JSON.parse(parseResponse(text)?.body ?? '{}')
  t.equal(Buffer.from(seen.body, 'base64').toString(), 'hello world')
  t.match(seen.rawHeaders.join(':').toLowerCase(), 'transfer-encoding:chunked')
})

t.test('6. Expect: 100-continue: the 100 is sent when the upload is wanted', async (t) => {
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await RawClient.connect(proxy.url())
  client.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n')
  await client.until((text) => text === 'HTTP/1.1 100 Continue\r\n\r\n', 'the 100')
  client.write('hello')
  const text = await client.until((text) => text.includes('"length":5'), 'the echo')
  const seen = JSON.parse(parseResponse(text.slice('HTTP/1.1 100 Continue\r\n\r\n'.length))?.body ?? '{}')
  t.equal(Buffer.from(seen.body, 'base64').toString(), 'hello')
  t.notMatch(seen.rawHeaders.join(':').toLowerCase(), 'expect', 'the upstream is not asked again')
  client.destroy()
})

t.test('6. an early refusal comes without a 100, and the connection ends', async (t) => {
  const refuse = definePlugin({ name: 'refuse', setup: () => ({ request: () => new Reply(401, 'no') }) })
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], plugins: [refuse] })
  const client = await RawClient.connect(proxy.url())
  client.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n')
  const text = await client.closed()
  t.match(text, /^HTTP\/1\.1 401 /)
  t.match(text.toLowerCase(), 'connection: close')
  t.equal(upstream.count, 0)
})

t.test('6. an upstream that sends a 100 of its own all the same does not break the exchange', async (t) => {
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await RawClient.connect(proxy.url())
  client.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi')
  const text = await client.until((text) => parseResponse(text) !== undefined, 'a response')
  t.match(text, /^HTTP\/1\.1 200 /)
  client.destroy()
})

t.test('a refused upload that was not read: the answer arrives, then the connection closes', async (t) => {
  const refuse = definePlugin({
    name: 'refuse',
    setup: () => ({ request: () => new Reply(413, 'too much') })
  })
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], plugins: [refuse] })
  const client = await RawClient.connect(proxy.url())
  client.write(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${10 * 1024 * 1024}\r\n\r\n`)
  client.write(Buffer.alloc(32 * 1024))
  await client.until((text) => text.endsWith('too much'), 'the answer')
  await client.closed()
  t.equal(upstream.count, 0)
})
