import t from 'tap'
import { Pace } from '../../../core/hooks/pace.js'

/** Each look at the clock takes a millisecond. */
function counted(slice: number) {
  let now = 0
  const seen = { turns: 0 }
  const turn = async () => {
    seen.turns++
  }
  return { seen, pace: new Pace({ now: () => now++, turn, slice }) }
}

t.test('work is cut when its slice is over, and not before', async (t) => {
  const { seen, pace } = counted(10)
  const done: number[] = []
  const result = await pace.run(
    (function* () {
      for (let i = 0; i < 100; i++) {
        done.push(seen.turns)
        yield
      }
      return 'done'
    })()
  )
  t.equal(result, 'done')
  t.ok(seen.turns >= 9 && seen.turns <= 11, `${seen.turns} turns`)
  for (let turn = 0; turn < seen.turns; turn++)
    t.ok(done.filter((each) => each === turn).length <= 11, 'no slice is longer')
})

t.test('between slices the event loop has its turn', async (t) => {
  const pace = new Pace({ slice: 0 })
  let others = 0
  const other = setInterval(() => others++, 0)
  t.teardown(() => clearInterval(other))
  await pace.run(
    (function* () {
      while (others < 3) yield
    })()
  )
  t.pass('a timer fired while the work went on')
})

t.test('what ends the work is thrown into it, so that it can give back what it holds', async (t) => {
  let held = true
  const pace = new Pace({
    slice: 0,
    goOn() {
      throw new Error('the proxy closes')
    }
  })
  const work = (function* () {
    try {
      for (;;) yield
    } catch (error) {
      held = false
      throw error
    }
  })()
  await t.rejects(pace.run(work), /^the proxy closes$/)
  t.equal(held, false)
})
