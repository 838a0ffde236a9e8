// wire-cases, first group, lines 1 to 4: what becomes of a request that is tried more than once.
import t from 'tap'
import { startTestProxy } from '../support/proxy.js'
import { parseResponse, RawClient } from '../support/raw-client.js'
import { bodyOf, closedPort, startRawUpstream, startUpstream } from '../support/upstream.js'

t.test('1. a POST that is retried arrives whole, once, at the second endpoint', async (t) => {
  const bodies: Buffer[] = []
  const good = await startUpstream(t, async (request, response) => {
    bodies.push(await bodyOf(request))
    response.end('stored')
  })
  const refused = `http://127.0.0.1:${await closedPort()}`
  const proxy = await startTestProxy(t, { endpoints: [refused, good.url], plugins: ['retry'] })
  const body = Buffer.alloc(40 * 1024, 'abcdefghij')
  for (let i = 0; i < 6; i++) {
    const response = await fetch(proxy.url(), { method: 'POST', body })
    t.equal(response.status, 200)
    t.equal(await response.text(), 'stored')
  }
  t.equal(bodies.length, 6, 'each arrived once')
  t.ok(
    bodies.every((one) => one.equals(body)),
    'and whole'
  )
})

t.test(
  '1. a chunked POST past the replay buffer goes to another endpoint when none of it was read',
  async (t) => {
    const lengths: number[] = []
    const good = await startUpstream(t, async (request, response) => {
      lengths.push((await bodyOf(request)).length)
      response.end()
    })
    const refused = `http://127.0.0.1:${await closedPort()}`
    const proxy = await startTestProxy(t, { endpoints: [refused, good.url], plugins: ['retry'] })
    for (let i = 0; i < 4; i++) {
      const { status } = await fetch(proxy.url(), { method: 'POST', body: Buffer.alloc(1024 * 1024) })
      t.equal(status, 200)
    }
    t.same(lengths, [1024 * 1024, 1024 * 1024, 1024 * 1024, 1024 * 1024])
  }
)

t.test('1. a POST whose body can no longer be replayed is not repeated', async (t) => {
  const reset = await startUpstream(t, (request) => {
    let seen = 0
    request.on('data', (chunk: Buffer) => {
      seen += chunk.length
      if (seen > 200 * 1024) request.socket.destroy()
    })
  })
  const retry = { retry: { on: ['reset'], nonIdempotent: true } }
  const proxy = await startTestProxy(t, { endpoints: [reset.url], plugins: [retry] })
  const response = await fetch(proxy.url(), { method: 'POST', body: Buffer.alloc(1024 * 1024) })
  t.equal(response.status, 502)
  t.equal(response.headers.get('x-outrigger-error'), 'UPSTREAM_RESET')
  t.equal(reset.count, 1)
})

t.test('2. 503 is not retried unless a plugin asks', async (t) => {
  const busy = await startUpstream(t, (_request, response) => {
    response.writeHead(503, { 'retry-after': '1' }).end('busy')
  })
  const plain = await startTestProxy(t, { endpoints: [busy.url] })
  const response = await fetch(plain.url())
  t.equal(response.status, 503)
  t.equal(await response.text(), 'busy', "the upstream's own answer")
  t.equal(response.headers.get('x-outrigger-error'), null)
  t.equal(busy.count, 1)
  const defaults = await startTestProxy(t, { endpoints: [busy.url], plugins: ['retry'] })
  t.equal((await fetch(defaults.url())).status, 503)
  t.equal(busy.count, 2, 'and not by the retry plugin, unless told to')
  const asked = await startTestProxy(t, {
    endpoints: [busy.url],
    plugins: [{ retry: { on: [503], attempts: 3 } }]
  })
  t.equal((await fetch(asked.url())).status, 503)
  t.equal(busy.count, 5)
})

t.test('3. discarded responses are drained or destroyed: no hang', async (t) => {
  const large = Buffer.alloc(2 * 1024 * 1024, 'x')
  const failing = await startUpstream(t, (_request, response) => {
    response.writeHead(503, { 'content-length': large.length })
    response.end(large)
  })
  const good = await startUpstream(t, (_request, response) => {
    response.end(large)
  })
  const proxy = await startTestProxy(t, {
    endpoints: [failing.url, good.url],
    service: { maxConnections: 4 },
    plugins: [{ retry: { on: [503], attempts: 2, budget: { min: 100 } } }]
  })
  for (let round = 0; round < 5; round++) {
    const responses = await Promise.all(Array.from({ length: 8 }, () => fetch(proxy.url())))
    for (const response of responses) {
      t.equal(response.status, 200)
      t.equal((await response.arrayBuffer()).byteLength, large.length)
    }
  }
  t.ok(failing.count >= 15, 'the failing endpoint was asked and given up on')
})

t.test('3. a small discarded response leaves its connection usable', async (t) => {
  let connections = 0
  const flaky = await startUpstream(t, (_request, response) => {
    if (flaky.count % 2 === 1) response.writeHead(503).end('try again')
    else response.end('ok')
  })
  flaky.server.on('connection', () => connections++)
  const proxy = await startTestProxy(t, { endpoints: [flaky.url], plugins: [{ retry: { on: [503] } }] })
  for (let i = 0; i < 10; i++) t.equal((await fetch(proxy.url())).status, 200)
  t.equal(flaky.count, 20)
  t.ok(connections <= 2, `${connections} connections for 20 attempts`)
})

t.test('4. each attempt chooses its endpoint anew', async (t) => {
  const ports: string[] = []
  const endpoints: string[] = []
  for (let i = 0; i < 3; i++) {
    const upstream = await startUpstream(t, (_request, response) => {
      ports.push(upstream.url)
      response.writeHead(500).end()
    })
    endpoints.push(upstream.url)
  }
  const proxy = await startTestProxy(t, { endpoints, plugins: [{ retry: { on: ['5xx'], attempts: 3 } }] })
  t.equal((await fetch(proxy.url())).status, 500)
  t.same([...ports].sort(), [...endpoints].sort(), 'three attempts, three endpoints')
})

t.test('no attempt follows a byte that has reached the client', async (t) => {
  const breaking = await startRawUpstream(t, (socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbeginning')
      socket.once('drain', () => {})
      setImmediate(() => setImmediate(() => socket.destroy()))
    })
  })
  const proxy = await startTestProxy(t, {
    endpoints: [breaking.url],
    plugins: [{ retry: { on: ['reset', '5xx'] } }]
  })
  const client = await RawClient.connect(proxy.url())
  client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  const text = await client.closed()
  t.equal(text.match(/HTTP\/1\.1 /g)?.length, 1, 'one head')
  t.equal(parseResponse(text), undefined, 'and not a whole response')
})
