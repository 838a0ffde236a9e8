import t from 'tap'
import { type ConfigError, definePlugin, Retry } from '../../../core/index.js'
import { type RunOptions, runPlugin } from '../../../core/testing/index.js'
import split from '../../../plugins/split/index.js'

const V1 = { url: 'http://one.test', tags: { version: 'v1' } }
const V2 = { url: 'http://two.test', tags: { version: 'v2' } }
const V2B = { url: 'http://three.test', tags: { version: 'v2' } }
const by = { version: { v1: 95, v2: 5 } }
const sticky = { cookie: 'shop-version' }

const run = (config: object, options: RunOptions = {}) =>
  runPlugin(split, config, { endpoints: [V1, V2], ...options })

/** Chance that says these, one after the other, and then the last again. */
const chances = (...values: number[]) => {
  let i = 0
  return () => values[Math.min(i++, values.length - 1)] as number
}

const retryTwice = definePlugin({
  name: 'retry-twice',
  setup: () => ({
    outcome: ({ status, number }) =>
      status === 503 && number < 3 ? new Retry({ reason: '5xx', avoidTried: number === 1 }) : undefined
  })
})

for (const place of ['top', 'route', 'service'] as const) {
  t.test(`each request goes where its draw says: ${place}`, async (t) => {
    const draws: number[] = []
    let x = 7
    const random = () => {
      // Numerical Recipes' generator, upper bits: the same draws in each run.
      x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0
      draws.push((x >>> 8) / 2 ** 24)
      return draws.at(-1) as number
    }
    const one = run({ by: { version: { v1: 3, v2: 1 } } }, { place, random })
    const went: string[] = []
    for (let i = 0; i < 60; i++) went.push((await one.request()).attempts[0]?.endpoint as string)
    t.equal(draws.length, 60, 'one draw each')
    t.same(
      went,
      draws.map((draw) => (draw < 0.75 ? V1.url : V2.url))
    )
    t.ok(went.includes(V1.url) && went.includes(V2.url))
    t.match(
      await one.metrics(),
      /outrigger_split_requests_total\{route="route",tag="version",value="v2"\} \d+/
    )
    await one.close()
  })
}

t.test('a retry stays with the value that was drawn', async (t) => {
  let drawn = 0
  const one = run(
    { by },
    {
      endpoints: [V1, V2, V2B],
      after: [retryTwice],
      upstream: ({ index }) => ({ status: index < 2 ? 503 : 200 }),
      random: () => {
        drawn++
        return 0.99
      }
    }
  )
  const { attempts, status } = await one.request()
  t.equal(status, 200)
  t.same(
    attempts
      .map(({ endpoint }) => endpoint)
      .slice(0, 2)
      .sort(),
    [V2B.url, V2.url].sort()
  )
  t.not(attempts[2]?.endpoint, V1.url)
  t.equal(drawn, 1)
  await one.close()
})

t.test('where no endpoint of the value is left, all of them are', async (t) => {
  const gone = run({ by }, { endpoints: [V1], random: () => 0.99 })
  const { status, attempts } = await gone.request()
  t.equal(status, 200)
  t.equal(attempts[0]?.endpoint, V1.url)
  t.match(await gone.metrics(), 'outrigger_split_fallbacks_total{route="route",tag="version",value="v2"} 1')
  await gone.close()

  const tried = run(
    { by },
    {
      after: [retryTwice],
      random: () => 0.99,
      upstream: ({ index }) => ({ status: index === 0 ? 503 : 200 })
    }
  )
  t.same(
    (await tried.request()).attempts.map(({ endpoint }) => endpoint),
    [V2.url, V1.url],
    'the tried one is out'
  )
  await tried.close()
})

t.test('an endpoint of another value gets nothing while there are others', async (t) => {
  const one = run(
    { by },
    { endpoints: [V1, V2, { url: 'http://old.test', tags: { version: 'v0' } }, 'http://bare.test'] }
  )
  for (let i = 0; i < 30; i++) {
    const { attempts } = await one.request()
    t.match(attempts[0]?.endpoint, /one|two/)
  }
  await one.close()
})

for (const place of ['top', 'route', 'service'] as const) {
  t.test(`sticky: ${place}`, async (t) => {
    const one = run({ by, sticky: { ...sticky, ttl: '1h' } }, { place, random: chances(0.99, 0.1) })
    const first = await one.request()
    t.equal(first.attempts[0]?.endpoint, V2.url)
    t.same(first.headers.getAll('set-cookie'), [
      'shop-version=v2; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax'
    ])

    for (let i = 0; i < 3; i++) {
      const again = await one.request({ headers: { cookie: 'a=b; shop-version=v2' } })
      t.equal(again.attempts[0]?.endpoint, V2.url, 'the cookie, and no draw')
      t.equal(again.headers.has('set-cookie'), false, 'it has one')
    }
    const other = await one.request({ headers: { cookie: 'shop-version=v9' } })
    t.equal(other.attempts[0]?.endpoint, V1.url, 'an unknown value is drawn anew')
    t.match(other.headers.get('set-cookie'), /^shop-version=v1;/)
    await one.close()
  })
}

t.test('a cookie does not hold with a value whose weight is 0', async (t) => {
  const one = run({ by: { version: { v1: 1, v2: 0 } }, sticky })
  const { attempts, headers } = await one.request({ headers: { cookie: 'shop-version=v2' } })
  t.equal(attempts[0]?.endpoint, V1.url)
  t.equal(
    headers.get('set-cookie'),
    'shop-version=v1; Path=/; HttpOnly; SameSite=Lax',
    'a new one, for the session'
  )
  await one.close()
})

t.test('an answer after a retry has the cookie once, and one that no service gave has none', async (t) => {
  const options = { endpoints: [V1, V2, V2B], after: [retryTwice], random: () => 0.99 }
  const one = run(
    { by, sticky },
    { ...options, upstream: ({ index }) => ({ status: index < 2 ? 503 : 200 }) }
  )
  const { attempts, headers } = await one.request()
  t.equal(attempts.length, 3)
  t.same(headers.getAll('set-cookie'), ['shop-version=v2; Path=/; HttpOnly; SameSite=Lax'])
  await one.close()

  const down = run({ by, sticky }, { upstream: () => ({ error: 'CONNECT_FAILED' }) })
  t.equal((await down.request()).headers.has('set-cookie'), false)
  await down.close()
})

t.test(
  'split, sticky and outlier detection: a client comes back to its version when that comes back',
  async (t) => {
    /** As outlier-detection does: out for 30 s at the first failure. */
    const ejector = definePlugin({
      name: 'ejector',
      places: ['service'],
      setup: ({ service }) => ({
        outcome({ status, endpoint }) {
          if (status === 500) service?.eject(endpoint, 30_000)
        }
      })
    })
    let broken = true
    const one = run(
      { by, sticky },
      {
        onService: [ejector],
        upstream: ({ endpoint }) => ({ status: endpoint === V2.url && broken ? 500 : 200 })
      }
    )
    const headers = { cookie: 'shop-version=v2' }
    t.equal((await one.request({ headers })).status, 500, 'its version fails')
    broken = false
    for (let i = 0; i < 3; i++) {
      const meanwhile = await one.request({ headers })
      t.equal(meanwhile.status, 200)
      t.equal(meanwhile.attempts[0]?.endpoint, V1.url, 'while that is out another serves it')
      t.equal(meanwhile.headers.has('set-cookie'), false, 'and it keeps its cookie')
    }
    await one.clock.advance(30_000)
    t.equal((await one.request({ headers })).attempts[0]?.endpoint, V2.url)
    await one.close()
  }
)

/** What is told at load. */
function problems(config: object) {
  try {
    runPlugin(split, config)
  } catch (error) {
    return (error as ConfigError).problems
  }
  return []
}

t.test('what is wrong with a configuration', async (t) => {
  for (const [config, at, message] of [
    [{}, 'split.by', /expected (object|record)/],
    [{ by: {} }, 'split.by', /expected one tag, .*, not 0/],
    [{ by: { version: { v1: 1 }, zone: { a: 1 } } }, 'split.by', /expected one tag, .*, not 2/],
    [{ by: { version: {} } }, 'split.by.version', /expected 1 to 100 values with their weights, not 0/],
    [{ by: { version: { v1: 0 } } }, 'split.by.version', /one weight of more than 0/],
    [{ by: { version: { v1: -1 } } }, 'split.by.version.v1', />=0/],
    [{ by, sticky: {} }, 'split.sticky.cookie', /expected string/],
    [{ by, sticky: { cookie: 'a b' } }, 'split.sticky.cookie', /a cookie's name, .*, not "a b"/],
    [{ by, sticky: { cookie: 'a', ttl: 5 } }, 'split.sticky.ttl', /expected 1s or more, .*, not 5 ms/],
    [{ by: { version: { 'v 1': 1 } }, sticky }, 'split.by.version.v 1', /that a cookie can hold, not "v 1"/],
    [{ by, sticki: sticky }, 'split', /sticki/]
  ] as const)
    t.match(problems(config), [{ path: at, message }], JSON.stringify(config))
})
