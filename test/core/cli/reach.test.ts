import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { accepts, localTarget, parseTarget, showTarget, untilAccepts } from '../../../core/cli/reach.js'

t.test('what --wait-for takes', async (t) => {
  t.same(parseTarget('127.0.0.1:9001'), { kind: 'tcp', host: '127.0.0.1', port: 9001 })
  t.same(parseTarget(':9001'), { kind: 'tcp', host: 'localhost', port: 9001 })
  t.same(parseTarget('[::1]:9001'), { kind: 'tcp', host: '::1', port: 9001 })
  t.same(parseTarget('unix:/run/a.sock'), { kind: 'unix', path: '/run/a.sock' })
  for (const bad of ['9001', 'a:b', 'a:0', 'a:70000', 'unix:', 'http://a:1', ''])
    t.throws(() => parseTarget(bad), /HOST:PORT/, bad)
  for (const text of ['127.0.0.1:1', '[::1]:2', 'unix:/a']) t.equal(showTarget(parseTarget(text)), text)
})

t.test('which endpoints are on this machine', async (t) => {
  t.same(localTarget('http://127.0.0.1:9001'), { kind: 'tcp', host: '127.0.0.1', port: 9001 })
  t.same(localTarget('https://localhost'), { kind: 'tcp', host: 'localhost', port: 443 })
  t.same(localTarget('http://[::1]'), { kind: 'tcp', host: '::1', port: 80 })
  t.same(localTarget('unix:/run/a.sock'), { kind: 'unix', path: '/run/a.sock' })
  for (const other of [
    'http://10.0.0.1:80',
    'http://orders:80',
    'http://127.0.0.1.evil.example',
    'nonsense'
  ]) {
    t.equal(localTarget(other), undefined, other)
  }
})

t.test('waits until somebody listens', async (t) => {
  const path = join(t.testdir(), 's.sock')
  const target = { kind: 'unix', path } as const
  t.equal(await accepts(target), false)
  const found = untilAccepts(
    [{ kind: 'unix', path: `${path}.other` }, target],
    60_000,
    new AbortController().signal
  )
  const server = createServer((socket) => socket.destroy()).listen(path)
  t.teardown(() => server.close())
  t.same(await found, target)
})

t.test('over TCP', async (t) => {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  t.equal(
    await accepts({ kind: 'tcp', host: '127.0.0.1', port: (server.address() as AddressInfo).port }),
    true
  )
})

t.test('gives up when the time is over, and when it is told to', async (t) => {
  const target = { kind: 'unix', path: join(t.testdir(), 'none.sock') } as const
  t.equal(await untilAccepts([target], 1, new AbortController().signal), undefined)
  const given = new AbortController()
  const waiting = untilAccepts([target], 60_000, given.signal)
  given.abort()
  t.equal(await waiting, undefined)
})
