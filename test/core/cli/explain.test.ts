import t from 'tap'
import { formatExplanation, parseHeaders } from '../../../core/cli/explain.js'

t.test('headers as they are typed', async (t) => {
  t.same(parseHeaders(['X-Beta: 1', 'a:b', 'A: c', 'empty:']), { 'x-beta': '1', a: 'b, c', empty: '' })
  for (const bad of ['x-beta', ': 1', 'a b: c']) t.throws(() => parseHeaders([bad]), /name: value/, bad)
})

t.test('what people read', async (t) => {
  const text = formatExplanation({
    request: { method: 'GET', host: 'shop.example.com', path: '/orders/1', query: '?x=1' },
    route: 'orders',
    service: 'orders',
    why: ['host shop.example.com is named', '/orders/* is the longest prefix'],
    others: [{ route: 'all', why: 'its prefix /* is shorter' }],
    hooks: { finish: ['logging'], request: ['logging', 'auth (when: methods POST)'] }
  })
  t.equal(
    text,
    [
      'GET http://shop.example.com/orders/1?x=1',
      '',
      'route    orders',
      'service  orders',
      'why      host shop.example.com is named',
      '         /orders/* is the longest prefix',
      'not      all  its prefix /* is shorter',
      '',
      'hooks    request     logging -> auth (when: methods POST)',
      '         finish      logging'
    ].join('\n')
  )
})

t.test('nothing matched', async (t) => {
  const request = { method: 'GET', host: '', path: '/x', query: '' }
  const text = formatExplanation({ request, route: '-', service: undefined, why: [], others: [], hooks: {} })
  t.match(text, /route {4}none: answered 404 NO_ROUTE/)
  t.match(text, /no plugin runs on it/)
})
