import t from 'tap'
import { backoff } from '../../../core/cli/backoff.js'

t.test('100 ms doubling to 10 s, of which a random half is taken off', async (t) => {
  t.same(
    [1, 2, 3, 7, 8, 9, 1000].map((deaths) => backoff(deaths, 1)),
    [100, 200, 400, 6400, 10_000, 10_000, 10_000]
  )
  t.same(
    [1, 2, 8].map((deaths) => backoff(deaths, 0)),
    [50, 100, 5000]
  )
})
