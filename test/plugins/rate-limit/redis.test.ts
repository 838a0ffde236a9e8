import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type StartedProxy, startProxy } from '../../../plugins/testing.js'
import { RedisServer } from './redis-server.js'

/** How often what a busy machine has spoilt is measured again. */
const ROUNDS = 4
/** ms within which limits hold again, once Redis answers. */
const RECOVERY = 2_000

/** A proxy that answers by itself, with the limit on its only route. */
async function sidecar(t: Test, limit: object): Promise<StartedProxy> {
  const started = await startProxy(configOf(limit))
  t.teardown(() => started.close())
  return started
}

function configOf(limit: object) {
  return {
    listeners: { in: { address: '127.0.0.1:0' } },
    routes: [
      {
        name: 'shop',
        match: { path: '/*' },
        reply: { status: 200, body: 'ok' },
        plugins: [{ 'rate-limit': { key: 'route', ...limit } }]
      }
    ]
  }
}

async function statusOf(proxy: StartedProxy): Promise<number> {
  const response = await fetch(proxy.url())
  await response.arrayBuffer()
  return response.status
}

async function statuses(proxy: StartedProxy, count: number): Promise<number[]> {
  const all: number[] = []
  for (let i = 0; i < count; i++) all.push(await statusOf(proxy))
  return all
}

/** What a metric stands at; 0 where there is none. */
async function metric(proxy: StartedProxy, series: string): Promise<number> {
  const { text } = await proxy.proxy.metrics()
  const line = text.split('\n').find((one) => one.startsWith(`${series} `))
  return line === undefined ? 0 : Number(line.slice(series.length + 1))
}

async function storeErrors(proxies: readonly StartedProxy[]): Promise<number> {
  let sum = 0
  for (const proxy of proxies) {
    for (const reason of ['down', 'timeout', 'error', 'busy'])
      sum += await metric(proxy, `outrigger_rate_limit_store_errors_total{reason="${reason}"}`)
  }
  return sum
}

/** How many requests waited for the store, by the plugin's own watch, and how many of them over 50 ms. */
async function waits(proxy: StartedProxy): Promise<{ asked: number; long: number }> {
  const name = 'outrigger_rate_limit_store_duration_seconds'
  const asked = await metric(proxy, `${name}_count`)
  return { asked, long: asked - (await metric(proxy, `${name}_bucket{le="0.05"}`)) }
}

/** Until it holds, for `ms` at most. @returns ms that it took */
async function until(ms: number, holds: () => Promise<boolean>): Promise<number> {
  const startedAt = performance.now()
  while (!(await holds())) {
    if (performance.now() - startedAt > ms) return Number.POSITIVE_INFINITY
    await sleep(10)
  }
  return performance.now() - startedAt
}

const isUp = (proxy: StartedProxy) => async () => (await fetch(proxy.url())).headers.has('ratelimit')

t.test('three sidecars share one limit to within 2%', async (t) => {
  const redis = await RedisServer.start(t)
  const limit = { requests: 60, per: '1s', store: redis.url }
  const proxies = await Promise.all([1, 2, 3].map(() => sidecar(t, limit)))
  const allowed = (ms: number) => 60 + (60 * ms) / 1000
  for (const proxy of proxies) await statusOf(proxy)
  let said = ''
  for (let round = 0; round < ROUNDS; round++) {
    await redis.ask('FLUSHALL')
    const errors = await storeErrors(proxies)
    const startedAt = performance.now()
    let passed = 0
    let asked = 0
    // When Redis counted the first and the last of them is known to lie between their sending and their answers.
    const first = { sentAt: startedAt, answeredAt: 0 }
    const last = { sentAt: 0, answeredAt: 0 }
    const client = async (proxy: StartedProxy) => {
      while (performance.now() - startedAt < 4_000) {
        asked++
        const sentAt = performance.now()
        if ((await statusOf(proxy)) === 200) {
          passed++
          last.answeredAt = performance.now()
          last.sentAt = Math.max(last.sentAt, sentAt)
          first.answeredAt ||= last.answeredAt
        }
        await sleep(8)
      }
    }
    await Promise.all([...proxies, ...proxies].map(client))
    const least = allowed(last.sentAt - first.answeredAt)
    const most = allowed(last.answeredAt - first.sentAt)
    said = `${passed} of ${asked} passed, ${least.toFixed(1)} to ${most.toFixed(1)} allowed`
    // A Redis, or clients, that the machine held up is no measurement of the limit.
    if ((await storeErrors(proxies)) > errors || asked < most * 1.3) continue
    t.comment(said)
    t.ok(passed >= least * 0.98 && passed <= most * 1.02, said)
    return
  }
  t.fail(`in ${ROUNDS} rounds the store was not there all the time: ${said}`)
})

t.test('Redis is killed, and comes back', async (t) => {
  const redis = await RedisServer.start(t)
  const limit = { requests: 5, per: '10m', store: redis.url }
  const allow = await sidecar(t, limit)
  const deny = await sidecar(t, { ...limit, onStoreError: 'deny', name: 'deny' })
  const local = await sidecar(t, { ...limit, onStoreError: 'local', name: 'local' })
  for (const proxy of [allow, deny, local]) t.same((await statuses(proxy, 6)).slice(4), [200, 429])

  await redis.kill()
  const startedAt = performance.now()
  t.same(await statuses(local, 7), [200, 200, 200, 200, 200, 429, 429], 'local: the same limit, by itself')
  while (performance.now() - startedAt < 1_500) {
    t.equal(await statusOf(allow), 200, 'allow')
    t.equal(await statusOf(deny), 429, 'deny')
    await sleep(20)
  }
  const refused = await fetch(deny.url())
  t.equal(refused.headers.get('retry-after'), '1')
  t.match(await refused.json(), { error: 'RATE_LIMITED', message: 'the rate limit cannot be looked up' })
  const passed = await fetch(allow.url())
  t.equal(passed.headers.get('ratelimit'), null, 'nobody knows what is left')
  await passed.arrayBuffer()
  for (const proxy of [allow, deny, local]) {
    t.ok((await storeErrors([proxy])) > 0)
    const { asked, long } = await waits(proxy)
    t.equal(long, 0, `of ${asked} that waited for Redis, ${long} did so for over 50 ms`)
    t.equal(
      proxy.log.filter(({ message }) => message.includes('cannot be asked')).length,
      1,
      'it is told once'
    )
  }

  await redis.start()
  const took = await until(RECOVERY, async () => (await statusOf(allow)) === 429)
  t.ok(took <= RECOVERY, `the limit holds again after ${took.toFixed()} ms`)
  t.ok((await until(RECOVERY, isUp(deny))) <= RECOVERY)
  t.ok(allow.log.some(({ message }) => message.includes('can be asked again')))
})

t.test('Redis stands still: no request waits for longer than 50 ms, and then none waits', async (t) => {
  const redis = await RedisServer.start(t)
  const proxy = await sidecar(t, { requests: 1_000_000, per: '1s', store: redis.url })
  let said = ''
  for (let round = 0; round < ROUNDS; round++) {
    const before = await waits(proxy)
    redis.freeze()
    const together = await Promise.all(Array.from({ length: 20 }, () => statusOf(proxy)))
    t.ok(together.every((status) => status === 200))
    const asked = (await waits(proxy)).asked
    t.ok(asked > before.asked, 'those that are under way wait')
    await statuses(proxy, 50)
    const after = await waits(proxy)
    redis.thaw()
    t.ok((await until(2 * RECOVERY, isUp(proxy))) <= 2 * RECOVERY, 'it comes back')
    said = `${after.long - before.long} of ${after.asked - before.asked} waited for over 50 ms`
    t.ok(after.asked <= asked + 1, 'one that is down is not asked')
    // What the machine itself held up is not the store's wait.
    if (after.long > before.long) continue
    t.pass(said)
    return
  }
  t.fail(`in ${ROUNDS} rounds: ${said}`)
})

t.test('a connection on which nothing comes back is made anew', async (t) => {
  const redis = await RedisServer.start(t)
  const proxy = await sidecar(t, { requests: 1_000_000, per: '1s', store: redis.url })
  const connection = async () =>
    /^id=(\d+) .*cmd=evalsha/m.exec(String(await redis.ask('CLIENT', 'LIST')))?.[1]
  await statuses(proxy, 1)
  const first = await connection()
  t.ok(first)
  redis.freeze()
  await statuses(proxy, 1)
  // Two trials, each about a second behind the failure before it.
  await sleep(3_500)
  redis.thaw()
  t.ok((await until(2 * RECOVERY, isUp(proxy))) <= 2 * RECOVERY)
  await statuses(proxy, 1)
  t.not(await connection(), first)
})

t.test('nothing is there at the start', async (t) => {
  const redis = await RedisServer.at(t)
  const proxy = await sidecar(t, { requests: 1, per: '10m', store: redis.url })
  t.same(await statuses(proxy, 3), [200, 200, 200])
  await redis.start()
  const took = await until(RECOVERY, async () => (await statusOf(proxy)) === 429)
  t.ok(took <= RECOVERY, `the limit holds after ${took.toFixed()} ms`)
})

t.test('Redis stands still at the start, with a password to take', async (t) => {
  const redis = await RedisServer.start(t, 'hush')
  redis.freeze()
  const store = `redis://:hush@127.0.0.1:${redis.port}`
  const startedAt = performance.now()
  const proxy = await sidecar(t, { requests: 1, per: '10m', store })
  const took = performance.now() - startedAt
  t.ok(took < 5_000, `it starts all the same, after ${took.toFixed()} ms`)
  t.same(await statuses(proxy, 2), [200, 200])
  redis.thaw()
  t.ok((await until(2 * RECOVERY, async () => (await statusOf(proxy)) === 429)) <= 2 * RECOVERY)
})

t.test('a user with the rights that it takes, and no others', async (t) => {
  const redis = await RedisServer.start(t)
  const rights = ['+eval', '+evalsha', '+get', '+set', '+time', '~outrigger:rate:*']
  await redis.ask('ACL', 'SETUSER', 'limiter', 'on', '>hush', ...rights)
  const store = `redis://limiter:hush@127.0.0.1:${redis.port}`
  const proxy = await sidecar(t, { requests: 1, per: '10m', store })
  t.same(await statuses(proxy, 2), [200, 429])
})

t.test('a password and a database', async (t) => {
  const redis = await RedisServer.start(t, 'hush@1')
  const at = (password: string) => `redis://:${encodeURIComponent(password)}@127.0.0.1:${redis.port}/3`
  const proxy = await sidecar(t, { requests: 1, per: '10m', store: at('hush@1') })
  t.same(await statuses(proxy, 2), [200, 429])
  t.match(await redis.ask('INFO', 'keyspace'), /db3:keys=[12],/)

  const wrong = await sidecar(t, { requests: 1, per: '10m', store: at('secret@2') })
  t.same(await statuses(wrong, 2), [200, 200], 'it is as if it were not there')
  const log = JSON.stringify(wrong.log)
  t.match(log, /cannot be asked/)
  t.notMatch(log, /secret/)
})

t.test('a Unix socket', async (t) => {
  const redis = await RedisServer.start(t)
  const proxy = await sidecar(t, { requests: 1, per: '10m', store: `unix://${redis.socket}?db=1` })
  t.same(await statuses(proxy, 2), [200, 429])
  t.match(await redis.ask('INFO', 'keyspace'), /db1:keys=[12],/)
})

t.test('what is in Redis', async (t) => {
  const redis = await RedisServer.start(t)
  const proxy = await sidecar(t, {
    requests: 2,
    per: '10s',
    key: 'header:x-api-key',
    name: 'keys',
    store: redis.url
  })
  const ask = async (key: string) => {
    const response = await fetch(proxy.url(), { headers: { 'x-api-key': key } })
    await response.arrayBuffer()
    return response.status
  }
  t.equal(await ask('hush'), 200)
  const keys = ((await redis.ask('KEYS', '*')) as string[]).filter((key) => !key.endsWith(':trial'))
  t.equal(keys.length, 1)
  const [key] = keys as [string]
  t.match(key, /^outrigger:rate:name:keys:2\/10000\/2:header:x-api-key:h:/)
  t.notMatch(key, /hush/, 'a header may be a secret')
  const left = Number(await redis.ask('PTTL', key))
  t.ok(left > 0 && left <= 5_000, `it goes when its bucket is full: in ${left} ms`)

  await redis.ask('SCRIPT', 'FLUSH')
  t.same([await ask('hush'), await ask('hush')], [200, 429], 'the script is sent again')
  // As after the clock of Redis was set back by years.
  await redis.ask('SET', key, '9e15')
  const response = await fetch(proxy.url(), { headers: { 'x-api-key': 'hush' } })
  await response.arrayBuffer()
  t.equal(response.status, 429)
  t.equal(response.headers.get('retry-after'), '5', 'and not years')
})

t.test('one connection for all limits of a proxy, over a reload, and none when it is over', async (t) => {
  const redis = await RedisServer.start(t)
  const listing = (name: string) => ({ 'rate-limit': { requests: 1000, name, store: redis.url } })
  const config = configOf({ requests: 1000, store: redis.url })
  const proxy = await startProxy({ ...config, plugins: [listing('a'), listing('b')] })
  t.teardown(() => proxy.close())
  const connections = async () => {
    const list = String(await redis.ask('CLIENT', 'LIST'))
    return [...list.matchAll(/^id=(\d+) .*cmd=(?:eval|evalsha)\b/gm)].map(([, id]) => id)
  }
  t.equal(await statusOf(proxy), 200)
  const before = await connections()
  t.equal(before.length, 1)
  await proxy.proxy.reload({ ...config, admin: false, plugins: [listing('a')] })
  t.equal(await statusOf(proxy), 200)
  t.same(await connections(), before)
  await proxy.close()
  t.ok((await until(RECOVERY, async () => (await connections()).length === 0)) <= RECOVERY)
})
