import t from 'tap'
import { Track } from '../../../plugins/circuit-breaker/track.js'

const rules = { failures: 0, failureRate: undefined, window: 10_000, minRequests: 5 }

t.test('failures in a row', async (t) => {
  const track = new Track({ ...rules, failures: 3 })
  t.same([track.failed(0), track.failed(0)], [undefined, undefined])
  track.served(0)
  t.same([track.failed(0), track.failed(0)], [undefined, undefined], 'one that is served ends the row')
  t.equal(track.failed(0), '3 failures in a row')
  track.opened(0)
  t.same([track.failed(0), track.failed(0)], [undefined, undefined], 'and opening too')
})

t.test('a share of the requests', async (t) => {
  const track = new Track({ ...rules, failureRate: 0.2 })
  t.same(
    [1, 2, 3, 4].map(track.failed, track),
    [undefined, undefined, undefined, undefined],
    'too few so far'
  )
  t.equal(track.failed(5), '5 of 5 requests failed')
  track.opened(5)
  for (let i = 0; i < 9; i++) track.served(i)
  t.equal(track.failed(10), undefined, '1 of 10')
  for (let i = 0; i < 4; i++) track.served(10)
  t.equal(track.failed(10), undefined, '2 of 15')
  t.equal(track.failed(10), undefined, '3 of 16')
  t.equal(track.failed(10), '4 of 17 requests failed', 'at the rate or above')
  const old = new Track({ ...rules, failureRate: 0.5 })
  for (let i = 0; i < 4; i++) old.failed(i)
  t.equal(old.failed(30_000), undefined, 'what is older than the window does not count')
})
