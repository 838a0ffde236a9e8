import t from 'tap'
import type { EndpointState } from '../../../core/service/endpoint.js'
import { endpoint, fits, many, tally } from './drawing.js'
import { chosen, onRealService } from './real-service.js'
import { asked, setStage } from './stage.js'

type Listed = Parameters<typeof onRealService>[1]

const hosts = (count: number, rest: (at: number) => object = () => ({})): Listed =>
  Array.from({ length: count }, (_, at) => ({ url: `http://10.0.0.${at + 1}:80`, ...rest(at) }))

t.test("round-robin is the core's own pick", async (t) => {
  t.same((await setStage({}, many(3))).hooks, {})
  const stage = await onRealService(
    {},
    hosts(2, (at) => ({ weight: 1 + at * 2 }))
  )
  t.same(chosen(stage, 400), [100, 300])
  stage.close()
})

t.test('zone-aware: the own zone while it can take it, and then as much of it as it can', async (t) => {
  const zones = hosts(20, (at) => ({ zone: at < 10 ? 'a' : 'b' }))
  const stage = await onRealService({ policy: 'zone-aware', zone: 'a' }, zones)
  const { service } = stage
  const inZone = (counts: number[]) => counts.slice(0, 10).reduce((sum, count) => sum + count, 0)
  const out = (count: number) => {
    for (const [at, one] of service.endpoints.slice(0, 10).entries())
      service.marks.mark('test', one, at < count ? 'unhealthy' : 'healthy')
  }
  t.equal(inZone(chosen(stage, 2000)), 2000, 'all are well: nothing leaves the zone')
  out(2)
  t.equal(inZone(chosen(stage, 2000)), 2000, '8 of 10, times 1.4: still enough')
  out(5)
  const half = inZone(chosen(stage, 10_000))
  fits(t, [half, 10_000 - half], [70, 30], 'half of it is out: 140% of a half is 70%')
  out(10)
  t.equal(inZone(chosen(stage, 1000)), 0, 'all of it is out')
  out(0)
  const [first] = service.endpoints as readonly [EndpointState]
  const counts = chosen(stage, 10_000).slice(0, 10)
  fits(
    t,
    counts,
    counts.map(() => 1),
    'evenly within'
  )
  first.inFlight = 3
  const busy = chosen(stage, 1000)
  t.ok((busy[0] as number) === 0, `and the busy one gets less: ${busy}`)
  stage.close()
})

t.test('zone-aware: from another zone, all of the others are as good', async (t) => {
  const zones = hosts(4, (at) => ({ zone: at < 2 ? 'a' : 'b' }))
  const stage = await onRealService({ policy: 'zone-aware', zone: 'c' }, zones)
  fits(t, chosen(stage, 4000), [1, 1, 1, 1], 'evenly')
  stage.close()
})

t.test('panicThreshold: with too few left all are used, but for an open breaker', async (t) => {
  const stage = await onRealService({ policy: 'random', panicThreshold: 0.5 }, hosts(5))
  const { service } = stage
  const [a, b, c] = service.endpoints as readonly EndpointState[] as [
    EndpointState,
    EndpointState,
    EndpointState
  ]
  service.marks.mark('test', a, 'unhealthy')
  service.marks.eject('test', b, 60_000)
  t.same(chosen(stage, 1000).slice(0, 2), [0, 0], '3 of 5 are enough')
  service.marks.trip('test', c, 60_000)
  const counts = chosen(stage, 4000)
  t.equal(counts[2], 0, 'nothing past a breaker')
  fits(
    t,
    counts.filter((_, at) => at !== 2),
    [1, 1, 1, 1],
    'the rest alike'
  )
  stage.close()

  const never = await onRealService({ policy: 'random' }, hosts(5))
  for (const one of never.service.endpoints.slice(1)) never.service.marks.mark('test', one, 'unhealthy')
  t.same(chosen(never, 100), [100, 0, 0, 0, 0], 'without it never')
  never.close()
})

t.test('slowStart: a newcomer gets a tenth, and then bit by bit its weight', async (t) => {
  for (const policy of ['round-robin', 'random', 'least-request']) {
    const stage = await onRealService({ policy, slowStart: '30s' }, hosts(2))
    const { service, clock } = stage
    const shares = () => {
      const [old = 0, fresh = 0] = chosen(stage, 4400)
      return fresh / old
    }
    const near = (found: number, wanted: number, message: string) =>
      t.ok(Math.abs(found - wanted) < 0.06, `${policy}, ${message}: ${found.toFixed(3)}, ${wanted} is due`)
    near(shares(), 1, 'at first nobody is new')
    const second = service.endpoints[1] as EndpointState
    service.marks.mark('test', second, 'unhealthy')
    t.equal(shares(), 0)
    await clock.advance(60_000)
    service.marks.mark('test', second, 'healthy')
    near(shares(), 0.1, 'just back')
    await clock.advance(15_000)
    near(shares(), 0.5, 'half of the window later')
    await clock.advance(15_000)
    near(shares(), 1, 'at its end')
    t.equal(second.weight, 1)
    service.replace([...hosts(2), { url: 'http://10.0.0.9:80' }])
    stage.choose()
    t.same(
      service.endpoints.map(({ weight }) => weight),
      [1, 1, 0.1],
      'what discovery adds is new'
    )
    stage.close()
  }
})

t.test('ring-hash: an ejected endpoint keeps its keys for when it is back', async (t) => {
  const stage = await onRealService({ policy: 'ring-hash', hashOn: { header: 'x-user' } }, hosts(3))
  const { service, clock } = stage
  const users = Array.from({ length: 300 }, (_, user) => asked({ 'x-user': `${user}` }))
  const places = () => users.map((user) => stage.choose(user).url)
  const before = places()
  const [, out] = service.endpoints as readonly EndpointState[] as [EndpointState, EndpointState]
  service.marks.eject('test', out, 10_000)
  const during = places()
  t.ok(during.every((url, at) => (before[at] === out.url ? url !== out.url : url === before[at])))
  await clock.advance(10_000)
  t.same(places(), before)
  stage.close()
})

t.test('least-request within what other plugins leave', async (t) => {
  const stage = await setStage({ policy: 'least-request' }, [])
  const list = [endpoint('a', 1, 3), endpoint('b', 1, 1), endpoint('c', 1, 2)]
  t.same(
    tally(20, list, (each) => stage.pick(each)),
    [0, 20, 0]
  )
  t.same(
    tally(20, list.slice(2), (each) => stage.pick(each)),
    [20]
  )
})
