import t from 'tap'
import { RollingWindow } from '../../../core/hooks/rolling-window.js'

t.test('the window forgets by tenths', async (t) => {
  const window = new RollingWindow(10_000)
  const held = () => [window.total, window.marked]
  for (let now = 0; now < 10_000; now += 500) window.add(now, now < 5_000)
  t.same(held(), [20, 10])
  window.add(10_000, true)
  t.same(held(), [19, 9], 'the first second is gone: two failures')
  window.add(14_999, false)
  t.same(held(), [12, 1])
  window.add(23_999, false)
  t.same(held(), [2, 0], 'what ended at 14,999 is still within its tenth')
  window.add(60_000, false)
  t.same(held(), [1, 0])
  window.clear()
  t.same(held(), [0, 0])
})

t.test('the window never counts wrong, whatever the gaps', async (t) => {
  const window = new RollingWindow(1_000)
  const ended: { tenth: number; failed: boolean }[] = []
  let now = 0
  for (let i = 0; i < 2_000; i++) {
    now += (i * 7919) % 330
    const failed = i % 3 === 0
    window.add(now, failed)
    ended.push({ tenth: Math.floor(now / 100), failed })
    const within = ended.filter(({ tenth }) => tenth > Math.floor(now / 100) - 10)
    const expected = [within.length, within.filter((one) => one.failed).length]
    if (window.total !== expected[0] || window.marked !== expected[1]) {
      t.same([window.total, window.marked], expected, `at ${now}`)
      return
    }
  }
  t.pass('2,000 steps')
})

t.test('the window forgets by thirtieths, and by itself', async (t) => {
  const window = new RollingWindow(30_000, 30)
  const held = () => [window.total, window.marked]
  for (let now = 0; now < 30_000; now += 1_000) window.add(now, now < 10_000)
  t.same(held(), [30, 10])
  window.pass(30_000)
  t.same(held(), [29, 9])
  window.pass(39_999)
  t.same(held(), [20, 0])
  window.pass(500_000)
  t.same(held(), [0, 0])
  window.add(500_000, true)
  t.same(held(), [1, 1])
})
