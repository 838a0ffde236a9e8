// Plugins that throw, hang, or answer with what they may not.
import { Readable } from 'node:stream'
import t from 'tap'
import { definePlugin, type HookName, type PluginHooks, ProxyError, Reply } from '../../../core/index.js'
import { TestPipeline } from '../../support/pipeline.js'

const SECRET = 'the-password-is-swordfish'

function failing(hook: HookName, how: () => unknown) {
  return definePlugin({ name: 'culprit', setup: () => ({ [hook]: how }) as PluginHooks })
}

const WAITED: HookName[] = ['request', 'attempt', 'outcome', 'response']
const SYNC: HookName[] = ['candidates', 'pick']
const HEARD: HookName[] = ['settled', 'finish']

const throws: Record<string, () => unknown> = {
  throws() {
    throw new Error(SECRET)
  },
  async rejects() {
    throw new Error(SECRET)
  },
  'throws a string'() {
    throw SECRET
  },
  'throws undefined'() {
    throw undefined
  }
}

for (const hook of [...WAITED, ...SYNC]) {
  for (const [what, how] of Object.entries(throws)) {
    t.test(`${hook} ${what}: 500, named in the log, nothing of it told`, async (t) => {
      const run = await TestPipeline.build({ route: [failing(hook, how)] })
      const { status, error, body, headers, result } = await run.request()
      t.equal(status, 500)
      t.equal(error, 'PLUGIN_FAILED')
      const told = `${body}${[...headers].flat().join()}`
      t.notMatch(told, /swordfish|culprit|\.ts|at /)
      t.equal(result?.code, 'PLUGIN_FAILED')
      t.equal(result?.error?.plugin, 'culprit')
      t.equal(result?.error?.hook, hook)
      const line = run.log.lines.find(({ level }) => level === 'error')
      t.equal(line?.message, `plugin culprit failed in ${hook}`)
      t.match(line?.fields, { plugin: 'culprit', hook, exchange: /-/ })
      await run.close()
    })
    t.test(`${hook} ${what}, onFailure: skip: as if it were not there`, async (t) => {
      const run = await TestPipeline.build({ route: [{ plugin: failing(hook, how), onFailure: 'skip' }] })
      const { status, body } = await run.request()
      t.equal(status, 200)
      t.equal(body, 'ok')
      t.ok(run.log.lines.some(({ message }) => message === `plugin culprit failed in ${hook}`))
      await run.close()
    })
  }
}

for (const hook of HEARD) {
  for (const [what, how] of Object.entries(throws)) {
    t.test(`${hook} ${what}: logged, and the client has its answer`, async (t) => {
      let others = 0
      const other = definePlugin({
        name: 'other',
        setup: () => ({ [hook]: () => void others++ }) as PluginHooks
      })
      const run = await TestPipeline.build({ route: [other, failing(hook, how), other] })
      const { status, body } = await run.request()
      t.equal(status, 200)
      t.equal(body, 'ok')
      t.equal(others, 2, 'the others run')
      t.ok(run.log.lines.some(({ message }) => message === `plugin culprit failed in ${hook}`))
      await run.close()
    })
  }
}

t.test('error throws: 500, once', async (t) => {
  const run = await TestPipeline.build({
    route: [
      failing('error', () => {
        throw new Error(SECRET)
      })
    ],
    upstream: () => ({ error: 'CONNECT_FAILED' })
  })
  const { status, error } = await run.request()
  t.equal(status, 500)
  t.equal(error, 'PLUGIN_FAILED')
  await run.close()
})

t.test('error throws, onFailure: skip: the first error stands', async (t) => {
  const plugin = failing('error', () => {
    throw new Error(SECRET)
  })
  const run = await TestPipeline.build({
    route: [{ plugin, onFailure: 'skip' }],
    upstream: () => ({ error: 'CONNECT_FAILED' })
  })
  t.equal((await run.request()).error, 'CONNECT_FAILED')
  await run.close()
})

t.test('an async function in a sync hook is a named failure', async (t) => {
  for (const hook of [...SYNC, ...HEARD]) {
    const run = await TestPipeline.build({ route: [failing(hook, async () => undefined)] })
    const { status } = await run.request()
    t.equal(status, HEARD.includes(hook) ? 200 : 500, hook)
    const line = run.log.lines.find(({ level }) => level === 'error')
    t.match(String(line?.fields.error), new RegExp(`${hook} is a sync hook`))
    await run.close()
  }
})

t.test('an answer of the wrong kind is a named failure', async (t) => {
  const cases: [HookName, unknown, RegExp][] = [
    ['request', { status: 200 }, /request returns a Reply or nothing, not Object/],
    ['request', 'text', /request returns a Reply or nothing, not string "text"/],
    ['request', false, /request returns a Reply or nothing, not boolean false/],
    ['request', Object.create(null), /request returns a Reply or nothing, not an object/],
    ['attempt', 1, /attempt returns a Reply or nothing/],
    ['outcome', new Reply(200), /outcome returns a Retry or nothing, not Reply/],
    ['response', [], /response returns a Reply or nothing, not Array/],
    ['candidates', {}, /candidates returns a list of endpoints or nothing, not Object/],
    ['candidates', [{}], /candidates returns/],
    ['candidates', ['http://a'], /candidates returns/],
    ['pick', 'http://a', /pick returns one of the endpoints it was given/],
    ['pick', { inFlight: 0 }, /pick returns one of the endpoints it was given/]
  ]
  for (const [hook, value, message] of cases) {
    for (const how of [() => value, async () => value]) {
      if (how !== undefined && ['candidates', 'pick'].includes(hook) && how() instanceof Promise) continue
      const run = await TestPipeline.build({ route: [failing(hook, how)] })
      const { status, error } = await run.request()
      t.equal(status, 500, `${hook} ${message}`)
      t.equal(error, 'PLUGIN_FAILED', `${hook} ${message}`)
      t.match(String(run.log.lines.find(({ level }) => level === 'error')?.fields.error), message)
      await run.close()
    }
  }
})

t.test('an endpoint that was not among those given is refused', async (t) => {
  let kept: unknown
  const keeps = definePlugin({
    name: 'keeps',
    setup: () => ({
      candidates(endpoints, { request }) {
        if (request.path === '/keep') kept = endpoints[0]
        return endpoints.slice(1)
      },
      pick: (_endpoints, { request }) => (request.path === '/use' ? (kept as never) : undefined)
    })
  })
  const run = await TestPipeline.build({ route: [keeps] })
  t.equal((await run.request({ url: '/keep' })).status, 200)
  t.equal((await run.request({ url: '/use' })).error, 'PLUGIN_FAILED')
  await run.close()
})

for (const hook of [...WAITED, 'error'] as HookName[]) {
  t.test(`${hook} never resolves: PLUGIN_TIMEOUT after its hookTimeout`, async (t) => {
    const setup = hook === 'error' ? { upstream: () => ({ error: 'CONNECT_FAILED' as const }) } : {}
    const plugin = failing(hook, () => new Promise(() => {}))
    const run = await TestPipeline.build({ ...setup, route: [{ plugin, hookTimeout: 300 }] })
    const { status, error, result } = await run.request()
    t.equal(status, 500)
    t.equal(error, 'PLUGIN_TIMEOUT')
    t.ok((result?.duration ?? 0) >= 300 && (result?.duration ?? 0) < 460, `${result?.duration} ms`)
    t.match(run.log.lines.find(({ level }) => level === 'error')?.fields, { plugin: 'culprit', hook })
    await run.close()
    const skips = await TestPipeline.build({
      ...setup,
      route: [{ plugin, hookTimeout: 300, onFailure: 'skip' }]
    })
    const answer = await skips.request()
    t.equal(answer.status, hook === 'error' ? 502 : 200, 'skipped')
    await skips.close()
  })
}

t.test('an answer after the timeout is ignored', async (t) => {
  const late = definePlugin({
    name: 'late',
    setup: ({ clock }) => ({
      async request() {
        await clock.sleep(1_000)
        return new Reply(200, 'late')
      }
    })
  })
  const run = await TestPipeline.build({ route: [{ plugin: late, hookTimeout: 100, onFailure: 'skip' }] })
  const { body } = await run.request()
  t.equal(body, 'ok')
  await run.clock.advance(5_000)
  t.equal(run.generation.inFlight, 0)
  await run.close()
})

t.test(
  'waiting for the client’s body is not the plugin’s time; its own time before and after is',
  async (t) => {
    const build = (own: number) =>
      TestPipeline.build({
        timeout: 60_000,
        route: [
          {
            hookTimeout: 500,
            plugin: definePlugin({
              name: 'reads',
              body: { request: 'buffer' },
              setup: ({ clock }) => ({
                async request({ request }) {
                  await clock.sleep(200)
                  const text = await request.body.text()
                  await clock.sleep(own)
                  return new Reply(200, text)
                }
              })
            })
          }
        ]
      })
    for (const [own, status] of [
      [200, 200],
      [400, 500]
    ] as const) {
      const run = await build(own)
      const source = new Readable({ read() {} })
      const under = run.begin({ method: 'POST', headers: { 'transfer-encoding': 'chunked' } }, source)
      await run.clock.advance(10_000)
      source.push('slow')
      await run.clock.advance(10_000)
      source.push(null)
      for (let i = 0; i < 50 && !under.ended; i++) await run.clock.advance(20)
      t.equal(under.answer().status, status)
      await run.close()
    }
  }
)

t.test('a code that a plugin chose is an answer: onFailure: skip does not skip it', async (t) => {
  const plugin = failing('request', () => {
    throw new ProxyError('FORBIDDEN', 'not you')
  })
  const run = await TestPipeline.build({ route: [{ plugin, onFailure: 'skip' }] })
  t.equal((await run.request()).error, 'FORBIDDEN')
  await run.close()
})

t.test('a thenable whose `then` throws, or answers twice, is no more than a failure', async (t) => {
  const thenables: [PromiseLike<unknown>, number][] = [
    [
      {
        // biome-ignore lint/suspicious/noThenProperty: the point
        then() {
          throw new Error('no')
        }
      } as never,
      500
    ],
    [
      {
        // biome-ignore lint/suspicious/noThenProperty: the point
        then(resolve: (value: unknown) => void, reject: (cause: unknown) => void) {
          resolve(new Reply(201))
          resolve(new Reply(202))
          reject(new Error('no'))
        }
      } as never,
      201
    ]
  ]
  for (const [thenable, status] of thenables) {
    const run = await TestPipeline.build({ route: [failing('request', () => thenable)] })
    t.equal((await run.request()).status, status)
    await run.close()
  }
})

t.test('failures are counted by plugin and hook', async (t) => {
  const run = await TestPipeline.build({
    route: [
      failing('request', () => {
        throw new Error('no')
      })
    ]
  })
  await run.request()
  await run.request()
  const { text } = await run.metrics.text()
  t.match(text, /outrigger_plugin_errors_total\{plugin="culprit",hook="request"\} 2/)
  await run.close()
})

t.test('when: path, methods and headers, all of them', async (t) => {
  const plugin = definePlugin({ name: 'blocks', setup: () => ({ request: () => new Reply(418) }) })
  const when = { path: '/admin/*', methods: ['POST'], headers: { 'x-a': '1', 'x-b': '*' } }
  const run = await TestPipeline.build({ route: [{ plugin, when }] })
  const cases: [object, number][] = [
    [{ url: '/admin/x', method: 'POST', headers: { 'x-a': '1', 'X-B': 'any' } }, 418],
    [{ url: '/admin/x', method: 'GET', headers: { 'x-a': '1', 'x-b': 'any' } }, 200],
    [{ url: '/admin', method: 'POST', headers: { 'x-a': '1', 'x-b': 'any' } }, 200],
    [{ url: '/admin/x', method: 'POST', headers: { 'x-a': '2', 'x-b': 'any' } }, 200],
    [{ url: '/admin/x', method: 'POST', headers: { 'x-a': '1' } }, 200],
    [{ url: '/%61dmin//y', method: 'POST', headers: { 'x-a': '1', 'x-b': '' } }, 418]
  ]
  for (const [sent, status] of cases) t.equal((await run.request(sent)).status, status, JSON.stringify(sent))
  await run.close()
})
