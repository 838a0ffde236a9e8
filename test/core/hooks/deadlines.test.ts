import t from 'tap'
import { Deadline, Deadlines } from '../../../core/hooks/deadlines.js'
import { VirtualClock } from '../../../core/testing/virtual-clock.js'

class Noted extends Deadline {
  readonly #name: string
  readonly #into: string[]
  readonly #then: (() => void) | undefined
  constructor(name: string, into: string[], then?: () => void) {
    super()
    this.#name = name
    this.#into = into
    this.#then = then
  }
  override expire(): void {
    this.#into.push(this.#name)
    this.#then?.()
  }
}

function setUp() {
  const clock = new VirtualClock()
  return { clock, deadlines: new Deadlines(clock), ran: [] as string[] }
}

t.test('fires once, not early, and at most a tick late', async (t) => {
  for (const ms of [0, 1, 19, 20, 21, 100, 5_000]) {
    const { clock, deadlines, ran } = setUp()
    deadlines.watch(new Noted('x', ran), ms)
    if (ms > 0) await clock.advance(ms - 1)
    t.same(ran, [], `${ms} ms: not early`)
    await clock.advance(41)
    t.same(ran, ['x'], `${ms} ms`)
    await clock.advance(10_000)
    t.same(ran, ['x'], `${ms} ms: once`)
  }
})

t.test('lengths are told apart, whatever the order they were added in', async (t) => {
  const { clock, deadlines, ran } = setUp()
  deadlines.watch(new Noted('long', ran), 1_000)
  deadlines.watch(new Noted('short', ran), 100)
  await clock.advance(50)
  deadlines.watch(new Noted('shorter', ran), 20)
  await clock.advance(2_000)
  t.same(ran, ['shorter', 'short', 'long'])
})

t.test('unwatched in the midst, at the head and at the tail of its list', async (t) => {
  const { clock, deadlines, ran } = setUp()
  const all = ['a', 'b', 'c', 'd', 'e'].map((name) => new Noted(name, ran))
  for (const one of all) deadlines.watch(one, 100)
  for (const i of [2, 0, 4, 4]) deadlines.unwatch(all[i] as Noted)
  await clock.advance(200)
  t.same(ran, ['b', 'd'])
})

t.test('watching again starts anew', async (t) => {
  const { clock, deadlines, ran } = setUp()
  const one = new Noted('x', ran)
  deadlines.watch(one, 100)
  await clock.advance(80)
  deadlines.watch(one, 100)
  await clock.advance(80)
  t.same(ran, [])
  await clock.advance(60)
  t.same(ran, ['x'])
})

t.test('Infinity is not watched', async (t) => {
  const { clock, deadlines, ran } = setUp()
  deadlines.watch(new Noted('x', ran), Number.POSITIVE_INFINITY)
  await clock.advance(1e7)
  t.same(ran, [])
})

t.test('one that watches, unwatches or expires another while it expires', async (t) => {
  const { clock, deadlines, ran } = setUp()
  const second = new Noted('second', ran)
  const again = new Noted('again', ran)
  deadlines.watch(
    new Noted('first', ran, () => {
      deadlines.unwatch(second)
      deadlines.watch(again, 100)
    }),
    100
  )
  deadlines.watch(second, 100)
  await clock.advance(130)
  t.same(ran, ['first'])
  await clock.advance(200)
  t.same(ran, ['first', 'again'])
})

t.test('one that throws does not take the others with it', async (t) => {
  const { clock, deadlines, ran } = setUp()
  deadlines.watch(
    new Noted('first', ran, () => {
      throw new Error('no')
    }),
    100
  )
  deadlines.watch(new Noted('second', ran), 100)
  deadlines.watch(new Noted('third', ran), 110)
  await clock.advance(140).catch(() => {})
  await clock.advance(140).catch(() => {})
  t.same(ran, ['first', 'second', 'third'])
})

t.test('no timer runs while nothing is watched', async (t) => {
  let timers = 0
  const clock = new VirtualClock()
  const counting = {
    now: () => clock.now(),
    wallTime: () => clock.wallTime(),
    sleep: (ms: number) => clock.sleep(ms),
    setTimeout: (callback: () => void, ms: number) => clock.setTimeout(callback, ms),
    setInterval(callback: () => void, ms: number) {
      timers++
      const timer = clock.setInterval(callback, ms)
      return {
        cancel() {
          timers--
          timer.cancel()
        }
      }
    }
  }
  const deadlines = new Deadlines(counting)
  const ran: string[] = []
  t.equal(timers, 0)
  for (let i = 0; i < 1_000; i++) deadlines.watch(new Noted(String(i), ran), i)
  t.equal(timers, 1)
  await clock.advance(2_000)
  t.equal(ran.length, 1_000)
  t.equal(timers, 0)
})
