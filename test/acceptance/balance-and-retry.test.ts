// What the load balancer and retry promise, through real sockets.
import t from 'tap'
import { startTestProxy } from '../support/proxy.js'
import { bodyOf, closedPort, startUpstream, type Upstream } from '../support/upstream.js'

async function three(t: Parameters<typeof startUpstream>[0]): Promise<Upstream[]> {
  return Promise.all([1, 2, 3].map(() => startUpstream(t, (_request, response) => response.end('ok'))))
}

async function get(url: string, times: number, at = 1): Promise<number[]> {
  const statuses: number[] = []
  const one = async (share: number) => {
    for (let i = 0; i < share; i++) {
      const response = await fetch(url)
      await response.text()
      statuses.push(response.status)
    }
  }
  await Promise.all(Array.from({ length: at }, () => one(times / at)))
  return statuses
}

t.test('round robin is exact over 300 requests, by default and by name', async (t) => {
  for (const plugins of [[], ['load-balancer'], [{ 'load-balancer': { policy: 'round-robin' } }]]) {
    const upstreams = await three(t)
    const proxy = await startTestProxy(t, {
      endpoints: upstreams.map(({ url }) => url),
      service: { plugins }
    })
    await get(proxy.url(), 300, 10)
    t.same(
      upstreams.map(({ count }) => count),
      [100, 100, 100]
    )
  }
})

t.test('weights 1:3 are kept within 1%', async (t) => {
  const [light, heavy] = (await three(t)) as [Upstream, Upstream]
  const endpoints = [
    { url: light.url, weight: 1 },
    { url: heavy.url, weight: 3 }
  ]
  const proxy = await startTestProxy(t, { endpoints, service: { plugins: ['load-balancer'] } })
  await get(proxy.url(), 400, 10)
  t.ok(Math.abs(light.count - 100) <= 4, `${light.count} of 400, 100 are due`)
  t.equal(light.count + heavy.count, 400)
})

t.test('least-request sends a slow endpoint fewer than a third of what a fast one gets', async (t) => {
  // Slow means: by the time it has answered one request, the fast one has answered 40. Counted and not timed, so that a busy
  // machine makes no difference: of the ten callers five wait for it, and it gets some eighth of what the fast one gets.
  let held: { due: number; answer: () => void }[] = []
  const answerDue = (due: number) => {
    for (const one of held) if (one.due <= due) one.answer()
    held = held.filter((one) => one.due > due)
  }
  const fast = await startUpstream(t, (_request, response) => {
    response.end('ok')
    answerDue(fast.count)
  })
  let left = 200
  const slow = await startUpstream(t, (_request, response) => {
    held.push({ due: fast.count + 40, answer: () => response.end('ok') })
    // Else nobody might be left to ask the fast one.
    if (held.length > 8) answerDue(held[0]?.due ?? 0)
    if (left <= 0) answerDue(Number.POSITIVE_INFINITY)
  })
  const plugins = [{ 'load-balancer': { policy: 'least-request' } }]
  const proxy = await startTestProxy(t, { endpoints: [slow.url, fast.url], service: { plugins } })
  const call = async () => {
    while (left-- > 0) await (await fetch(proxy.url())).text()
    answerDue(Number.POSITIVE_INFINITY)
  }
  await Promise.all(Array.from({ length: 10 }, call))
  t.equal(slow.count + fast.count, 200)
  t.ok(slow.count < fast.count / 3, `slow ${slow.count}, fast ${fast.count}`)
})

t.test('one of two endpoints answers 503 and retry is on: 1,000 GETs, 1,000 times 200', async (t) => {
  const failing = await startUpstream(t, (_request, response) => response.writeHead(503).end('no'))
  const good = await startUpstream(t, (_request, response) => response.end('ok'))
  const plugins = [{ retry: { on: [503] } }]
  const proxy = await startTestProxy(t, { endpoints: [failing.url, good.url], plugins })
  const statuses = await get(proxy.url(), 1000, 4)
  t.equal(statuses.filter((status) => status === 200).length, 1000)
  t.equal(good.count, 1000)
  t.ok(failing.count > 100, `and the failing one was asked ${failing.count} times`)
})

t.test('a POST of 40 KiB to a refused endpoint arrives whole, once, at the other', async (t) => {
  const bodies: Buffer[] = []
  const good = await startUpstream(t, async (request, response) => {
    bodies.push(await bodyOf(request))
    response.end('ok')
  })
  const refused = `http://127.0.0.1:${await closedPort()}`
  const proxy = await startTestProxy(t, { endpoints: [refused, good.url], plugins: ['retry'] })
  const body = Buffer.alloc(40 * 1024, 'order')
  const first = await fetch(proxy.url(), { method: 'POST', body })
  const second = await fetch(proxy.url(), { method: 'POST', body })
  t.same([first.status, second.status], [200, 200])
  t.same(
    bodies.map((one) => one.equals(body)),
    [true, true]
  )
})

t.test('a POST answered 503 is not repeated unless nonIdempotent is true', async (t) => {
  const busy = await startUpstream(t, async (request, response) => {
    await bodyOf(request)
    response.writeHead(503).end('busy')
  })
  const safe = await startTestProxy(t, { endpoints: [busy.url], plugins: [{ retry: { on: [503] } }] })
  t.equal((await fetch(safe.url(), { method: 'POST', body: 'order' })).status, 503)
  t.equal(busy.count, 1)
  const plugins = [{ retry: { on: [503], nonIdempotent: true, attempts: 3 } }]
  const told = await startTestProxy(t, { endpoints: [busy.url], plugins })
  t.equal((await fetch(told.url(), { method: 'POST', body: 'order' })).status, 503)
  t.equal(busy.count, 4)
})
