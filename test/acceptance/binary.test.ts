// The binary under load: reloads by signal, a file that breaks, and a drain.
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { start } from '../core/cli/binary.js'
import { startUpstream } from '../support/upstream.js'

interface Load {
  errors: number
  non2xx: number
  '2xx': number
}
/** autocannon has no types of its own. */
const autocannon = createRequire(import.meta.url)('autocannon') as (options: object) => Promise<Load>

const config = (url: string, timeout: number) => `
listeners: { in: { address: 127.0.0.1:0 } }
admin: { address: 127.0.0.1:0 }
plugins: [metrics]
services: { shop: { endpoints: ["${url}"], plugins: [load-balancer] } }
routes: [ { name: shop, match: { path: /* }, service: shop, timeout: ${timeout}s, plugins: [retry] } ]
`

async function run(t: Test, yaml: string) {
  const file = join(t.testdir({ 'sidecar.yaml': yaml }), 'sidecar.yaml')
  const binary = start(t, ['run', file])
  const [, url = ''] = await binary.untilOut(/ready in (\S+)/)
  const [, admin = ''] = await binary.untilOut(/ready admin (\S+)/)
  return { binary, file, url, admin }
}

const metric = async (admin: string, name: string) => {
  const text = await (await fetch(`${admin}/metrics`)).text()
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
}

t.test('100 reloads in 20 s under load: no failed request; then a broken file', async (t) => {
  const upstream = await startUpstream(t, (_request, response) => response.end('ok'))
  const { binary, file, url, admin } = await run(t, config(upstream.url, 10))
  const load = autocannon({ url, connections: 10, duration: 20 })
  for (let sent = 0; sent < 100; sent++) {
    await writeFile(file, config(upstream.url, 10 + (sent % 2)))
    binary.child.kill('SIGHUP')
    await sleep(150)
  }
  const { errors, non2xx, '2xx': answered } = await load
  t.same({ errors, non2xx }, { errors: 0, non2xx: 0 })
  t.ok(answered > 1000, `${answered} answered`)
  t.ok(
    (await metric(admin, 'outrigger_config_reloads_total')) >= 20,
    'signals that come while one is taken up make one'
  )

  await writeFile(file, 'listeners: [')
  binary.child.kill('SIGHUP')
  while ((await metric(admin, 'outrigger_config_reload_failures_total')) !== 1) await sleep(20)
  t.equal((await fetch(url)).status, 200, 'still serving')
  t.match(binary.err, 'not reloaded')
})

t.test('SIGTERM with a 2 s request under way: it ends 200, new ones are refused, exit 0', async (t) => {
  const upstream = await startUpstream(
    t,
    (_request, response) => void setTimeout(() => response.end('late'), 2_000)
  )
  const { binary, url, admin } = await run(t, config(upstream.url, 10))
  const arrived = once(upstream.server, 'request')
  const slow = fetch(url)
  await arrived
  binary.child.kill('SIGTERM')
  while ((await fetch(`${admin}/readyz`)).status !== 503) await sleep(10)
  await t.rejects(fetch(url), 'a new one is refused')
  const response = await slow
  t.equal(response.status, 200)
  t.equal(await response.text(), 'late')
  t.equal(await binary.ended, 0)
})
