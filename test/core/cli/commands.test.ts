import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runProgram } from '../../../core/cli/program.js'
import { host } from '../../../plugins/host.js'
import { finish, ready, root, start } from './binary.js'

// Each of these starts processes, on machines that may be busy.
t.setTimeout(300_000)

const GOOD = `
listeners:
  inbound: { address: 127.0.0.1:8080 }
  local: { address: 127.0.0.1:8081 }
plugins:
  - ./mine.ts: { word: first }
services:
  orders: { endpoints: [ "http://127.0.0.1:9001" ], plugins: [ { load-balancer: { policy: random } } ] }
routes:
  - { name: orders, match: { path: /orders/* }, service: orders }
  - { name: beta, match: { path: /orders/*, headers: { x-beta: "1" } }, service: orders }
  - { name: health, match: { path: /healthz }, reply: { status: 200, body: ok } }
`
const MINE = `import { definePlugin, z } from 'outrigger'
export default definePlugin({
  name: 'mine',
  version: '3.2.1',
  config: z.strictObject({ word: z.string() }),
  setup() {
    return { request() {}, finish() {} }
  }
})
`

/** The program without a process of its own; what only a process has is asked of the binary. */
async function call(args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const code = await runProgram(host, args, { out: (text) => (out += text), err: (text) => (err += text) })
  return { code, out, err }
}

t.test('--version and --help', async (t) => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const said = await finish(t, ['--version'])
  t.same([said.code, said.out], [0, `${version}\n`])
  t.same(await call(['-V']), { code: 0, out: `${version}\n`, err: '' })
  const help = await call(['--help'])
  t.equal(help.code, 0)
  for (const command of ['run', 'check', 'explain', 'plugins', 'new']) {
    t.match(help.out, new RegExp(`^  ${command} `, 'm'))
    t.equal((await call(['help', command])).code, 0)
  }
  t.match((await call(['run', '--help'])).out, /-- COMMAND/)
})

t.test('what is no command, option or argument', async (t) => {
  const typo = await call(['chekc'])
  t.equal(typo.code, 1)
  t.match(typo.err, /Did you mean check\?/)
  t.match((await call(['run', '--wacth'])).err, /Did you mean --watch\?/)
  for (const args of [
    [],
    ['new'],
    ['run', '--nope'],
    ['run', 'a', 'b'],
    ['run', '--wait-for', 'localhost:80'],
    ['run', '--wait-for', 'nonsense', '--', 'true'],
    ['run', '--wait-timeout', 'soon', '--', 'true'],
    ['run', 'a.yaml', '--'],
    ['explain', 'a'],
    ['check', 'a.yaml', '--', 'x']
  ]) {
    const { code, out, err } = await call(args)
    t.same([code, out], [1, ''], args.join(' '))
    t.not(err, '', args.join(' '))
  }
})

t.test('check', async (t) => {
  const cwd = t.testdir({
    'sidecar.yaml': GOOD,
    'mine.ts': MINE,
    'bad.yaml': GOOD.replace('services:', 'servces:')
      .replace('status: 200', 'status: 20')
      .replace('word:', 'wrod:')
  })
  const good = await finish(t, ['check'], { cwd })
  t.same([good.code, good.err], [0, ''])
  t.match(good.out, /^\.\/sidecar\.yaml: ok \(2 listeners, 1 service, 3 routes\)\n$/)
  const bad = await finish(t, ['check', 'bad.yaml'], { cwd })
  t.same([bad.code, bad.out], [1, ''])
  const lines = bad.err.trim().split('\n')
  t.equal(lines.at(-1), `${lines.length - 1} errors`)
  t.ok(lines.length > 3)
  for (const line of lines.slice(0, -1)) t.match(line, /^\S*bad\.yaml:\d+:\d+: /)
  t.equal((await call(['check', join(cwd, 'none.yaml')])).code, 1)
})

t.test('explain', async (t) => {
  const file = join(t.testdir({ 'sidecar.yaml': GOOD, 'mine.ts': MINE }), 'sidecar.yaml')
  const said = await call(['explain', file, 'get', 'http://shop/orders/1?x=1'])
  t.same([said.code, said.err], [0, ''])
  t.match(said.out, /^GET http:\/\/shop\/orders\/1\?x=1$/m)
  t.match(said.out, /^route +orders$/m)
  t.match(said.out, /request +mine/)
  t.match(said.out, /pick +load-balancer/)
  const beta = await call([
    'explain',
    file,
    'GET',
    '/orders/1',
    '-H',
    'X-Beta: 1',
    '-H',
    'x-other: 2',
    '--json'
  ])
  t.equal(JSON.parse(beta.out).route, 'beta')
  const none = await call(['explain', file, 'GET', '/nowhere', '--listener', 'local'])
  t.equal(none.code, 0)
  t.match(none.out, /NO_ROUTE/)
  for (const args of [
    ['GET', 'orders'],
    ['G T', '/'],
    ['GET', '/', '-H', 'x'],
    ['GET', '/', '--listener', 'nope'],
    ['GET', '/%zz']
  ]) {
    t.equal((await call(['explain', file, ...args])).code, 1, args.join(' '))
  }
})

t.test('plugins', async (t) => {
  const builtins = await call(['plugins'])
  t.same([builtins.code, builtins.err], [0, ''])
  for (const name of ['auth', 'load-balancer', 'logging', 'metrics', 'retry']) {
    t.match(builtins.out, new RegExp(`^${name} `, 'm'))
  }
  t.match(builtins.out, /policy +"round-robin" \| "random" \| .*"zone-aware", default "round-robin"/)
  t.match(builtins.out, /^split .*\n.*\n.*\n +hooks +as its configuration has it$/m)
  t.notMatch(builtins.out, /not known/, 'the hooks of all of them are known')
  const file = join(t.testdir({ 'sidecar.yaml': GOOD, 'mine.ts': MINE }), 'sidecar.yaml')
  const listed: { name: string }[] = JSON.parse((await call(['plugins', file, '--json'])).out)
  t.match(
    listed.find(({ name }) => name === 'mine'),
    {
      version: '3.2.1',
      hooks: ['request', 'finish'],
      listed: ['top'],
      config: { properties: { word: { type: 'string' } }, required: ['word'] }
    }
  )
  t.match(
    listed.find(({ name }) => name === 'load-balancer'),
    { listed: ['service orders'] }
  )
})

t.test('new plugin: its test passes and its configuration runs', async (t) => {
  const cwd = t.testdir()
  mkdirSync(join(cwd, 'node_modules'))
  symlinkSync(root, join(cwd, 'node_modules', 'outrigger'))
  writeFileSync(join(cwd, 'package.json'), '{}')
  const made = await finish(t, ['new', 'plugin', 'hello'], { cwd })
  t.same([made.code, made.err], [0, ''])
  const folder = join(cwd, 'hello')
  const { scripts } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  t.equal(scripts.test, 'node --import outrigger/register --test index.test.ts')
  const test = spawn(process.execPath, scripts.test.split(' ').slice(1), {
    cwd: folder,
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let said = ''
  for (const stream of [test.stdout, test.stderr]) stream.on('data', (chunk) => (said += chunk))
  const [code] = await once(test, 'close')
  t.equal(code, 0, said)
  t.match(said, /pass 2/)
  writeFileSync(
    join(folder, 'try.yaml'),
    `${readFileSync(join(folder, 'sidecar.yaml'), 'utf8').replace(':8080', ':0')}admin: false\n`
  )
  t.equal((await call(['check', join(folder, 'sidecar.yaml')])).code, 0)
  const proxy = start(t, ['run', 'try.yaml'], { cwd: folder })
  t.equal((await fetch(await ready(proxy))).headers.get('x-hello'), 'good day')
  proxy.child.kill('SIGTERM')
  t.equal(await proxy.ended, 0)
  t.equal((await call(['new', 'plugin', 'hello', '--dir', cwd])).code, 1)
})
