import t from 'tap'
import { didYouMean, nearest } from '../../../core/config/suggest.js'

t.test('the nearest word is suggested, and no other', async (t) => {
  const words = ['timeout', 'plugins', 'service', 'listeners', 'connectTimeout', 'get', 'put']
  for (const [typed, meant] of [
    ['timout', 'timeout'],
    ['Timeout', 'timeout'],
    ['plugin', 'plugins'],
    ['sevrice', 'service'],
    ['listners', 'listeners'],
    ['connect_timeout', 'connectTimeout'],
    ['connect-timeuot', 'connectTimeout'],
    ['gte', 'get'],
    ['bogus', undefined],
    ['x', undefined],
    ['', undefined]
  ] as const) {
    t.equal(nearest(typed, words), meant, typed)
  }
  t.equal(didYouMean('timout', words), ': did you mean "timeout"?')
  t.equal(didYouMean('bogus', words), '')
})
