// A plugin that fails hurts its own request and nothing else.
import t from 'tap'
import { definePlugin } from '../../core/index.js'
import { startProxy } from '../../plugins/testing.js'
import { echo, startUpstream } from '../support/upstream.js'

const throws = definePlugin({
  name: 'throws',
  setup: () => ({
    request() {
      throw new Error('secret-token-123 at /etc/shop/key.pem')
    }
  })
})
const stalls = definePlugin({ name: 'stalls', setup: () => ({ request: () => new Promise(() => {}) }) })
const hoards = definePlugin({
  name: 'hoards',
  body: { request: 'buffer', maxBytes: 1024 },
  setup: () => ({
    async request({ request }) {
      await request.body.bytes()
    }
  })
})

t.test('a plugin that throws, one that never resolves, one that blows its body budget', async (t) => {
  const upstream = await startUpstream(t, echo)
  const route = (name: string, plugins: unknown[]) => ({
    name,
    match: { path: `/${name}` },
    service: 'shop',
    plugins
  })
  const proxy = await startProxy({
    listeners: { in: { address: '127.0.0.1:0' } },
    services: { shop: { endpoints: [upstream.url] } },
    routes: [
      route('throws', [throws]),
      route('stalls', [[stalls, { hookTimeout: 50 }]]),
      route('hoards', [hoards]),
      route('skips', [[throws, { onFailure: 'skip' }]]),
      route('fine', [])
    ]
  })
  t.teardown(() => proxy.close())
  let running = true
  let fine = 0
  const others = (async () => {
    while (running) {
      const response = await fetch(`${proxy.url()}/fine`)
      await response.text()
      if (response.status !== 200) throw new Error(`the rest of the traffic got ${response.status}`)
      fine++
    }
  })()
  const expect = async (path: string, status: number, code: string | null, init: RequestInit = {}) => {
    const response = await fetch(proxy.url() + path, init)
    const text = await response.text()
    t.equal(response.status, status, path)
    t.equal(response.headers.get('x-outrigger-error'), code, path)
    t.notMatch(text, /secret-token|key\.pem|\.ts:/, `${path}: neither secret nor stack`)
  }
  await expect('/throws', 500, 'PLUGIN_FAILED')
  await expect('/stalls', 500, 'PLUGIN_TIMEOUT')
  await expect('/hoards', 413, 'BODY_TOO_LARGE', { method: 'POST', body: Buffer.alloc(5000) })
  await expect('/hoards', 200, null, { method: 'POST', body: Buffer.alloc(1000) })
  await expect('/skips', 200, null)
  const before = upstream.count
  await expect('/throws', 500, 'PLUGIN_FAILED')
  running = false
  await others
  t.ok(fine > 3, `${fine} other requests were answered meanwhile`)
  t.ok(upstream.count - before <= fine, 'none of the failed requests reached the service')
  const failure = proxy.log.find(({ message }) => message.includes('throws'))
  t.match(failure?.fields, { plugin: 'throws', hook: 'request' })
})

t.test('a chunked upload past the budget is 413 too', async (t) => {
  const upstream = await startUpstream(t, echo)
  const proxy = await startProxy({
    listeners: { in: { address: '127.0.0.1:0' } },
    services: { shop: { endpoints: [upstream.url] } },
    routes: [{ name: 'hoards', match: { path: '/*' }, service: 'shop', plugins: [hoards] }]
  })
  t.teardown(() => proxy.close())
  const body = new ReadableStream({
    start(controller) {
      for (let i = 0; i < 5; i++) controller.enqueue(Buffer.alloc(500))
      controller.close()
    }
  })
  const response = await fetch(proxy.url(), { method: 'POST', body, duplex: 'half' } as RequestInit)
  t.equal(response.status, 413)
  t.equal(upstream.count, 0)
})
