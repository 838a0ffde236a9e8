// What a plugin puts into a Reply or a ProxyError may be anything: it fails that exchange and nothing else.
import t from 'tap'
import { definePlugin, ProxyError, Reply } from '../../../core/index.js'
import { runBounded } from '../../support/pipeline.js'

const circular: Record<string, unknown> = {}
circular.self = circular

const bad: Record<string, () => Reply> = {
  'a circular body': () => new Reply(200, circular),
  'a BigInt in the body': () => new Reply(200, { n: 10n }),
  'CR and LF in a header': () => new Reply(302, undefined, { location: '/a\r\nset-cookie: x=1' }),
  'a header past latin1': () => new Reply(302, undefined, { location: '/✓' }),
  'a header name with a space': () => new Reply(200, 'x', { 'x a': '1' })
}

for (const [what, reply] of Object.entries(bad)) {
  for (const how of ['sync', 'async'] as const) {
    t.test(`${what}, ${how}: 500 PLUGIN_FAILED`, async (t) => {
      const plugin = definePlugin({
        name: 'bad',
        setup: () => ({ request: how === 'sync' ? () => reply() : async () => reply() })
      })
      const run = runBounded(plugin)
      const { status, error, result } = await run.request()
      t.equal(status, 500)
      t.equal(error, 'PLUGIN_FAILED')
      t.equal(result.status, 500)
      await run.close()
    })
  }
}

t.test('a ProxyError with a status that is none: 500 PLUGIN_FAILED', async (t) => {
  const plugin = definePlugin({
    name: 'bad',
    setup: () => ({
      async request() {
        throw new ProxyError('RATE_LIMITED', 'no', { status: 99 })
      }
    })
  })
  const run = runBounded(plugin)
  t.equal((await run.request()).status, 500)
  await run.close()
})

t.test('a ProxyError with a header that HTTP does not allow: still an answer', async (t) => {
  const plugin = definePlugin({
    name: 'bad',
    setup: () => ({
      async request() {
        throw new ProxyError('RATE_LIMITED', 'no', { headers: { 'retry-after': '1\r\nx: y' } })
      }
    })
  })
  const run = runBounded(plugin)
  t.ok((await run.request()).status >= 429)
  await run.close()
})

t.test('a hook that returns a BigInt: 500 PLUGIN_FAILED', async (t) => {
  for (const request of [() => 10n, async () => 10n]) {
    const plugin = definePlugin({ name: 'bad', setup: () => ({ request: request as never }) })
    const run = runBounded(plugin)
    t.equal((await run.request()).error, 'PLUGIN_FAILED')
    await run.close()
  }
})
