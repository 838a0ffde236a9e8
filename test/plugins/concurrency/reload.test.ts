// Through real sockets: what is under way stays counted when a configuration takes another's place.
import { join } from 'node:path'
import t from 'tap'
import { checkConfig } from '../../../core/server/load.js'
import { host } from '../../../plugins/host.js'
import { startProxy } from '../../../plugins/testing.js'
import { checkout } from '../../repository/command.js'
import { startUpstream } from '../../support/upstream.js'

t.test(
  'a place that an old configuration’s request gives back goes to one that waits under the new one',
  async (t) => {
    const held: (() => void)[] = []
    const upstream = await startUpstream(t, (_request, response) => {
      held.push(() => response.end('ok'))
    })
    const configOf = (limit: number) => ({
      listeners: { in: { address: '127.0.0.1:0' } },
      services: {
        upstream: {
          endpoints: [upstream.url],
          plugins: [{ concurrency: { limit, queue: 5, queueTimeout: '4s' } }]
        }
      },
      routes: [{ name: 'all', match: { path: '/*' }, service: 'upstream' }]
    })
    const proxy = await startProxy(configOf(1))
    t.teardown(() => proxy.close())
    const until = async (condition: () => boolean) => {
      for (let i = 0; i < 400 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 5))
      t.ok(condition())
    }
    const get = async () => {
      const response = await fetch(proxy.url())
      await response.arrayBuffer()
      return response.headers.get('x-outrigger-error') ?? response.status
    }
    const limit = async (name: string) => {
      const { text } = await proxy.proxy.metrics()
      return Number(new RegExp(`^${name}\\{[^}]*limit="concurrency"\\} (\\d+)`, 'm').exec(text)?.[1])
    }
    const waiting = async (count: number) => {
      for (let i = 0; i < 400 && (await limit('outrigger_limit_waiting')) !== count; i++)
        await new Promise((resolve) => setTimeout(resolve, 5))
      t.equal(await limit('outrigger_limit_waiting'), count)
    }

    const first = get()
    await until(() => held.length === 1)
    await proxy.proxy.reload({ admin: false, ...configOf(1) })
    const second = get()
    const third = get()
    await waiting(2)
    t.equal(upstream.count, 1, 'the old one still has the only place')
    held[0]?.()
    t.equal(await first, 200)
    await until(() => held.length === 2)
    await proxy.proxy.reload({ admin: false, ...configOf(2) })
    const fourth = get()
    await until(() => held.length >= 3)
    t.equal(await limit('outrigger_limit'), 2, 'a new limit holds with the new configuration')
    for (const answer of held.slice(1)) answer()
    await until(() => held.length === 4)
    held[3]?.()
    t.same(await Promise.all([second, third, fourth]), [200, 200, 200])
    t.equal(await limit('outrigger_limit_used'), 0)
  }
)

t.test('the examples', async (t) => {
  for (const name of ['admission', 'circuit-breaker', 'concurrency']) {
    const { routes } = await checkConfig(host, join(checkout, `plugins/${name}/example.yaml`))
    t.ok(routes.length > 1, name)
  }
})
