import t from 'tap'
import type { AnyFunction } from '../../../core/hooks/plugin.js'
import { WorkerPool } from '../../../core/workers/pool.js'
import type * as Tasks from './fixtures/tasks.worker.js'

const modules = { outrigger: new URL('../../../core/errors.ts', import.meta.url) }
const pool = new WorkerPool({ threads: 1, maxQueue: 4, maxHeap: 64 * 1024 * 1024, modules })
t.teardown(() => pool.close(0))

function bind<N extends keyof typeof Tasks>(name: N) {
  type F = (typeof Tasks)[N] extends AnyFunction ? (typeof Tasks)[N] : never
  return pool.bind<F>(new URL('./fixtures/tasks.worker.js', import.meta.url), name, { timeout: 25_000 })
}

for (const name of ['growObjects', 'growMap'] as const) {
  t.test(`${name}: growth past the heap limit fails its call alone`, async (t) => {
    const failed = t.rejects(bind(name)(), {
      message: /^grow[A-Za-z]+ \(.*tasks\.worker\.ts\): its thread grew past the heap limit of 64 MiB/
    })
    const waiting = bind('add')(20, 22)
    await failed
    t.equal(await waiting, 42)
  })
}

t.test('garbage is no growth', async (t) => {
  t.equal(await bind('litter')(200), 10_000)
})

t.test('what a worker keeps from call to call ends its thread, at most one call with it', async (t) => {
  const leak = bind('leak')
  const first = await leak()
  const failed: Error[] = []
  let thread = first
  for (let call = 0; call < 1000 && thread === first; call++) {
    thread = await leak().catch((error: Error) => {
      failed.push(error)
      return first
    })
  }
  t.not(thread, first)
  t.ok(failed.length <= 1)
  for (const { message } of failed) t.match(message, /^leak .*past the heap limit of 64 MiB/)
})
