// A configuration takes another's place whole, or not at all.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, request as httpRequest } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { definePlugin, StartError } from '../../../core/index.js'
import { startProxy } from '../../../plugins/testing.js'
import { closedPort, startUpstream } from '../../support/upstream.js'

type Closing = { teardown(close: () => unknown): unknown }

async function until(holds: () => boolean): Promise<boolean> {
  for (let i = 0; i < 100 && !holds(); i++) await sleep(20)
  return holds()
}

async function start(t: Closing, config: object) {
  const started = await startProxy(config)
  t.teardown(() => started.close())
  return started
}

/** A port that something else holds. */
async function takenPort(t: Closing): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return (server.address() as { port: number }).port
}

const hello = (body: string) => [{ name: 'hello', match: { path: '/*' }, reply: { status: 200, body } }]
const text = async (url: string) => (await fetch(url)).text()

t.test('unchanged endpoints keep what is known of them, over a reload', async (t) => {
  const upstream = await startUpstream(t, (_request, response) => response.end('ok'))
  let marked = 0
  const marks = definePlugin({
    name: 'marks',
    setup({ service }) {
      return {
        settled(attempt) {
          if (marked++ === 0) service?.eject(attempt.endpoint, 60_000, 'a test')
        }
      }
    }
  })
  const config = (name: string) => ({
    listeners: { in: { address: '127.0.0.1:0' } },
    services: {
      one: { endpoints: [upstream.url, 'http://127.0.0.1:9'], plugins: [marks] }
    },
    routes: [{ name, match: { path: '/*' }, service: 'one' }]
  })
  const { proxy, url } = await start(t, config('before'))
  t.equal(await text(url()), 'ok')
  const before = proxy.services()[0]?.endpoints[0]
  t.ok((before?.ejectedFor ?? 0) > 50_000)
  await proxy.reload(config('after'))
  const after = proxy.services()[0]?.endpoints[0]
  t.equal(proxy.routes()[0]?.name, 'after')
  t.ok((after?.ejectedFor ?? 0) > 50_000, 'still ejected')
  t.equal(after?.attempts, 1)
  t.equal(after?.reason, 'a test')
  t.equal(upstream.sockets.size, 1, 'its connection stays')
})

t.test('an endpoint whose connections change is healthy afterwards, in the metrics too', async (t) => {
  const upstream = await startUpstream(t, (_request, response) => response.end('ok'))
  const config = (connectTimeout: number) => ({
    listeners: { in: { address: '127.0.0.1:0' } },
    services: { one: { endpoints: [upstream.url], connectTimeout } },
    routes: [{ name: 'a', match: { path: '/*' }, service: 'one' }]
  })
  const { proxy, url } = await start(t, config(1_000))
  await text(url())
  await proxy.reload(config(2_000))
  t.equal(await text(url()), 'ok')
  await sleep(50)
  const { text: metrics } = await proxy.metrics()
  t.match(metrics, /outrigger_endpoint_healthy\{[^}]*\} 1/)
  t.notMatch(metrics, /outrigger_endpoint_healthy\{[^}]*\} 0/)
})

t.test('an endpoint that is gone is gone from the metrics', async (t) => {
  const config = (endpoints: string[]) => ({
    listeners: { in: { address: '127.0.0.1:0' } },
    services: { one: { endpoints } },
    routes: [{ name: 'a', match: { path: '/*' }, service: 'one' }]
  })
  const { proxy } = await start(t, config(['http://127.0.0.1:1', 'http://127.0.0.1:2']))
  await proxy.reload(config(['http://127.0.0.1:1']))
  await sleep(50)
  t.notMatch((await proxy.metrics()).text, /outrigger_endpoint_healthy\{[^}]*127\.0\.0\.1:2"/)
})

t.test('a bad reload changes nothing: plugin, setup, address', async (t) => {
  const config = (more: object) => ({
    listeners: { in: { address: '127.0.0.1:0' } },
    routes: hello('before'),
    ...more
  })
  const { proxy, url } = await start(t, config({}))
  const address = url()
  const closed: string[] = []
  const fine = definePlugin({
    name: 'fine',
    setup: ({ onClose }) => onClose(() => void closed.push('fine'))
  })
  const throws = definePlugin({
    name: 'throws',
    setup({ onClose }) {
      onClose(() => void closed.push('throws'))
      throw new Error('no licence')
    }
  })
  const port = await takenPort(t)
  const bad: [object, RegExp][] = [
    [config({ plugins: ['no-such-plugin'] }), /no-such-plugin/],
    [config({ plugins: [fine, throws] }), /plugin throws at the top could not be set up: no licence/],
    [
      config({
        plugins: [fine],
        listeners: {
          in: { address: '127.0.0.1:0' },
          free: { address: '127.0.0.1:0' },
          more: { address: `127.0.0.1:${port}` }
        }
      }),
      new RegExp(`listener more: 127\\.0\\.0\\.1:${port} is taken`)
    ]
  ]
  for (const [source, message] of bad) {
    const failure = await proxy.reload(source).then(
      () => undefined,
      (error) => error
    )
    t.match(String(failure?.message ?? failure?.problems), message)
    t.equal(await text(address), 'before')
    t.same([...proxy.addresses.keys()], ['in'])
    t.equal(proxy.state, 'ready')
  }
  t.same(closed, ['throws', 'fine', 'fine'], 'what was set up is closed, last first')
  t.match((await proxy.metrics()).text, /outrigger_config_reload_failures_total 3/)
})

t.test('a bad reload that also changes a listener leaves that listener as it is', async (t) => {
  const port = await closedPort()
  const taken = await takenPort(t)
  const address = `127.0.0.1:${port}`
  const { proxy } = await start(t, { listeners: { in: { address } }, routes: hello('before') })
  const changed = {
    listeners: { in: { address, maxHeaderSize: 32_768 }, more: { address: `127.0.0.1:${taken}` } },
    routes: hello('after')
  }
  await t.rejects(proxy.reload(changed))
  await sleep(100)
  t.equal(await text(`http://${address}`).catch((error) => String(error.cause ?? error)), 'before')
})

t.test('a bad certificate in a reload leaves the listener as it is', async (t) => {
  const port = await closedPort()
  const address = `127.0.0.1:${port}`
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-tls-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'bad.pem')
  writeFileSync(file, 'this is no certificate')
  const { proxy } = await start(t, { listeners: { in: { address } }, routes: hello('before') })
  await t.rejects(
    proxy.reload({ listeners: { in: { address, tls: { cert: file, key: file } } }, routes: hello('after') })
  )
  await sleep(100)
  t.equal(await text(`http://${address}`).catch((error) => String(error.cause ?? error)), 'before')
})

t.test('listeners are added, changed and removed', async (t) => {
  const port = await closedPort()
  const address = `127.0.0.1:${port}`
  const { proxy, url } = await start(t, { listeners: { in: { address } }, routes: hello('one') })
  await proxy.reload({
    listeners: { in: { address, maxHeaderSize: 32_768 }, more: { address: '127.0.0.1:0' } },
    routes: hello('two')
  })
  t.equal(await text(`http://${address}`), 'two', 'changed, on its address')
  t.equal(await text(url('more')), 'two', 'added')
  const more = url('more')
  await proxy.reload({ listeners: { in: { address, maxHeaderSize: 32_768 } }, routes: hello('three') })
  t.equal(await text(`http://${address}`), 'three')
  await t.rejects(fetch(more), 'removed')
  t.notOk(proxy.addresses.has('more'))
})

t.test('the old configuration’s plugins close when its last exchange has ended', async (t) => {
  let answer: (() => void) | undefined
  const upstream = await startUpstream(t, (_request, response) => {
    answer = () => response.end('slow')
  })
  let closed = 0
  const watches = definePlugin({ name: 'watches', setup: ({ onClose }) => onClose(() => void closed++) })
  const base = {
    listeners: { in: { address: '127.0.0.1:0' } },
    services: { one: { endpoints: [upstream.url] } },
    routes: [{ name: 'a', match: { path: '/*' }, service: 'one' }]
  }
  const { proxy, url } = await start(t, { ...base, plugins: [watches] })
  const slow = text(url())
  t.ok(await until(() => answer !== undefined))
  await proxy.reload({ ...base, routes: hello('new') })
  t.equal(await text(url()), 'new')
  t.equal(closed, 0)
  answer?.()
  t.equal(await slow, 'slow')
  t.ok(await until(() => closed === 1))
})

t.test('closing while a reload is being built closes what it built', async (t) => {
  let closed = 0
  let go: () => void = () => {}
  const slow = definePlugin({
    name: 'slow',
    async setup({ onClose }) {
      onClose(() => void closed++)
      await new Promise<void>((resolve) => {
        go = resolve
      })
    }
  })
  const base = { listeners: { in: { address: '127.0.0.1:0' } }, routes: hello('x') }
  const { proxy } = await start(t, base)
  const reloading = proxy.reload({ ...base, plugins: [slow] }).catch(() => {})
  await sleep(50)
  const closing = proxy.close()
  await sleep(20)
  go()
  await Promise.all([reloading, closing])
  t.ok(await until(() => closed === 1), 'its onClose ran')
})

t.test('a taken port: StartError in clear words, and nothing is left bound', async (t) => {
  const free = await closedPort()
  const taken = await takenPort(t)
  const failure = await startProxy({
    listeners: { first: { address: `127.0.0.1:${free}` }, second: { address: `127.0.0.1:${taken}` } },
    routes: hello('x')
  }).then(
    () => undefined,
    (error) => error
  )
  t.type(failure, StartError)
  t.equal(
    failure?.message,
    `listener second: 127.0.0.1:${taken} is taken: stop what listens there or choose another address`
  )
  await t.rejects(fetch(`http://127.0.0.1:${free}`))
})

t.test('a Unix socket: a stale file is replaced, a live one and a plain file are not', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-sock-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'app.sock')
  const leave = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  // A process that binds and is killed leaves its file.
  spawnSync(process.execPath, ['-e', leave])
  t.ok(existsSync(path), 'left behind')
  const config = { listeners: { in: { address: `unix:${path}` } }, routes: hello('over a socket') }
  const first = await start(t, config)
  t.equal(await overSocket(path), 'over a socket')
  const second = await startProxy(config).then(
    () => undefined,
    (error) => error
  )
  t.type(second, StartError)
  t.match(second?.message, /is taken/)
  t.equal(await overSocket(path), 'over a socket', 'the first goes on')
  await first.close()
  t.notOk(existsSync(path), 'removed at the end')

  writeFileSync(path, 'precious')
  const third = await startProxy(config).then(
    (started) => started.close(),
    (error) => error
  )
  t.type(third, StartError, 'a plain file is no socket')
  t.ok(existsSync(path) && readFileSync(path, 'utf8') === 'precious', 'and is not touched')
})

t.test('the admin’s Unix socket: a stale file is replaced', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-sock-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'admin.sock')
  const leave = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', leave])
  await start(t, {
    listeners: { in: { address: '127.0.0.1:0' } },
    admin: { address: `unix:${path}` },
    routes: hello('x')
  })
  t.equal(await overSocket(path, '/livez').then((text) => text.length > 0), true)
})

t.test('a Unix socket’s listener changes over a reload', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-sock-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'app.sock')
  const address = `unix:${path}`
  const { proxy } = await start(t, { listeners: { in: { address } }, routes: hello('one') })
  await proxy.reload({ listeners: { in: { address, maxHeaderSize: 32_768 } }, routes: hello('two') })
  await sleep(100)
  t.equal(await overSocket(path).catch(String), 'two')
})

t.test('endpoints on a Unix socket', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-sock-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'up.sock')
  const server = createHttpServer((request, response) => response.end(`${request.method} ${request.url}`))
  await new Promise<void>((resolve) => server.listen(path, resolve))
  t.teardown(() => server.close())
  const { url } = await start(t, {
    listeners: { in: { address: '127.0.0.1:0' } },
    services: { one: { endpoints: [`unix:${path}`] } },
    routes: [{ name: 'a', match: { path: '/*' }, service: 'one' }]
  })
  t.equal(await text(`${url()}/a?b=1`), 'GET /a?b=1')
})

function overSocket(socketPath: string, path = '/'): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath, path, agent: false }, (response) => {
      let body = ''
      response.on('data', (chunk) => {
        body += chunk
      })
      response.on('end', () => resolve(body))
    })
    request.on('error', reject)
    request.end()
  })
}
