// What counts as an error and is known only when a response has ended, and what becomes of an ejection over a reload.
import t, { type Test } from 'tap'
import type { StartedProxy } from '../../../plugins/testing.js'
import { between } from '../../support/grpc-proxy.js'
import { GrpcServer } from '../../support/grpc-server.js'
import { startTestProxy } from '../../support/proxy.js'
import { startUpstream } from '../../support/upstream.js'

const viewOf = (proxy: StartedProxy, at = 0) => proxy.proxy.services()[0]?.endpoints[at]
const only = { successRate: false, failurePercentage: false }

/** @returns whether the whole answer came */
async function whole(url: string): Promise<boolean> {
  try {
    const response = await fetch(url)
    await response.text()
    return true
  } catch {
    return false
  }
}

const good = (t: Test) => startUpstream(t, (_request, response) => response.end('ok'))

t.test('a body that breaks off is an error, although its head said 200', async (t) => {
  const breaking = await startUpstream(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('half')
    setImmediate(() => response.destroy())
  })
  const { url } = await good(t)
  const service = { plugins: [{ 'outlier-detection': { ...only, consecutiveErrors: 3 } }] }
  const proxy = await startTestProxy(t, { endpoints: [breaking.url, url], service })
  for (let i = 0; i < 6; i++) t.equal(await whole(proxy.url()), i % 2 === 1)
  t.match(viewOf(proxy), { reason: '3 errors in a row, the last: the connection broke' })
  t.equal(breaking.count, 3)
})

t.test("a gRPC call's status counts when it comes in the trailers, behind a head of 200", async (t) => {
  const [failing, serving] = await Promise.all([GrpcServer.start(t), GrpcServer.start(t)])
  const service = { plugins: [{ 'outlier-detection': { ...only, consecutiveErrors: 2 } }] }
  const { proxy, client } = await between(t, { endpoints: [failing.url, serving.url], service })
  for (let i = 0; i < 4; i++) {
    const { call, ended } = client.duplex()
    call.write({ responses: [{ size: 3 }] })
    call.write({ status: { code: 13, message: 'no' } })
    call.end()
    const { code, messages } = await ended
    t.same([code, messages.length], [13, 1])
  }
  const ejected = [0, 1].map((at) => viewOf(proxy, at)).filter((view) => (view?.ejectedFor ?? 0) > 0)
  t.equal(ejected.length, 1, 'both fail, and there is room for one')
  t.equal(ejected[0]?.reason, '2 errors in a row, the last: INTERNAL')
})

t.test('a client that leaves says nothing against the endpoint', async (t) => {
  let arrived: () => void = () => {}
  const slow = await startUpstream(t, () => arrived())
  const { url } = await good(t)
  const service = { plugins: [{ 'outlier-detection': { ...only, consecutiveErrors: 1 } }] }
  const proxy = await startTestProxy(t, { endpoints: [slow.url, url], service })
  for (let i = 0; i < 3; i++) {
    const there = new Promise<void>((resolve) => {
      arrived = resolve
    })
    const leaving = new AbortController()
    const left = fetch(proxy.url(), { signal: leaving.signal }).catch(() => 'left')
    await there
    leaving.abort()
    t.equal(await left, 'left')
    await whole(proxy.url())
  }
  t.equal(slow.count, 3)
  t.equal(viewOf(proxy)?.ejectedFor, 0)
})

t.test('an ejection and how many there were in a row hold over a reload', async (t) => {
  const failing = await startUpstream(t, (_request, response) => response.writeHead(500).end())
  const { url } = await good(t)
  const config = {
    listeners: { in: { address: '127.0.0.1:0' } },
    admin: false,
    services: {
      upstream: {
        endpoints: [failing.url, url],
        plugins: [{ 'outlier-detection': { ...only, consecutiveErrors: 2, baseEjection: '200ms' } }]
      }
    },
    routes: [{ name: 'all', match: { path: '/*' }, service: 'upstream' }]
  }
  const proxy = await startTestProxy(t, { endpoints: [], config })
  await whole(proxy.url())
  await whole(proxy.url())
  await proxy.proxy.reload(config)
  const lengths: number[] = []
  for (const end = Date.now() + 10_000; lengths.length < 2 && Date.now() < end; ) {
    const before = viewOf(proxy)?.ejections as number
    await whole(proxy.url())
    const view = viewOf(proxy)
    if ((view?.ejections as number) > before) lengths.push(view?.ejectedFor as number)
  }
  t.equal(failing.count, 4, 'the error from before the reload counts, and it was out in between')
  t.ok((lengths[0] as number) <= 200, `${lengths[0]} ms`)
  t.ok((lengths[1] as number) > 200, `${lengths[1]} ms, the second in a row`)
})
