// Bodies as plugins handle them: declared, bounded and read, on both sides.
import t from 'tap'
import { definePlugin, type PluginHooks } from '../../../core/index.js'
import { runBounded, TestPipeline } from '../../support/pipeline.js'

type Mode = 'buffer' | 'stream'

function plugin(
  name: string,
  body: { request?: Mode; response?: Mode; maxBytes?: number },
  hooks: PluginHooks
) {
  return definePlugin({ name, body, setup: () => hooks })
}

t.test('an undeclared access fails that plugin, and the log says what to declare', async (t) => {
  const cases: Record<string, PluginHooks> = {
    'request bytes': { request: async ({ request }) => void (await request.body.bytes()) },
    'request text': { request: async ({ request }) => void (await request.body.text()) },
    'request stream': { request: ({ request }) => void request.body.stream() },
    'request replace': { request: ({ request }) => request.body.replace('x') },
    'response json': { response: async ({ body }) => void (await body.json()) },
    'response stream': { response: ({ body }) => void body.stream() },
    'response replace': { response: ({ body }) => body.replace('x') }
  }
  for (const [what, hooks] of Object.entries(cases)) {
    const run = runBounded(definePlugin({ name: 'nosy', setup: () => hooks }))
    const { status, error, log, body } = await run.request({ body: 'secret' })
    t.equal(status, 500, what)
    t.equal(error, 'PLUGIN_FAILED', what)
    const failure = log.find(({ level }) => level === 'error')
    t.match(String(failure?.fields.error), /nosy touches the (request|response) body: it must declare/, what)
    t.notMatch(body, /declare|nosy/, `${what}: nothing of it reaches the client`)
    await run.close()
  }
})

t.test('the wrong kind of declaration is none', async (t) => {
  const run = runBounded(
    plugin(
      'wrong',
      { request: 'stream' },
      { request: async ({ request }) => void (await request.body.bytes()) }
    )
  )
  const { error, log } = await run.request({ body: 'x' })
  t.equal(error, 'PLUGIN_FAILED')
  t.match(String(log.at(-1)?.fields.error), /request: 'buffer'/)
  await run.close()
})

t.test('bytes, text and json on the request side; the upstream gets the same bytes', async (t) => {
  const seen: unknown[] = []
  const run = runBounded(
    plugin(
      'reader',
      { request: 'buffer' },
      {
        async request({ request }) {
          seen.push((await request.body.bytes()).length, await request.body.text(), await request.body.json())
          seen.push(request.body.length)
        }
      }
    )
  )
  const { status } = await run.request({ body: { a: 1 } })
  t.equal(status, 200)
  t.same(seen, [7, '{"a":1}', { a: 1 }, 7])
  t.equal(run.seen[0]?.body.toString(), '{"a":1}')
  await run.close()
})

t.test('bytes() called side by side by one plugin', async (t) => {
  const got: unknown[] = []
  const pieces = [Buffer.from('ab'), Buffer.from('cd')]
  const request = runBounded(
    plugin(
      'twice',
      { request: 'buffer' },
      {
        async request({ request }) {
          got.push(...(await Promise.all([request.body.text(), request.body.text()])))
        }
      }
    )
  )
  t.equal((await request.request({ body: pieces })).status, 200)
  t.same(got, ['abcd', 'abcd'])
  await request.close()
  got.length = 0
  const response = runBounded(
    plugin(
      'twice',
      { response: 'buffer' },
      {
        async response({ body }) {
          got.push(...(await Promise.all([body.text(), body.text()])))
        }
      }
    )
  )
  t.equal((await response.request()).body, 'ok')
  t.same(got, ['ok', 'ok'])
  await response.close()
})

t.test('a plugin reads the response while others hear of the attempt', async (t) => {
  const settled = definePlugin({ name: 'listens', setup: () => ({ settled: () => {} }) })
  const rewriter = plugin(
    'rewriter',
    { response: 'buffer' },
    {
      async response({ body }) {
        body.replace((await body.text()).toUpperCase())
      }
    }
  )
  for (const order of [{ before: [settled] }, { after: [settled] }]) {
    const run = runBounded(rewriter, {}, order)
    const { status, body } = await run.request()
    t.equal(status, 200)
    t.equal(body, 'OK')
    await run.close()
  }
})

t.test('past the budget: 413 for a request that says its length, and for one that does not', async (t) => {
  const run = runBounded(
    plugin(
      'small',
      { request: 'buffer', maxBytes: 8 },
      {
        request: async ({ request }) => void (await request.body.bytes())
      }
    )
  )
  for (const body of ['123456789', [Buffer.from('12345'), Buffer.from('6789')]]) {
    const { status, error } = await run.request({ body })
    t.equal(status, 413)
    t.equal(error, 'BODY_TOO_LARGE')
  }
  t.equal((await run.request({ body: '12345678' })).status, 200, 'the budget itself fits')
  t.equal(run.seen.length, 1, 'nothing of the others went out')
  await run.close()
})

t.test('past the budget: 502 for a response', async (t) => {
  const run = runBounded(
    plugin(
      'small',
      { response: 'buffer', maxBytes: 8 },
      { response: async ({ body }) => void (await body.bytes()) }
    ),
    {},
    { upstream: ({ path }) => ({ body: path === '/fits' ? '12345678' : '123456789' }) }
  )
  const { status, error } = await run.request()
  t.equal(status, 502)
  t.equal(error, 'BAD_UPSTREAM_RESPONSE')
  t.equal((await run.request({ url: '/fits' })).body, '12345678')
  await run.close()
})

t.test(
  'a plugin that goes on after a body past its budget: the upstream never gets a part of it',
  async (t) => {
    const run = runBounded(
      plugin(
        'shrugs',
        { request: 'buffer', maxBytes: 8 },
        {
          async request({ request }) {
            await request.body.bytes().catch(() => {})
          }
        }
      )
    )
    const pieces = ['12345', '67890', 'abcde'].map((piece) => Buffer.from(piece))
    const { status } = await run.request({ body: pieces })
    const upstream = run.seen[0]?.body.toString()
    t.ok(upstream === undefined || upstream === '1234567890abcde', `the upstream got ${upstream}`)
    t.equal(status, upstream === undefined ? 413 : 200)
    await run.close()
  }
)

t.test('HEAD and 304: a length of what is not sent is not held against the budget', async (t) => {
  const run = await TestPipeline.build({
    route: [
      plugin(
        'reads',
        { response: 'buffer', maxBytes: 100 },
        { response: async ({ body }) => void (await body.bytes()) }
      )
    ],
    upstream: ({ method }) => ({
      status: method === 'HEAD' ? 200 : 304,
      headers: { 'content-length': '5000000' }
    })
  })
  for (const method of ['HEAD', 'GET']) {
    const { status, headers } = await run.request({ method })
    t.equal(status, method === 'HEAD' ? 200 : 304)
    t.equal(headers.get('content-length'), '5000000', 'and stands')
  }
  await run.close()
})

t.test('a response past its budget whose plugin goes on still ends', async (t) => {
  const run = await TestPipeline.build({
    route: [
      plugin(
        'shrugs',
        { response: 'buffer', maxBytes: 8 },
        {
          async response({ body }) {
            await body.bytes().catch(() => {})
          }
        }
      )
    ],
    // Its length is not told, so the budget is found passed on the way.
    upstream: () => ({ headers: { 'content-length': '0' }, body: '123456789' })
  })
  const { status } = await run.request()
  t.not(status, 0, 'the client has an answer')
  await run.close()
})

t.test('a status that cannot be sent is the plugin’s failure and not the upstream’s', async (t) => {
  const cases: Record<string, PluginHooks> = {
    'status 99': { response: (response) => void (response.status = 99) },
    'status NaN': { response: (response) => void (response.status = Number.NaN) }
  }
  for (const [what, hooks] of Object.entries(cases)) {
    const run = runBounded(definePlugin({ name: 'bends', setup: () => hooks }))
    const { status, error } = await run.request({ body: 'longer' })
    t.equal(`${status} ${error}`, '500 PLUGIN_FAILED', what)
    await run.close()
  }
})
