import t from 'tap'
import type { Attempt } from '../../../core/index.js'
import { VirtualClock } from '../../../core/testing/index.js'
import { ResponseTime } from '../../../plugins/load-balancer/response-time.js'
import { endpoint } from './drawing.js'
import { attemptOn } from './stage.js'

function near(
  t: { ok(value: boolean, message: string): unknown },
  found: number,
  wanted: number,
  message: string
) {
  t.ok(Math.abs(found - wanted) < 1e-6 * wanted, `${message}: ${found}, ${wanted} is due`)
}

t.test('30 ms before anything is known', async (t) => {
  near(t, new ResponseTime(new VirtualClock()).expected(0), 30, 'the initial estimate')
})

t.test('a sample above the estimate replaces it, one below pulls it down as time goes by', async (t) => {
  const clock = new VirtualClock()
  const time = new ResponseTime(clock)
  time.took(80)
  near(t, time.expected(clock.now()), 80, 'a peak')
  await clock.advance(5_000)
  time.took(10)
  const kept = Math.exp(-0.5)
  near(t, time.expected(clock.now()), 80 * kept + 10 * (1 - kept), 'after half a decay')
  time.took(10)
  near(t, time.expected(clock.now()), 80 * kept + 10 * (1 - kept), 'no time passed, no change')
  await clock.advance(100_000)
  time.took(10)
  near(t, time.expected(clock.now()), 10 + 70 * kept * Math.exp(-10), 'after ten')
})

t.test('without samples it decays, so that a slow one is tried again', async (t) => {
  const clock = new VirtualClock()
  const time = new ResponseTime(clock)
  time.took(5_000)
  await clock.advance(10_000)
  near(t, time.expected(clock.now()), 5_000 / Math.E, 'to 1/e in 10 s')
  await clock.advance(1_000_000)
  near(t, time.expected(clock.now()), 0.01, 'and to no less than 0.01 ms')
})

t.test('the oldest attempt without an answer counts with its age', async (t) => {
  const clock = new VirtualClock()
  const time = new ResponseTime(clock)
  const begin = (startedAt: number): Attempt => attemptOn(endpoint('a'), { startedAt })
  const first = time.began(begin(0))
  const second = time.began(begin(20))
  const third = time.began(begin(30))
  near(t, time.expected(25), 30 * Math.exp(-0.0025), 'not while it is below the estimate')
  near(t, time.expected(500), 500, 'the first')
  time.left(second)
  near(t, time.expected(500), 500, 'still the first')
  time.left(first)
  near(t, time.expected(500), 470, 'the third')
  time.left(third)
  near(t, time.expected(500), 30 * Math.exp(-0.05), 'none')
  time.left(time.began(begin(500)))
  near(t, time.expected(600), 30 * Math.exp(-0.06), 'none again')
})

t.test('the share that succeeds divides it', async (t) => {
  const time = new ResponseTime(new VirtualClock())
  time.failed()
  near(t, time.expected(0), 30 / 0.9, 'one of ten')
  for (let i = 0; i < 100; i++) time.failed()
  near(t, time.expected(0), 3000, 'down to a hundredth')
  time.succeeded()
  near(t, time.expected(0), 30 / (0.01 + 0.099), 'and up again')
})
