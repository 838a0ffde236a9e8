// What a user's day with the proxy brought up, each with its bytes.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect as connectHttp2, constants } from 'node:http2'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { startTestProxy } from '../support/proxy.js'
import { RawClient } from '../support/raw-client.js'
import { echo, startUpstream } from '../support/upstream.js'

t.test('a gRPC deadline with the client still sending: its status, and no error behind it', async (t) => {
  const upstream = await startUpstream(t, (request) => void request.resume())
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const session = connectHttp2(proxy.url())
  t.teardown(() => session.destroy())
  const call = session.request({
    ':method': 'POST',
    ':path': '/shop.Stock/Watch',
    'content-type': 'application/grpc',
    'grpc-timeout': '100m',
    te: 'trailers'
  })
  call.on('error', (error) => t.fail(`the stream ended with ${error.message}`))
  const [headers] = await once(call, 'response')
  t.equal(headers['grpc-status'], '4')
  call.resume()
  await once(call, 'close')
  t.equal(call.rstCode, constants.NGHTTP2_NO_ERROR)
})

t.test("a service's own Keep-Alive does not lengthen keepAlive", async (t) => {
  const server = createServer({ keepAliveTimeout: 60_000 }, (_request, response) => void response.end('ok'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const closed = new Promise<number>((resolve) => {
    server.once('connection', (socket) => {
      const at = Date.now()
      socket.once('close', () => resolve(Date.now() - at))
    })
  })
  const { port } = server.address() as AddressInfo
  const proxy = await startTestProxy(t, {
    endpoints: [`http://127.0.0.1:${port}`],
    service: { keepAlive: '100ms' }
  })
  t.equal((await fetch(proxy.url())).status, 200)
  t.ok((await closed) < 20_000, 'long before the minute that it offers')
})

t.test('HTTP/1.0 cannot ask for an upgrade: it is served as if it had not', async (t) => {
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await RawClient.connect(proxy.url())
  t.teardown(() => client.destroy())
  client.write(
    'GET /chat HTTP/1.0\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n' +
      'sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'
  )
  const text = await client.closed()
  t.match(text, /^HTTP\/1\.1 200 /)
  t.notMatch(text.toLowerCase(), '"upgrade"')
})

t.test('what is refused before it is an exchange is counted by its reason', async (t) => {
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, {
    endpoints: [upstream.url],
    config: {
      listeners: {
        in: { address: '127.0.0.1:0', maxConnections: 1 },
        behind: { address: '127.0.0.1:0', proxyProtocol: true, trustedProxies: ['127.0.0.1'] }
      }
    }
  })
  const say = async (bytes: string, url = proxy.url('in')) => {
    const client = await RawClient.connect(url)
    client.write(bytes)
    return client.closed()
  }
  t.match(await say('GET / HTTP/1.1\r\nhost : a\r\n\r\n'), / 400 /)
  t.match(await say('CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n'), / 400 /)
  t.match(await say(`GET / HTTP/1.1\r\nhost: a\r\nx: ${'x'.repeat(70_000)}\r\n\r\n`), / 431 /)
  t.equal(await say('GET / HTTP/1.1\r\nhost: a\r\n\r\n', proxy.url('behind')), '')
  const first = await RawClient.connect(proxy.url('in'))
  t.teardown(() => first.destroy())
  first.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  await first.until((text) => text.includes(' 200 '))
  t.equal(await say('GET / HTTP/1.1\r\nhost: a\r\n\r\n'), '')
  const { text } = await proxy.proxy.metrics()
  const counted = [...text.matchAll(/^outrigger_refusals_total\{listener="(\w+)",reason="(\w+)"\} (\d+)$/gm)]
  t.same(
    counted.map(([, ...parts]) => parts).sort(),
    [
      ['behind', 'PROXY_HEADER', '1'],
      ['in', 'BAD_REQUEST', '2'],
      ['in', 'HEADERS_TOO_LARGE', '1'],
      ['in', 'TOO_MANY_CONNECTIONS', '1']
    ].sort()
  )
  t.ok(proxy.log.some(({ message }) => message.includes('no PROXY header')))
})
