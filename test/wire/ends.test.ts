// wire-cases, first group, lines 8 to 11 and 13: how exchanges end, and what names and fields look like.
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { definePlugin } from '../../core/index.js'
import { certificate } from '../support/certificates.js'
import { startTestProxy } from '../support/proxy.js'
import { parseResponse, RawClient } from '../support/raw-client.js'
import { closedPort, startRawUpstream, startUpstream } from '../support/upstream.js'

/** `once` would reject with the 'aborted' error that comes first. */
function closeOf(request: IncomingMessage): Promise<void> {
  request.on('error', () => {})
  return new Promise((resolve) => {
    if (request.destroyed) resolve()
    else request.on('close', () => resolve())
  })
}

t.test(
  "8. the client leaves before the answer: the upstream's request is cancelled within 100 ms",
  async (t) => {
    const upstream = await startUpstream(t, () => {})
    const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
    const client = await RawClient.connect(proxy.url())
    const arrived = once(upstream.server, 'request')
    client.write('GET /slow HTTP/1.1\r\nhost: a\r\n\r\n')
    const [request] = await arrived
    const leftAt = performance.now()
    client.destroy()
    await closeOf(request)
    t.ok(performance.now() - leftAt < 100, `${Math.round(performance.now() - leftAt)} ms`)
  }
)

t.test('8. the client leaves during the answer: the upstream stops', async (t) => {
  const upstream = await startUpstream(t, (_request, response) => {
    response.writeHead(200)
    const more = () => {
      while (response.write(Buffer.alloc(64 * 1024)));
    }
    response.on('drain', more)
    more()
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await RawClient.connect(proxy.url())
  const arrived = once(upstream.server, 'request')
  client.write('GET /endless HTTP/1.1\r\nhost: a\r\n\r\n')
  const [request] = await arrived
  await client.until((text) => text.length > 100_000, 'some of it')
  client.destroy()
  await closeOf(request)
  t.pass('the upstream saw its request end')
})

t.test('9. the upstream breaks mid-body: the client sees a broken response', async (t) => {
  const heads = { counted: 'content-length: 1000', chunked: 'transfer-encoding: chunked' }
  for (const [name, head] of Object.entries(heads)) {
    const upstream = await startRawUpstream(t, (socket) => {
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${name === 'chunked' ? '5\r\nhello\r\n' : 'hello'}`)
        setImmediate(() => setImmediate(() => socket.destroy()))
      })
    })
    const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
    const client = await RawClient.connect(proxy.url())
    client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    const text = await client.closed()
    t.match(text, /^HTTP\/1\.1 200 /, name)
    t.match(text, 'hello', name)
    t.notOk(text.endsWith('0\r\n\r\n'), `${name}: no clean end`)
    t.equal(parseResponse(text), undefined, `${name}: not a whole response`)
    await t.rejects(
      fetch(proxy.url()).then((response) => response.text()),
      `${name}: and an HTTP client says so`
    )
  }
})

t.test('10. refused and reset are 502, no endpoint 503, a timeout 504, and no address is told', async (t) => {
  const port = await closedPort()
  const reset = await startRawUpstream(t, (socket) => socket.once('data', () => socket.resetAndDestroy()))
  const garbage = await startRawUpstream(t, (socket) =>
    socket.once('data', () => socket.end('not http at all\r\n\r\n'))
  )
  const silent = await startRawUpstream(t, () => {})
  const down = definePlugin({
    name: 'down',
    setup({ service }) {
      for (const endpoint of service?.endpoints ?? [])
        service?.mark(endpoint, 'unhealthy', 'the test says so')
    }
  })
  const cases: [string, string[], Record<string, unknown>, number, string][] = [
    ['refused', [`http://127.0.0.1:${port}`], {}, 502, 'CONNECT_FAILED'],
    ['reset', [reset.url], {}, 502, 'UPSTREAM_RESET'],
    ['garbage', [garbage.url], {}, 502, 'BAD_UPSTREAM_RESPONSE'],
    ['none', [reset.url], {}, 503, 'NO_ENDPOINT'],
    ['silent', [silent.url], { timeout: 150 }, 504, 'DEADLINE_EXCEEDED']
  ]
  for (const [name, endpoints, route, status, code] of cases) {
    const service = name === 'none' ? { plugins: [down] } : {}
    const proxy = await startTestProxy(t, { endpoints, route, service })
    const response = await fetch(proxy.url())
    const text = await response.text()
    t.equal(response.status, status, name)
    t.equal(response.headers.get('x-outrigger-error'), code, name)
    const body = JSON.parse(text)
    t.equal(body.error, code, name)
    t.match(body.requestId, /^[0-9a-f]{8}-[0-9a-f]{4}-7/, name)
    t.notMatch(text + JSON.stringify([...response.headers]), '127.0.0.1', `${name}: no address`)
  }
})

t.test("10. an attempt's own timeout is 504 RESPONSE_TIMEOUT", async (t) => {
  const silent = await startRawUpstream(t, () => {})
  const plugins = [{ retry: { attempts: 1, on: ['timeout'], attemptTimeout: 100 } }]
  const proxy = await startTestProxy(t, { endpoints: [silent.url], plugins })
  const response = await fetch(proxy.url())
  t.equal(response.status, 504)
  t.equal(response.headers.get('x-outrigger-error'), 'RESPONSE_TIMEOUT')
})

t.test("11. an upstream's certificate is verified by default, by name", async (t) => {
  const ca = certificate({ name: 'shop test CA', authority: true })
  const right = certificate({ name: 'localhost', issuer: ca })
  const wrong = certificate({ name: 'elsewhere.example', issuer: ca })
  const start = async ({ cert, key }: { cert: string; key: string }) => {
    const server = createTlsServer({ cert, key }, (_request, response) => response.end('secure'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => {
      server.close()
      server.closeAllConnections()
    })
    return `https://localhost:${(server.address() as AddressInfo).port}`
  }
  const directory = t.testdir({ 'ca.pem': ca.cert })
  const trusted = { tls: { ca: `${directory}/ca.pem` } }
  const get = async (endpoint: string, service: object) => {
    const proxy = await startTestProxy(t, { endpoints: [endpoint], service: { ...service } })
    const response = await fetch(proxy.url(), { headers: { host: 'localhost' } })
    return [response.status, response.headers.get('x-outrigger-error')]
  }
  t.same(await get(await start(right), {}), [502, 'CONNECT_FAILED'], 'an unknown CA')
  t.same(await get(await start(right), trusted), [200, null], 'a known one')
  t.same(await get(await start(wrong), trusted), [502, 'CONNECT_FAILED'], 'another name')
  const named = { tls: { ...trusted.tls, serverName: 'elsewhere.example' } }
  t.same(await get(await start(wrong), named), [200, null], 'the name that is configured')
  t.same(
    await get(await start(wrong), { tls: { insecure: true } }),
    [200, null],
    'only when told not to verify'
  )
})

t.test('13. names keep their casing, and repeated fields stay repeated, in order', async (t) => {
  let seen: string[] = []
  const upstream = await startRawUpstream(t, (socket) => {
    socket.once('data', (data) => {
      seen = data.toString('latin1').split('\r\n\r\n')[0]?.split('\r\n') ?? []
      socket.end(
        'HTTP/1.1 200 Fine By Me\r\nX-CamelCase: One\r\nset-cookie: a=1\r\nX-a: 1\r\nSet-Cookie: b=2; Path=/\r\nx-A: 2\r\nContent-Length: 2\r\n\r\nok'
      )
    })
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await RawClient.connect(proxy.url())
  client.write(
    'GET /p HTTP/1.1\r\nHost: Shop.Example\r\nX-CamelCase: One\r\nCookie: a=1\r\nX-a: 1\r\ncookie: b=2\r\nx-A: 2\r\n\r\n'
  )
  const text = await client.until((text) => parseResponse(text) !== undefined, 'a response')
  client.destroy()
  t.match(text, /^HTTP\/1\.1 200 Fine By Me\r\n/)
  const fields = parseResponse(text)?.fields ?? []
  t.same(fields.slice(0, 6), [
    'X-CamelCase: One',
    'set-cookie: a=1',
    'X-a: 1',
    'Set-Cookie: b=2; Path=/',
    'x-A: 2',
    'Content-Length: 2'
  ])
  const own = seen.filter((line) => /^(x-camelcase|cookie|x-a):/i.test(line))
  t.same(own, ['X-CamelCase: One', 'Cookie: a=1', 'X-a: 1', 'cookie: b=2', 'x-A: 2'])
  t.ok(
    seen.some((line) => /^host: Shop\.Example$/i.test(line)),
    'and the host that the client asked for'
  )
})
