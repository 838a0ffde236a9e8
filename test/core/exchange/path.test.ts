// wire-cases, "One path for all".
import t from 'tap'
import { normalisePath } from '../../../core/exchange/path.js'
import { definePlugin } from '../../../core/index.js'
import { TestPipeline } from '../../support/pipeline.js'

const REFUSED = [
  '/..',
  '/../x',
  '/a/../../x',
  '/%2e%2e/',
  '/%2E%2e/x',
  '/.%2e',
  '/a/..\\x',
  '/..\\',
  '/a\\b',
  '\\',
  '/a/..;/x',
  '/..;',
  '/a/..%3b/x',
  '/.;/x',
  '/admin%00',
  '/%',
  '/a%2',
  '/a%zz',
  '/a%ff',
  '/a%c3',
  '/a#b',
  '/a?b#c',
  '/%2f..%2fx',
  '/a%2f..',
  '/a/..%2fb',
  '/a%5c..%5cb',
  '',
  'a',
  '*',
  '?x',
  '/a\0b',
  '/a b',
  '/a\tb',
  '/a\r\nb',
  '/a\x7fb',
  '/a?b c',
  '/a?b\r\nc'
]

const ALLOWED: [string, string, string?][] = [
  ['/', '/'],
  ['//', '/'],
  ['///a//b', '/a/b'],
  ['//admin', '/admin'],
  ['/./a/./b/.', '/a/b/'],
  ['/pub/../admin', '/admin'],
  ['/pub/%2e%2e/admin', '/admin'],
  ['/a/..', '/'],
  ['/a/b/..', '/a/'],
  ['/a/b/../', '/a/'],
  ['/a/...', '/a/...'],
  ['/..a/b..', '/..a/b..'],
  ['/.well-known/x', '/.well-known/x'],
  ['/admin;x', '/admin;x'],
  ['/%61dmin', '/admin'],
  ['/%7euser', '/~user'],
  ['/a%2db', '/a-b'],
  ['/a%c3%a9', '/a%C3%A9'],
  ['/a\xc3\xa9', '/a%C3%A9'],
  ['/a%20b', '/a%20b'],
  ['/%252e%252e/x', '/%252e%252e/x'],
  ['/%25', '/%25'],
  ['/a%3Fb', '/a%3Fb'],
  ['/a%23b', '/a%23b'],
  ['/a%3b', '/a%3B'],
  ['/a?b=../../c', '/a', '?b=../../c'],
  ['/a??', '/a', '??'],
  ['/a?', '/a', '?'],
  ['/a?b=%zz', '/a', '?b=%zz']
]

t.test('what is refused', async (t) => {
  for (const target of REFUSED) t.equal(normalisePath(target), undefined, JSON.stringify(target))
})

t.test('what it becomes', async (t) => {
  for (const [target, path, query = ''] of ALLOWED)
    t.match(normalisePath(target), { path, query, encodedSlash: false }, JSON.stringify(target))
})

t.test('an encoded slash or backslash is told', async (t) => {
  for (const target of ['/a%2fb', '/a%2Fb', '/a%5cb', '/a%5Cb', '/%2fa', '/a%2f'])
    t.equal(normalisePath(target)?.encodedSlash, true, target)
  t.equal(normalisePath('/a%2fb')?.path, '/a%2Fb', 'and kept')
})

/** Mulberry32: the same paths each time. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const PIECES = [
  '/',
  '/',
  '/',
  '.',
  '..',
  '...',
  'a',
  'b',
  'admin',
  '%2e',
  '%2E',
  '%2f',
  '%2F',
  '%5c',
  '\\',
  ';',
  '%3b',
  '%3B',
  '%25',
  '%252e',
  '%',
  '%00',
  '%61',
  '%c3%a9',
  '%ff',
  '\xe9',
  '\xc3\xa9',
  '~',
  ' ',
  '\r\n',
  '\0',
  '\x01',
  '?',
  '#',
  '%3f'
]

t.test('100,000 paths: what comes out is one and only one path', async (t) => {
  const next = random(20250101)
  let refused = 0
  let wrong = 0
  const complain = (target: string, path: string, what: string) => {
    if (wrong++ < 20) t.fail(`${JSON.stringify(target)} became ${JSON.stringify(path)}, ${what}`)
  }
  for (let i = 0; i < 100_000; i++) {
    let target = next() < 0.95 ? '/' : ''
    const length = Math.floor(next() * 8)
    for (let k = 0; k < length; k++) target += PIECES[Math.floor(next() * PIECES.length)]
    const normal = normalisePath(target)
    if (normal === undefined) {
      refused++
      continue
    }
    const { path, query } = normal
    const again = normalisePath(path + query)
    if (again?.path !== path || again.query !== query) complain(target, path, `then ${again?.path}`)
    if (!path.startsWith('/')) complain(target, path, 'which is no path')
    if (/\/\//.test(path)) complain(target, path, 'which holds //')
    if (/\/\.{1,2}(\/|$)/.test(path)) complain(target, path, 'which holds a dot segment')
    if (/\/\.{1,2}(;|%3B)/i.test(path)) complain(target, path, 'which climbs where ; is cut off')
    if (/(^|\/|%2F|%5C)\.\.(\/|%2F|%5C|$)/i.test(path)) complain(target, path, 'which climbs once decoded')
    if (/[^\x21-\x7e]/.test(path) || /[\\?#]|%00/.test(path))
      complain(target, path, 'which holds what it may not')
    if (/%(?![0-9A-F]{2})/.test(path)) complain(target, path, 'whose escapes are not upper case')
    if (/%(2D|2E|5F|7E|3[0-9]|4[1-9A-F]|5[0-9A]|6[1-9A-F]|7[0-9A])/.test(path))
      complain(target, path, 'which escapes what needs none')
    if (/[^\x21-\xff]/.test(query)) complain(target, query, 'a query that cannot be sent')
  }
  t.equal(wrong, 0)
  t.ok(refused > 10_000 && refused < 95_000, `${refused} of them refused`)
})

t.test('path and query as a plugin sets them: normalised, or refused as its failure', async (t) => {
  const set = (path: string | undefined, query: string | undefined) =>
    definePlugin({
      name: 'rewrites',
      setup: () => ({
        request({ request }) {
          if (path !== undefined) request.path = path
          if (query !== undefined) request.query = query
        }
      })
    })
  const fine: [string | undefined, string | undefined, string][] = [
    ['/x/../y', undefined, '/y?old=1'],
    ['//y', '', '/y'],
    [undefined, '?new=2', '/start?new=2'],
    ['/a%2Fb', '?', '/a%2Fb?']
  ]
  for (const [path, query, wanted] of fine) {
    const run = await TestPipeline.build({ route: [set(path, query)] })
    t.equal((await run.request({ url: '/start?old=1' })).status, 200)
    t.equal(run.upstreams.seen[0]?.path, wanted)
    await run.close()
  }
  const bad: [string | undefined, string | undefined][] = [
    ['/a\r\nx: y', undefined],
    ['/a b', undefined],
    ['/a?b', undefined],
    ['/a#b', undefined],
    ['a', undefined],
    ['', undefined],
    ['/../x', undefined],
    ['/✓', undefined],
    [undefined, 'x=1'],
    [undefined, '?a\r\nb: c'],
    [undefined, '?a b'],
    [undefined, '?a#b'],
    [undefined, '?✓']
  ]
  for (const [path, query] of bad) {
    const run = await TestPipeline.build({ route: [set(path, query)] })
    const { status, error } = await run.request()
    t.equal(`${status} ${error}`, '500 PLUGIN_FAILED', JSON.stringify([path, query]))
    t.equal(run.upstreams.seen.length, 0)
    await run.close()
  }
})

t.test('encodedSlashes: refused unless the route keeps them', async (t) => {
  const any = { host: undefined, methods: undefined, headers: undefined, query: undefined }
  const run = await TestPipeline.build({
    routes: [
      { name: 'kept', match: { path: '/files/*', ...any }, encodedSlashes: 'keep' },
      { name: 'rest', match: { path: '/*', ...any } }
    ]
  })
  t.equal((await run.request({ url: '/files/a%2fb' })).exchange.route.name, 'kept')
  t.equal(run.upstreams.seen[0]?.path, '/files/a%2Fb')
  t.equal((await run.request({ url: '/other/a%2fb' })).status, 400)
  t.equal((await run.request({ url: '/files%2fa' })).status, 400, 'it does not stand in for the prefix')
  t.equal((await run.request({ url: '/files/%2e%2e/x' })).exchange.route.name, 'rest')
  await run.close()
})
