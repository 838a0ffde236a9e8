import { CHECK } from '../checks.js'
import type { Rule } from '../rule.js'
import { type Answer, nameOf, type Stage, type StageSetup, stage } from '../stage.js'

const FAST = { base: 0, max: 0 }

const tagged = (name: string, version: string) => ({ url: `http://${name}.test`, tags: { version } })
const endpoints = [tagged('a1', 'v1'), tagged('b1', 'v1'), tagged('a2', 'v2'), tagged('b2', 'v2')]
const standby = { services: { standby: { endpoints: ['http://standby.test'] } } }

/** What the client sends back: every cookie that it was given, by its name. */
class Browser {
  readonly jar = new Map<string, string>()
  readonly #run: Stage

  constructor(run: Stage) {
    this.#run = run
  }

  async request(): Promise<Answer> {
    const cookie = [...this.jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await this.#run.request({ headers: cookie === '' ? {} : { cookie } })
    for (const set of answer.headers.getAll('set-cookie')) {
      const [pair = ''] = set.split(';')
      this.jar.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1))
    }
    return answer
  }

  /** The endpoints that so many requests went to, each once. */
  async went(count: number): Promise<string[]> {
    const names = new Set<string>()
    for (let i = 0; i < count; i++) for (const name of (await this.request()).tried) names.add(name)
    return [...names].sort()
  }
}

const versionOf = (name: string) => (name.endsWith('1') ? 'v1' : 'v2')

export const choosing: readonly Rule[] = [
  {
    about: 'split with sticky + outlier-detection, health-check, circuit-breaker',
    pairs: [
      ['split', 'outlier-detection'],
      ['split', 'health-check'],
      ['split', 'circuit-breaker']
    ],
    wins:
      'What is out is gone before split divides. While none of the drawn value is left its clients are served by the others, and ' +
      'keep their cookie: it names what was drawn, so they are back as soon as it is. Nobody gets an error for the sake of a share.',
    async test(t) {
      for (const plugin of [
        { 'outlier-detection': { consecutiveErrors: 1, baseEjection: '1s' } },
        { 'circuit-breaker': { failures: 1, reset: '1s' } },
        { 'health-check': CHECK }
      ]) {
        let fails = true
        const run = await stage(t, {
          endpoints: [tagged('a1', 'v1'), tagged('a2', 'v2')],
          route: [{ split: { by: { version: { v1: 0, v2: 100 } }, sticky: { cookie: 'version' } } }],
          service: [plugin],
          upstream: ({ endpoint }) => ({ status: fails && nameOf(endpoint) === 'a2' ? 503 : 200 })
        })
        const browser = new Browser(run)
        await browser.request()
        t.equal(browser.jar.get('version'), 'v2')
        await run.clock.advance(500)
        const meanwhile = await browser.request()
        t.same([meanwhile.status, meanwhile.tried], [200, ['a1']])
        t.same(meanwhile.headers.getAll('set-cookie'), [], 'it keeps its cookie')
        fails = false
        await run.clock.advance(1_000)
        t.same(await browser.went(3), ['a2'])
      }
    }
  },
  {
    about: 'split + canary',
    pairs: [['split', 'canary']],
    wins:
      'Both choose, one from what the other has left. List `canary` first, with `exclusive: false`: who asks for it gets it, and split, ' +
      'which finds none of another value, lets it be. With `exclusive` on the same tag the canary is only for those that ask: what ' +
      'split draws for it falls back to all that canary has left.',
    async test(t) {
      const by = { by: { version: { v1: 100, v2: 0 } } }
      const canary = { header: 'x-canary', tags: { version: 'v2' } }
      const run = await stage(t, {
        endpoints,
        route: [{ canary: { ...canary, exclusive: false } }, { split: by }]
      })
      for (let i = 0; i < 4; i++) {
        t.equal(versionOf((await run.request({ headers: { 'x-canary': '1' } })).tried[0] as string), 'v2')
        t.equal(versionOf((await run.request()).tried[0] as string), 'v1')
      }
      const exclusive = await stage(t, {
        endpoints,
        route: [{ canary }, { split: { by: { version: { v1: 0, v2: 100 } } } }]
      })
      for (let i = 0; i < 4; i++) t.equal(versionOf((await exclusive.request()).tried[0] as string), 'v1')
    }
  },
  {
    about: 'split, canary + load-balancer',
    pairs: [
      ['split', 'load-balancer'],
      ['canary', 'load-balancer']
    ],
    wins:
      'Split and canary choose first, on the service too, wherever in the list; the policy, a hash and the cookie of `affinity` choose ' +
      'among what they leave. A client whose version changes moves, and is given a new cookie.',
    async test(t) {
      const run = await stage(t, {
        endpoints,
        service: [
          { 'load-balancer': { policy: 'random', affinity: { cookie: 'endpoint' } } },
          { split: { by: { version: { v1: 50, v2: 50 } }, sticky: { cookie: 'version' } } }
        ]
      })
      const kept = new Set<string>()
      for (let i = 0; i < 8; i++) {
        const browser = new Browser(run)
        const [first, ...others] = await browser.went(6)
        t.same(others, [], 'one endpoint for each client')
        t.equal(versionOf(first as string), browser.jar.get('version'))
        kept.add(first as string)
        const other = browser.jar.get('version') === 'v1' ? 'v2' : 'v1'
        browser.jar.set('version', other)
        const moved = await browser.went(6)
        t.equal(moved.length, 1)
        t.equal(versionOf(moved[0] as string), other)
      }
      t.ok(kept.size >= 3)
      const hashed = await stage(t, {
        endpoints,
        route: [{ canary: { header: 'x-canary', tags: { version: 'v2' } } }],
        service: [{ 'load-balancer': { policy: 'ring-hash', hashOn: { header: 'x-user' } } }]
      })
      for (const user of ['ann', 'ben', 'cem', 'dot']) {
        const went = new Set<string>()
        for (let i = 0; i < 4; i++) {
          const { tried } = await hashed.request({ headers: { 'x-user': user, 'x-canary': '1' } })
          went.add(tried[0] as string)
        }
        t.equal(went.size, 1)
        t.equal(versionOf([...went][0] as string), 'v2')
      }
    }
  },
  {
    about: 'split, canary + retry',
    pairs: [
      ['split', 'retry'],
      ['canary', 'retry']
    ],
    wins:
      'What was drawn or asked for holds for every attempt: a retry stays with it while it has an endpoint that was not tried, and then ' +
      'takes any. With `strict` canary there is no second attempt on another version.',
    async test(t) {
      const retry = { retry: { attempts: 3, on: [503], backoff: FAST } }
      const canary = { header: 'x-canary', tags: { version: 'v2' } }
      const upstream: StageSetup['upstream'] = ({ endpoint }) => ({
        status: versionOf(nameOf(endpoint)) === 'v2' ? 503 : 200
      })
      for (const chooser of [{ split: { by: { version: { v1: 0, v2: 100 } } } }, { canary }]) {
        const run = await stage(t, { endpoints, route: [retry, chooser], upstream })
        const { tried, status } = await run.request({ headers: { 'x-canary': '1' } })
        t.equal(status, 200)
        t.same(tried.map(versionOf), ['v2', 'v2', 'v1'])
      }
      const strict = await stage(t, {
        endpoints,
        route: [retry, { canary: { ...canary, strict: true } }],
        upstream
      })
      const { tried } = await strict.request({ headers: { 'x-canary': '1' } })
      t.same(new Set(tried.map(versionOf)), new Set(['v2']))
    }
  },
  {
    about: 'canary + failover',
    pairs: [
      ['canary', 'failover'],
      ['split', 'failover']
    ],
    wins:
      'Failover goes on with a canary that fails as with all else. A standby without the tags serves everyone; with `strict` canary, all ' +
      'but those that asked for it (503 `NO_ENDPOINT`). Split and canary divide the standby too, where it has the tag.',
    async test(t) {
      const failover = { failover: { services: ['standby'] } }
      const canary = { header: 'x-canary', tags: { version: 'v2' } }
      const asks = { headers: { 'x-canary': '1' } }
      const upstream: StageSetup['upstream'] = ({ endpoint }) => ({
        status: /\/[a-z]2/.test(endpoint) ? 503 : 200
      })
      const run = await stage(t, { ...standby, endpoints, route: [failover, { canary }], upstream })
      const served = await run.request(asks)
      t.equal(served.status, 200)
      t.equal(served.tried.at(-1), 'standby')
      const strict = await stage(t, {
        ...standby,
        endpoints: [tagged('a1', 'v1')],
        route: [failover, { canary: { ...canary, strict: true } }],
        upstream
      })
      t.equal((await strict.request(asks)).error, 'NO_ENDPOINT')
      t.same((await strict.request()).tried, ['a1'])
      const divided = await stage(t, {
        services: { standby: { endpoints: [tagged('s1', 'v1'), tagged('s2', 'v2')] } },
        endpoints,
        route: [failover, { split: { by: { version: { v1: 100, v2: 0 } } } }],
        upstream: ({ endpoint }) => ({ status: nameOf(endpoint).startsWith('s') ? 200 : 503 })
      })
      for (let i = 0; i < 4; i++) t.equal((await divided.request()).tried.at(-1), 's1')
    }
  },
  {
    about: 'canary + outlier-detection, health-check, circuit-breaker',
    pairs: [
      ['canary', 'outlier-detection'],
      ['canary', 'health-check'],
      ['canary', 'circuit-breaker']
    ],
    wins:
      'What is out is gone before canary looks: while no canary is left those that ask are served by the others, and with `strict` they ' +
      'get 503 `NO_ENDPOINT`.',
    async test(t) {
      const asks = { headers: { 'x-canary': '1' } }
      for (const plugin of [
        { 'outlier-detection': { consecutiveErrors: 1 } },
        { 'circuit-breaker': { failures: 1 } }
      ]) {
        for (const [strict, expected] of [
          [false, 200],
          [true, 'NO_ENDPOINT']
        ] as const) {
          const run = await stage(t, {
            endpoints: [tagged('a1', 'v1'), tagged('a2', 'v2')],
            route: [{ canary: { header: 'x-canary', tags: { version: 'v2' }, strict } }],
            service: [{ 'health-check': CHECK }, plugin],
            upstream: ({ endpoint, path }) => ({
              status: nameOf(endpoint) === 'a2' && path !== '/healthz' ? 503 : 200
            })
          })
          t.same(await run.statuses(2, asks), [503, expected])
          t.same(await run.statuses(2), [200, 200])
        }
      }
    }
  },
  {
    about: 'load-balancer (hash, affinity) + retry',
    pairs: [['load-balancer', 'retry']],
    wins:
      'A retry goes elsewhere: what was tried is taken out before the policy chooses. A key then goes to its next endpoint, the same ' +
      'for each retry of it, and with `affinity` the client moves to whoever answered.',
    async test(t) {
      const retry = { retry: { on: [503], backoff: FAST } }
      let bad = ''
      const upstream: StageSetup['upstream'] = ({ endpoint }) => ({
        status: nameOf(endpoint) === bad ? 503 : 200
      })
      const hashed = await stage(t, {
        endpoints,
        route: [retry],
        service: [{ 'load-balancer': { policy: 'maglev', hashOn: { header: 'x-user' } } }],
        upstream
      })
      const ann = { headers: { 'x-user': 'ann' } }
      const [own] = (await hashed.request(ann)).tried
      bad = own as string
      const [, next] = (await hashed.request(ann)).tried
      t.not(next, own)
      for (let i = 0; i < 3; i++) t.same((await hashed.request(ann)).tried, [own, next])

      bad = ''
      const run = await stage(t, {
        endpoints,
        route: [retry],
        service: [{ 'load-balancer': { policy: 'round-robin', affinity: { cookie: 'endpoint' } } }],
        upstream
      })
      const browser = new Browser(run)
      const [home] = await browser.went(3)
      bad = home as string
      const { tried, status } = await browser.request()
      t.equal(status, 200)
      t.equal(tried[0], home)
      t.same(await browser.went(3), [tried[1]], 'it has moved')
    }
  }
]
