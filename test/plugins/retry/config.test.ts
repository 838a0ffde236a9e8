import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { checkConfig } from '../../../core/server/load.js'
import { host } from '../../../plugins/host.js'
import { checkout } from '../../repository/command.js'

/** What `outrigger check` says of a listing on a route. */
async function problems(t: Test, listing: string): Promise<string[]> {
  const file = join(t.testdir(), 'sidecar.yaml')
  const yaml = `
listeners: { in: { address: "127.0.0.1:0" } }
services: { shop: { endpoints: ["http://127.0.0.1:1"] } }
routes: [{ name: all, service: shop, plugins: [{ retry: ${listing} }] }]
`
  await writeFile(file, yaml)
  return checkConfig(host, file).then(
    () => [],
    (error: { problems: { path: string; message: string }[] }) =>
      error.problems.map(({ path, message }) => `${path.split('retry.')[1]}: ${message}`)
  )
}

t.test('what is right', async (t) => {
  for (const listing of [
    '{ hedge: { after: 50ms, max: 1 } }',
    '{ hedge: { after: p95 } }',
    '{ budget: { ratio: 0.2, perSecond: 10, ttl: 10s } }',
    '{ budget: { ratio: 0.2, min: 3 }, retryAfter: 30s }',
    '{ on: [5xx, 503, "504", unavailable, { header: x-should-retry, value: yes, status: 5xx }] }'
  ])
    t.same(await problems(t, listing), [], listing)
})

t.test('what is wrong is told where it stands', async (t) => {
  const cases: [listing: string, message: RegExp][] = [
    [
      '{ hedge: { after: p101 } }',
      /^hedge\.after: expected a duration such as 50ms.* or p50 to p99, not "p101"/
    ],
    ['{ hedge: { after: 50ms, most: 1 } }', /^hedge\.most: /],
    ['{ budget: { min: 3, ttl: 10s } }', /^budget\.min: expected either min, .* or perSecond and ttl/],
    ['{ budget: { persecond: 3 } }', /^budget\.persecond: .*perSecond/],
    ['{ retryAfter: 1h }', /^retryAfter: expected true, false or a duration of at most 300s, not "1h"/],
    ['{ on: [{ heder: x }] }', /^on\[0\]: expected \{ header: NAME \}/],
    ['{ on: [4xx] }', /^on\[0\]: expected connect-failure, reset.*not "4xx"/]
  ]
  for (const [listing, message] of cases) {
    const found = await problems(t, listing)
    t.equal(found.length, 1, `${listing}: ${found.join(' | ')}`)
    t.match(found[0], message)
  }
})

t.test('the examples', async (t) => {
  for (const name of ['retry', 'failover', 'timeout']) {
    const { routes } = await checkConfig(host, join(checkout, `plugins/${name}/example.yaml`))
    t.ok(routes.length > 1, name)
  }
})
