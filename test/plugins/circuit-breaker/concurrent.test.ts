// What is under way when a breaker opens, and what comes while a probe is: by hand, and through real sockets.
import t from 'tap'
import { runPlugin } from '../../../core/testing/index.js'
import breaker from '../../../plugins/circuit-breaker/index.js'
import { startTestProxy } from '../../support/proxy.js'
import { startUpstream } from '../../support/upstream.js'

interface Closing {
  teardown(close: () => unknown): unknown
}

interface Held {
  answer(status: number): void
}

function bench(t: Closing, config: object) {
  const held: Held[] = []
  const run = runPlugin(breaker, config, {
    endpoints: ['http://one.test'],
    autoAdvance: false,
    upstream: () =>
      new Promise((resolve) => {
        held.push({ answer: (status) => resolve({ status }) })
      })
  })
  t.teardown(() => run.close())
  const send = () => run.request().then(({ error, status }) => error ?? status)
  const state = () => run.service.endpoints[0]?.breaker.state
  return { run, held, send, state }
}

t.test('one probe at a time: the others are refused until it has ended', async (t) => {
  const { run, held, send, state } = bench(t, { failures: 1, reset: '1s' })
  const first = send()
  await run.clock.advance(1)
  held[0]?.answer(503)
  t.equal(await first, 503)
  await run.clock.advance(1_000)
  const probe = send()
  await run.clock.advance(1)
  t.same(await Promise.all([send(), send(), send()]), Array(3).fill('CIRCUIT_OPEN'))
  t.equal(held.length, 2, 'one probe was sent')
  t.equal(state(), 'half-open')
  held[1]?.answer(200)
  t.equal(await probe, 200)
  t.equal(state(), 'closed')
})

t.test('what was under way when it opened neither closes it nor keeps it open longer', async (t) => {
  const { run, held, send, state } = bench(t, { failures: 3, reset: '10s' })
  const sent = Array.from({ length: 8 }, send)
  await run.clock.advance(1)
  t.equal(held.length, 8)
  for (const one of held.slice(0, 3)) one.answer(500)
  await run.clock.advance(1)
  t.equal(state(), 'open')
  await run.clock.advance(5_000)
  for (const one of held.slice(3, 6)) one.answer(500)
  await run.clock.advance(1)
  held[6]?.answer(200)
  await run.clock.advance(1)
  t.equal(state(), 'open', 'a late success does not close it')
  t.match(await run.metrics(), /outrigger_breaker_trips_total\{service="upstream"\} 1/)
  await run.clock.advance(5_000)
  const probe = send()
  await run.clock.advance(1)
  t.equal(held.length, 9, 'and late failures did not put the probe off')
  held[8]?.answer(200)
  t.equal(await probe, 200)
  t.equal(state(), 'closed')
  held[7]?.answer(500)
  await Promise.all(sent)
  t.equal(state(), 'closed')
  const more = [send(), send()]
  await run.clock.advance(1)
  for (const one of held.slice(9)) one.answer(500)
  await Promise.all(more)
  t.equal(state(), 'closed', 'nor is a failure from before it opened counted with two from after')
})

t.test(
  'through real sockets: exactly five, one probe at a time, open again after a failed one, closed after a good one',
  async (t) => {
    let status = 503
    let gate: Promise<void> | undefined
    const upstream = await startUpstream(t, async (_request, response) => {
      await gate
      response.writeHead(status).end()
    })
    const proxy = await startTestProxy(t, {
      endpoints: [upstream.url],
      service: { plugins: [{ 'circuit-breaker': { failures: 5, reset: '200ms' } }] }
    })
    const get = async () => {
      const response = await fetch(proxy.url())
      await response.arrayBuffer()
      return response.headers.get('x-outrigger-error') ?? response.status
    }
    const state = () => proxy.proxy.services()[0]?.endpoints[0]?.breaker.state
    const whenHalfOpen = async () => {
      for (let i = 0; i < 200; i++) {
        const answer = await get()
        if (answer !== 'CIRCUIT_OPEN') return answer
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      return 'never half open'
    }

    const answers: (string | number)[] = []
    for (let i = 0; i < 8; i++) answers.push(await get())
    t.same(answers, [503, 503, 503, 503, 503, 'CIRCUIT_OPEN', 'CIRCUIT_OPEN', 'CIRCUIT_OPEN'])
    t.equal(upstream.count, 5)
    t.equal(await whenHalfOpen(), 503, 'the probe')
    t.equal(upstream.count, 6)
    t.equal(await get(), 'CIRCUIT_OPEN')

    let open = () => {}
    gate = new Promise((resolve) => {
      open = resolve
    })
    status = 200
    const probe = whenHalfOpen()
    while (upstream.count < 7) await new Promise((resolve) => setTimeout(resolve, 5))
    const others = await Promise.all(Array.from({ length: 20 }, get))
    t.same(new Set(others), new Set(['CIRCUIT_OPEN']))
    t.equal(upstream.count, 7, 'twenty at once, and one probe')
    open()
    t.equal(await probe, 200)
    t.equal(state(), 'closed')
    t.same(new Set(await Promise.all(Array.from({ length: 20 }, get))), new Set([200]))
  }
)
