// A second attempt beside one that is slow: which of them counts, and what becomes of the other.
import t from 'tap'
import { definePlugin, Hedge, type PluginHooks, ProxyError, Retry } from '../../../core/index.js'
import type { UpstreamAnswer } from '../../../core/testing/fake-upstream.js'
import { settle, TestPipeline } from '../../support/pipeline.js'

const THREE = ['http://a', 'http://b', 'http://c']

const plugin = (hooks: PluginHooks) => definePlugin({ name: 'hedges', setup: () => hooks })

/** Endpoints that answer when they are told to. */
function held() {
  const answers = new Map<string, (answer: UpstreamAnswer) => void>()
  return {
    upstream: ({ endpoint }: { endpoint: string }) =>
      new Promise<UpstreamAnswer>((resolve) => answers.set(endpoint, resolve)),
    answer: async (endpoint: string, answer: UpstreamAnswer) => {
      answers.get(endpoint)?.(answer)
      await settle()
    },
    asked: () => [...answers.keys()]
  }
}

async function world(hooks: PluginHooks, service: PluginHooks = {}, endpoints = THREE) {
  const ends: string[] = []
  const upstreams = held()
  const run = await TestPipeline.build({
    endpoints,
    upstream: upstreams.upstream,
    service: [definePlugin({ name: 'service', setup: () => service })],
    route: [
      plugin({
        ...hooks,
        settled: ({ endpoint, reason, end }) => void ends.push(`${endpoint.url} ${reason} ${end}`)
      })
    ]
  })
  const close = async () => {
    // What hangs ends by the route's timeout.
    await run.clock.advance(16_000)
    await run.close()
  }
  return { run, ends, close, ...upstreams }
}

const after50: PluginHooks = {
  attempt: ({ number }) => (number === 1 ? new Hedge({ after: 50 }) : undefined)
}

t.test('the hedge answers first: it goes out, and the other attempt is cancelled', async (t) => {
  const { run, close, ends, answer, asked } = await world(after50)
  const under = run.begin({})
  await run.clock.advance(49)
  t.strictSame(asked(), ['http://a'], 'it has its time to itself')
  await run.clock.advance(1)
  t.strictSame(asked(), ['http://a', 'http://b'], 'another endpoint')
  await answer('http://b', { body: 'from b' })
  t.equal(under.ended, true)
  t.equal(under.answer().body, 'from b')
  await answer('http://a', { body: 'from a' })
  t.strictSame(ends, ['http://a undefined cancelled', 'http://b hedge complete'])
  t.equal(under.answer().result?.endpoint?.url, 'http://b')
  t.ok(run.generation.services.get('upstream')?.endpoints.every(({ inFlight }) => inFlight === 0))
  t.equal(run.generation.services.get('upstream')?.inFlight, 0)
  await close()
})

t.test('the first one answers after all: the hedge is cancelled', async (t) => {
  const { run, close, ends, answer } = await world(after50)
  const under = run.begin({})
  await run.clock.advance(60)
  await answer('http://a', { body: 'from a' })
  t.equal(under.answer().body, 'from a')
  t.strictSame(ends, ['http://b hedge cancelled', 'http://a undefined complete'])
  await close()
})

t.test('one that answers in its time is not hedged', async (t) => {
  const { run, close, answer, asked } = await world(after50)
  run.begin({})
  await run.clock.advance(30)
  await answer('http://a', {})
  await run.clock.advance(100)
  t.strictSame(asked(), ['http://a'])
  await close()
})

t.test('an error or an answer that a plugin wants tried again is not the first answer', async (t) => {
  for (const bad of [{ error: 'UPSTREAM_RESET' }, { status: 503 }] as UpstreamAnswer[]) {
    const { run, close, ends, answer } = await world({
      ...after50,
      outcome: ({ status, error }) =>
        error !== undefined || status === 503 ? new Retry({ reason: 'again' }) : undefined
    })
    const under = run.begin({ method: 'PUT' })
    await run.clock.advance(60)
    await answer('http://b', bad)
    t.equal(under.ended, false, 'the other one may still do')
    await answer('http://a', { body: 'from a' })
    t.equal(under.answer().body, 'from a')
    t.equal(ends.length, 2)
    t.equal(under.exchange.attempts.length, 2, 'and nothing else was tried')
    await close()
  }
})

t.test('where both fail, the last outcome counts, its Retry as well', async (t) => {
  const { run, close, answer, asked } = await world({
    ...after50,
    outcome: ({ error }) => (error !== undefined ? new Retry({ reason: 'again' }) : undefined)
  })
  const under = run.begin({ method: 'PUT' })
  await run.clock.advance(60)
  await answer('http://a', { error: 'UPSTREAM_RESET' })
  await answer('http://b', { error: 'UPSTREAM_RESET' })
  await run.clock.advance(0)
  t.strictSame(asked(), THREE, 'the endpoint that was not tried yet')
  await answer('http://c', { body: 'from c' })
  t.equal(under.answer().body, 'from c')
  t.strictSame(
    under.exchange.attempts.map(({ reason }) => reason),
    [undefined, 'hedge', 'again']
  )
  await close()
})

t.test('answers of plugins that wait do not mix', async (t) => {
  // The outcome of the first is waited for while the second one answers.
  let release = (): void => {}
  const { run, close, answer } = await world({
    ...after50,
    outcome: ({ number }) =>
      number === 1
        ? new Promise<undefined>((resolve) => {
            release = () => resolve(undefined)
          })
        : undefined
  })
  const under = run.begin({})
  await run.clock.advance(60)
  await answer('http://a', { body: 'from a' })
  t.equal(under.ended, false)
  await answer('http://b', { body: 'from b' })
  t.equal(under.answer().body, 'from b')
  release()
  await settle()
  t.equal(under.answer().body, 'from b', 'and what comes too late is dropped')
  await run.clock.advance(10_000)
  t.notMatch(run.log.lines.map(({ message }) => message).join(), /took too long|failed in/)
  await close()
})

t.test('not where the plugin forbids it, nor where nothing else is to be had', async (t) => {
  let asked = 0
  const forbids = await world({
    attempt: () => new Hedge({ after: 10, allow: () => ++asked > 99 })
  })
  forbids.run.begin({})
  await forbids.run.clock.advance(50)
  t.strictSame([asked, forbids.asked()], [1, ['http://a']])
  await forbids.close()

  const throws = await world({
    attempt: () =>
      new Hedge({
        after: 10,
        allow: () => {
          throw new Error('no')
        }
      })
  })
  const under = throws.run.begin({})
  await throws.run.clock.advance(50)
  await throws.answer('http://a', { body: 'fine' })
  t.equal(under.answer().body, 'fine', 'a plugin that fails there hurts nobody')
  await throws.close()

  const alone = await world({ attempt: () => new Hedge({ after: 10 }) }, {}, ['http://a'])
  alone.run.begin({})
  await alone.run.clock.advance(50)
  t.equal(alone.asked().length, 1)
  await alone.close()
})

t.test('a hedge may be hedged, once for each that is asked for', async (t) => {
  const { run, close, asked, answer, ends } = await world({ attempt: () => new Hedge({ after: 20 }) })
  const under = run.begin({})
  await run.clock.advance(100)
  t.strictSame(asked(), THREE)
  await answer('http://b', { body: 'from b' })
  t.equal(under.answer().body, 'from b')
  t.strictSame(ends.toSorted(), [
    'http://a undefined cancelled',
    'http://b hedge complete',
    'http://c hedge cancelled'
  ])
  await close()
})

t.test('a small upload goes out twice; one that is still coming is not hedged', async (t) => {
  const { run, close, asked } = await world(after50)
  run.begin({ method: 'PUT', body: 'whole' })
  await run.clock.advance(60)
  t.equal(asked().length, 2)
  t.strictSame(
    run.upstreams.seen.map(({ body }) => body.toString()),
    ['whole', 'whole']
  )
  await close()
})

t.test('a plugin that refuses the hedge refuses it alone', async (t) => {
  const { run, close, asked, answer } = await world(after50, {
    attempt: ({ reason }) => {
      if (reason === 'hedge') throw new ProxyError('OVERLOADED', 'no room')
    }
  })
  const under = run.begin({})
  await run.clock.advance(60)
  t.equal(under.ended, false)
  t.equal(asked().length, 1)
  await answer('http://a', { body: 'from a' })
  t.equal(under.answer().body, 'from a')
  await close()
})

t.test('the client leaves, or the time is up: both attempts end', async (t) => {
  const gone = await world(after50)
  const under = gone.run.begin({})
  await gone.run.clock.advance(60)
  under.outgoing.destroy()
  await settle()
  t.strictSame(gone.ends.length, 2)
  t.equal(gone.run.generation.services.get('upstream')?.inFlight, 0)
  await gone.close()

  const late = await world(after50)
  const slow = late.run.begin({})
  await late.run.clock.advance(15_100)
  t.equal(slow.answer().error, 'DEADLINE_EXCEEDED')
  t.strictSame(late.ends, ['http://b hedge cancelled', 'http://a undefined cancelled'])
  await late.close()
})

t.test('what may lose is not heard before it has won', async (t) => {
  const { run, close } = await world(after50)
  const under = run.begin({})
  await run.clock.advance(60)
  const heard: number[] = []
  under.exchange.downstream.information = (status) => void heard.push(status)
  for (const attempt of under.exchange.attempts) attempt.information(103, ['link', '</a.css>'])
  t.strictSame(heard, [])
  await close()
})

t.test('an answer ends the wait for a hedge', async (t) => {
  const { run, answer, close } = await world({ attempt: () => new Hedge({ after: 60_000 }) })
  run.begin({})
  await settle()
  t.ok((run.clock.nextTimeout ?? 0) > 50_000)
  await answer('http://a', {})
  t.equal(run.clock.nextTimeout, undefined, 'nothing holds on to the exchange')
  await close()
})
