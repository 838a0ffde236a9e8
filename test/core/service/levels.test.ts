// Which endpoints an attempt chooses among, and with what share of the traffic.
import t from 'tap'
import type { Arrangement } from '../../../core/hooks/plugin.js'
import { EndpointState } from '../../../core/service/endpoint.js'
import { DEFAULT_ARRANGEMENT, levelsOf } from '../../../core/service/levels.js'

interface Given {
  zone?: string
  priority?: number
  healthy?: boolean
  open?: boolean
  count?: number
}

function endpoints(...given: Given[]): EndpointState[] {
  return given.flatMap(({ zone, priority = 0, healthy = true, open = false, count = 1 }, group) =>
    Array.from({ length: count }, (_, i) => {
      const endpoint = new EndpointState('orders', `http://${group}-${i}`, {} as never)
      endpoint.describe({ url: endpoint.url, weight: 1, zone, priority, tags: {} })
      endpoint.healthy = healthy
      if (open) endpoint.circuit.trip(1_000, undefined)
      return endpoint
    })
  )
}

/** Each level as its share in hundredths, how many endpoints it uses, and whether that is panic. */
function shares(list: EndpointState[], over: Partial<Arrangement> = {}) {
  return levelsOf(list, 0, { ...DEFAULT_ARRANGEMENT, ...over }).map(
    (level) =>
      [Math.round(level.share * 100), level.endpoints.length, level.panic] as [number, number, boolean]
  )
}

t.test('a priority is left only when none of it is usable', async (t) => {
  const all = endpoints({ count: 3 }, { priority: 1, count: 2 })
  t.strictSame(shares(all), [
    [100, 3, false],
    [0, 2, false]
  ])
  for (const endpoint of all.slice(0, 2)) endpoint.healthy = false
  t.strictSame(shares(all)[0], [100, 1, false])
  ;(all[2] as EndpointState).healthy = false
  t.strictSame(shares(all), [
    [0, 0, false],
    [100, 2, false]
  ])
})

t.test("Envoy's own table of two priorities, overprovisioned by 1.4", async (t) => {
  // https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/priority
  const rows: [healthy0: number, healthy1: number, share0: number, share1: number][] = [
    [100, 100, 100, 0],
    [72, 72, 100, 0],
    [71, 71, 99, 1],
    [50, 50, 70, 30],
    [25, 100, 35, 65],
    [25, 25, 50, 50]
  ]
  for (const [healthy0, healthy1, share0, share1] of rows) {
    const all = endpoints(
      { count: healthy0 },
      { count: 100 - healthy0, healthy: false },
      { priority: 1, count: healthy1 },
      { priority: 1, count: 100 - healthy1, healthy: false }
    )
    const found = shares(all, { overprovisioning: 1.4 })
    t.equal(found[0]?.[0], share0, `${healthy0}% and ${healthy1}%: the first gets ${share0}`)
    t.equal(found[1]?.[0], share1)
  }
})

t.test('zones: the own one first, alone or before or behind priorities', async (t) => {
  const all = endpoints(
    { zone: 'a', count: 2 },
    { zone: 'b', count: 4 },
    { zone: 'a', priority: 1 },
    { zone: 'b', priority: 1 }
  )
  const sizes = (order: Arrangement['order'], zone?: string) =>
    shares(all, { order, zone, overprovisioning: 1.4 }).map(([, size]) => size)
  t.strictSame(sizes(['zone'], 'a'), [3, 5])
  t.strictSame(sizes(['zone', 'priority'], 'a'), [2, 1, 4, 1], 'in the zone to the last priority')
  t.strictSame(sizes(['priority', 'zone'], 'a'), [2, 4, 1, 1], 'the priority in every zone')
  t.strictSame(sizes(['zone']), [8], 'whoever stands in no zone has no own one')
  t.strictSame(sizes(['zone'], 'c'), [8], 'and nor has one whose zone has no endpoint')
  for (const endpoint of all.slice(0, 1)) endpoint.healthy = false
  t.strictSame(
    shares(all, { order: ['zone', 'priority'], zone: 'a', overprovisioning: 1.4 }).map(([share]) => share),
    [70, 30, 0, 0]
  )
})

t.test('panic: only where a threshold is given, and never past a breaker', async (t) => {
  const half = endpoints({ count: 4 }, { count: 6, healthy: false })
  t.strictSame(shares(half), [[100, 4, false]])
  t.strictSame(shares(half, { panicThreshold: 0.4 }), [[100, 4, false]], 'not below it')
  t.strictSame(shares(half, { panicThreshold: 0.5 }), [[100, 10, true]])
  const broken = endpoints({ count: 1 }, { count: 6, healthy: false }, { count: 3, open: true })
  t.strictSame(shares(broken, { panicThreshold: 0.5 }), [[100, 7, true]])
  t.strictSame(shares(endpoints({ count: 3, open: true }), { panicThreshold: 1 }), [[0, 0, true]])
  t.strictSame(shares(endpoints({ count: 3, healthy: false }), { panicThreshold: 0.5 }), [[100, 3, true]])
  t.strictSame(shares(endpoints({ count: 3, healthy: false })), [[0, 0, false]])
})

t.test('failover goes before panic: a level does not panic while others take what it has lost', async (t) => {
  const all = (healthy1: number) =>
    endpoints(
      { count: 2 },
      { count: 8, healthy: false },
      { priority: 1, count: healthy1 },
      { priority: 1, count: 10 - healthy1, healthy: false }
    )
  const over = { overprovisioning: 1.4, panicThreshold: 0.5 }
  t.strictSame(shares(all(10), over), [
    [28, 2, false],
    [72, 10, false]
  ])
  t.strictSame(
    shares(all(2), over),
    [
      [50, 10, true],
      [50, 10, true]
    ],
    'where all together are too few, both panic'
  )
})

t.test('nothing usable and a panic: the first priority that has any takes it all', async (t) => {
  const all = endpoints({ count: 2, open: true }, { priority: 1, count: 2, healthy: false })
  t.strictSame(shares(all, { overprovisioning: 1.4, panicThreshold: 0.5 }), [
    [0, 0, true],
    [100, 2, true]
  ])
})
