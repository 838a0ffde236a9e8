import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import { ProxyError } from '../../../core/errors.js'
import type { AnyFunction, WorkerOptions } from '../../../core/hooks/plugin.js'
import { pin } from '../../../core/workers/buffers.js'
import { WorkerPool } from '../../../core/workers/pool.js'
import { ManualClock } from './fixtures/manual-clock.js'
import type * as Tasks from './fixtures/tasks.worker.js'

const fixture = (name: string) => new URL(`./fixtures/${name}`, import.meta.url)
const modules = { outrigger: new URL('../../../core/errors.ts', import.meta.url) }

let started = 0
subscribe('worker_threads', () => {
  started += 1
})

const clock = new ManualClock()
const strays: Error[] = []
const durations: number[] = []
const MAX_QUEUE = 4
const MAX_HEAP = 64 * 1024 * 1024
const pool = new WorkerPool({
  threads: 2,
  maxQueue: MAX_QUEUE,
  maxHeap: MAX_HEAP,
  modules,
  clock,
  onTask: (duration) => durations.push(duration),
  onError: (error) => strays.push(error)
})
t.teardown(() => pool.close(0))

function bind<N extends keyof typeof Tasks>(name: N, options?: WorkerOptions) {
  type F = (typeof Tasks)[N] extends AnyFunction ? (typeof Tasks)[N] : never
  return pool.bind<F>(fixture('tasks.worker.js'), name, options)
}

async function rejection(promise: Promise<unknown>): Promise<Error & { code?: unknown; cause?: unknown }> {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error('it was to reject')
}

/** Turns of the event loop until `is` holds; threads start meanwhile, so they are many, but bounded in time. */
async function until(is: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 20_000
  while (!is()) {
    if (performance.now() > end) throw new Error(`never: ${what}`)
    await turn()
  }
}

class Gate {
  readonly cell = new Int32Array(new SharedArrayBuffer(4))
  passed(): Promise<void> {
    return until(() => this.cell[0] !== 0, 'the worker runs')
  }
  open(): void {
    Atomics.store(this.cell, 0, 2)
    Atomics.notify(this.cell, 0)
  }
}

/** Calls that keep every thread busy until they are let go. */
async function occupy(count = 2) {
  const hold = bind('hold')
  const gates = Array.from({ length: count }, () => new Gate())
  const calls = gates.map((gate) => hold(gate.cell))
  await Promise.all(gates.map((gate) => gate.passed()))
  return async () => {
    for (const gate of gates) gate.open()
    await Promise.all(calls)
  }
}

/** Both threads work, and calls go to each of them. */
async function works(t: Test): Promise<void> {
  const add = bind('add')
  t.same(await Promise.all([add(1, 1), add(2, 2), add(3, 3)]), [2, 4, 6], 'the next calls work')
}

t.test('no thread starts before the first call', async (t) => {
  const add = bind('add')
  await turn()
  t.equal(started, 0)
  t.equal(await add(2, 3), 5)
  t.equal(started, 1)
})

t.test('a TypeScript file is taken where its .js is not there, with what it imports', async (t) => {
  t.equal(await bind('shape')(true), 'round')
})

t.test('a plain .js file runs, by its default export', async (t) => {
  const call = pool.bind<(value: unknown) => unknown>(fixture('plain.worker.js'), 'default')
  t.same(await call({ a: [1, null] }), { value: { a: [1, null] }, isMainThread: false })
})

t.test('a thread is kept for the next call', async (t) => {
  const thread = bind('thread')
  const first = await thread()
  await turn()
  await turn()
  t.equal(await thread(), first)
})

t.test('calls run at a time on as many threads as there are, and no more', async (t) => {
  const free = await occupy(2)
  const add = bind('add')
  let ended = false
  const third = add(1, 2).finally(() => {
    ended = true
  })
  t.equal(pool.queueDepth, 1)
  await turn()
  t.equal(ended, false)
  await free()
  t.equal(await third, 3)
  t.equal(pool.queueDepth, 0)
})

t.test('a full queue refuses at once, and exactly', async (t) => {
  const free = await occupy(2)
  const add = bind('add')
  const calls = Array.from({ length: 100 }, (_, n) => add(n, 0))
  t.equal(pool.queueDepth, MAX_QUEUE)
  const refused = await Promise.all(calls.slice(MAX_QUEUE).map(rejection))
  t.equal(refused.length, 96)
  for (const error of refused) {
    if (!ProxyError.is(error)) throw error
    t.match(error, { code: 'WORKER_OVERLOADED', status: 503, headers: { 'retry-after': '1' } })
  }
  await free()
  t.same(await Promise.all(calls.slice(0, MAX_QUEUE)), [0, 1, 2, 3], 'those that were let wait ran')
})

t.test(
  'the limit holds for a burst at calls with a signal, and for a pool that has not started',
  async (t) => {
    const cold = new WorkerPool({ threads: 1, maxQueue: 3, maxHeap: MAX_HEAP, modules, clock })
    t.teardown(() => cold.close(0))
    const add = cold.bind<typeof Tasks.add>(fixture('tasks.worker.js'), 'add')
    const { signal } = new AbortController()
    const calls = Array.from({ length: 50 }, (_, n) => add.for({ signal })(n, 1))
    t.equal(cold.queueDepth, 3)
    const outcomes = await Promise.allSettled(calls)
    t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 4)
    t.ok(outcomes.slice(4).every(({ status }) => status === 'rejected'))
    await cold.close()
  }
)

t.test('a queue of none lets run what has a thread and refuses the rest', async (t) => {
  const none = new WorkerPool({ threads: 1, maxQueue: 0, maxHeap: MAX_HEAP, modules, clock })
  t.teardown(() => none.close(0))
  const add = none.bind<typeof Tasks.add>(fixture('plain.worker.js'), 'default')
  const first = add(1, 2)
  t.match(await rejection(add(1, 2)), { code: 'WORKER_OVERLOADED' })
  await first
  await none.close()
})

t.test('a call that waited its timeout for a thread is refused, and the thread left alone', async (t) => {
  const free = await occupy(2)
  const failed = rejection(bind('add', { timeout: 300 })(1, 2))
  clock.advance(280)
  t.equal(pool.queueDepth, 1)
  clock.advance(40)
  t.equal(pool.queueDepth, 0)
  t.match(await failed, { code: 'WORKER_OVERLOADED', headers: { 'retry-after': '1' } })
  await free()
})

t.test('a function that never returns is stopped after 5 s by default, its call alone', async (t) => {
  const gate = new Gate()
  const other = new Gate()
  const failed = rejection(bind('forever')(gate.cell))
  await gate.passed()
  clock.advance(20)
  const running = bind('holdThenThread', { timeout: 60_000 })(other.cell)
  await other.passed()
  const waiting = bind('add', { timeout: 60_000 })(4, 5)
  t.equal(pool.queueDepth, 1)
  let over = false
  void failed.then(() => {
    over = true
  })
  clock.advance(4960)
  await turn()
  t.equal(over, false, 'not before')
  clock.advance(60)
  const error = await failed
  t.match(error, { code: 'PLUGIN_TIMEOUT', status: 500 })
  t.notMatch(error.message, /worker\.ts/, 'what goes out names no file')
  t.match((error.cause as Error).message, /^forever \(.*tasks\.worker\.ts\): ran for more than 5000 ms/)
  t.equal(await waiting, 9, 'on a new thread')
  other.open()
  t.type(await running, 'number')
  await works(t)
})

t.test('a call has its own time limit', async (t) => {
  const gate = new Gate()
  const failed = rejection(bind('forever', { timeout: 100 })(gate.cell))
  await gate.passed()
  clock.advance(20)
  clock.advance(120)
  t.match(((await failed).cause as Error).message, /100 ms/)
  await works(t)
})

t.test('time in which the process was held up is no call’s fault', async (t) => {
  const gate = new Gate()
  const held = bind('hold')(gate.cell, 'kept')
  await gate.passed()
  clock.advance(20)
  clock.jump(60_000)
  gate.open()
  t.equal(await held, 'kept')
})

t.test('a timeout that is none is refused', async (t) => {
  for (const timeout of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.throws(() => bind('add', { timeout }), TypeError)
  }
  t.throws(() => pool.bind(new URL('https://example.com/x.js'), 'x'), TypeError)
})

t.test('for(exchange): a call that waits is dropped when the signal aborts', async (t) => {
  const free = await occupy(2)
  const controller = new AbortController()
  const failed = rejection(bind('add').for(controller)(1, 2))
  t.equal(pool.queueDepth, 1)
  const reason = new Error('the client left')
  controller.abort(reason)
  t.equal(pool.queueDepth, 0)
  t.equal(await failed, reason)
  await free()
  await works(t)
})

t.test('for(exchange): one that runs rejects at once, and its thread ends', async (t) => {
  const threads = started
  const gate = new Gate()
  const controller = new AbortController()
  const failed = rejection(bind('forever').for(controller)(gate.cell))
  await gate.passed()
  const reason = new Error('the client left')
  controller.abort(reason)
  t.equal(await failed, reason)
  clock.advance(80)
  const free = await occupy(2)
  t.equal(started, threads + 1, 'its thread was replaced')
  await free()
})

t.test('for(exchange): what ends soon after keeps its thread', async (t) => {
  const threads = started
  const gate = new Gate()
  const controller = new AbortController()
  const failed = rejection(bind('hold').for(controller)(gate.cell))
  await gate.passed()
  controller.abort()
  await failed
  clock.advance(20)
  const count = durations.length
  gate.open()
  await until(() => durations.length > count, 'the abandoned call ends')
  clock.advance(200)
  const free = await occupy(2)
  t.equal(started, threads)
  await free()
})

t.test('for(exchange): a signal that has aborted runs nothing, and no listener is left behind', async (t) => {
  const reason = new Error('gone before')
  t.equal(await rejection(bind('add').for({ signal: AbortSignal.abort(reason) })(1, 2)), reason)
  const controller = new AbortController()
  let listeners = 0
  const { signal } = controller
  const { addEventListener, removeEventListener } = signal
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners += 1
    return addEventListener.apply(signal, args)
  }
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listeners -= 1
    return removeEventListener.apply(signal, args)
  }
  t.equal(await bind('add').for({ signal })(1, 2), 3)
  t.equal(listeners, 0)
})

t.test('for(exchange): a function still being loaded is not called, and its thread goes on', async (t) => {
  const free = await occupy(1)
  const threads = started
  const mark = pool.bind<(cell: Int32Array) => number>(fixture('slow.worker.js'), 'mark')
  const [cell, other] = [new Gate().cell, new Gate().cell]
  const controller = new AbortController()
  const failed = rejection(mark.for(controller)(cell))
  controller.abort(new Error('the client left'))
  t.match(await failed, { message: 'the client left' })
  clock.advance(1000)
  await mark(other)
  t.equal(other[0], 1)
  t.equal(cell[0], 0)
  t.equal(started, threads)
  await free()
})

t.test('a thrown error arrives with its name, message, code and stack', async (t) => {
  const error = await rejection(bind('fail')())
  t.type(error, Error)
  t.match(error, { name: 'RangeError', message: 'out of range', code: 'E_RANGE' })
  t.match(error.stack, /tasks\.worker\.ts/)
  t.match(await rejection(bind('failWithText')()), { name: 'Error', message: 'just text' })
  await works(t)
})

t.test('a ProxyError thrown in a worker keeps its code', async (t) => {
  const error = await rejection(bind('refuse')())
  t.ok(ProxyError.is(error))
  t.match(error, { code: 'FORBIDDEN', status: 403, message: 'not you', headers: { 'x-why': 'test' } })
})

const broken: readonly [name: string, what: string, call: () => Promise<unknown>, message: RegExp][] = [
  ['process.exit', 'exit', () => bind('exit')(), /ended with exit code 7/],
  [
    'a callback that throws',
    'failInCallback',
    () => bind('failInCallback')(),
    /in a callback: thrown by a timer/
  ],
  ['a microtask that throws', 'failInMicrotask', () => bind('failInMicrotask')(), /thrown by a microtask/],
  ['an unhandled rejection', 'rejectUnheard', () => bind('rejectUnheard')(), /nobody listens/],
  ['a result that cannot be cloned', 'aFunction', () => bind('aFunction')(), /result cannot be sent back/],
  [
    'an argument that cannot be cloned',
    'add',
    () => bind('add')((() => {}) as unknown as number, 1),
    /arguments cannot be sent/
  ]
]
for (const [name, what, call, message] of broken) {
  t.test(`${name} fails its call alone`, async (t) => {
    const gate = new Gate()
    const running = bind('hold')(gate.cell, 'went on')
    await gate.passed()
    const failed = rejection(call())
    const waiting = bind('add')(20, 22)
    const error = await failed
    t.match(error.message, message)
    t.match(error.message, new RegExp(`^${what} \\(.*tasks\\.worker\\.ts\\): `), 'it names export and file')
    t.equal(await waiting, 42, 'a call that waited ran')
    gate.open()
    t.equal(await running, 'went on')
    await works(t)
  })
}

t.test('an error that comes after its call has ended fails no other call in that thread', async (t) => {
  const gate = new Gate()
  const before = strays.length
  const free = await occupy(1)
  const first = await bind('failLater')(gate.cell)
  const second = await bind('outlast')(gate.cell)
  t.equal(second, first, 'the same thread')
  await until(() => strays.length > before, 'the error is reported')
  t.match(strays[before]?.message, /^failLater \(.*tasks\.worker\.ts\): .*thrown after the call/)
  await free()
})

t.test('an export that is not there, and one that is no function', async (t) => {
  const url = fixture('tasks.worker.js')
  const absent = await rejection(pool.bind(url, 'sing')())
  t.match(absent.message, /^sing \(.*tasks\.worker\.ts\): the file has no such export.* add, /)
  const number = await rejection(pool.bind(url, 'aNumber')())
  t.match(number.message, /^aNumber \(.*\): the export is of type number/)
})

t.test('a file that is not there, does not parse, or throws', async (t) => {
  const absent = await rejection(pool.bind(fixture('nowhere.worker.js'), 'sign')())
  t.match(
    absent.message,
    /^sign \(.*nowhere\.worker\.js\): there is no such file, and no .*nowhere\.worker\.ts/
  )
  // Written here, as no formatter takes it.
  const dir = t.testdir({ 'broken.worker.ts': 'export const there = (\n' })
  const unparsed = await rejection(pool.bind(pathToFileURL(join(dir, 'broken.worker.js')), 'sign')())
  t.match(unparsed.message, /^sign \(.*broken\.worker\.ts\): the file does not load: .*broken\.worker\.ts:\d/)
  const thrown = await rejection(pool.bind(fixture('throws.worker.js'), 'sign')())
  t.match(thrown.message, /^sign \(.*throws\.worker\.ts\): .*not configured/)
  await works(t)
})

t.test('a file that never finishes loading is stopped', async (t) => {
  const failed = rejection(pool.bind(fixture('stuck.worker.js'), 'sign', { timeout: 50 })())
  clock.advance(9_960)
  clock.advance(60)
  const error = await failed
  t.match(error, { code: 'PLUGIN_TIMEOUT' })
  t.match((error.cause as Error).message, /^sign \(.*stuck\.worker\.ts\): was loading for more than 10000 ms/)
  await works(t)
})

t.test('what is bound after a change runs the changed file, what was bound before the old one', async (t) => {
  const free = await occupy(1)
  const now = (text: string) => `import { What } from './what.js'
    export const now = (): string => '${text} ' + What.It`
  const what = (text: string) => `export enum What { It = '${text}' }`
  const dir = t.testdir({ 'now.worker.ts': now('first'), 'what.ts': what('edition') })
  const url = pathToFileURL(join(dir, 'now.worker.js'))
  const before = pool.bind<() => string>(url, 'now')
  t.equal(await before(), 'first edition')
  writeFileSync(join(dir, 'now.worker.ts'), now('second'))
  const after = pool.bind<() => string>(url, 'now')
  t.equal(await after(), 'second edition')
  t.equal(await before(), 'first edition')
  writeFileSync(join(dir, 'what.ts'), what('printing'))
  t.equal(await pool.bind<() => string>(url, 'now')(), 'second printing', 'and what it imports')
  await free()
})

t.test('a large buffer is moved, and is a Buffer on the other side', async (t) => {
  const moved = Buffer.alloc(8192, 3)
  t.same(await bind('look')(moved), { kind: 'Buffer', bytes: 8192, memory: 8192, first: 3 })
  t.equal(moved.byteLength, 0, 'it is gone here')
  const bare = new Uint8Array(4096).fill(4)
  t.same(await bind('look')(bare), { kind: 'Uint8Array', bytes: 4096, memory: 4096, first: 4 })
  t.equal(bare.byteLength, 0)
  const memory = new ArrayBuffer(4096)
  t.match(await bind('look')(memory), { kind: 'ArrayBuffer', bytes: 4096 })
  t.equal(memory.byteLength, 0)
  const within = Buffer.alloc(5000, 6)
  t.match(await bind('lookWithin')({ body: within, name: 'a' }), { kind: 'Buffer', bytes: 5000, first: 6 })
  t.equal(within.byteLength, 0)
  t.match(await rejection(bind('look')(within)), { message: /arguments cannot be sent.*detached/ })
})

t.test('a small buffer, a part of larger memory and a pinned one are copied', async (t) => {
  const small = Buffer.from('small')
  t.ok(small.buffer.byteLength > small.byteLength, 'as Node makes it, it lies in a pool')
  t.match(await bind('look')(small), { kind: 'Buffer', bytes: 5, memory: 5 })
  t.equal(small.toString(), 'small')
  const whole = Buffer.alloc(20_000, 1)
  const part = whole.subarray(10_000, 16_000)
  t.match(await bind('look')(part), { kind: 'Buffer', bytes: 6000, memory: 6000, first: 1 })
  t.equal(part.byteLength, 6000)
  const kept = pin(Buffer.alloc(8192, 2))
  t.match(await bind('lookInList')([kept, small]), [
    { kind: 'Buffer', bytes: 8192, memory: 8192, first: 2 },
    { bytes: 5, memory: 5 }
  ])
  t.equal(kept.byteLength, 8192)
  t.equal(kept[0], 2)
  t.match(await bind('look')(new Uint8Array(kept.buffer)), { bytes: 8192 })
  t.equal(kept.byteLength, 8192, 'by any view of it')
})

t.test('a call that is refused leaves its buffers alone', async (t) => {
  const free = await occupy(2)
  const waiting = Array.from({ length: MAX_QUEUE }, () => bind('add')(1, 1))
  const buffer = Buffer.alloc(8192)
  t.match(await rejection(bind('look')(buffer)), { code: 'WORKER_OVERLOADED' })
  t.equal(buffer.byteLength, 8192)
  await free()
  await Promise.all(waiting)
})

t.test('results come back as what they were, and no more memory than they are', async (t) => {
  const text = await bind('upperCase')(Buffer.from('grüße'))
  t.ok(Buffer.isBuffer(text))
  t.equal(text.toString(), 'GRÜSSE')
  const large = await bind('bytes')(100_000)
  t.ok(Buffer.isBuffer(large))
  t.ok(large.equals(Buffer.alloc(100_000, 5)))
  const { body, status } = await bind('part')(6000)
  t.equal(status, 200)
  t.ok(Buffer.isBuffer(body))
  t.equal(body.byteLength, 6000)
  t.equal(body.buffer.byteLength, 6000)
})

t.test('a buffer that the worker keeps and returns is moved away from it', async (t) => {
  const free = await occupy(1)
  t.equal((await bind('keptBuffer')()).byteLength, 8192)
  t.match(await rejection(bind('keptBuffer')()), {
    message: /^keptBuffer .*result cannot be sent back.*detached/
  })
  await free()
  await works(t)
})

t.test('each call’s time is told', async (t) => {
  const count = durations.length
  const gate = new Gate()
  const call = bind('hold')(gate.cell)
  await gate.passed()
  clock.advance(30)
  gate.open()
  await call
  t.same(durations.slice(count), [30])
})

t.test('close lets accepted calls end, and refuses further ones', async (t) => {
  const gate = new Gate()
  const gate2 = new Gate()
  const running = bind('hold')(gate.cell, 'running')
  const running2 = bind('hold')(gate2.cell)
  const waiting = bind('add')(3, 4)
  await Promise.all([gate.passed(), gate2.passed()])
  t.equal(pool.queueDepth, 1)
  const closed = pool.close()
  t.match(await rejection(bind('add')(1, 1)), { code: 'WORKER_OVERLOADED' })
  gate.open()
  gate2.open()
  t.equal(await running, 'running')
  t.equal(await running2, '')
  t.equal(await waiting, 7)
  await closed
  t.equal(await pool.close(), undefined, 'a second time, too')
})

t.test('close cuts what is left after its grace', async (t) => {
  const second = new WorkerPool({ threads: 1, maxQueue: 1, maxHeap: MAX_HEAP, modules, clock })
  const gate = new Gate()
  const forever = second.bind<typeof Tasks.forever>(fixture('tasks.worker.js'), 'forever', {
    timeout: 60_000
  })
  const running = rejection(forever(gate.cell))
  const waiting = rejection(forever(gate.cell))
  await gate.passed()
  const closed = second.close(1000)
  clock.advance(1000)
  t.match(await running, { code: 'WORKER_OVERLOADED' })
  t.match(await waiting, { code: 'WORKER_OVERLOADED' })
  await closed
})

t.test('a thread that ends before it has started is started anew, three times at most', async (t) => {
  let ended = 0
  const errors: Error[] = []
  const options = { threads: 1, maxQueue: 2, maxHeap: MAX_HEAP, modules, clock }
  const weak = new WorkerPool({ ...options, onError: (error) => errors.push(error) })
  t.teardown(() => weak.close(0))
  const call = weak.bind<(value: number) => { value: number }>(fixture('plain.worker.js'), 'default')
  const endFirst = (count: number) => {
    const end = (message: unknown) => {
      if (ended++ < count) void (message as { worker: Worker }).worker.terminate()
    }
    ended = 0
    subscribe('worker_threads', end)
    return () => unsubscribe('worker_threads', end)
  }
  const restoreAll = endFirst(Number.POSITIVE_INFINITY)
  const failed = [call(1), call(2)].map(rejection)
  for (const error of await Promise.all(failed)) {
    t.match(error.message, /^default \(.*plain\.worker\.js\): no worker thread starts/)
  }
  t.equal(ended, 6)
  restoreAll()
  const restoreTwo = endFirst(2)
  t.match(await Promise.all([call(3), call(4)]), [{ value: 3 }, { value: 4 }])
  restoreTwo()
  await weak.close()
})

t.test('a heap in which no thread can start is refused', async (t) => {
  t.throws(() => new WorkerPool({ threads: 1, maxQueue: 1, maxHeap: 1_000_000, modules }), RangeError)
})

t.test('a pool that was never used closes', async (t) => {
  const before = started
  await new WorkerPool({ threads: 1, maxQueue: 1, maxHeap: MAX_HEAP, modules }).close()
  t.equal(started, before)
})
