import t from 'tap'
import { type ConfigError, definePlugin, Retry } from '../../../core/index.js'
import { type RunOptions, runPlugin, type SentRequest } from '../../../core/testing/index.js'
import canary from '../../../plugins/canary/index.js'
import split from '../../../plugins/split/index.js'

const STABLE = { url: 'http://stable.test', tags: { version: 'v1' } }
const CANARY = { url: 'http://canary.test', tags: { version: 'v2', zone: 'a' } }
const tags = { version: 'v2' }
const header = 'x-canary'

const start = (config: object, options: RunOptions = {}) =>
  runPlugin(canary, config, { endpoints: [STABLE, CANARY], ...options })

/** Where a few requests of a kind go. */
async function targets(config: object, sent: SentRequest, options: RunOptions = {}): Promise<string[]> {
  const run = start(config, options)
  const seen = new Set<string>()
  for (let i = 0; i < 4; i++) {
    const { attempts, error } = await run.request(sent)
    seen.add(attempts[0]?.endpoint ?? (error as string))
  }
  await run.close()
  return [...seen].sort()
}

const toCanary = [CANARY.url]
const toStable = [STABLE.url]
const toBoth = [CANARY.url, STABLE.url]

for (const place of ['top', 'route', 'service'] as const) {
  t.test(`who asks gets the canary, and nobody else: ${place}`, async (t) => {
    const config = { header, value: '1', tags }
    t.same(await targets(config, { headers: { [header]: '1' } }, { place }), toCanary)
    t.same(await targets(config, {}, { place }), toStable)
    t.same(await targets(config, { headers: { [header]: '10' } }, { place }), toStable, 'the value is exact')
    t.same(await targets({ ...config, exclusive: false }, {}, { place }), toBoth)
  })
}

t.test('each way to ask', async (t) => {
  const any = { header, cookie: 'canary', query: 'canary', value: 'on', tags }
  t.same(await targets(any, { headers: { [header]: 'on' } }), toCanary)
  t.same(await targets(any, { headers: { cookie: 'a=1; canary=on' } }), toCanary)
  t.same(await targets(any, { url: '/orders?canary=on' }), toCanary)
  t.same(await targets(any, { url: '/orders?canary=off', headers: { cookie: 'canary=off' } }), toStable)

  t.same(await targets({ header, tags }, { headers: { [header]: '' } }), toCanary, 'any value, also none')
  t.same(
    await targets({ header, value: 1, tags }, { headers: { [header]: '1' } }),
    toCanary,
    'YAML wrote a number'
  )
  t.same(await targets({ methods: ['post'], tags }, { method: 'POST' }), toCanary)
  t.same(await targets({ methods: ['post'], tags }, { method: 'GET' }), toStable)
  t.same(
    await targets({ methods: ['POST'], header, tags }, { method: 'GET', headers: { [header]: '' } }),
    toStable
  )
  t.same(
    await targets({ header, tags: { version: 'v2', zone: 'b' } }, { headers: { [header]: '' } }),
    toBoth,
    'all tags'
  )
})

for (const place of ['route', 'service'] as const) {
  t.test(`a part, drawn once for each request: ${place}`, async (t) => {
    const draws = [0.04, 0.06, 0.99, 0]
    let drawn = 0
    const again = definePlugin({
      name: 'again',
      setup: () => ({
        outcome: ({ number }) => (number === 1 ? new Retry({ avoidTried: false }) : undefined)
      })
    })
    const run = start({ percent: 5, tags }, { place, after: [again], random: () => draws[drawn++] as number })
    for (const expected of [CANARY, STABLE, STABLE, CANARY]) {
      const { attempts } = await run.request()
      t.same(
        attempts.map(({ endpoint }) => endpoint),
        [expected.url, expected.url]
      )
    }
    t.equal(drawn, 4)
    t.match(await run.metrics(), 'outrigger_canary_requests_total{route="route"} 2')
    await run.close()
  })
}

t.test('of those that do not ask none is drawn', async (t) => {
  t.same(await targets({ header, percent: 50, tags }, {}, { random: () => 0 }), toStable)
  t.same(
    await targets({ header, percent: 50, tags }, { headers: { [header]: '' } }, { random: () => 0.5 }),
    toStable
  )
  t.same(
    await targets({ header, percent: 0, tags }, { headers: { [header]: '' } }, { random: () => 0 }),
    toStable
  )
})

t.test('where none is left of those it is for', async (t) => {
  const asked = { headers: { [header]: '1' } }
  t.same(await targets({ header, tags }, asked, { endpoints: [STABLE] }), toStable, 'the canary is gone')
  t.same(await targets({ header, tags }, {}, { endpoints: [CANARY] }), toCanary, 'only the canary is there')
  t.same(await targets({ header, tags, strict: true }, asked, { endpoints: [STABLE] }), ['NO_ENDPOINT'])
  t.same(await targets({ header, tags, strict: true }, {}, { endpoints: [CANARY] }), ['NO_ENDPOINT'])

  const run = start({ header, tags }, { endpoints: [STABLE] })
  await run.request(asked)
  t.match(await run.metrics(), 'outrigger_canary_fallbacks_total{route="route",for="canary"} 1')
  await run.close()
})

t.test('what asks may be taken out by a plugin behind it', async (t) => {
  const strip = definePlugin({
    name: 'strip',
    setup: () => ({ request: ({ request }) => void request.headers.delete(header) })
  })
  t.same(await targets({ header, tags }, { headers: { [header]: '1' } }, { after: [strip] }), toCanary)
  t.same(await targets({ header, tags }, { headers: { [header]: '1' } }, { before: [strip] }), toStable)
})

t.test('listed twice for the same tags, either rule is enough', async (t) => {
  const second = [canary, { cookie: 'canary', tags }] as const
  for (const beside of [{ before: [second] }, { after: [second] }]) {
    t.same(await targets({ header, tags }, { headers: { [header]: '' } }, beside), toCanary)
    t.same(await targets({ header, tags }, { headers: { cookie: 'canary=1' } }, beside), toCanary)
    t.same(await targets({ header, tags }, {}, beside), toStable)
  }
})

t.test('before split: who asks gets the canary whatever is drawn, and the others are divided', async (t) => {
  const config = { header, tags, exclusive: false }
  const after = [[split, { by: { version: { v1: 95, v2: 5 } } }]] as const
  const at = (chance: number) => ({ after, random: () => chance })
  t.same(await targets(config, { headers: { [header]: '' } }, at(0.1)), toCanary)
  t.same(await targets(config, {}, at(0.1)), toStable)
  t.same(await targets(config, {}, at(0.99)), toCanary)
})

t.test('another service', async (t) => {
  const services = { 'orders-canary': ['http://other.test'] }
  for (const place of ['top', 'route'] as const) {
    const config = { header, service: 'orders-canary' }
    t.same(await targets(config, { headers: { [header]: '' } }, { services, place }), ['http://other.test'])
    t.same(await targets(config, {}, { services, place }), toBoth)
  }
  t.throws(
    () => start({ header, service: 'orders-canary' }),
    /canary.service: there is no service "orders-canary"/
  )
  t.throws(
    () => start({ header, service: 'orders-canary' }, { services, place: 'service' }),
    /list canary with it on a route or at the top/
  )
})

/** What is told at load. */
function problems(config: object) {
  try {
    runPlugin(canary, config)
  } catch (error) {
    return (error as ConfigError).problems
  }
  return []
}

t.test('what is wrong with a configuration', async (t) => {
  for (const [config, at, message] of [
    [{ tags }, 'canary', /expected header, cookie, query, methods or percent/],
    [{ header }, 'canary', /expected either tags or service, not neither/],
    [{ header, tags, service: 'a' }, 'canary', /expected either tags or service, not both/],
    [{ header, tags: {} }, 'canary.tags', /at least one tag/],
    [{ percent: 5, value: 'a', tags }, 'canary.value', /expected header, cookie or query with it/],
    [{ percent: 101, tags }, 'canary.percent', /<=100/],
    [{ header: 'x canary', tags }, 'canary.header', /the name of a header, not "x canary"/],
    [{ methods: ['G T'], tags }, 'canary.methods.0', /expected a method, such as GET, not "G T"/],
    [{ header, service: 'a', exclusive: false }, 'canary.exclusive', /expected tags with it/],
    [{ header, service: 'a', strict: true }, 'canary.strict', /expected tags with it/]
  ] as const)
    t.match(problems(config), [{ path: at, message }], JSON.stringify(config))
})
