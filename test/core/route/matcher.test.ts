import t from 'tap'
import type { MatchConfig, RouteConfig } from '../../../core/config/types.js'
import { Fields } from '../../../core/exchange/fields.js'
import { Matcher } from '../../../core/route/matcher.js'

type Match = Partial<MatchConfig>

function target(name: string, match: Match): { config: RouteConfig } {
  const any = { path: '/*', host: undefined, methods: undefined, headers: undefined, query: undefined }
  return { config: { name, match: { ...any, ...match } } as RouteConfig }
}

/** Names are a, b, c... in the order listed. */
function matcher(...matches: Match[]) {
  const all = new Matcher(matches.map((match, i) => target(String.fromCharCode(97 + i), match)))
  const name = (
    path: string,
    rest: { host?: string; method?: string; query?: string; headers?: string[] } = {}
  ) =>
    all.match({
      path,
      host: rest.host ?? '',
      method: rest.method ?? 'GET',
      query: rest.query ?? '',
      headers: new Fields(rest.headers ?? [])
    })?.config.name
  return { all, name }
}

t.test('/orders/* is what is under it; /orders is itself alone', async (t) => {
  const { name } = matcher({ path: '/orders/*' }, { path: '/orders' })
  for (const [path, wanted] of Object.entries({
    '/orders/1': 'a',
    '/orders/': 'a',
    '/orders/1/2': 'a',
    '/orders': 'b',
    '/ordersX': undefined,
    '/order': undefined,
    '/': undefined,
    '/x/orders/1': undefined,
    '/Orders/1': undefined
  }))
    t.equal(name(path), wanted, path)
})

t.test('the most specific wins, wherever it is listed', async (t) => {
  const { name } = matcher(
    {},
    { path: '/a/*' },
    { path: '/a/b/*' },
    { path: '/a/b' },
    { path: '/a/b/*', methods: ['POST'] },
    { path: '/a/b/*', methods: ['POST'], headers: { x: '1' } },
    { host: 'shop.example.com' },
    { host: '*.example.com', path: '/a/b/c' },
    { host: '*.eu.example.com' },
    { path: '/a/b/c' }
  )
  const cases: [string, Parameters<typeof name>[1], string | undefined][] = [
    ['/', {}, 'a'],
    ['/a', {}, 'a'],
    ['/a/', {}, 'b'],
    ['/a/x', {}, 'b'],
    ['/a/b', {}, 'd'],
    ['/a/b/', {}, 'c'],
    ['/a/b/c', {}, 'j'],
    ['/a/b/x', { method: 'POST' }, 'e'],
    ['/a/b/x', { method: 'POST', headers: ['X', '1'] }, 'f'],
    ['/a/b/x', { method: 'POST', headers: ['X', '2'] }, 'e'],
    ['/a/b/c', { method: 'POST', headers: ['X', '1'] }, 'j'],
    ['/a/b/c', { host: 'shop.example.com' }, 'g'],
    ['/a/b/c', { host: 'x.example.com' }, 'h'],
    ['/a/b/c', { host: 'x.eu.example.com' }, 'i'],
    ['/a/b/d', { host: 'x.example.com' }, 'c'],
    ['/a/b/d', { host: 'example.com' }, 'c'],
    ['/zzz', { host: 'a.b.eu.example.com' }, 'i']
  ]
  for (const [path, rest, wanted] of cases)
    t.equal(name(path, rest), wanted, `${JSON.stringify(rest)} ${path}`)
})

t.test('a tie goes to the one listed first', async (t) => {
  t.equal(matcher({ path: '/a' }, { path: '/a' }).name('/a'), 'a')
  const { name } = matcher({ path: '/*', methods: ['GET'] }, { path: '/*', headers: { x: '*' } })
  t.equal(name('/', { headers: ['x', ''] }), 'a')
  t.equal(name('/', { headers: ['x', ''], method: 'PUT' }), 'b')
})

t.test('a route whose conditions fail leaves the request to the next best', async (t) => {
  const { name } = matcher({ path: '/a/b', methods: ['POST'] }, { path: '/a/*', query: { v: '2' } }, {})
  t.equal(name('/a/b', { method: 'POST' }), 'a')
  t.equal(name('/a/b', { query: '?v=2' }), 'b')
  t.equal(name('/a/b'), 'c')
})

t.test('hosts: exact before wildcard, wildcard before any, an exhausted host falls through', async (t) => {
  const { name } = matcher(
    { host: 'a.test', path: '/only' },
    { host: '*.test', path: '/wild' },
    { host: '*' }
  )
  t.equal(name('/only', { host: 'a.test' }), 'a')
  t.equal(name('/wild', { host: 'a.test' }), 'b')
  t.equal(name('/x', { host: 'a.test' }), 'c')
  t.equal(name('/wild', { host: 'test' }), 'c', 'one label or more')
  t.equal(name('/wild', { host: '.test' }), 'c')
  t.equal(name('/wild', { host: 'a.b.test' }), 'b')
  t.equal(name('/wild', { host: 'atest' }), 'c')
})

t.test('headers and query: the value, or * for presence', async (t) => {
  const { name } = matcher(
    { headers: { 'x-a': 'One' } },
    { headers: { 'x-b': '*' } },
    { query: { q: 'ä b' } },
    { query: { r: '*' } }
  )
  t.equal(name('/', { headers: ['X-A', 'One'] }), 'a')
  t.equal(name('/', { headers: ['X-A', 'one'] }), undefined)
  t.equal(name('/', { headers: ['x-b', ''] }), 'b')
  t.equal(name('/', { query: '?q=%C3%A4+b' }), 'c')
  t.equal(name('/', { query: '?r' }), 'd')
  t.equal(name('/', { query: '?rr' }), undefined)
  t.equal(name('/', { query: '?q=%ZZ' }), undefined)
})

t.test('patterns are normalised as paths are', async (t) => {
  const { name } = matcher({ path: '/caf%c3%a9/*' }, { path: '//a//b' }, { path: '/%7Eme' })
  t.equal(name('/caf%C3%A9/x'), 'a')
  t.equal(name('/a/b'), 'b')
  t.equal(name('/~me'), 'c')
})

t.test('names that are also properties of objects', async (t) => {
  const { name } = matcher(
    { path: '/__proto__' },
    { host: '__proto__' },
    { host: 'constructor', path: '/toString/*' }
  )
  t.equal(name('/__proto__'), 'a')
  t.equal(name('/x', { host: '__proto__' }), 'b')
  t.equal(name('/toString/x', { host: 'constructor' }), 'c')
  t.equal(name('/toString/x', { host: 'toString' }), undefined)
})

function generator(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 4_294_967_296) * below)
  }
}

/** The rule, said the slow way. */
function slowly(matches: Match[], subject: Parameters<Matcher<never>['match']>[0]): string | undefined {
  const hostRank = (host: string | undefined) =>
    host === undefined ? 0 : host.startsWith('*.') ? host.length : 1_000
  const fits = matches
    .map((match, order) => ({ match: { path: '/*', ...match }, order }))
    .filter(({ match }) => {
      const { host, path, methods, headers } = match
      if (host?.startsWith('*.') === true) {
        if (!subject.host.endsWith(host.slice(1)) || subject.host.length < host.length) return false
      } else if (host !== undefined && host !== subject.host) return false
      if (path.endsWith('/*') ? !subject.path.startsWith(path.slice(0, -1)) : path !== subject.path)
        return false
      if (methods !== undefined && !methods.includes(subject.method)) return false
      return Object.entries(headers ?? {}).every(([name, value]) => subject.headers.get(name) === value)
    })
    .sort((a, b) => {
      const exact = (path: string) => (path.endsWith('/*') ? 0 : 1)
      const count = ({ methods, headers }: Match) =>
        (methods === undefined ? 0 : 1) + Object.keys(headers ?? {}).length
      return (
        hostRank(b.match.host) - hostRank(a.match.host) ||
        exact(b.match.path) - exact(a.match.path) ||
        b.match.path.length - a.match.path.length ||
        count(b.match) - count(a.match) ||
        a.order - b.order
      )
    })
  return fits[0] === undefined ? undefined : String.fromCharCode(97 + fits[0].order)
}

t.test('random routes and requests agree with the rule said slowly', async (t) => {
  const next = generator(7)
  const pick = <T>(list: readonly T[]) => list[next(list.length)] as T
  const paths = ['/', '/a', '/a/', '/a/b', '/a/b/', '/a/b/c', '/b', '/ab']
  const hosts = ['a.test', 'b.a.test', 'test', 'other', '']
  let wrong = 0
  for (let round = 0; round < 300; round++) {
    const matches = Array.from({ length: 1 + next(12) }, (): Match => {
      const host = pick([undefined, undefined, 'a.test', 'b.a.test', '*.test', '*.a.test'])
      const methods = pick([undefined, undefined, ['GET'], ['POST', 'PUT']])
      const headers = pick([undefined, undefined, { x: '1' }, { x: '1', y: '2' }])
      return {
        path: pick(['/*', '/a', '/a/*', '/a/b', '/a/b/*', '/a/b/c', '/b/*']),
        host,
        methods,
        headers
      }
    })
    const { all } = matcher(...matches)
    for (let i = 0; i < 30; i++) {
      const subject = {
        path: pick(paths),
        host: pick(hosts),
        method: pick(['GET', 'POST']),
        query: '',
        headers: new Fields(pick([[], ['x', '1'], ['X', '1', 'Y', '2'], ['x', '2']]))
      }
      const got = all.match(subject)?.config.name
      if (got !== slowly(matches, subject) && wrong++ < 3)
        t.fail(
          `${JSON.stringify(subject)} took ${got}, not ${slowly(matches, subject)}, of ${JSON.stringify(matches)}`
        )
      const near = all.near(subject).find(({ failing }) => failing.length === 0)
      if (near?.target.config.name !== got && wrong++ < 3) t.fail('near() disagrees with match()')
    }
  }
  t.equal(wrong, 0)
})

t.test('10,000 routes cost a request no more than a few', async (t) => {
  const many = new Matcher(
    Array.from({ length: 10_000 }, (_, i) =>
      target(`r${i}`, { path: i % 2 ? `/s${i}/*` : `/s${i}`, host: i % 3 ? undefined : `h${i % 50}.test` })
    )
  )
  const subject = (path: string, host = '') => ({
    path,
    host,
    method: 'GET',
    query: '',
    headers: new Fields([])
  })
  t.equal(many.match(subject('/s9998'))?.config.name, 'r9998')
  t.equal(many.match(subject('/s9997/a/b/c/d'))?.config.name, 'r9997')
  t.equal(many.match(subject('/none')), undefined)
  const startedAt = performance.now()
  for (let i = 0; i < 100_000; i++) many.match(subject('/s9997/a/b/c/d', 'h7.test'))
  const each = (performance.now() - startedAt) / 100_000
  t.ok(each < 0.05, `${(each * 1000).toFixed(2)} µs a request: a walk over 10,000 would be far past 50`)
})

t.test('among very many routes it is the same as going through all of them', async (t) => {
  const some = <T>(all: readonly T[], i: number) => all[i % all.length] as T
  const matches: Match[] = Array.from({ length: 3_000 }, (_, i) => {
    const host = some([undefined, 'shop.example.com', '*.example.com', '*.eu.example.com', `*.t${i}.test`], i)
    const methods = some([undefined, undefined, ['GET'], ['POST', 'PUT']], i >> 2)
    const tenant = some(
      [undefined, { tenant: `t${i % 50}` }, { tenant: '*' }, { beta: '1', tenant: 't7' }],
      i >> 3
    )
    return {
      path: some(['/*', '/api/*', '/api/orders', `/api/orders/${i % 40}/*`], i >> 1),
      ...(host && { host }),
      ...(methods && { methods }),
      ...(tenant && { headers: tenant }),
      ...(i % 9 === 0 && { query: { page: String(i % 3) } })
    } as Match
  })
  const targets = matches.map((match, i) => target(String(i), match))
  const all = new Matcher(targets)
  for (let i = 0; i < 2_000; i++) {
    const headers = some<string[]>(
      [[], ['tenant', `t${i % 60}`], ['tenant', 't7', 'beta', '1'], ['beta', '1']],
      i >> 1
    )
    const subject = {
      path: some(['/', '/api/', '/api/orders', `/api/orders/${i % 45}/x/y`, '/api/orders/'], i),
      host: some(
        ['', 'shop.example.com', 'a.example.com', 'a.eu.example.com', `x.y.t${i}.test`, '.example.com'],
        i >> 2
      ),
      method: some(['GET', 'POST', 'DELETE'], i >> 3),
      query: some(['', '?page=1'], i >> 4),
      headers: new Fields(headers)
    }
    // `near` goes through every route whose host and path fit, best first.
    const wanted = all.near(subject).find(({ failing }) => failing.length === 0)
    t.equal(all.match(subject)?.config.name, wanted?.target.config.name, JSON.stringify(subject))
  }
})
