// Bodies that plugins replace or transform, on both sides.
import { Readable, Transform } from 'node:stream'
import t from 'tap'
import { definePlugin, type PluginHooks, Retry } from '../../../core/index.js'
import { runBounded, TestPipeline } from '../../support/pipeline.js'

type Mode = 'buffer' | 'stream'

function plugin(
  name: string,
  body: { request?: Mode; response?: Mode; maxBytes?: number },
  hooks: PluginHooks
) {
  return definePlugin({ name, body, setup: () => hooks })
}

const upper = () =>
  new Transform({
    transform(chunk, _encoding, callback) {
      callback(null, String(chunk).toUpperCase())
    }
  })

t.test('two plugins read and replace one request body', async (t) => {
  const first = plugin(
    'first',
    { request: 'buffer' },
    {
      async request({ request }) {
        request.body.replace(`${await request.body.text()}-one`)
      }
    }
  )
  const second = plugin(
    'second',
    { request: 'buffer' },
    {
      async request({ request }) {
        request.body.replace(`${await request.body.text()}-two`)
      }
    }
  )
  const run = runBounded(first, {}, { after: [second] })
  await run.request({ body: 'body' })
  t.equal(run.seen[0]?.body.toString(), 'body-one-two')
  t.equal(run.seen[0]?.headers.get('content-length'), '12')
  await run.close()
})

t.test('two plugins read and replace one response body, the first listed last', async (t) => {
  const named = (name: string) =>
    plugin(
      name,
      { response: 'buffer' },
      {
        async response({ body }) {
          body.replace(`${await body.text()}-${name}`)
        }
      }
    )
  const run = runBounded(named('outer'), {}, { after: [named('inner')] })
  const { body, headers } = await run.request()
  t.equal(body, 'ok-inner-outer')
  t.same(headers.getAll('content-length'), ['14'])
  await run.close()
})

t.test('replace() on the request side: a string, bytes, a Readable, nothing', async (t) => {
  const cases: [string, string | Uint8Array | (() => Readable), string, string | undefined][] = [
    ['a string', 'é', 'é', '2'],
    ['bytes', Buffer.from('abc'), 'abc', '3'],
    ['a part of a larger buffer', Buffer.from('abcdef').subarray(2, 4), 'cd', '2'],
    ['empty', '', '', '0'],
    ['a Readable', () => Readable.from([Buffer.from('str'), Buffer.from('eam')]), 'stream', undefined]
  ]
  for (const [what, given, wanted, length] of cases) {
    for (const sent of [{ body: 'a longer body than that' }, { method: 'GET' }]) {
      const run = runBounded(
        plugin(
          'replaces',
          { request: 'stream' },
          {
            request: ({ request }) => request.body.replace(typeof given === 'function' ? given() : given)
          }
        )
      )
      t.equal((await run.request(sent)).status, 200, what)
      t.equal(run.seen[0]?.body.toString(), wanted, what)
      t.equal(run.seen[0]?.headers.get('content-length'), length, what)
      await run.close()
    }
  }
})

t.test('replace() on the response side: a string, bytes, a Readable', async (t) => {
  const cases: [string, string | Uint8Array | (() => Readable), string, string | undefined][] = [
    ['a string', 'é', 'é', '2'],
    ['bytes', Buffer.from('abc'), 'abc', '3'],
    ['empty', '', '', '0'],
    ['a Readable', () => Readable.from([Buffer.from('str'), Buffer.from('eam')]), 'stream', undefined]
  ]
  for (const [what, given, wanted, length] of cases) {
    const run = runBounded(
      plugin(
        'replaces',
        { response: 'buffer' },
        {
          response: ({ body }) => body.replace(typeof given === 'function' ? given() : given)
        }
      )
    )
    const { status, body, headers } = await run.request()
    t.equal(status, 200, what)
    t.equal(body, wanted, what)
    t.equal(headers.get('content-length'), length, what)
    await run.close()
  }
})

t.test('replace() with what is no body fails the plugin', async (t) => {
  const run = runBounded(
    plugin('replaces', { request: 'buffer' }, { request: ({ request }) => request.body.replace(7 as never) })
  )
  t.equal((await run.request()).error, 'PLUGIN_FAILED')
  await run.close()
})

t.test('stream() on the request side, through a transform, far past the replay buffer', async (t) => {
  const run = runBounded(
    plugin(
      'upper',
      { request: 'stream' },
      {
        request: ({ request }) => request.body.replace(request.body.stream().pipe(upper()))
      }
    )
  )
  const pieces = Array.from({ length: 40 }, () => Buffer.alloc(16 * 1024, 'a'))
  t.equal((await run.request({ body: pieces })).status, 200)
  t.equal(run.seen[0]?.body.length, 640 * 1024)
  t.ok(run.seen[0]?.body.every((byte) => byte === 65))
  await run.close()
})

t.test('stream() on the request side, taken and not replaced', async (t) => {
  for (const size of [1, 10]) {
    const run = runBounded(
      plugin(
        'takes',
        { request: 'stream' },
        {
          async request({ request }) {
            for await (const _ of request.body.stream());
          }
        }
      )
    )
    const pieces = Array.from({ length: size }, () => Buffer.alloc(16 * 1024, 'a'))
    const { status, error } = await run.request({ body: pieces })
    const got = run.seen[0]?.body.length
    t.ok(
      (status === 200 && got === size * 16 * 1024) || (error === 'PLUGIN_FAILED' && got === undefined),
      `${size * 16} KiB: ${status} ${error}, the upstream got ${got}`
    )
    await run.close()
  }
})

t.test('stream() on the response side, through a transform', async (t) => {
  for (const length of [5, 300_000]) {
    const run = runBounded(
      plugin(
        'upper',
        { response: 'stream' },
        { response: ({ body }) => body.replace(body.stream().pipe(upper())) }
      ),
      {},
      { upstream: () => ({ body: 'a'.repeat(length) }) }
    )
    const { status, body, headers, result } = await run.request()
    t.equal(status, 200)
    t.equal(body, 'A'.repeat(length), `${length}: it is whole`)
    t.equal(headers.get('content-length'), undefined)
    t.equal(result.bytesOut, length)
    t.equal(result.code, undefined)
    await run.close()
  }
})

t.test('stream() on the response side by two plugins, one over the other', async (t) => {
  const suffix = (name: string) =>
    plugin(
      name,
      { response: 'stream' },
      {
        response({ body }) {
          const end = new Transform({
            transform: (chunk, _encoding, callback) => callback(null, chunk),
            flush: (callback) => callback(null, `-${name}`)
          })
          body.replace(body.stream().pipe(end))
        }
      }
    )
  const run = runBounded(suffix('outer'), {}, { after: [suffix('inner')] })
  t.equal((await run.request()).body, 'ok-inner-outer')
  await run.close()
})

t.test('what one plugin streams, another reads whole', async (t) => {
  const inner = plugin(
    'inner',
    { response: 'stream' },
    {
      response: ({ body }) => body.replace(body.stream().pipe(upper()))
    }
  )
  const outer = plugin(
    'outer',
    { response: 'buffer' },
    {
      async response({ body }) {
        body.replace(`<${await body.text()}>`)
      }
    }
  )
  const run = runBounded(outer, {}, { after: [inner] })
  const { body, headers } = await run.request()
  t.equal(body, '<OK>')
  t.equal(headers.get('content-length'), '4')
  await run.close()
})

t.test('stream() on the response side, taken and not replaced, is the plugin’s failure', async (t) => {
  const run = runBounded(
    plugin('takes', { response: 'stream' }, { response: ({ body }) => void body.stream() })
  )
  const { status, error } = await run.request()
  t.equal(status, 500)
  t.equal(error, 'PLUGIN_FAILED')
  await run.close()
})

t.test('a replaced body is replayed', async (t) => {
  const run = runBounded(
    definePlugin({
      name: 'replaces',
      body: { request: 'buffer' },
      setup: () => ({
        request: ({ request }) => request.body.replace('replaced'),
        outcome: ({ status }) => (status === 503 ? new Retry() : undefined)
      })
    }),
    {},
    { upstream: ({ index }) => ({ status: index === 0 ? 503 : 200 }) }
  )
  t.equal((await run.request({ body: 'original' })).status, 200)
  t.same(
    run.seen.map(({ body }) => body.toString()),
    ['replaced', 'replaced']
  )
  await run.close()
})

t.test('a stream of a plugin’s own that breaks: 500, and the process lives', async (t) => {
  const late = definePlugin({
    name: 'late',
    setup: ({ clock }) => ({ request: () => clock.sleep(50), response: () => clock.sleep(50) })
  })
  const broken = () =>
    new Readable({
      read() {
        this.destroy(new Error('the file is gone'))
      }
    })
  const eager = () => {
    const stream = broken()
    stream.read()
    return stream
  }
  const sides: Record<string, PluginHooks> = {
    request: { request: ({ request }) => request.body.replace(eager()) },
    response: { response: ({ body }) => body.replace(eager()) }
  }
  for (const [side, hooks] of Object.entries(sides)) {
    const run = await TestPipeline.build({
      route:
        side === 'request'
          ? [plugin('breaks', { request: 'stream' }, hooks), late]
          : [late, plugin('breaks', { response: 'stream' }, hooks)]
    })
    const answer = await run.request({ body: 'x' })
    t.ok(answer.status === 500 || answer.result?.code === 'PLUGIN_FAILED', `${side}: ${answer.status}`)
    await run.close()
  }
})
