import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { finish, ready, start } from './binary.js'

// Each of these starts processes, on machines that may be busy.
t.setTimeout(300_000)

const LISTENERS = `
listeners:
  inbound: { address: 127.0.0.1:0 }
admin: { address: 127.0.0.1:0 }
`
const saying = (body: string) => `${LISTENERS}
routes:
  - name: all
    match: { path: /* }
    reply: { status: 200, body: ${body} }
`
const forwarding = (endpoint: string, plugins = '') => `${LISTENERS}
${plugins}
services:
  app: { endpoints: [ "${endpoint}" ] }
routes:
  - { name: all, match: { path: /* }, service: app }
`

function folder(t: Test, yaml: string, more: Record<string, string> = {}): { cwd: string; file: string } {
  const cwd = t.testdir({ 'sidecar.yaml': yaml, ...more })
  return { cwd, file: join(cwd, 'sidecar.yaml') }
}

const body = async (url: string, init?: RequestInit) => (await fetch(url, init)).text()

/** Asks until the answer is what is waited for; tap's time limit bounds it. */
async function untilSays(url: string, wanted: string): Promise<void> {
  while ((await body(url).catch(() => '')) !== wanted) await new Promise((resolve) => setTimeout(resolve, 20))
}

t.test('one ready line per listener, and SIGTERM ends it with 0', async (t) => {
  const proxy = start(t, ['run'], folder(t, saying('one')))
  const inbound = await ready(proxy)
  const admin = await ready(proxy, 'admin')
  t.equal(await body(inbound), 'one')
  t.equal((await fetch(`${admin}/readyz`)).status, 200)
  proxy.child.kill('SIGTERM')
  t.equal(await proxy.ended, 0)
  t.same(proxy.out.trim().split('\n').sort(), [`ready admin ${admin}`, `ready inbound ${inbound}`])
})

t.test('SIGTERM lets a request under way end, and refuses new ones', async (t) => {
  const upstream = createServer((socket) => {
    socket.once('data', () => {
      upstream.emit('asked')
      upstream.once('answer', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate'))
    })
  })
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  t.teardown(() => upstream.close())
  const { port } = upstream.address() as AddressInfo
  const proxy = start(t, ['run'], folder(t, forwarding(`http://127.0.0.1:${port}`)))
  const inbound = await ready(proxy)
  const asked = once(upstream, 'asked')
  const answer = fetch(inbound)
  await asked
  proxy.child.kill('SIGTERM')
  await proxy.untilErr(/draining/)
  // The line comes before the listener is closed; a connection that it still takes is answered or cut, and then none is.
  while (
    await fetch(inbound, { signal: AbortSignal.timeout(100) }).then(
      () => true,
      (error) => error.cause?.code !== 'ECONNREFUSED'
    )
  ) {}
  upstream.emit('answer')
  const { status } = await answer
  t.equal(status, 200)
  t.equal(await proxy.ended, 0)
})

t.test('a second signal ends it at once', async (t) => {
  const upstream = createServer((socket) => socket.once('data', () => upstream.emit('asked'))).listen(
    0,
    '127.0.0.1'
  )
  await once(upstream, 'listening')
  t.teardown(() => upstream.close())
  const { port } = upstream.address() as AddressInfo
  const proxy = start(t, ['run'], folder(t, forwarding(`http://127.0.0.1:${port}`)))
  const inbound = await ready(proxy)
  const asked = once(upstream, 'asked')
  const cut = fetch(inbound).then(
    () => 'answered',
    () => 'cut'
  )
  await asked
  proxy.child.kill('SIGTERM')
  await proxy.untilErr(/draining/)
  proxy.child.kill('SIGINT')
  t.equal(await proxy.ended, 130)
  t.equal(await cut, 'cut')
})

t.test('POST /drain ends it with 0', async (t) => {
  const proxy = start(t, ['run'], folder(t, saying('one')))
  const admin = await ready(proxy, 'admin')
  t.equal((await fetch(`${admin}/drain`, { method: 'POST' })).status, 202)
  t.equal(await proxy.ended, 0)
})

t.test('SIGHUP: a new file is taken up, a broken one is told and changes nothing', async (t) => {
  const { cwd, file } = folder(t, saying('one'))
  const proxy = start(t, ['run', 'sidecar.yaml'], { cwd })
  const inbound = await ready(proxy)
  const admin = await ready(proxy, 'admin')
  writeFileSync(file, saying('two'))
  proxy.child.kill('SIGHUP')
  await proxy.untilErr(/"reloaded"/)
  t.equal(await body(inbound), 'two')
  writeFileSync(file, `${saying('three')}\nservces: {}\n`)
  proxy.child.kill('SIGHUP')
  await proxy.untilErr(/not reloaded/)
  await proxy.untilErr(/servces/)
  t.equal(await body(inbound), 'two')
  t.match(await body(`${admin}/metrics`), /^outrigger_config_reload_failures_total 1$/m)
  proxy.child.kill('SIGTERM')
  t.equal(await proxy.ended, 0)
})

t.test('--watch: the file and its plugin files', async (t) => {
  const plugin = (text: string) => `import { definePlugin, Reply } from 'outrigger'
export default definePlugin({ name: 'mine', setup: () => ({ request: (): Reply => new Reply(200, '${text}') }) })
`
  const { cwd, file } = folder(t, saying('one'), { 'mine.ts': plugin('from the plugin') })
  const proxy = start(t, ['run', '--watch'], { cwd })
  const inbound = await ready(proxy)
  writeFileSync(file, saying('two'))
  await untilSays(inbound, 'two')
  writeFileSync(file, `${saying('two')}\nplugins: [ ./mine.ts ]\n`)
  await untilSays(inbound, 'from the plugin')
  writeFileSync(join(cwd, 'mine.ts'), 'export default 1')
  await proxy.untilErr(/not reloaded/)
  t.equal(await body(inbound), 'from the plugin')
  writeFileSync(join(cwd, 'mine.ts'), plugin('mended'))
  await untilSays(inbound, 'mended')
})

t.test('what is wrong is one message and an exit code', async (t) => {
  const missing = await finish(t, ['run', 'nowhere.yaml'])
  t.equal(missing.code, 1)
  t.match(missing.err, /nowhere\.yaml/)
  t.notMatch(missing.err, /\n\s+at /, 'no stack')
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as AddressInfo
  const yaml = saying('one').replace('127.0.0.1:0', `127.0.0.1:${port}`)
  const { cwd } = folder(t, yaml)
  const refused = await finish(t, ['run'], { cwd })
  t.equal(refused.code, 2)
  t.match(refused.err, new RegExp(`127\\.0\\.0\\.1:${port}`))
  t.notMatch(refused.err, /\n\s+at /, 'no stack')
  t.equal(refused.out, '', 'nothing was ready')
  t.match((await finish(t, ['run', '--verbose'], { cwd })).err, /\n\s+at /, 'a stack when asked for')
})

t.test('an error that nobody catches in a plugin is told with its file, and the proxy goes on', async (t) => {
  const plugin = `import { definePlugin } from 'outrigger'
export default definePlugin({
  name: 'careless',
  setup: () => ({
    request({ request }) {
      if (request.path === '/throw') setTimeout(() => { throw new Error('thrown away') }, 1)
      if (request.path === '/reject') void Promise.reject(new Error('let go of'))
    }
  })
})
`
  const proxy = start(
    t,
    ['run'],
    folder(t, `${saying('fine')}\nplugins: [ ./careless.ts ]\n`, { 'careless.ts': plugin })
  )
  const inbound = await ready(proxy)
  t.equal(await body(`${inbound}/throw`), 'fine')
  t.match(await proxy.untilErr(/.*thrown away.*/), [/careless\.ts/])
  t.equal(await body(`${inbound}/reject`), 'fine')
  t.match(await proxy.untilErr(/.*let go of.*/), [/careless\.ts/])
  t.equal(await body(inbound), 'fine')
  proxy.child.kill('SIGTERM')
  t.equal(await proxy.ended, 0)
})

t.test('the same before the proxy runs ends the start', async (t) => {
  const plugin = `import { definePlugin } from 'outrigger'
export default definePlugin({
  name: 'careless',
  async setup() {
    setTimeout(() => { throw new Error('thrown early') }, 1)
    await new Promise((resolve) => setTimeout(resolve, 60_000))
  }
})
`
  const failed = await finish(
    t,
    ['run'],
    folder(t, `${saying('fine')}\nplugins: [ ./careless.ts ]\n`, { 'careless.ts': plugin })
  )
  t.equal(failed.code, 2)
  t.match(failed.err, /failed while starting: thrown early/)
  t.equal(failed.out, '')
})

const APP = `import { createServer } from 'node:http'
import { appendFileSync, rmSync } from 'node:fs'
const note = (text) => appendFileSync('events', text + '\\n')
rmSync('app.sock', { force: true })
createServer((request, response) => {
  if (request.url === '/die') process.exit(3)
  response.end(process.env.GREETING + ' ' + process.pid)
}).listen('app.sock', () => note('up ' + process.pid))
process.on('SIGTERM', () => { note('SIGTERM'); process.exit(0) })
`

/** Where a socket can be: its path may have about a hundred characters, and those of `t.testdir` are longer. */
function shortFolder(t: Test): string {
  const cwd = mkdtempSync(join(tmpdir(), 'outrigger-'))
  t.teardown(() => rmSync(cwd, { recursive: true, force: true }))
  return cwd
}

t.test('run -- COMMAND: waited for, started again, stopped last', async (t) => {
  const cwd = shortFolder(t)
  writeFileSync(join(cwd, 'app.mjs'), APP)
  writeFileSync(join(cwd, 'sidecar.yaml'), forwarding(`unix:${join(cwd, 'app.sock')}`))
  const args = ['run', 'sidecar.yaml', '--', process.execPath, 'app.mjs']
  const proxy = start(t, args, { cwd, env: { GREETING: 'hello from' } })
  const inbound = await ready(proxy)
  const events = () => readFileSync(join(cwd, 'events'), 'utf8')
  t.match(events(), /^up/, 'the ready line comes when the service is up')
  const first = await body(inbound)
  t.match(first, /^hello from \d+$/)
  await fetch(`${inbound}/die`).catch(() => {})
  await proxy.untilErr(/ended with code 3: starting it again/)
  let second = ''
  while (!/^hello from \d+$/.test(second)) second = await body(inbound)
  t.not(second, first)
  proxy.child.kill('SIGTERM')
  t.equal(await proxy.ended, 0)
  t.match(events(), /SIGTERM\n$/)
  t.throws(() => process.kill(Number(second.split(' ').at(-1)), 0), 'the service is gone')
})

t.test('run -- COMMAND that cannot be run, and one that never serves', async (t) => {
  const cwd = shortFolder(t)
  writeFileSync(join(cwd, 'sidecar.yaml'), forwarding(`unix:${join(cwd, 'app.sock')}`))
  const missing = await finish(t, ['run', 'sidecar.yaml', '--', 'no-such-command-anywhere'], { cwd })
  t.equal(missing.code, 2)
  t.match(missing.err, /there is no command no-such-command-anywhere/)
  const idle = [process.execPath, '-e', 'setInterval(() => {}, 1000)']
  const awaited = `unix:${join(cwd, 'app.sock')}`
  const late = await finish(t, ['run', '--wait-for', awaited, '--wait-timeout', '0.2', '--', ...idle], {
    cwd
  })
  t.equal(late.code, 2)
  t.match(late.err, /accepts no connections/)
  t.equal(late.out, '')
  const guessed = start(t, ['run', '--wait-timeout', '0.2', '--', ...idle], { cwd })
  await ready(guessed)
  await guessed.untilErr(/going on without/)
  guessed.child.kill('SIGTERM')
  t.equal(await guessed.ended, 0)
})

t.test('a second signal ends the service too', async (t) => {
  const cwd = shortFolder(t)
  writeFileSync(join(cwd, 'app.mjs'), APP.replace('process.exit(0) })', '})'))
  writeFileSync(join(cwd, 'sidecar.yaml'), forwarding(`unix:${join(cwd, 'app.sock')}`))
  const proxy = start(t, ['run', '--', process.execPath, 'app.mjs'], { cwd, env: { GREETING: 'hello' } })
  const inbound = await ready(proxy)
  const pid = Number((await body(inbound)).split(' ').at(-1))
  proxy.child.kill('SIGTERM')
  while (!readFileSync(join(cwd, 'events'), 'utf8').includes('SIGTERM'))
    await new Promise((resolve) => setTimeout(resolve, 10))
  proxy.child.kill('SIGTERM')
  t.equal(await proxy.ended, 143)
  const gone = () => {
    try {
      process.kill(pid, 0)
      return /^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
    } catch {
      return true
    }
  }
  while (!gone()) await new Promise((resolve) => setTimeout(resolve, 10))
  t.pass()
})

t.test('an open request on a socket nobody reads does not outlive the process', async (t) => {
  const proxy = start(t, ['run'], folder(t, saying('one')))
  const { port } = new URL(await ready(proxy))
  const held = request({ host: '127.0.0.1', port, method: 'POST', headers: { 'content-length': 10 } })
  held.on('error', () => {})
  held.flushHeaders()
  await once(held, 'socket')
  proxy.child.kill('SIGTERM')
  await proxy.untilErr(/draining/)
  held.destroy()
  t.equal(await proxy.ended, 0)
})
