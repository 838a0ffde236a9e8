// The program as it is built: that it reads no more than a configuration asks for, that there is one copy of it, and
// that what it loads late, or has something else stand in for, works.
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { once } from 'node:events'
import { cp, mkdir, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { connect, createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { type RunningBinary, ready, start } from '../core/cli/binary.js'
import { checkout, command } from './command.js'

const TELL = fileURLToPath(new URL('fixtures/tell-loaded.cjs', import.meta.url))

interface Loaded {
  /** From the checkout; what was kept of V8's code left out. */
  files: string[]
  node: string[]
  threads: number
}

/** What a binary has loaded by now that was started with NODE_OPTIONS as `telling` has them. */
async function loaded(running: RunningBinary): Promise<Loaded> {
  running.child.kill('SIGUSR2')
  const [line] = await running.untilOut(/^\{"opened".*$/m)
  const { opened, required, node, threads } = JSON.parse(line) as Record<string, string[]> & {
    threads: number
  }
  const files = [...(opened as string[]), ...(required as string[])]
    .filter((path) => path.startsWith(checkout) && !path.includes('/.cache/') && path !== TELL)
    .map((path) => path.slice(checkout.length))
  return { files, node: node as string[], threads }
}

const telling = { NODE_OPTIONS: `--require=${TELL}` }

async function upstream(t: Test): Promise<string> {
  const server = createServer((request, response) => {
    const body: Buffer[] = []
    request.on('data', (chunk) => body.push(chunk))
    request.on('end', () => response.end(`${request.method} ${request.url} ${Buffer.concat(body)}`))
  })
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(`echo ${data}`)))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** What tap preloads into each process that a test starts. */
const OF_TAP = /node_modules\/(?:@tapjs\/|process-on-spawn|pirates|fromentries|signal-exit|uuid)/

t.test('a small configuration loads what it names, and no thread', async (t) => {
  const folder = t.testdir({
    'sidecar.yaml': `listeners:
  inbound: { address: 127.0.0.1:0 }
admin: { address: 127.0.0.1:0 }
services:
  orders: { endpoints: [http://127.0.0.1:9], plugins: [load-balancer] }
routes:
  - name: orders
    service: orders
    plugins: [retry]
`
  })
  const running = start(t, ['run', join(folder, 'sidecar.yaml')], { env: telling })
  await ready(running, 'admin')
  const { files, node, threads } = await loaded(running)

  t.same(
    files.filter((file) => file.includes('node_modules/') && !OF_TAP.test(file)),
    [],
    'no package by itself'
  )
  t.same(
    files.filter((file) => /^dist\/plugins\/.+\//.test(file)).sort(),
    ['dist/plugins/load-balancer/index.js', 'dist/plugins/retry/index.js'],
    'of the plugins, the two'
  )
  // Other commands and their parser, the dashboard, connections of the standard path, and of upgrades.
  const late = /^dist\/chunks\/(program|certs|check|explain|page|script|style|undici|ws|primary)[-.]/
  t.same(
    files.filter((file) => late.test(file)),
    [],
    'nothing that is for later'
  )
  t.same(
    node.filter((name) => /internal\/http2\/core|internal\/deps\/undici|NativeModule zlib$/.test(name)),
    [],
    'and of Node neither HTTP/2, nor fetch, nor compression'
  )
  t.equal(threads, 0, 'no worker thread')
})

t.test('a plugin and the binary share one copy of the core', async (t) => {
  const folder = t.testdir({
    'sidecar.yaml': `admin: false
listeners:
  inbound: { address: 127.0.0.1:0 }
routes:
  - name: all
    reply: { status: 204 }
    plugins: [./refusing.ts, ./plain.mjs, { timeout: { request: 5s } }]
`,
    'refusing.ts': `import { definePlugin, ProxyError, z } from 'outrigger'
import { VirtualClock } from 'outrigger/testing'
export default definePlugin({
  name: 'refusing',
  config: z.object({ clock: z.instanceof(VirtualClock).optional() }).optional(),
  setup: () => ({
    request({ request }) {
      if (request.path === '/de') {
        const { error } = z.locales.de().localeError === undefined ? {} : z.string().safeParse(1, { error: z.locales.de().localeError })
        throw new ProxyError('FORBIDDEN', error.issues[0].message)
      }
      if (request.path === '/refused') throw new ProxyError('FORBIDDEN', 'not this one')
    }
  })
})
`,
    'plain.mjs': `import { definePlugin, Reply } from 'outrigger'
export default definePlugin({
  name: 'plain',
  setup: () => ({ request: ({ request }) => (request.path === '/plain' ? new Reply(200, 'plain') : undefined) })
})
`
  })
  const running = start(t, ['run', join(folder, 'sidecar.yaml')], { env: telling })
  const address = await ready(running)
  t.equal((await fetch(`${address}/refused`)).status, 403)
  t.equal(await (await fetch(`${address}/plain`)).text(), 'plain')
  t.equal((await fetch(address)).status, 204)
  t.match(
    await (await fetch(`${address}/de`)).json(),
    { message: /Ungültige Eingabe/ },
    "zod's other languages too"
  )

  const { files } = await loaded(running)
  const own = files.filter((file) => file.startsWith('dist/'))
  t.ok(own.includes('dist/chunks/plugins-testing.js'), 'the plugin had it from the bundle')
  t.same(
    own.filter((file, i) => own.indexOf(file) !== i),
    [],
    'no file of the bundle was loaded twice'
  )
})

t.test('what is loaded late works', async (t) => {
  const backend = await upstream(t)
  const h2 = createHttp2Server((request, response) => response.end(`over ${request.httpVersion}`))
  await once(h2.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => h2.close())
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'one' }
  const keys = createServer((_request, response) => response.end(JSON.stringify({ keys: [jwk] })))
  await once(keys.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => keys.close())
  const port = (server: { address(): unknown }) => (server.address() as AddressInfo).port

  const folder = t.testdir({
    'sidecar.yaml': `fastLane: false
listeners:
  inbound: { address: 127.0.0.1:0 }
admin: { address: 127.0.0.1:0 }
plugins: [metrics]
services:
  one: { endpoints: ["http://${backend}"] }
  two: { endpoints: ["http://127.0.0.1:${port(h2)}"], protocol: h2c }
routes:
  - name: upgraded
    match: { path: /upgraded }
    service: one
    plugins: [./loud.ts]
  - name: two
    match: { path: /two }
    service: two
  - name: digest
    match: { path: /digest }
    reply: { status: 200 }
    plugins: [./digest.ts]
  - name: guarded
    match: { path: /guarded }
    service: one
    plugins: [auth: { jwt: { issuer: id, audience: us, jwks: "http://127.0.0.1:${port(keys)}/keys", algorithms: [ES256] } }]
  - name: rewritten
    match: { path: /old/* }
    service: one
    plugins: [rewrite: { path: { regex: "^/old/(.*)$", with: "/new/$1" } }]
  - name: one
    service: one
`,
    'loud.ts': `import { definePlugin } from 'outrigger'
export default definePlugin({
  name: 'loud',
  setup: () => ({ message: (message) => message.replace(message.text().toUpperCase()) })
})
`,
    'digest.ts': `import { definePlugin, Reply } from 'outrigger'
import type * as Work from './digest.worker.js'
export default definePlugin({
  name: 'digest',
  setup({ worker }) {
    const digest = worker<typeof Work.digest>(new URL('./digest.worker.js', import.meta.url), 'digest')
    return { request: async () => new Reply(200, await digest('text')) }
  }
})
`,
    'digest.worker.ts': `import { createHash } from 'node:crypto'
export const digest = (text: string): string => createHash('sha1').update(text).digest('hex')
`
  })
  const running = start(t, ['run', join(folder, 'sidecar.yaml')], { env: telling })
  const [address, admin] = [await ready(running), await ready(running, 'admin')]
  t.equal(await (await fetch(`${address}/a`, { method: 'POST', body: 'x' })).text(), 'POST /a x')
  t.equal(await (await fetch(`${address}/old/a`)).text(), 'GET /new/a ')
  t.equal(await (await fetch(`${address}/two`)).text(), 'over 2.0')
  const authorization = `Bearer ${token(privateKey)}`
  t.equal((await fetch(`${address}/guarded`)).status, 401)
  t.equal(
    (await fetch(`${address}/guarded`, { headers: { authorization } })).status,
    200,
    'a key set was fetched'
  )

  const session = connect(address)
  const stream = session.request({ ':path': '/b' }).setEncoding('utf8')
  let text = ''
  for await (const chunk of stream) text += chunk
  session.close()
  t.equal(text, 'GET /b ', 'HTTP/2 from a client')

  const socket = new WebSocket(`${address.replace('http', 'ws')}/upgraded`)
  await once(socket, 'open')
  socket.send('hello')
  const [data] = await once(socket, 'message')
  socket.close()
  t.equal(String(data), 'ECHO HELLO', 'messages, which a plugin saw')

  t.equal((await loaded(running)).threads, 0, 'no thread so far')
  t.equal(await (await fetch(`${address}/digest`)).text(), '372ea08cab33e71c02c651dbc83a474d32c676ea')

  t.match(
    await (await fetch(`${admin}/metrics`)).text(),
    /^outrigger_requests_total\{.*\n(.*\n)*process_cpu_seconds_total \d/m
  )
  for (const [path, type] of [
    ['/', 'text/html'],
    ['/dashboard.css', 'text/css'],
    ['/dashboard.js', 'text/javascript']
  ]) {
    const answer = await fetch(`${admin}${path}`)
    t.match(answer.headers.get('content-type'), type)
    t.not(await answer.text(), '')
  }
})

function token(key: KeyObject): string {
  const text = [
    { alg: 'ES256', kid: 'one' },
    { iss: 'id', aud: 'us', sub: 'ann', exp: 4_000_000_000 }
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' })
  return `${text}.${signature.toString('base64url')}`
}

t.test(
  'what V8 made of the bundle is kept beside it, and the program runs without just as well',
  async (t) => {
    const folder = t.testdir({
      'sidecar.yaml': 'listeners: { inbound: { address: 127.0.0.1:0 } }\nroutes: []\n'
    })
    await cp(join(checkout, 'dist'), join(folder, 'dist'), { recursive: true })
    await cp(join(checkout, 'package.json'), join(folder, 'package.json'))
    const cache = join(folder, 'dist/.cache')
    await rm(cache, { recursive: true, force: true })
    const check = async (why: string) => {
      const { code, stdout, stderr } = await command(
        process.execPath,
        [join(folder, 'dist/plugins/bin.js'), 'check', 'sidecar.yaml'],
        folder
      )
      t.same([code, stderr], [0, ''], why)
      t.match(stdout, /sidecar\.yaml/, why)
    }

    await check('the first time')
    const [build] = await readdir(cache)
    t.match(build, new RegExp(`-${process.version}-${process.arch}$`), 'of this build and this Node')
    const kept = (await readdir(join(cache, build as string))).map((name) =>
      join(cache, build as string, name)
    )
    t.ok(kept.length > 3)
    await check('the second')

    for (const [i, file] of kept.entries()) {
      if (i % 2 === 0) await writeFile(file, 'no code of V8')
      else await truncate(file, (await readFile(file)).length >> 1)
    }
    await check('when all of it is broken')
    await check('when it has been put right')

    await rm(cache, { recursive: true })
    await writeFile(cache, '')
    await check('where nothing can be kept')
  }
)

t.test('the binary is itself wherever it is linked from', async (t) => {
  const folder = t.testdir({
    'sidecar.yaml': 'listeners: { inbound: { address: 127.0.0.1:0 } }\nroutes: []\n'
  })
  await mkdir(join(folder, 'bin'))
  await symlink(join(checkout, 'dist/plugins/bin.js'), join(folder, 'bin/outrigger'))
  const { code } = await command(join(folder, 'bin/outrigger'), ['check', 'sidecar.yaml'], folder)
  t.equal(code, 0)
})
