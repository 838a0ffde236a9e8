// Reloads under load, and reloads that are refused.
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { startProxy } from '../../plugins/testing.js'
import { startUpstream } from '../support/upstream.js'

const file = (url: string, more = '') => `
listeners: { in: { address: 127.0.0.1:0 } }
admin: false
plugins: [metrics]
services:
  shop:
    endpoints: ["${url}"]
    plugins: [load-balancer]
routes:
  - { name: shop, match: { path: /* }, service: shop, plugins: [retry]${more} }
`

t.test('100 reloads under load: no failed request', async (t) => {
  let connections = 0
  const upstream = await startUpstream(
    t,
    (_request, response) => void setTimeout(() => response.end('ok'), 2)
  )
  upstream.server.on('connection', () => connections++)
  const path = join(t.testdir({ 'sidecar.yaml': file(upstream.url) }), 'sidecar.yaml')
  const proxy = await startProxy(path)
  t.teardown(() => proxy.close())
  let running = true
  let answered = 0
  const failed: unknown[] = []
  const client = async () => {
    while (running) {
      try {
        const response = await fetch(`${proxy.url()}/x`)
        const text = await response.text()
        if (response.status === 200 && text === 'ok') answered++
        else failed.push(response.status)
      } catch (error) {
        failed.push(error)
      }
    }
  }
  const clients = Array.from({ length: 8 }, client)
  for (let i = 0; i < 100; i++) {
    await writeFile(path, file(upstream.url, `, timeout: ${10 + (i % 2)}s`))
    await proxy.proxy.reload()
  }
  running = false
  await Promise.all(clients)
  t.same(failed, [])
  t.ok(answered > 100, `${answered} answered`)
  t.ok(connections <= 8, `an unchanged service kept its connections: ${connections} in all`)
  t.match((await proxy.proxy.metrics()).text, /^outrigger_config_reloads_total 100$/m)
  t.equal(proxy.proxy.services()[0]?.endpoints[0]?.attempts, answered, 'and its state')
})

t.test('a broken file changes nothing, and is counted', async (t) => {
  const upstream = await startUpstream(t, (_request, response) => response.end('ok'))
  const path = join(t.testdir({ 'sidecar.yaml': file(upstream.url) }), 'sidecar.yaml')
  const proxy = await startProxy(path)
  t.teardown(() => proxy.close())
  for (const broken of ['listeners: [', 'nonsense: true', file(upstream.url).replace('retry', 'rety')]) {
    await writeFile(path, broken)
    await t.rejects(proxy.proxy.reload(), { name: 'ConfigError' })
    t.equal((await fetch(proxy.url())).status, 200)
  }
  t.match((await proxy.proxy.metrics()).text, /^outrigger_config_reload_failures_total 3$/m)
  t.match((await proxy.proxy.metrics()).text, /^outrigger_config_reloads_total 0$/m)
})

t.test('an exchange under way ends under the configuration it began with', async (t) => {
  const upstream = await startUpstream(t, (_request, response) => {
    response.write('begun ')
    upstream.server.once('go', () => response.end('ended'))
  })
  const path = join(t.testdir({ 'sidecar.yaml': file(upstream.url) }), 'sidecar.yaml')
  const proxy = await startProxy(path)
  t.teardown(() => proxy.close())
  const arrived = once(upstream.server, 'request')
  const response = await fetch(proxy.url())
  await arrived
  await writeFile(path, file('http://127.0.0.1:1'))
  await proxy.proxy.reload()
  upstream.server.emit('go')
  t.equal(await response.text(), 'begun ended')
  t.equal((await fetch(proxy.url())).status, 502, 'the next one goes where the new one says')
})
