// How a proxy ends: gently, or at once.
import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { definePlugin } from '../../../core/index.js'
import { startProxy } from '../../support/lane.js'
import { startTestProxy } from '../../support/proxy.js'
import { parseResponse, RawClient } from '../../support/raw-client.js'
import { startUpstream } from '../../support/upstream.js'

async function until(holds: () => boolean): Promise<boolean> {
  for (let i = 0; i < 150 && !holds(); i++) await sleep(20)
  return holds()
}

t.test(
  'drain: what is under way ends 200 and says connection: close; new connections are refused',
  async (t) => {
    const answers: (() => void)[] = []
    const upstream = await startUpstream(t, (_request, response) => {
      answers.push(() => response.end('done'))
    })
    let closed = 0
    const watches = definePlugin({ name: 'watches', setup: ({ onClose }) => onClose(() => void closed++) })
    const { proxy, url } = await startTestProxy(t, { endpoints: [upstream.url], plugins: [watches] })
    const address = url()
    const client = await RawClient.connect(address)
    client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    t.ok(await until(() => answers.length === 1))
    const draining = proxy.drain()
    t.equal(proxy.state, 'draining')
    await t.rejects(RawClient.connect(address), 'refused')
    t.equal(closed, 0)
    answers[0]?.()
    const text = await client.closed()
    t.match(parseResponse(text), { status: 200, body: 'done' })
    t.match(text, /connection: close/i)
    await draining
    t.equal(proxy.state, 'closed')
    t.equal(closed, 1)
    t.equal(proxy.inFlight, 0)
    await t.rejects(proxy.reload(), 'and takes no configuration any more')
  }
)

t.test('drain: a keep-alive connection in use is told to close with its next answer', async (t) => {
  let hold: (() => void) | undefined
  const upstream = await startUpstream(t, (request, response) => {
    if (request.url === '/hold') hold = () => response.end('held')
    else response.end('ok')
  })
  const { proxy, url } = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await RawClient.connect(url())
  client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  await client.until((text) => text.endsWith('ok'), 'the first')
  t.notMatch(client.text, /connection: close/i)
  client.write('GET /hold HTTP/1.1\r\nhost: a\r\n\r\n')
  t.ok(await until(() => hold !== undefined))
  const draining = proxy.drain()
  hold?.()
  const text = await client.closed()
  t.match(text, /connection: close[\s\S]*held$/i)
  await draining
})

t.test('drain: a connection on which nothing was ever sent does not hold it up', async (t) => {
  const { proxy, url } = await startTestProxy(t, { endpoints: ['http://127.0.0.1:9'] })
  const idle = await RawClient.connect(url())
  await sleep(50)
  const startedAt = performance.now()
  await Promise.race([proxy.drain(), sleep(3_000)])
  t.ok(performance.now() - startedAt < 2_000, `${Math.round(performance.now() - startedAt)} ms`)
  idle.destroy()
})

t.test('drain: past its time the rest is cut', async (t) => {
  const upstream = await startUpstream(t, () => {})
  const { proxy, url, log } = await startTestProxy(t, {
    endpoints: [upstream.url],
    config: { drain: '200ms' }
  })
  const client = await RawClient.connect(url())
  client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  t.ok(await until(() => proxy.inFlight === 1))
  const startedAt = performance.now()
  await proxy.drain()
  t.ok(performance.now() - startedAt < 3_000)
  t.equal(proxy.inFlight, 0)
  t.ok(log.some(({ message }) => /drain timed out/.test(message)))
  await client.closed()
})

t.test('close cuts what is under way, at both ends, once and again', async (t) => {
  const ends: (string | undefined)[] = []
  const hears = definePlugin({
    name: 'hears',
    setup: () => ({ settled: ({ end }) => void ends.push(end), finish: ({ code }) => void ends.push(code) })
  })
  const upstream = await startUpstream(t, () => {})
  const { proxy, url } = await startTestProxy(t, { endpoints: [upstream.url], top: [hears] })
  const client = await RawClient.connect(url())
  client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  t.ok(await until(() => upstream.count === 1))
  const used = [...upstream.sockets]
  await Promise.all([proxy.close(), proxy.close(), proxy.drain()])
  await client.closed()
  t.ok(await until(() => used.every(({ destroyed }) => destroyed)))
  t.same(ends, ['cancelled', undefined], 'it is not the client that left')
})

t.test('a proxy that was never started can be drained and closed', async (t) => {
  const started = await startProxy({
    listeners: { in: { address: '127.0.0.1:0' } },
    routes: [{ name: 'a', match: { path: '/*' }, reply: { status: 200 } }]
  })
  await started.close()
  await started.close()
  await t.rejects(started.proxy.start())
  t.equal(started.proxy.addresses.size, 0)
})

t.test('the admin answers while the proxy drains, and says it is not ready', async (t) => {
  let hold: (() => void) | undefined
  const upstream = await startUpstream(t, (_request, response) => {
    hold = () => response.end()
  })
  const { proxy, url } = await startTestProxy(t, {
    endpoints: [upstream.url],
    config: { admin: { address: '127.0.0.1:0' } }
  })
  const admin = url('admin')
  t.equal((await fetch(`${admin}/readyz`)).status, 200)
  const agent = new Agent({ keepAlive: true })
  const request = get(url(), { agent })
  request.on('error', () => {})
  t.ok(await until(() => hold !== undefined))
  const draining = proxy.drain()
  t.equal((await fetch(`${admin}/readyz`)).status, 503)
  t.equal((await fetch(`${admin}/livez`)).status, 200)
  const answered = once(request, 'response')
  hold?.()
  const [response] = await answered
  response.resume()
  await draining
  agent.destroy()
  await t.rejects(fetch(`${admin}/livez`))
})
