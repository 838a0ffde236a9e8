import t, { type Test } from 'tap'
import { definePlugin, type Plugin, Reply } from '../../../core/index.js'
import { type PluginRun, runPlugin } from '../../../core/testing/index.js'

let run: PluginRun
/** ms by which hooks have moved the clock, at once. */
let taken = 0

/** Runs these plugins in this order, on a clock that `taken` moves. */
function start(t: Test, plugins: readonly [Plugin, ...Plugin[]], options: { onFailure?: 'skip' } = {}): void {
  const [first, ...after] = plugins
  run = runPlugin(first, {}, { ...options, after })
  const { clock } = run
  const now = clock.now.bind(clock)
  clock.now = () => now() + taken
  t.teardown(() => run.close())
}

/** A plugin whose `request`, `outcome` and `finish` take so many ms of the clock, without letting go of the event loop. */
function taking(name: string, ms: number): Plugin {
  const work = () => {
    taken += ms
  }
  return definePlugin({ name, setup: () => ({ request: work, outcome: work, finish: work }) })
}

async function secondsOf(name: string, hook: string): Promise<number> {
  const label = `outrigger_plugin_duration_seconds_sum{plugin="${name}",hook="${hook}"}`
  const line = (await run.metrics()).split('\n').find((one) => one.startsWith(label))
  return Math.round(Number(line?.split(' ')[1]) * 1000) / 1000
}

t.test('each plugin is timed by itself, in the order they run and in the reverse of it', async (t) => {
  const all = [taking('a', 50), taking('b', 5), taking('c', 500)] as const
  start(t, all)
  await run.request()
  for (const hook of ['request', 'outcome', 'finish']) {
    t.equal(await secondsOf('a', hook), 0.05, `${hook} of a`)
    t.equal(await secondsOf('b', hook), 0.005, `${hook} of b`)
    t.equal(await secondsOf('c', hook), 0.5, `${hook} of c`)
  }
})

t.test('what comes between two plugins is neither one’s time', async (t) => {
  const waits = definePlugin({
    name: 'waits',
    setup: ({ clock }) => ({
      request: () => clock.sleep(300),
      attempt: () => clock.sleep(200)
    })
  })
  start(t, [taking('a', 50), waits, taking('c', 5)])
  await run.request()
  t.equal(await secondsOf('waits', 'request'), 0.3)
  t.equal(await secondsOf('c', 'request'), 0.005, 'not the wait of the one before')
  t.equal(await secondsOf('a', 'outcome'), 0.05, 'not what was before its hook')
})

t.test('the time of one that throws or answers is its own', async (t) => {
  const skips = definePlugin({
    name: 'skips',
    setup: () => ({
      request: () => {
        taken += 70
        throw new Error('no')
      }
    })
  })
  start(t, [skips, taking('c', 5)], { onFailure: 'skip' })
  await run.request()
  t.equal(await secondsOf('skips', 'request'), 0.07)
  t.equal(await secondsOf('c', 'request'), 0.005)

  const answers = definePlugin({ name: 'answers', setup: () => ({ request: () => new Reply(204) }) })
  start(t, [taking('a', 50), answers, taking('c', 5)])
  await run.request()
  taken += 1_000
  await run.request()
  t.equal(await secondsOf('a', 'request'), 0.1, 'nothing of what lay between two requests')
})
