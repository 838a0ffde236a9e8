import t from 'tap'
import { Fields } from '../../../core/exchange/fields.js'
import { VirtualClock } from '../../../core/testing/index.js'
import { Buckets } from '../../../plugins/rate-limit/buckets.js'
import { RateLimitFields } from '../../../plugins/rate-limit/fields.js'
import { networkOf } from '../../../plugins/rate-limit/keys.js'
import { Rate } from '../../../plugins/rate-limit/rate.js'
import { UNCOUNTED, UNKNOWN } from '../../../plugins/rate-limit/store.js'
import { storeProblem } from '../../../plugins/rate-limit/store-url.js'
import { Waits } from '../../../plugins/rate-limit/waits.js'

function table(rate: Rate, max = 100) {
  const clock = new VirtualClock()
  let evicted = 0
  const buckets = new Buckets(rate, clock, max, () => evicted++)
  return {
    clock,
    buckets,
    get evicted() {
      return evicted
    },
    /** How many of `count` requests of one key pass now. */
    passing(key: string, count: number): number {
      let passed = 0
      for (let i = 0; i < count; i++) if (buckets.take(key) >= 0) passed++
      return passed
    }
  }
}

t.test('a bucket holds what it may and takes in at its rate', async (t) => {
  for (const [requests, per, burst] of [
    [100, 1000, 20],
    [3, 1000, 3],
    [7, 1000, 1],
    [1, 60_000, 5],
    [1_000_000, 1000, 1000]
  ] as const) {
    const { clock, passing } = table(new Rate(requests, per, burst))
    const label = `${requests} in ${per} ms, burst ${burst}`
    t.equal(passing('a', burst + 10), burst, `${label}: a full bucket`)
    t.equal(passing('b', 1), 1, `${label}: another key has its own`)
    const interval = per / requests
    await clock.advance(interval * 0.9)
    t.equal(passing('a', 3), 0, `${label}: not yet`)
    await clock.advance(interval * 0.1)
    t.equal(passing('a', 3), 1, `${label}: one more`)
    await clock.advance(interval * 1.5)
    t.equal(passing('a', 3), Math.min(burst, 1), `${label}: half a request is none`)
    await clock.advance(per * burst)
    t.equal(passing('a', burst + 10), burst, `${label}: never more than it holds`)
  }
})

t.test('over time a key gets its rate and one burst, whatever it asks for', async (t) => {
  const rate = new Rate(50, 1000, 20)
  const { clock, passing } = table(rate)
  let passed = 0
  for (let i = 0; i < 2000; i++) {
    passed += passing('a', 3)
    await clock.advance(5)
  }
  // 10 s at 50 a second and the burst at the start.
  t.ok(Math.abs(passed - 520) <= 1, `${passed} passed`)
})

t.test('what a verdict says', async (t) => {
  const rate = new Rate(10, 1000, 5)
  const { buckets, clock } = table(rate)
  const verdicts = Array.from({ length: 6 }, () => buckets.take('a'))
  t.same(
    verdicts.slice(0, 5).map((debt) => rate.left(debt)),
    [4, 3, 2, 1, 0]
  )
  t.equal(verdicts[5], -100, 'ms until the next')
  await clock.advance(60)
  t.equal(buckets.take('a'), -40)
  await clock.advance(40)
  t.equal(rate.left(buckets.take('a')), 0)
})

t.test('a table without room drops what has rested', async (t) => {
  const run = table(new Rate(10, 1000, 10), 100)
  for (let i = 0; i < 100; i++) run.passing(`old-${i}`, 1)
  await run.clock.advance(200)
  for (let i = 0; i < 100; i++) run.passing(`new-${i}`, 1)
  t.ok(run.buckets.size <= 100)
  t.equal(run.evicted, 0)
  await run.clock.advance(60_000)
  for (let i = 0; i < 110; i++) run.passing('one', 1)
  for (let i = 0; i < 120; i++) {
    run.passing(`later-${i}`, 1)
    await run.clock.advance(200)
  }
  t.ok(run.buckets.size < 10, `it shrinks as keys come in: ${run.buckets.size}`)
})

t.test('being pushed out is no way past the limit', async (t) => {
  const burst = 5
  const run = table(new Rate(5, 1000, burst), 50)
  let passed = run.passing('victim', 10)
  t.equal(passed, burst)
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 60; i++) run.passing(`made-up-${round}-${i}`, 5)
    passed += run.passing('victim', 10)
    await run.clock.advance(10)
  }
  t.ok(run.evicted > 0)
  t.ok(run.buckets.size <= 50)
  t.ok(passed <= burst + 1, `${passed} of it passed in 200 ms at 5 a second`)
  await run.clock.advance(2000)
  t.equal(run.passing('victim', 10), burst, 'when it is over, all is as before')
})

t.test('a table of one', async (t) => {
  const run = table(new Rate(1, 1000, 1), 1)
  t.equal(run.passing('a', 2), 1)
  t.equal(run.passing('b', 2), 0, 'it has the debt of the one that it pushed out')
  await run.clock.advance(1000)
  t.equal(run.passing('b', 2), 1)
  t.equal(run.buckets.size, 1)
})

t.test('addresses', async (t) => {
  t.equal(networkOf('10.1.2.3'), '10.1.2.3')
  t.equal(networkOf(''), '')
  t.equal(networkOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64')
  t.equal(networkOf('2001:DB8:0001:2::ffff'), '2001:db8:1:2::/64')
  t.equal(networkOf('2001:db8::1'), '2001:db8:0:0::/64')
  t.equal(networkOf('::1'), '0:0:0:0::/64')
  t.equal(networkOf('1::2:3:4:5:6:7'), '1:0:2:3::/64')
  t.equal(networkOf('fe80::1%eth0'), 'fe80:0:0:0::/64')
  t.equal(networkOf('::ffff:10.1.2.3'), '::ffff:10.1.2.3')
})

t.test('the RateLimit fields', async (t) => {
  const said = (requests: number, per: number, burst: number, verdict: number) => {
    const headers = new Fields([])
    new RateLimitFields('default', requests, per, new Rate(requests, per, burst)).append(headers, verdict)
    return [headers.get('ratelimit-policy'), headers.get('ratelimit')]
  }
  t.same(said(100, 60_000, 100, 30_000), ['"default";q=100;w=60', '"default";r=50;t=30'])
  t.same(said(100, 1000, 20, 10), ['"default";q=100;w=1', '"default";r=19;t=1'])
  t.same(said(100, 3_600_000, 1, 36_000), ['"default";q=100;w=3600', '"default";r=0;t=36'], 'none left')
  t.same(said(100, 3_600_000, 1, -12_345), ['"default";q=100;w=3600', '"default";r=0;t=13'], 'refused')
  t.same(said(10, 250, 10, 0)[0], '"default";q=40;w=1', 'part of a second')
  t.same(said(10, 1500, 10, 0)[0], '"default";q=13;w=2')
  t.same(said(10, 1000, 10, UNCOUNTED), ['"default";q=10;w=1', undefined])
  t.same(said(10, 1000, 10, UNKNOWN), ['"default";q=10;w=1', undefined])
})

t.test('where a store may be', async (t) => {
  for (const store of [
    'memory',
    'redis://127.0.0.1',
    'redis://localhost:6380/2',
    'redis://user:p%40ss@redis.shop.local:6379/0',
    'redis://:pass@[::1]:6379',
    'rediss://redis.shop.local',
    'unix:///run/redis.sock',
    'unix://user:pass@/run/redis.sock?db=3'
  ])
    t.equal(storeProblem(store), undefined, store)
  for (const store of [
    'Memory',
    'redis:',
    'redis://',
    'http://127.0.0.1',
    'redis://127.0.0.1/orders',
    'redis://127.0.0.1/1/2',
    'redis://127.0.0.1:99999',
    'redis://127.0.0.1?password=hush',
    'redis://:%zz@127.0.0.1',
    'unix:/run/redis.sock',
    'unix://redis.sock'
  ]) {
    const problem = storeProblem(store)
    t.match(problem, /^expected memory, redis:/, store)
    t.notMatch(problem, /hush/, 'a password is not told')
  }
})

t.test('waits of one length', async (t) => {
  const clock = new VirtualClock()
  const waits = new Waits(clock, 25)
  const late: string[] = []
  const first = waits.begin(() => late.push('first'))
  await clock.advance(10)
  const second = waits.begin(() => late.push('second'))
  waits.begin(() => late.push('third'))
  t.equal(waits.size, 3)
  t.ok(waits.end(second))
  t.notOk(waits.end(second), 'once')
  await clock.advance(14)
  t.same(late, [])
  await clock.advance(6)
  t.same(late, ['first'])
  t.notOk(waits.end(first), 'it was given up')
  await clock.advance(10)
  t.same(late, ['first', 'third'])
  t.equal(waits.size, 0)
  waits.begin(() => late.push('fourth'))
  waits.close()
  t.same(late, ['first', 'third', 'fourth'])
  await clock.advance(100)
  t.same(late.length, 3)
})
