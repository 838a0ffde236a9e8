import t from 'tap'
import { Allowance } from '../../../core/server/http2-allowance.js'

const RATE = { burst: 3, perSecond: 2 }

/** How often it gives at that moment. */
function spent(allowance: Allowance, now: number): number {
  let count = 0
  while (count < 100 && allowance.spend(now)) count++
  return count
}

t.test('so many at once, and so many a second from then on', (t) => {
  const allowance = new Allowance(RATE)
  t.equal(spent(allowance, 1_000), 3)
  t.equal(spent(allowance, 1_400), 0, 'not yet one')
  t.equal(spent(allowance, 1_500), 1)
  t.equal(spent(allowance, 2_500), 2)
  t.equal(spent(allowance, 100_000), 3, 'never more than the burst')
  t.end()
})

t.test('what is earned comes on top, up to the burst', (t) => {
  const allowance = new Allowance(RATE)
  allowance.earn()
  t.equal(spent(allowance, 0), 3)
  allowance.earn()
  allowance.earn()
  t.equal(spent(allowance, 0), 2)
  for (let i = 0; i < 10; i++) allowance.earn()
  t.equal(spent(allowance, 0), 3)
  t.end()
})
