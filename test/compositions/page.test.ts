import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { builtins } from '../../plugins/index.js'
import { COMMAND, type Described, pageOf } from './page.js'
import { ANSWERING, ATTEMPTING, rules } from './rules.js'
import { stage } from './stage.js'
import { listingOf, PLUGINS } from './uses.js'

const page = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '../../plugins/README.md')

t.test('every plugin that comes with the proxy is looked at', async (t) => {
  t.same([...PLUGINS], [...builtins.keys()].sort())
})

t.test('plugins/README.md says what the rules say', async (t) => {
  const plugins: Described[] = []
  for (const name of PLUGINS) {
    const plugin = await builtins.get(name)?.()
    if (plugin !== undefined) plugins.push({ name, plugin })
  }
  const expected = pageOf(plugins, rules)
  if (process.env.WRITE_PAGE === '1') writeFileSync(page, expected)
  t.equal(readFileSync(page, 'utf8'), expected, `otherwise: ${COMMAND}`)
})

t.test('each rule is about one thing, and each pair of it is a pair', async (t) => {
  const abouts = rules.map(({ about }) => about)
  t.same(
    abouts.filter((about, i) => abouts.indexOf(about) !== i),
    []
  )
  for (const { about, pairs, wins } of rules) {
    t.match(wins, /^[A-Z`].*\.$/, about)
    const written = pairs.map((pair) => [...pair].sort().join('+'))
    t.equal(new Set(written).size, written.length, `${about}: no pair twice`)
  }
})

// What the table says with a dash.
for (const answering of ANSWERING) {
  t.test(`what ${answering} answers, plugins that act on attempts never see`, async (t) => {
    const asked =
      answering === 'redirect'
        ? { url: '/old/1' }
        : {
            method: 'POST',
            url: '/grpc.health.v1.Health/Check',
            headers: { 'content-type': 'application/grpc' },
            body: new Uint8Array(5)
          }
    for (const other of ATTEMPTING) {
      const places = (await builtins.get(other)?.())?.places ?? ['route', 'service']
      const place = places.includes('route') ? 'route' : 'service'
      const one = listingOf(answering, 'route', '')
      const two = listingOf(other, place, '')
      for (const route of place === 'route'
        ? [
            [one, two],
            [two, one]
          ]
        : [[one]]) {
        const run = await stage(t, {
          route,
          service: place === 'service' ? [two] : [],
          services: {
            standby: { endpoints: ['http://standby.test'] },
            next: { endpoints: ['http://next.test'] }
          }
        })
        const { headers, exchange } = await run.request(asked)
        await run.clock.advance(10)
        t.equal(exchange.attempts.length, 0, other)
        t.equal(run.seen.length, 0)
        t.same(headers.getAll('set-cookie'), [])
      }
    }
  })
}
