import { RE2JS } from 're2js'
import t from 'tap'
import { runPlugin } from '../../../core/testing/index.js'
import { Replacement } from '../../../plugins/rewrite/expression.js'
import rewrite from '../../../plugins/rewrite/index.js'

const replace = (regex: string, text: string, path: string) => new Replacement(RE2JS, regex, text).apply(path)

t.test('groups', async (t) => {
  t.equal(replace('^/(a)(b)?', '/$2-$1-$0', '/ac'), '/-a-/ac')
  t.equal(replace('(?P<x>b)', '$1$1', '/abc'), '/abbc', 'a named one has its number')
  t.equal(replace('c', '$$', '/abc'), '/ab$')
  t.equal(replace('b', '', '/abc'), '/ac')
  t.equal(replace('(?i)/OLD', '/new', '/old/x'), '/new/x')
  const eleven = '(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)(k)'
  t.equal(replace(eleven, '$11$1', '/abcdefghijk'), '/ka', 'up to two digits')
})

t.test('no expression is slow, whatever the path', async (t) => {
  // With backtracking each of these takes more than the age of the universe.
  for (const regex of ['(a*)*b', '(a|a)*$x', '^/(a+)+$', '(x+x+)+y', '(.*)(.*)(.*)(.*)/!']) {
    const replacement = new Replacement(RE2JS, regex, '')
    const path = `/${'a'.repeat(2_000)}${'x'.repeat(2_000)}!`
    for (let i = 0; i < 20; i++) replacement.apply(path)
    let best = Number.POSITIVE_INFINITY
    for (let i = 0; i < 20; i++) {
      const started = performance.now()
      replacement.apply(path)
      best = Math.min(best, performance.now() - started)
    }
    t.ok(best < 2, `${regex}: ${best.toFixed(3)} ms of a 4 KB path`)
  }
})

t.test('what is too long to be looked through is not', async (t) => {
  const tooLong = { code: 'BAD_REQUEST', status: 414 }
  t.equal(replace('^/x', '/y', `/x${'a'.repeat(8_190)}`).length, 8_192)
  t.throws(() => replace('^/x', '/y', `/x${'a'.repeat(8_191)}`), tooLong)
  t.throws(
    () => replace('(ab){40}', '', `/${'a'.repeat(2_000)}`),
    tooLong,
    'the less, the larger the expression'
  )
  t.throws(() => replace('(.*)', '$1$1$1', `/${'a'.repeat(8_000)}`), tooLong, 'nor does it become too long')
})

t.test('what is wrong with an expression is told when it is loaded', async (t) => {
  const wrong = (regex: string, text: string) => {
    try {
      runPlugin(rewrite, { path: { regex, with: text } })
      return undefined
    } catch (error) {
      return (error as Error).message
    }
  }
  t.match(wrong('/(a', '/'), /an expression in RE2 syntax, not "\/\(a": .*missing closing \)/)
  t.match(wrong('(?=a)', '/'), /an expression in RE2 syntax, not "\(\?=a\)"/)
  t.match(wrong('(a)\\1', '/'), /an expression in RE2 syntax/)
  t.match(wrong('/(a)', '/$2'), /expected \$0 to \$1, the groups that there are, not \$2/)
  t.match(wrong('/(a)', '/$x'), /expected a digit behind \$, or \$\$ for a dollar/)
  t.match(wrong('[a-z]{1,500}', '/'), /up to 200 instructions, .*, not \d+: "\[a-z\]\{1,500\}"/)
})

t.test('pieces of a path that come to a .. do not climb', async (t) => {
  const run = runPlugin(rewrite, { path: { regex: '^/in/(.*)/(.*)$', with: '/out/$1$2/x' } })
  t.match(await run.request({ url: '/in/.a/b' }), { status: 200, attempts: [{}] })
  t.equal(run.seen[0]?.path, '/out/.ab/x')
  // Neither piece is one by itself, and a path of dots alone is resolved before it is matched.
  const dots = runPlugin(rewrite, { path: { regex: '^/in/(.)[^/]*/(.)[^/]*$', with: '/out/$1$2/x' } })
  const climbing = await dots.request({ url: '/in/.a/.b' })
  t.match(climbing, { status: 400, error: 'BAD_REQUEST', attempts: [] })
  const none = runPlugin(rewrite, { path: { regex: '^/', with: 'x' } })
  t.match(await none.request(), { status: 400, error: 'BAD_REQUEST' }, 'nor what is no path')
  await Promise.all([run.close(), dots.close(), none.close()])
})

t.test('what is wrong with a configuration', async (t) => {
  const issues = (config: object) => {
    const { error } = rewrite.config?.safeParse(config) ?? {}
    return JSON.stringify(error?.issues ?? [])
  }
  for (const [config, message] of [
    [{}, /expected path, host, request or response/],
    [{ path: 'x' }, /begins with \/ or \{path\}, not \\"x\\"/],
    [{ path: '/x?a' }, /without a query, \/\/ or \.\., not/],
    [{ path: '/../x' }, /without a query/],
    [{ path: '/{tenant}' }, /\{segment\.N\}, not \{tenant\}/],
    [{ path: { prefix: 'old', with: '/new' } }, /a path such as \/old, .*, not \\"old\\"/],
    [{ path: { prefix: '/old?', with: '/new' } }, /a path such as \/old/],
    [{ path: { prefix: '/%2f', with: '/new' } }, /a path such as \/old/],
    [{ path: { prefix: '/old', with: 'new' } }, /a path such as \/new, or nothing, not \\"new\\"/],
    [{ host: 'a b' }, /a host such as shop\.example\.com .*, not \\"a b\\"/],
    [{ host: 'https://a' }, /a host such as/],
    [{ request: {} }, /expected set, append or remove/],
    [{ request: { set: { 'content-length': '1' } } }, /content-length follows from the message/],
    [{ request: { remove: ['Transfer-Encoding'] } }, /Transfer-Encoding follows from the message/],
    [{ request: { set: { Host: 'a' } } }, /expected the key host for it/],
    [{ response: { append: { 'a b': '1' } } }, /the name of a header, not \\"a b\\"/],
    [{ response: { set: { a: 'x\r\ny' } } }, /expected visible characters alone/],
    [{ response: { set: { a: '{nothing}' } } }, /not \{nothing\}/],
    [{ respons: {} }, /respons/]
  ] as const)
    t.match(issues(config), message, JSON.stringify(config))
  t.equal(issues({ response: { set: { host: 'a' } } }), '[]')
})
