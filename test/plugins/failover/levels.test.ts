import t, { type Test } from 'tap'
import { definePlugin, type EndpointSpec, type ServiceHandle } from '../../../core/index.js'
import { type Listed, runPlugin } from '../../../core/testing/index.js'
import failover from '../../../plugins/failover/index.js'

/** As many endpoints as are asked for, named for what they are. */
const endpoints = (name: string, count: number, spec: Partial<EndpointSpec>): EndpointSpec[] =>
  Array.from({ length: count }, (_, i) => ({ url: `http://${name}-${i}.test`, ...spec }))

/** Requests that each group of endpoints gets, by the name that they share, when so many of it are down. */
async function spread(
  config: object,
  list: EndpointSpec[],
  down: Record<string, number> = {},
  before: readonly Listed[] = []
) {
  let handle: ServiceHandle | undefined
  const grab = definePlugin({
    name: 'grab',
    places: ['service'],
    setup: ({ service }) => {
      handle = service
    }
  })
  const run = runPlugin(failover, config, { place: 'service', endpoints: list, before: [grab, ...before] })
  t.teardown(() => run.close())
  await run.request()
  for (const [name, count] of Object.entries(down)) {
    for (let i = 0; i < count; i++) {
      const endpoint = handle?.endpoints.find(({ url }) => url === `http://${name}-${i}.test`)
      if (endpoint !== undefined) handle?.mark(endpoint, 'unhealthy')
    }
  }
  const already = run.seen.length
  const REQUESTS = 400
  for (let i = 0; i < REQUESTS; i++) await run.request()
  const counts: Record<string, number> = {}
  for (const { endpoint } of run.seen.slice(already)) {
    const name = /\/\/(.*)-\d+\.test/.exec(endpoint)?.[1] as string
    counts[name] = (counts[name] ?? 0) + 1
  }
  return {
    shares: Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, count / REQUESTS])),
    levels: run.service.levels.map(({ share }) => Math.round(share * 1000) / 1000)
  }
}

/** Within four standard deviations of what 400 draws come to. */
function near(t: Test, found: number | undefined, wanted: number, what: string): void {
  const deviation = Math.sqrt((wanted * (1 - wanted)) / 400)
  t.ok(Math.abs((found ?? 0) - wanted) <= 4 * deviation + 1e-9, `${what}: ${found} for ${wanted}`)
}

const priorities = [...endpoints('first', 10, { priority: 0 }), ...endpoints('second', 10, { priority: 1 })]

t.test('a level keeps its traffic while 1.4 times what is usable is enough', async (t) => {
  t.same((await spread({}, priorities)).shares, { first: 1 })
  t.same((await spread({}, priorities, { first: 2 })).shares, { first: 1 }, '8 of 10 come to 112%')
})

t.test('and what it cannot take goes on to the next', async (t) => {
  const found = await spread({}, priorities, { first: 5 })
  t.same(found.levels, [0.7, 0.3])
  near(t, found.shares.first, 0.7, 'min(100%, 140% of 5 of 10)')
  near(t, found.shares.second, 0.3, 'the rest')
  t.same((await spread({}, priorities, { first: 10 })).shares, { second: 1 })
  t.same((await spread({ overprovisioning: 2 }, priorities, { first: 5 })).levels, [1, 0])
})

t.test('both in trouble: in proportion', async (t) => {
  t.same((await spread({}, priorities, { first: 8, second: 6 })).levels, [0.333, 0.667])
})

t.test('zones first, then priorities', async (t) => {
  const list = [
    ...endpoints('near', 4, { zone: 'a', priority: 0 }),
    ...endpoints('near-spare', 4, { zone: 'a', priority: 1 }),
    ...endpoints('far', 4, { zone: 'b', priority: 0 }),
    ...endpoints('far-spare', 4, { zone: 'b', priority: 1 })
  ]
  const order = async (config: object, ...down: string[]) => {
    const { shares } = await spread(config, list, Object.fromEntries(down.map((name) => [name, 4])))
    return Object.keys(shares)
  }
  const zones = { zone: 'a' }
  t.same(await order(zones), ['near'])
  t.same(await order(zones, 'near'), ['near-spare'])
  t.same(await order(zones, 'near', 'near-spare'), ['far'])
  t.same(await order(zones, 'near', 'near-spare', 'far'), ['far-spare'])
  t.same(await order({ order: ['priority', 'zone'], zone: 'a' }, 'near'), ['far'])
  t.same(await order({ order: ['zone'], zone: 'b' }, 'near'), ['far', 'far-spare'].sort())
})

t.test('with a panic threshold', async (t) => {
  const panic = definePlugin({
    name: 'panic',
    places: ['service'],
    setup: ({ service }) => service?.arrange({ panicThreshold: 0.5 })
  })

  t.test('failover wins while the other levels can take what one has lost', async (t) => {
    const found = await spread({}, priorities, { first: 7 }, [panic])
    t.same(found.levels, [0.42, 0.58])
    near(t, found.shares.first, 0.42, '3 of 10, and none that is down')
  })

  t.test('and panic where they cannot', async (t) => {
    const found = await spread({}, priorities, { first: 8, second: 8 }, [panic])
    t.same(found.levels, [0.5, 0.5])
    near(t, found.shares.first, 0.5, 'all ten of each')
  })
})
