import t from 'tap'
import { startTestProxy } from '../../support/proxy.js'
import { startUpstream, type Upstream } from '../../support/upstream.js'

type Test = Parameters<typeof startUpstream>[0]

async function shop(t: Test, count: number, answer = (_at: number) => 200): Promise<Upstream[]> {
  return Promise.all(
    Array.from({ length: count }, (_, at) =>
      startUpstream(t, (_request, response) => response.writeHead(answer(at)).end(`${at}`))
    )
  )
}

const balanced = (affinity: object, rest: object = {}) => ({
  plugins: [{ 'load-balancer': { affinity, ...rest } }]
})

interface Visit {
  readonly at: number
  readonly status: number
  readonly set: string[]
  /** What a browser would send from then on. */
  readonly cookie: string | undefined
}

async function visit(url: string, cookie?: string): Promise<Visit> {
  const response = await fetch(url, cookie === undefined ? {} : { headers: { cookie } })
  const at = Number(await response.text())
  const set = response.headers.getSetCookie()
  return { at, status: response.status, set, cookie: set.at(-1)?.split(';')[0] ?? cookie }
}

t.test('a client stays where it was first sent', async (t) => {
  const upstreams = await shop(t, 4)
  for (const policy of ['round-robin', 'least-request', 'least-response-time']) {
    const proxy = await startTestProxy(t, {
      endpoints: upstreams.map(({ url }) => url),
      service: balanced({ cookie: 'shop', ttl: '30m' }, { policy })
    })
    const first = await visit(proxy.url())
    t.match(first.set, [/^shop=[\w-]{22}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=1800$/])
    for (let i = 0; i < 6; i++) {
      const { at, set } = await visit(proxy.url(), `other=1; ${first.cookie}`)
      t.equal(at, first.at, policy)
      t.same(set, [], 'and the cookie is set once')
    }
    const others = new Set<number>()
    for (let i = 0; i < 40 && others.size < 2; i++) others.add((await visit(proxy.url())).at)
    t.ok(others.size > 1, `others go elsewhere too: to ${[...others]}`)
    const { text } = await proxy.proxy.metrics()
    t.match(text, /outrigger_affinity_picks_total\{service="upstream",result="kept"\} 6\n/)
  }
})

t.test('the cookie says nothing, and nobody else can make it', async (t) => {
  const upstreams = await shop(t, 3)
  const endpoints = upstreams.map(({ url }) => url)
  const start = (secret?: string) =>
    startTestProxy(t, { endpoints, service: balanced({ cookie: 'shop', ...(secret && { secret }) }) })
  const one = await start('a secret of sixteen')
  const again = await start('a secret of sixteen')
  const other = await start('another secret, as long')
  const { at, cookie } = await visit(one.url())
  t.notMatch(cookie, new RegExp(`${upstreams[at]?.port}`))
  for (let i = 0; i < 4; i++) {
    const { at: later, set } = await visit(again.url(), cookie)
    t.same([later, set], [at, []], 'after a restart, and in each proxy with the secret')
  }
  const { set } = await visit(other.url(), cookie)
  t.equal(set.length, 1, 'it means nothing to one with another secret')
  for (const forged of ['shop=', 'shop="x"', `shop=${'a'.repeat(5000)}`, `shop=${endpoints[0]}`]) {
    const { status, set } = await visit(one.url(), forged)
    t.same([status, set.length], [200, 1], 'what is none is replaced')
  }
  const named = await start()
  const restarted = await start()
  const kept = await visit(named.url())
  t.same((await visit(restarted.url(), kept.cookie)).set, [], 'without a secret it survives a restart too')
})

t.test('a session moves when its endpoint is gone, and stays where it moved', async (t) => {
  const upstreams = await shop(t, 3)
  const proxy = await startTestProxy(t, {
    endpoints: upstreams.map(({ url }) => url),
    service: balanced({ cookie: 'shop' }),
    plugins: ['retry']
  })
  const first = await visit(proxy.url())
  await upstreams[first.at]?.close()
  const moved = await visit(proxy.url(), first.cookie)
  t.not(moved.at, first.at)
  t.equal(moved.set.length, 1)
  t.not(moved.cookie, first.cookie)
  for (let i = 0; i < 4; i++) {
    const { at, set } = await visit(proxy.url(), moved.cookie)
    t.same([at, set], [moved.at, []])
  }
})

t.test('a failure sets no cookie', async (t) => {
  const upstreams = await shop(t, 1, () => 503)
  const proxy = await startTestProxy(t, {
    endpoints: upstreams.map(({ url }) => url),
    service: balanced({ cookie: 'shop' })
  })
  t.same((await visit(proxy.url())).set, [])
})

t.test("ttl 0 is the browser's session", async (t) => {
  const upstreams = await shop(t, 1)
  const proxy = await startTestProxy(t, {
    endpoints: upstreams.map(({ url }) => url),
    service: balanced({ cookie: 'shop', ttl: 0 })
  })
  t.match((await visit(proxy.url())).set, [/^shop=[\w-]{22}; Path=\/; HttpOnly; SameSite=Lax$/])
})
