// Endpoints, what plugins do to them, and what of it a reload keeps.
import t from 'tap'
import type { ServiceConfig } from '../../../core/config/types.js'
import { MetricsRegistry } from '../../../core/metrics/registry.js'
import type { UpstreamOptions } from '../../../core/service/connection.js'
import { EndpointStore } from '../../../core/service/endpoint-store.js'
import { PluginHandle } from '../../../core/service/handle.js'
import { Service } from '../../../core/service/service.js'
import { CapturedLog } from '../../../core/testing/captured-log.js'
import { VirtualClock } from '../../../core/testing/virtual-clock.js'

function world() {
  const clock = new VirtualClock()
  const metrics = new MetricsRegistry()
  const open: string[] = []
  const connect = ({ url }: UpstreamOptions) => {
    if (!/^(http|unix):/.test(url)) throw new TypeError(`not a URL: ${url}`)
    open.push(url)
    const close = () => void open.splice(open.indexOf(url), 1)
    return { send: () => ({}) as never, resize: () => {}, close, destroy: close }
  }
  const store = new EndpointStore(metrics, { connect })
  const log = new CapturedLog()
  const service = (over: Partial<ServiceConfig> & { urls?: (string | [string, number])[] } = {}) => {
    const { urls = ['http://a', 'http://b'], ...rest } = over
    const endpoints = urls.map((one) => ({
      url: typeof one === 'string' ? one : one[0],
      weight: typeof one === 'string' ? 1 : one[1],
      zone: undefined,
      priority: 0,
      tags: {}
    }))
    const config = {
      name: 'one',
      endpoints,
      protocol: 'http',
      tls: {},
      plugins: [],
      connectTimeout: 1,
      keepAlive: 1,
      idleTimeout: 1,
      maxConnections: 10,
      maxPending: 5,
      ...rest
    } as unknown as ServiceConfig
    return new Service(config, { store, clock, log, metrics })
  }
  const urls = (one: Service) => one.usable().map(({ url }) => url)
  return { clock, metrics, open, store, log, service, urls }
}

const find = (service: Service, url: string) =>
  service.endpoints.find((one) => one.url === url) as (typeof service.endpoints)[number]

t.test('mark takes out and brings back, with a line each and none for what is so already', async (t) => {
  const { service, urls, log } = world()
  const one = service()
  one.activate()
  one.marks.mark('test', find(one, 'http://a'), 'unhealthy', 'probe')
  one.marks.mark('test', find(one, 'http://a'), 'unhealthy', 'again')
  t.same(urls(one), ['http://b'])
  t.match(find(one, 'http://a'), { healthy: false, reason: 'probe' })
  one.marks.mark('test', find(one, 'http://a'), 'healthy')
  t.same(urls(one), ['http://a', 'http://b'])
  t.match(find(one, 'http://a'), { healthy: true, reason: undefined })
  t.equal(log.lines.length, 2)
})

t.test('eject ends by itself on the clock, and a second replaces the first', async (t) => {
  const { service, urls, clock, metrics } = world()
  const one = service()
  one.activate()
  one.marks.eject('test', find(one, 'http://a'), 1_000, 'errors')
  t.same(urls(one), ['http://b'])
  t.match((await metrics.text()).text, /outrigger_endpoint_healthy\{service="one",endpoint="http:\/\/a"\} 0/)
  await clock.advance(999)
  t.same(urls(one), ['http://b'])
  one.marks.eject('test', find(one, 'http://a'), 1_000)
  await clock.advance(999)
  t.same(urls(one), ['http://b'])
  await clock.advance(1)
  t.same(urls(one), ['http://a', 'http://b'])
  t.match(find(one, 'http://a'), { ejectedUntil: 0, ejections: 2, reason: undefined })
  const { text } = await metrics.text()
  t.match(text, /outrigger_endpoint_healthy\{service="one",endpoint="http:\/\/a"\} 1/)
  t.match(text, /outrigger_ejections_total\{service="one"\} 2/)
})

t.test('two ejections end each at its own time; restore ends one now', async (t) => {
  const { service, urls, clock } = world()
  const one = service({ urls: ['http://a', 'http://b', 'http://c'] })
  one.activate()
  one.marks.eject('test', find(one, 'http://a'), 2_000)
  one.marks.eject('test', find(one, 'http://b'), 1_000)
  t.same(urls(one), ['http://c'])
  await clock.advance(1_000)
  t.same(urls(one), ['http://b', 'http://c'])
  one.marks.restore(find(one, 'http://a'))
  t.same(urls(one), ['http://a', 'http://b', 'http://c'])
})

t.test('ejections of no time are none', async (t) => {
  const { service, urls } = world()
  const one = service()
  one.activate()
  for (const ms of [0, -1, Number.NaN]) one.marks.eject('test', find(one, 'http://a'), ms)
  t.equal(urls(one).length, 2)
  t.equal(find(one, 'http://a').ejections, 0)
})

t.test('an endpoint that is unhealthy and was ejected says why when the ejection is over', async (t) => {
  const { service, clock, urls } = world()
  const one = service()
  one.activate()
  one.marks.mark('test', find(one, 'http://a'), 'unhealthy', 'probe')
  one.marks.eject('test', find(one, 'http://a'), 1_000, 'errors')
  await clock.advance(2_000)
  t.same(urls(one), ['http://b'])
  t.equal(find(one, 'http://a').reason, 'probe')
})

t.test('weigh', async (t) => {
  const { service } = world()
  const one = service()
  one.activate()
  const before = one.usable()
  one.marks.weigh(find(one, 'http://a'), 3)
  t.equal(find(one, 'http://a').weight, 3)
  t.not(one.usable(), before, 'a list that was looked at is not the list any more')
  for (const bad of [-1, Number.NaN, Number.POSITIVE_INFINITY])
    t.throws(() => one.marks.weigh(find(one, 'http://a'), bad), RangeError)
})

t.test('usable() is the same frozen list until something changes', async (t) => {
  const { service } = world()
  const one = service()
  one.activate()
  const list = one.usable()
  t.equal(one.usable(), list)
  t.ok(Object.isFrozen(list))
  t.throws(() => (list as unknown[]).pop())
})

t.test('replace: what stays keeps its state, what goes is closed, twice the same is once', async (t) => {
  const { service, urls, open } = world()
  const one = service()
  one.activate()
  const b = find(one, 'http://b')
  b.attempts = 7
  one.marks.eject('test', b, 60_000)
  one.replace([
    { url: 'http://b', weight: 5, tags: { v: '2' } },
    { url: 'http://c' },
    { url: 'http://c', weight: 9 }
  ])
  t.same(
    one.endpoints.map(({ url }) => url),
    ['http://b', 'http://c']
  )
  t.equal(find(one, 'http://b'), b)
  t.match(b, { attempts: 7, weight: 5, tags: { v: '2' } })
  t.same(urls(one), ['http://c'])
  t.same(open.sort(), ['http://b', 'http://c'])
  one.marks.mark('test', find(one, 'http://c'), 'unhealthy')
  t.same(urls(one), [])
  one.replace([])
  t.same(urls(one), [])
  t.same(open, [])
})

t.test('replace with one that cannot be: nothing changes and nothing leaks', async (t) => {
  const { service, urls, open } = world()
  const one = service()
  one.activate()
  t.throws(() => one.replace([{ url: 'http://c' }, { url: 'nonsense' }]))
  t.same(urls(one), ['http://a', 'http://b'])
  one.replace([{ url: 'http://a' }])
  t.same(open, ['http://a'], 'what the failed one took was given back')
})

t.test('replace with weights that are none is refused', async (t) => {
  const { service, urls } = world()
  const one = service()
  one.activate()
  for (const weight of [-1, Number.NaN])
    t.throws(() => one.replace([{ url: 'http://c', weight }]), RangeError)
  t.same(urls(one), ['http://a', 'http://b'])
})

t.test('an endpoint of another service cannot be changed through this one', async (t) => {
  const { service } = world()
  const one = service()
  const other = service({ name: 'other' })
  one.activate()
  other.activate()
  one.marks.mark('test', find(other, 'http://a'), 'unhealthy')
  one.marks.eject('test', find(other, 'http://a'), 1_000)
  one.marks.weigh(find(other, 'http://a'), 9)
  t.match(find(other, 'http://a'), { healthy: true, ejectedUntil: 0, weight: 1 })
  t.not(find(other, 'http://a'), find(one, 'http://a'))
})

t.test('a new configuration shares endpoints, and its weights hold from its swap on', async (t) => {
  const { service, open } = world()
  const old = service()
  old.activate()
  const a = find(old, 'http://a')
  a.attempts = 3
  const next = service({ urls: [['http://a', 4], 'http://c'] })
  t.equal(find(next, 'http://a'), a)
  t.equal(a.weight, 1, 'the running one’s weight')
  next.activate()
  t.equal(a.weight, 4)
  old.close()
  old.close()
  t.same(open.sort(), ['http://a', 'http://c'])
  t.equal(a.attempts, 3)
})

t.test('a configuration that never ran leaves nothing behind', async (t) => {
  const { service, open, urls } = world()
  const old = service()
  old.activate()
  const failed = service({ urls: [['http://a', 4], 'http://c'] })
  failed.close()
  t.same(open.sort(), ['http://a', 'http://b'])
  t.equal(find(old, 'http://a').weight, 1)
  t.same(urls(old), ['http://a', 'http://b'])
  failed.replace([{ url: 'http://z' }])
  t.notOk(open.includes('http://z'), 'a closed service takes nothing')
})

t.test('endpoints that a plugin sees in its setup are as configured', async (t) => {
  const { service } = world()
  const one = service({ urls: [['http://a', 4]] })
  t.equal(find(one, 'http://a').weight, 4, 'nobody else has it, so nothing speaks against it')
})

t.test('what a plugin learnt survives a reload of an unchanged service', async (t) => {
  const { service, urls } = world()
  const old = service()
  old.activate()
  old.marks.mark('test', find(old, 'http://a'), 'unhealthy')
  old.marks.eject('test', find(old, 'http://b'), 60_000)
  const next = service()
  next.activate()
  t.same(urls(next), [])
  old.close()
  t.same(urls(next), [])
})

t.test('other connections make another endpoint, and its gauge is its own', async (t) => {
  const { service, metrics, open } = world()
  const old = service()
  old.activate()
  const next = service({ connectTimeout: 2 })
  next.activate()
  t.not(find(next, 'http://a'), find(old, 'http://a'))
  old.close()
  t.equal(open.length, 2)
  t.match((await metrics.text()).text, /outrigger_endpoint_healthy\{service="one",endpoint="http:\/\/a"\} 1/)
})

t.test('capacity is connections and those that wait', async (t) => {
  const { service } = world()
  const one = service()
  one.activate()
  t.equal(find(one, 'http://a').capacity, 15)
})

t.test('the best priority that has a usable endpoint gets all, and gets it back', async (t) => {
  const { service, urls } = world()
  const one = service()
  one.activate()
  one.replace([
    { url: 'http://standby', priority: 2 },
    { url: 'http://a' },
    { url: 'http://second', priority: 1 },
    { url: 'http://b' }
  ])
  t.same(urls(one), ['http://a', 'http://b'])
  one.marks.mark('test', find(one, 'http://a'), 'unhealthy')
  t.same(urls(one), ['http://b'])
  one.marks.mark('test', find(one, 'http://b'), 'unhealthy')
  t.same(urls(one), ['http://second'])
  one.marks.mark('test', find(one, 'http://second'), 'unhealthy')
  t.same(urls(one), ['http://standby'])
  one.marks.mark('test', find(one, 'http://b'), 'healthy')
  t.same(urls(one), ['http://b'])
})

t.test('of marks those of a plugin that is gone are cleared, and heeded no more', async (t) => {
  const { service, urls, metrics } = world()
  const named = (...names: string[]) => ({
    plugins: names.map((name) => ({ name })) as unknown as ServiceConfig['plugins']
  })
  const old = service(named('circuit-breaker', 'health-check'))
  old.activate()
  const breaker = new PluginHandle(old, 'circuit-breaker')
  const health = new PluginHandle(old, 'health-check')
  breaker.trip(find(old, 'http://a'), 60_000)
  breaker.trip(undefined, 60_000)
  health.mark(find(old, 'http://b'), 'unhealthy')
  t.same([urls(old), old.breaker], [[], 'open'])
  const kept = service(named('circuit-breaker', 'health-check', 'timeout'))
  kept.activate()
  t.same([urls(kept), kept.breaker], [[], 'open'], 'another configuration with both goes on')
  health.mark(find(old, 'http://b'), 'healthy')
  t.same(urls(kept), ['http://b'], 'and hears what the one before still learns')
  health.mark(find(old, 'http://b'), 'unhealthy')
  const without = service(named('health-check', 'timeout'))
  without.activate()
  t.same([urls(without), without.breaker], [['http://a'], 'closed'], 'what the health check marked stays')
  t.match((await metrics.text()).text, /outrigger_breaker_state\{service="one",endpoint="http:\/\/a"\} 0/)
  breaker.trip(find(kept, 'http://a'), 60_000)
  breaker.trip(undefined, 60_000)
  t.same([urls(without), without.breaker], [['http://a'], 'closed'])
})
