import t from 'tap'
import { Fields } from '../../../core/exchange/fields.js'
import { definePlugin, Retry } from '../../../core/index.js'
import { TestPipeline } from '../../support/pipeline.js'

t.test('names are compared without case and kept with it', async (t) => {
  const fields = new Fields(['X-A', '1', 'set-cookie', 'a', 'Set-Cookie', 'b', 'x-a', '2'])
  t.equal(fields.get('x-A'), '1, 2')
  t.same(fields.getAll('SET-COOKIE'), ['a', 'b'])
  t.same(fields.getAll('none'), [])
  t.equal(fields.get('none'), undefined)
  t.ok(fields.has('X-a'))
  t.notOk(fields.has('x-'))
  t.same(
    [...fields],
    [
      ['X-A', '1'],
      ['set-cookie', 'a'],
      ['Set-Cookie', 'b'],
      ['x-a', '2']
    ]
  )
})

t.test('set replaces all of a name where the first stood', async (t) => {
  const fields = new Fields(['a', '1', 'b', '2', 'A', '3', 'c', '4'])
  fields.set('a', '5')
  t.same(fields.flat, ['a', '5', 'b', '2', 'c', '4'])
  fields.set('D', '6')
  t.same(fields.flat.slice(-2), ['D', '6'])
})

t.test('append keeps what is there; delete takes all of a name', async (t) => {
  const fields = new Fields(['a', '1'])
  fields.append('A', '2')
  t.same(fields.getAll('a'), ['1', '2'])
  t.equal(fields.delete('a'), true)
  t.equal(fields.delete('a'), false)
  t.same(fields.flat, [])
})

t.test('__proto__, constructor and an empty value are fields like any other', async (t) => {
  const fields = new Fields([])
  for (const name of ['__proto__', 'constructor', 'toString']) {
    t.equal(fields.get(name), undefined)
    fields.set(name, '')
    t.equal(fields.get(name), '')
    t.ok(fields.has(name))
  }
})

t.test('what HTTP does not allow is refused, and the value is not told', async (t) => {
  const fields = new Fields([])
  for (const value of [
    'secret\r\nx: y',
    'secret\n',
    'secret\0',
    'secret\x7f',
    'secret✓',
    7 as never,
    undefined as never
  ]) {
    for (const call of ['set', 'append'] as const) {
      const error = t.throws(() => fields[call]('x-a', value)) as unknown as Error
      t.type(error, TypeError)
      t.notMatch(error.message, /secret/)
    }
  }
  for (const name of ['', 'a b', 'a:', 'a\r\n', 'é', ' a', 'a\0'])
    t.throws(() => fields.set(name, 'x'), TypeError, JSON.stringify(name))
  t.same(fields.flat, [], 'nothing of it stays')
})

t.test('a header that a plugin may not set fails it, in each hook that has headers', async (t) => {
  const setups = {
    request: { request: ({ request }: never) => (request as { headers: Fields }).headers.set('x', 'a\r\nb') },
    attempt: { attempt: ({ headers }: { headers: Fields }) => headers.set('x', 'a\nb') },
    response: { response: ({ headers }: { headers: Fields }) => headers.append('x', 'a\rb') }
  }
  for (const [hook, hooks] of Object.entries(setups)) {
    const run = await TestPipeline.build({
      route: [definePlugin({ name: 'bad', setup: () => hooks as never })]
    })
    t.equal((await run.request()).error, 'PLUGIN_FAILED', hook)
    await run.close()
  }
})

t.test('an attempt’s headers are its own', async (t) => {
  const run = await TestPipeline.build({
    route: [
      definePlugin({
        name: 'numbers',
        setup: () => ({
          attempt: ({ headers, number }) => headers.append('x-attempt', String(number)),
          outcome: ({ number }) => (number < 3 ? new Retry() : undefined)
        })
      })
    ]
  })
  await run.request({ headers: { 'X-Own': 'a' } })
  t.same(
    run.upstreams.seen.map(({ headers }) => headers.getAll('x-attempt')),
    [['1'], ['2'], ['3']]
  )
  t.same(
    run.upstreams.seen.map(({ headers }) => headers.get('x-own')),
    ['a', 'a', 'a']
  )
  await run.close()
})
