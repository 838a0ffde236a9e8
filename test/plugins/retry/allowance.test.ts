import t from 'tap'
import { runPlugin } from '../../../core/testing/index.js'
import { PaidIn, ShareOfAttempts } from '../../../plugins/retry/allowance.js'
import retry from '../../../plugins/retry/index.js'

t.test('a share of the attempts under way', async (t) => {
  const share = new ShareOfAttempts({ ratio: 0.2, min: 3 })
  t.equal(share.max(), 3)
  for (let i = 0; i < 24; i++) share.began()
  t.equal(share.max(), 4, '20% of 24, rounded down')
  for (let i = 0; i < 24; i++) share.ended()
  t.equal(share.max(), 3)
  t.equal(new ShareOfAttempts({ ratio: 1, min: 0 }).max(), Number.POSITIVE_INFINITY, '1 is no bound')
})

t.test('what requests pay in', async (t) => {
  const start = (budget: { ratio: number; perSecond: number; ttl: number }, at = 0) => {
    const clock = { now: at }
    const paid = new PaidIn(budget, () => clock.now)
    const begin = (count: number) => {
      for (let i = 0; i < count; i++) paid.began()
    }
    const spendAll = () => {
      let spent = 0
      while (paid.max(0) > 0) {
        paid.spend()
        spent++
      }
      return spent
    }
    return { clock, paid, begin, spendAll }
  }

  t.test('a reserve of perSecond x ttl, however few requests there are', async (t) => {
    t.equal(start({ ratio: 0.2, perSecond: 10, ttl: 10_000 }).spendAll(), 100, 'Finagle’s defaults')
    t.equal(start({ ratio: 0.2, perSecond: 0, ttl: 10_000 }).spendAll(), 0)
  })

  t.test('and ratio of each request on top', async (t) => {
    const { begin, spendAll } = start({ ratio: 0.2, perSecond: 1, ttl: 10_000 })
    begin(54)
    t.equal(spendAll(), 20)
    begin(5)
    t.equal(spendAll(), 1, 'the fractions add up')
    const tenths = start({ ratio: 0.1, perSecond: 0, ttl: 10_000 })
    tenths.begin(10)
    t.equal(tenths.spendAll(), 1, 'exactly')
  })

  t.test('both are forgotten after ttl', async (t) => {
    const { clock, begin, spendAll } = start({ ratio: 0.5, perSecond: 1, ttl: 10_000 }, 120_000)
    begin(10)
    t.equal(spendAll(), 15)
    clock.now += 5000
    begin(4)
    t.equal(spendAll(), 2)
    clock.now += 4900
    t.equal(spendAll(), 0)
    clock.now += 1000
    t.equal(spendAll(), 10, 'the first ten and their fifteen retries are gone')
    clock.now += 1_000_000
    t.equal(spendAll(), 10, 'long after, the reserve')
  })

  t.test('each retry of a chain takes one', async (t) => {
    const { paid, begin } = start({ ratio: 1, perSecond: 0, ttl: 1000 })
    begin(2)
    paid.spend()
    t.equal(paid.again(), true)
    t.equal(paid.again(), false)
  })
})

t.test('in an outage, no window of ttl has more retries than that', async (t) => {
  const run = runPlugin(
    retry,
    {
      attempts: 3,
      on: ['5xx'],
      budget: { ratio: 0.2, perSecond: 1, ttl: '5s' },
      backoff: { base: 0, max: 0 }
    },
    { upstream: () => ({ status: 503 }), autoAdvance: false }
  )
  t.teardown(() => run.close())
  const times: number[] = []
  for (let second = 0; second < 20; second++) {
    for (let i = 0; i < 20; i++) {
      const before = run.seen.length
      const pending = run.request()
      await run.clock.advance(50)
      t.equal((await pending).status, 503)
      for (let retries = run.seen.length - before - 1; retries > 0; retries--) times.push(run.clock.now())
    }
  }
  // A window's edge is as fine as a tenth of it: what came in that tenth may still count.
  const most = 0.2 * 110 + 5
  for (const from of times) {
    const within = times.filter((time) => time >= from && time < from + 5000).length
    t.ok(within <= most, `${within} within 5 s of ${from}`)
  }
  t.ok(times.length >= 400 * 0.2 - 5, `${times.length} of 400`)
  t.match(await run.metrics(), /outrigger_retry_budget_exhausted_total\{route="route",reason="5xx"\} \d{2}/)
})

t.test('retries and hedges pay in nothing, and are no reason for more of them', async (t) => {
  const run = runPlugin(
    retry,
    { attempts: 9, on: ['5xx'], budget: { ratio: 0.5, min: 0 }, backoff: { base: 0, max: 0 } },
    {
      autoAdvance: false,
      upstream: () => new Promise((resolve) => answers.push(() => resolve({ status: 503 })))
    }
  )
  t.teardown(() => run.close())
  const answers: (() => void)[] = []
  const pending = Array.from({ length: 8 }, () => run.request())
  await run.clock.advance(1)
  t.equal(answers.length, 8)
  for (const answer of answers.splice(0)) answer()
  await run.clock.advance(1)
  t.equal(answers.length, 3, 'of 8, 7 and 6 that have not failed there is room, of 5 there is not')
  const late = Array.from({ length: 5 }, () => run.request())
  await run.clock.advance(1)
  t.equal(answers.length, 8)
  answers.splice(3, 1)[0]?.()
  await run.clock.advance(1)
  t.equal(answers.length, 7, 'half of five is less than the three there are, which count for nothing')
  for (let i = 0; i < 40; i++) {
    for (const answer of answers.splice(0)) answer()
    await run.clock.advance(1)
  }
  for (const { status } of await Promise.all([...pending, ...late])) t.equal(status, 503)
})
