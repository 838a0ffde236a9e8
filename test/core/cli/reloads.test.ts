import t from 'tap'
import { Reloads } from '../../../core/cli/reloads.js'
import { ConfigError } from '../../../core/config/problem.js'
import { keptLines } from './lines.js'

const settled = () => new Promise((resolve) => setImmediate(resolve))

t.test('one at a time, and one more for all that came meanwhile', async (t) => {
  const finish: (() => void)[] = []
  let running = 0
  let most = 0
  const reloads = new Reloads({
    log: keptLines(),
    onDone: () => {},
    reload: async () => {
      most = Math.max(most, ++running)
      await new Promise<void>((resolve) => finish.push(resolve))
      running--
    }
  })
  for (let i = 0; i < 5; i++) reloads.request('SIGHUP')
  t.equal(finish.length, 1)
  finish[0]?.()
  await settled()
  t.equal(finish.length, 2)
  finish[1]?.()
  await settled()
  t.equal(finish.length, 2)
  t.equal(most, 1)
})

t.test('a failure is told, problem by problem, and the next one works', async (t) => {
  const log = keptLines()
  const done: boolean[] = []
  let bad = true
  const reloads = new Reloads({
    log,
    onDone: (succeeded) => done.push(succeeded),
    reload: async () => {
      if (bad) {
        throw new ConfigError([
          { at: 'a.yaml:1:1', path: 'routes', message: 'missing' },
          { at: 'a.yaml:2:1', path: 'servces', message: 'unknown key' }
        ])
      }
    }
  })
  reloads.request('a.yaml changed')
  await settled()
  t.ok(log.lines.some((line) => line.startsWith('not reloaded')))
  t.ok(log.lines.includes('a.yaml:1:1: routes: missing'))
  t.ok(log.lines.includes('a.yaml:2:1: servces: unknown key'))
  bad = false
  reloads.request('a.yaml changed')
  await settled()
  t.same(done, [false, true])
  t.equal(log.lines.at(-1), 'reloaded')
})

t.test('none begins after stop', async (t) => {
  let count = 0
  let finish = () => {}
  const reloads = new Reloads({
    log: keptLines(),
    onDone: () => {},
    reload: () => {
      count++
      return new Promise((resolve) => (finish = resolve))
    }
  })
  reloads.request('SIGHUP')
  reloads.request('SIGHUP')
  reloads.stop()
  finish()
  await settled()
  reloads.request('SIGHUP')
  t.equal(count, 1)
})
