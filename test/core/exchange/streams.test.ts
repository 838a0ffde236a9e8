// A plugin's transform between real sockets, where a body takes its time.
import { Transform } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { definePlugin } from '../../../core/index.js'
import { startTestProxy } from '../../support/proxy.js'
import { RawClient } from '../../support/raw-client.js'
import { bodyOf, startUpstream } from '../../support/upstream.js'

const upper = () =>
  new Transform({
    transform(chunk, _encoding, callback) {
      callback(null, String(chunk).toUpperCase())
    }
  })

const both = definePlugin({
  name: 'upper',
  body: { request: 'stream', response: 'stream' },
  setup: () => ({
    request: ({ request }) => request.body.replace(request.body.stream().pipe(upper())),
    response: ({ body }) => body.replace(body.stream().pipe(upper()))
  })
})

t.test('a response that comes slowly, or is large, is whole behind a transform', async (t) => {
  const upstream = await startUpstream(t, async (request, response) => {
    if (request.url === '/large') return response.end('b'.repeat(3_000_000))
    for (const piece of ['one ', 'two ', 'three']) {
      response.write(piece)
      await sleep(50)
    }
    return response.end()
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], plugins: [both] })
  const read = (path: string) =>
    fetch(proxy.url() + path)
      .then((response) => response.text())
      .catch((error) => String(error.cause ?? error))
  t.equal(await read('/slow'), 'ONE TWO THREE')
  const large = await read('/large')
  t.equal(large.length, 3_000_000)
  t.ok(large === 'B'.repeat(3_000_000))
})

t.test('an upload that comes slowly is whole behind a transform', async (t) => {
  let got = ''
  const upstream = await startUpstream(t, async (request, response) => {
    got = (await bodyOf(request)).toString()
    response.end()
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], plugins: [both] })
  const client = await RawClient.connect(proxy.url())
  client.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 11\r\n\r\nhello')
  await sleep(50)
  client.write(' world')
  await client.until((text) => text.includes('\r\n\r\n'), 'an answer')
  t.equal(got, 'HELLO WORLD')
  client.destroy()
})

t.test('a client that leaves in the midst of a transformed response lets the upstream go', async (t) => {
  const upstream = await startUpstream(t, (_request, response) => {
    const more = () => {
      while (response.write(Buffer.alloc(65_536, 'a')));
    }
    response.on('drain', more)
    more()
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], plugins: [both] })
  const client = await RawClient.connect(proxy.url())
  client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  await client
    .until((text) => text.length > 200_000, 'some of it')
    .catch((error) => t.fail(String(error).slice(0, 100)))
  const used = [...upstream.sockets]
  client.destroy()
  for (let i = 0; i < 100 && !used.every(({ destroyed }) => destroyed); i++) await sleep(20)
  t.ok(used.every(({ destroyed }) => destroyed))
  t.equal(proxy.proxy.inFlight, 0)
})

t.test('a transform that breaks: the client sees a broken response, never a clean end', async (t) => {
  const breaks = definePlugin({
    name: 'breaks',
    body: { response: 'stream' },
    setup: () => ({
      response({ body }) {
        let seen = 0
        const broken = new Transform({
          transform(chunk, _encoding, callback) {
            seen += chunk.length
            callback(seen > 100_000 ? new Error('no more') : null, chunk)
          }
        })
        body.replace(body.stream().pipe(broken))
      }
    })
  })
  const upstream = await startUpstream(t, (_request, response) => response.end('x'.repeat(1_000_000)))
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], plugins: [breaks] })
  await t.rejects(fetch(proxy.url()).then((response) => response.text()))
  for (let i = 0; i < 100 && proxy.proxy.inFlight > 0; i++) await sleep(20)
  t.equal(proxy.proxy.inFlight, 0)
})
