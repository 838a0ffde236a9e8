import t from 'tap'
import type { Endpoint, ServiceHandle } from '../../../core/index.js'
import { VirtualClock } from '../../../core/testing/index.js'
import { partOf, SlowStart } from '../../../plugins/load-balancer/slow-start.js'
import { endpoint, type Mutable } from './drawing.js'
import type { Kept } from './stage.js'

t.test('max(10%, (t / window)^(1 / aggression))', async (t) => {
  const even = { window: 30_000, aggression: 1 }
  t.same(
    [0, 1_000, 3_000, 15_000, 30_000, 99_000].map((ms) => partOf(ms, even)),
    [0.1, 0.1, 0.1, 0.5, 1, 1]
  )
  const quick = { window: 30_000, aggression: 2 }
  t.same(
    [0, 1_200, 7_500, 30_000].map((ms) => partOf(ms, quick)),
    [0.1, 0.2, 0.5, 1]
  )
})

interface Bed {
  readonly clock: VirtualClock
  readonly scales: Map<Endpoint, number>
  readonly timers: () => number
  make(window?: number): SlowStart
}

function bed(endpoints: readonly Mutable[], kept: Kept = new Map()): Bed {
  let timers = 0
  class Counting extends VirtualClock {
    override setInterval(callback: () => void, ms: number) {
      timers++
      const timer = super.setInterval(callback, ms)
      let over = false
      return {
        cancel: () => {
          if (!over) timers--
          over = true
          timer.cancel()
        }
      }
    }
  }
  const clock = new Counting()
  const scales = new Map<Endpoint, number>()
  const service = {
    endpoints,
    scale: (one: Endpoint, factor: number) => void scales.set(one, factor),
    keep: <T>(name: string, create: () => T) => {
      const known = kept.get(name) ?? new WeakMap()
      kept.set(name, known)
      return (one: Endpoint): T => {
        if (!known.has(one)) known.set(one, create())
        return known.get(one) as T
      }
    }
  } as unknown as ServiceHandle
  return {
    clock,
    scales,
    timers: () => timers,
    make: (window = 10_000) => new SlowStart(service, clock, { window, aggression: 1 })
  }
}

t.test('whoever is there at first is no newcomer', async (t) => {
  const list = Object.freeze([endpoint('a'), endpoint('b')])
  const { make, scales, timers } = bed(list)
  make().look(list)
  t.equal(scales.size, 0)
  t.equal(timers(), 0, 'and no timer runs')
})

t.test('one that comes back gets its weight little by little', async (t) => {
  const [a, b] = [endpoint('a'), endpoint('b')]
  const { make, scales, timers, clock } = bed([a, b])
  const slow = make()
  slow.look(Object.freeze([a, b]))
  slow.look(Object.freeze([a]))
  await clock.advance(5_000)
  b.availableSince = clock.now()
  slow.look(Object.freeze([a, b]))
  t.same([...scales], [[b, 0.1]], 'before anything is picked')
  t.equal(timers(), 1)
  await clock.advance(5_000)
  t.equal(scales.get(b), 0.5)
  await clock.advance(5_000)
  t.equal(scales.get(b), 1)
  t.equal(timers(), 0, 'its time is over, and so is the timer')
  slow.look(Object.freeze([a, b]))
  await clock.advance(5_000)
  t.same([...scales], [[b, 1]])
})

t.test('one that goes and comes back in its window begins anew', async (t) => {
  const [a, b] = [endpoint('a'), endpoint('b')]
  const { make, scales, clock } = bed([a])
  const slow = make()
  await clock.advance(1_000)
  b.availableSince = 1_000
  slow.look(Object.freeze([a, b]))
  await clock.advance(8_000)
  t.equal(scales.get(b), 0.8)
  b.availableSince = 9_000
  slow.look(Object.freeze([a, b]))
  t.equal(scales.get(b), 0.1)
  await clock.advance(10_000)
  t.equal(scales.get(b), 1)
})

t.test('a reload goes on where the one before was', async (t) => {
  const [a, b, c] = [endpoint('a'), endpoint('b'), endpoint('c')]
  const all = [a, b]
  const { make, scales, timers, clock } = bed(all)
  const before = make()
  before.look(Object.freeze([a]))
  await clock.advance(1_000)
  b.availableSince = 1_000
  before.look(Object.freeze([a, b]))
  await clock.advance(2_000)
  t.equal(scales.get(b), 0.2)

  c.availableSince = 3_000
  all.push(c)
  const after = make(20_000)
  t.equal(scales.get(b), 0.2, 'nothing changes until it is used')
  after.look(Object.freeze([a, b, c]))
  t.equal(scales.get(c), 0.1, 'what the reload adds is a newcomer')
  await clock.advance(5_200)
  t.equal(scales.get(b), 0.36, 'the new window holds, the old instance keeps off')
  before.stop()
  t.equal(scales.get(b), 0.36)
  await clock.advance(20_000)
  t.same([scales.get(b), scales.get(c)], [1, 1])
  t.equal(timers(), 0)
})

t.test('a reload without it gives back the weights', async (t) => {
  const [a, b] = [endpoint('a'), endpoint('b')]
  const { make, scales, timers, clock } = bed([a])
  const slow = make()
  b.availableSince = 1_000
  await clock.advance(1_000)
  slow.look(Object.freeze([a, b]))
  slow.stop()
  t.equal(scales.get(b), 1)
  t.equal(timers(), 0)
  slow.look(Object.freeze([a, b]))
  t.equal(timers(), 0, 'and an exchange that is still under way starts nothing')
})
