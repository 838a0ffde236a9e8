import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { checkConfig } from '../../../core/server/load.js'
import { host } from '../../../plugins/host.js'
import plugin from '../../../plugins/load-balancer/index.js'
import { checkout } from '../../repository/command.js'

/** What `outrigger check` says of the plugin's part, without the place. */
async function problems(t: Test, listing: string, environment = ''): Promise<string[]> {
  const file = join(t.testdir(), 'sidecar.yaml')
  const yaml = `
listeners: { in: { address: "127.0.0.1:0" } }
services: { shop: { endpoints: ["http://127.0.0.1:1"], plugins: [{ load-balancer: ${listing} }] } }
routes: [{ name: all, service: shop }]
${environment}`
  await writeFile(file, yaml)
  try {
    await checkConfig(host, file)
    return []
  } catch (error) {
    const found = (error as { problems: { path: string; message: string }[] }).problems
    return found.map(({ path, message }) => `${path.split('load-balancer')[1]}: ${message}`)
  }
}

t.test('what is right', async (t) => {
  for (const listing of [
    '{}',
    '{ policy: round-robin, slowStart: 30s, affinity: { cookie: shop, ttl: 1h }, panicThreshold: 0.5 }',
    '{ policy: random, slowStart: { window: 1m, aggression: 2 } }',
    '{ policy: least-request }',
    '{ policy: least-response-time, affinity: { cookie: shop, secret: "0123456789abcdef" } }',
    '{ policy: ring-hash, hashOn: { header: x-user }, boundedLoad: 1.25 }',
    '{ policy: maglev, hashOn: { cookie: user } }',
    '{ policy: maglev, hashOn: { query: user } }',
    '{ policy: maglev, hashOn: { path: true } }',
    '{ policy: maglev, hashOn: { address: true } }',
    '{ policy: zone-aware, zone: "$' + '{ZONE_OF_NOBODY:-a}", panicThreshold: 0 }'
  ])
    t.same(await problems(t, listing), [], listing)
})

t.test('what is wrong', async (t) => {
  const cases: [string, RegExp][] = [
    ['{ policy: fastest }', /^\.policy: .*least-response-time.*"fastest"/],
    ['{ polcy: random }', /^\.polcy: unknown key "polcy".*policy/],
    ['{ policy: ring-hash }', /^\.hashOn: missing: ring-hash expects what to hash/],
    [
      '{ policy: maglev, hashOn: {} }',
      /^\.hashOn: expected one of header, cookie, query, path, address, not none/
    ],
    [
      '{ policy: maglev, hashOn: { header: a, cookie: b } }',
      /^\.hashOn: expected one of .*, not header and cookie/
    ],
    [
      '{ policy: maglev, hashOn: { header: "a b" } }',
      /^\.hashOn\.header: expected the name of a header, not "a b"/
    ],
    ['{ policy: maglev, hashOn: { path: false } }', /^\.hashOn\.path: expected true for the path, not false/],
    [
      '{ policy: random, hashOn: { path: true } }',
      /^\.hashOn: expected policy ring-hash or maglev with it, not random/
    ],
    ['{ boundedLoad: 1.25 }', /^\.boundedLoad: expected policy ring-hash or maglev with it, not round-robin/],
    ['{ policy: maglev, hashOn: { path: true }, boundedLoad: 1 }', /^\.boundedLoad: .*1/],
    [
      '{ policy: maglev, hashOn: { path: true }, slowStart: 30s }',
      /^\.slowStart: expected policy round-robin, .*, not maglev/
    ],
    ['{ slowStart: soon }', /^\.slowStart: .*"soon"/],
    ['{ slowStart: { window: 30s, aggression: 0 } }', /^\.slowStart\.aggression: /],
    ['{ slowStart: { aggression: 2 } }', /^\.slowStart\.window: missing/],
    ['{ affinity: {} }', /^\.affinity\.cookie: missing/],
    ['{ affinity: { cookie: "a=b" } }', /^\.affinity\.cookie: expected the name of a cookie, not "a=b"/],
    ['{ affinity: { cookie: a, secret: short } }', /^\.affinity\.secret: expected at least 16 characters$/],
    ['{ panicThreshold: 50 }', /^\.panicThreshold: .*50/],
    ['{ policy: zone-aware }', /^\.zone: missing: zone-aware expects the zone/],
    ['{ zone: a }', /^\.zone: expected policy zone-aware with it, not round-robin/]
  ]
  for (const [listing, message] of cases) {
    const found = await problems(t, listing)
    t.equal(found.length, 1, listing)
    t.match(found[0], message)
  }
})

t.test('defaults, and where it may stand', async (t) => {
  t.same(plugin.config?.parse({}), { policy: 'round-robin' })
  t.same(plugin.config?.parse({ affinity: { cookie: 'shop' } }).affinity, { cookie: 'shop', ttl: 3_600_000 })
  t.same(plugin.places, ['service'])
})

t.test('the example', async (t) => {
  const { services } = await checkConfig(host, join(checkout, 'plugins/load-balancer/example.yaml'))
  t.same([...services.keys()], ['orders', 'catalogue', 'stock', 'payment'])
})
