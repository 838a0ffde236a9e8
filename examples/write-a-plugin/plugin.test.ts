import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runPlugin } from 'outrigger/testing'
import quota from './plugin.js'

test('lets the limit through and refuses what comes on top', async () => {
  const run = runPlugin(quota, { limit: 2, window: '10s' })
  assert.equal((await run.request()).status, 200)
  assert.equal((await run.request()).status, 200)
  const refused = await run.request()
  assert.equal(refused.status, 429)
  assert.equal(refused.error, 'RATE_LIMITED')
  assert.equal(refused.headers.get('retry-after'), '10')
  assert.equal(refused.attempts.length, 0, 'the service was not asked')
})

test('begins anew with each window', async () => {
  const run = runPlugin(quota, { limit: 1, window: '10s' })
  assert.equal((await run.request()).status, 200)
  await run.clock.advance(9_000)
  assert.equal((await run.request()).headers.get('retry-after'), '1')
  await run.clock.advance(1_000)
  assert.equal((await run.request()).status, 200)
})

test('a limit of nothing is a mistake', () => {
  assert.throws(() => runPlugin(quota, { limit: 0 }), /limit/)
})
