// However an attempt or an exchange ends, it is told once.
import { Readable } from 'node:stream'
import t from 'tap'
import { definePlugin, type HookName, type PluginHooks, Reply, Retry } from '../../../core/index.js'
import { TestPipeline } from '../../support/pipeline.js'

const ALL: HookName[] = [
  'request',
  'candidates',
  'pick',
  'attempt',
  'outcome',
  'settled',
  'response',
  'error',
  'finish'
]

/** Notes each call as `hook name`. */
function noting(name: string, trace: string[], how: 'sync' | 'async' = 'sync', over: PluginHooks = {}) {
  const hooks: Record<string, unknown> = {}
  for (const hook of ALL) {
    const own = over[hook] as ((...args: unknown[]) => unknown) | undefined
    const sync = ['candidates', 'pick', 'settled', 'finish'].includes(hook)
    hooks[hook] =
      how === 'sync' || sync
        ? (...args: unknown[]) => {
            trace.push(`${hook} ${name}`)
            return own?.(...args)
          }
        : async (...args: unknown[]) => {
            await Promise.resolve()
            trace.push(`${hook} ${name}`)
            return own?.(...args)
          }
  }
  return definePlugin({ name, setup: () => hooks as PluginHooks })
}

t.test('settled: once for each attempt, whatever became of it', async (t) => {
  const cases: [string, string, Parameters<typeof TestPipeline.build>[0]][] = [
    ['complete', 'complete', {}],
    ['failed', 'failed', { upstream: () => ({ error: 'CONNECT_FAILED' }) }],
    [
      'a Reply of attempt',
      'discarded',
      { route: [definePlugin({ name: 'replies', setup: () => ({ attempt: () => new Reply(200) }) })] }
    ],
    [
      'a throw in attempt',
      'cancelled',
      {
        route: [
          definePlugin({
            name: 'throws',
            setup: () => ({
              attempt() {
                throw new Error('no')
              }
            })
          })
        ]
      }
    ],
    [
      'a Reply of response',
      'discarded',
      {
        route: [definePlugin({ name: 'replies', setup: () => ({ response: () => new Reply(200, 'mine') }) })]
      }
    ],
    [
      'a response replaced',
      'discarded',
      {
        route: [
          definePlugin({
            name: 'replaces',
            body: { response: 'buffer' },
            setup: () => ({ response: ({ body }) => body.replace('mine') })
          })
        ]
      }
    ],
    ['no answer in time', 'cancelled', { timeout: 1_000, upstream: () => new Promise(() => {}) }]
  ]
  for (const [what, end, setup] of cases) {
    const ends: (string | undefined)[] = []
    const run = await TestPipeline.build({
      ...setup,
      top: [
        definePlugin({ name: 'hears', setup: () => ({ settled: (attempt) => void ends.push(attempt.end) }) })
      ]
    })
    const { exchange } = await run.request()
    await run.clock.advance(2_000)
    t.same(ends, [end], what)
    t.equal(exchange.attempts[0]?.endpoint.inFlight, 0, `${what}: nothing is left in flight`)
    t.equal(run.results.get(exchange)?.length, 1, `${what}: one finish`)
    t.equal(run.generation.inFlight, 0)
    await run.close()
  }
})

t.test('a client that leaves: 499, the attempt is cancelled, error and response do not run', async (t) => {
  const trace: string[] = []
  const ends: unknown[] = []
  const run = await TestPipeline.build({
    top: [
      noting('t', trace, 'sync', {
        settled: ({ end }) => void ends.push(end),
        finish: ({ status, code }) => void ends.push(status, code)
      })
    ],
    upstream: () => new Promise(() => {})
  })
  const under = run.begin()
  await run.clock.advance(50)
  const { signal } = under.exchange
  t.notOk(signal.aborted)
  under.outgoing.destroy()
  await run.clock.advance(50)
  t.ok(signal.aborted)
  t.same(ends, ['cancelled', 499, 'CLIENT_CLOSED'])
  t.notOk(trace.some((line) => /^(error|response)/.test(line)))
  t.equal(run.generation.inFlight, 0)
  await run.close()
})

t.test('a client that leaves while a plugin thinks: what it answers later is dropped', async (t) => {
  for (const hook of ['request', 'attempt', 'outcome', 'response'] as const) {
    const trace: string[] = []
    const thinks = definePlugin({
      name: 'thinks',
      setup: ({ clock }) => ({
        async [hook]() {
          await clock.sleep(1_000)
          trace.push('woke')
          return hook === 'outcome' ? new Retry() : new Reply(200, 'late')
        }
      })
    })
    const run = await TestPipeline.build({ route: [thinks] })
    const under = run.begin()
    await run.clock.advance(500)
    under.outgoing.destroy()
    await run.clock.advance(10_000)
    t.same(trace, ['woke'], hook)
    t.equal(run.results.get(under.exchange)?.length, 1, hook)
    t.equal(run.results.get(under.exchange)?.[0]?.status, 499, hook)
    t.equal(run.upstreams.seen.length, hook === 'request' || hook === 'attempt' ? 0 : 1, hook)
    t.equal(run.log.lines.filter(({ level }) => level === 'error').length, 0, `${hook}: nobody is blamed`)
    await run.close()
  }
})

t.test('a client that leaves while a plugin waits for its body: the wait ends', async (t) => {
  let ended = 'not yet'
  const reads = definePlugin({
    name: 'reads',
    body: { request: 'buffer' },
    setup: () => ({
      async request({ request }) {
        try {
          await request.body.bytes()
        } finally {
          ended = 'yes'
        }
      }
    })
  })
  const run = await TestPipeline.build({ route: [reads] })
  const source = new Readable({ read() {} })
  const under = run.begin({ method: 'POST', headers: { 'content-length': '10' } }, source)
  source.push('half')
  await run.clock.advance(100)
  t.equal(ended, 'not yet')
  under.outgoing.destroy()
  under.incoming.destroy()
  await run.clock.advance(100)
  t.equal(ended, 'yes')
  await run.close()
})

t.test('a plugin that never comes back after its client has left is not blamed for it', async (t) => {
  const hangs = definePlugin({
    name: 'hangs',
    setup: () => ({ request: () => new Promise<undefined>(() => {}) })
  })
  const run = await TestPipeline.build({ route: [{ plugin: hangs, hookTimeout: 1_000 }] })
  const under = run.begin()
  await run.clock.advance(100)
  under.outgoing.destroy()
  await run.clock.advance(5_000)
  t.same(
    run.log.lines.filter(({ level }) => level === 'error'),
    []
  )
  await run.close()
})
