import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import t from 'tap'
import { defineConfig } from '../../../core/config/define.js'
import { loadConfig } from '../../../core/config/load.js'
import { definePlugin } from '../../../core/hooks/plugin.js'
import { ModuleLoader } from '../../../core/modules/load.js'
import { certificate } from '../../support/certificates.js'
import { host } from './fixtures/host.js'

const fixture = (name: string) => join(import.meta.dirname, 'fixtures', name)

t.test('a file is read whole: defaults, units, addresses, paths', async (t) => {
  const config = await loadConfig(fixture('shop.yaml'), { host, env: { ADMIN_PORT: '9911' } })
  const inFixtures = (name: string) => fixture(name)
  t.equal(config.file, fixture('shop.yaml'))
  t.equal(config.directory, join(import.meta.dirname, 'fixtures'))
  t.same(config.listeners.get('inbound'), {
    name: 'inbound',
    address: { kind: 'tcp', host: '127.0.0.1', port: 8080 },
    tls: undefined,
    headersTimeout: 10_000,
    bodyTimeout: 60_000,
    idleTimeout: 60_000,
    maxHeaderSize: 60 * 1024,
    maxConnections: 16_384,
    http2: true,
    maxStreams: 100,
    trustedProxies: [],
    proxyProtocol: false,
    forwarded: false,
    via: undefined,
    serverTiming: false,
    fastLane: true
  })
  t.match(config.listeners.get('local'), {
    address: { kind: 'unix', path: inFixtures('run/app.sock') },
    headersTimeout: 5000,
    maxHeaderSize: 32 * 1024
  })
  t.same(config.admin, { address: { kind: 'tcp', host: '127.0.0.1', port: 9911 } }, 'from the environment')
  t.same(
    config.plugins.map(({ name, config, at }) => ({ name, config, at })),
    [
      { name: 'logging', config: { format: 'json' }, at: `${fixture('shop.yaml')}:10:5` },
      { name: 'metrics', config: {}, at: `${fixture('shop.yaml')}:11:5` }
    ]
  )
  const catalogue = config.services.get('catalogue')
  t.same(catalogue?.endpoints, [
    { url: 'http://127.0.0.1:9001', weight: 1, zone: undefined, priority: 0, tags: {} },
    { url: 'http://127.0.0.1:9002', weight: 3, zone: 'a', priority: 1, tags: { version: 'v2' } }
  ])
  t.match(catalogue, {
    name: 'catalogue',
    protocol: 'http',
    connectTimeout: 5000,
    keepAlive: 4000,
    idleTimeout: 300_000,
    maxConnections: 1024,
    maxPending: 1024,
    tls: { insecure: false },
    plugins: [{ name: 'load-balancer', config: { policy: 'least-request' } }]
  })
  t.match(config.services.get('payment'), {
    protocol: 'https',
    connectTimeout: 300,
    maxConnections: 16,
    endpoints: [{ url: `unix:${inFixtures('run/payment.sock')}` }]
  })
  const [first, pay, health] = config.routes
  t.match(first, {
    name: 'catalogue',
    match: {
      path: '/catalogue/*',
      host: 'shop.example.com',
      methods: ['GET', 'HEAD'],
      headers: { 'x-beta': '1' },
      query: { v: '*' }
    },
    listeners: ['inbound'],
    service: 'catalogue',
    reply: undefined,
    timeout: 1500,
    encodedSlashes: 'refuse'
  })
  t.same(
    first?.plugins.map(({ name }) => name),
    ['retry', 'auth'],
    'the disabled one is not there'
  )
  t.match(first?.plugins[0], {
    config: { attempts: 2, on: ['5xx'], attemptTimeout: 2000, backoff: { base: 25, max: 1000 } },
    when: { path: '/*', methods: ['GET'] },
    onFailure: 'skip',
    hookTimeout: 1000
  })
  t.match(first?.plugins[1], { when: undefined, onFailure: 'close', hookTimeout: 5000 })
  t.match(pay, { timeout: 0, match: { path: '/pay' }, listeners: undefined })
  t.same(health?.reply, { status: 200, body: 'ok', headers: {} })
  t.same(config.workers, { threads: 2, maxQueue: 128, maxHeap: 128 * 1024 ** 2 })
  t.equal(config.drainTimeout, 10_000)
  t.same(config.log, { level: 'warn' })
  t.same(config.watched, [fixture('shop.yaml')])
})

t.test('the least there can be', async (t) => {
  const config = await loadConfig({ listeners: { a: { address: ':0' } } }, { host })
  t.match(config, {
    file: undefined,
    directory: process.cwd(),
    admin: { address: { kind: 'tcp', host: '127.0.0.1', port: 9901 } },
    plugins: [],
    routes: [],
    drainTimeout: 30_000,
    log: { level: 'info' },
    watched: []
  })
  const threads = Math.max(1, availableParallelism() - 1)
  t.same(config.workers, { threads, maxQueue: 64 * threads, maxHeap: 256 * 1024 ** 2 })
  t.equal(
    (await loadConfig({ listeners: { a: { address: '[::1]:80' } }, admin: false }, { host })).admin,
    undefined
  )
})

t.test('JSON is read like YAML', async (t) => {
  const dir = t.testdir({
    'sidecar.json': '{\n\t"listeners": { "a": { "address": "[::1]:8080" } },\n\t"drain": 5000\n}\n'
  })
  const config = await loadConfig(join(dir, 'sidecar.json'), { host })
  t.same(config.listeners.get('a')?.address, { kind: 'tcp', host: '::1', port: 8080 })
  t.equal(config.drainTimeout, 5000)
})

t.test('a TypeScript module exports one, and a reload reads it and what it imports anew', async (t) => {
  const dir = t.testdir({
    'sidecar.ts': `
      import { definePlugin, type Plugin } from 'outrigger'
      import { port } from './port.js'
      const mine: Plugin = definePlugin({ name: 'mine', setup() {} })
      export default { listeners: { a: { address: \`127.0.0.1:\${port}\` } }, plugins: [mine, [mine, { onFailure: 'skip' }], 'logging'] }
    `,
    'port.ts': 'export const port: number = 8001\n'
  })
  const loader = new ModuleLoader(host.modules)
  const file = join(dir, 'sidecar.ts')
  const config = await loadConfig(file, { host, loader })
  t.match(config.listeners.get('a')?.address, { port: 8001 })
  t.match(config.plugins, [
    { name: 'mine', onFailure: 'close', at: 'plugins[0]' },
    { name: 'mine', onFailure: 'skip', at: 'plugins[1]' },
    { name: 'logging', at: 'plugins[2]' }
  ])
  t.same(config.watched, [file, join(dir, 'port.ts')])
  t.equal(config.directory, dir)
  writeFileSync(join(dir, 'port.ts'), 'export const port: number = 8002\n')
  t.match((await loadConfig(file, { host, loader })).listeners.get('a')?.address, { port: 8002 })
})

t.test('an object may hold plugins themselves, alone or with a configuration', async (t) => {
  const mine = definePlugin({
    name: 'mine',
    config: { type: 'object', properties: { limit: { type: 'integer', default: 5 } } },
    setup() {}
  })
  const dir = t.testdir({
    'a.ts': `import { definePlugin } from 'outrigger'\nexport default definePlugin({ name: 'a', setup() {} })\n`
  })
  const config = await loadConfig(
    defineConfig({
      listeners: { a: { address: '127.0.0.1:0' } },
      plugins: [mine, [mine, { limit: 7, when: { path: '/x/*' } }], './a.ts', { './a.ts': { disable: true } }]
    }),
    { host, directory: dir }
  )
  t.match(config.plugins, [
    { plugin: mine, config: { limit: 5 } },
    { plugin: mine, config: { limit: 7 }, when: { path: '/x/*' } },
    { name: 'a', config: {} }
  ])
  t.equal(config.plugins.length, 3)
  t.same(config.watched, [join(dir, 'a.ts')])
})

t.test('the environment: in text, as a number where one is wanted, escaped, by default', async (t) => {
  const dir = t.testdir({
    'sidecar.yaml': `
listeners:
  a: { address: "127.0.0.1:\${PORT}" }
  b: { address: \${ADDRESS:-127.0.0.1:8082} }
admin: \${ADMIN:-false}
plugins:
  - auth: { apiKeys: { one: \${KEY}, two: "sha256:\${EMPTY:-00}" }, header: "$\${PORT}" }
  - from-json-schema: { signature: \${DIGITS}, limit: \${LIMIT}, nested: { deep: \${DEEP} } }
routes:
  - name: a
    reply: { status: \${STATUS}, body: "a \${PORT} b \${PORT}" }
    timeout: \${TIMEOUT}
workers: { threads: "\${THREADS}" }
`
  })
  const env = {
    PORT: '8081',
    KEY: 'sha256:ab',
    EMPTY: '',
    DIGITS: '0123',
    LIMIT: '9',
    DEEP: 'true',
    STATUS: '204',
    TIMEOUT: '250',
    THREADS: '3'
  }
  const config = await loadConfig(join(dir, 'sidecar.yaml'), { host, env })
  t.match(config.listeners.get('a')?.address, { port: 8081 })
  t.match(config.listeners.get('b')?.address, { port: 8082 })
  t.equal(config.admin, undefined)
  t.same(config.plugins[0]?.config, { apiKeys: { one: 'sha256:ab', two: 'sha256:00' }, header: `\${PORT}` })
  t.same(
    config.plugins[1]?.config,
    { signature: '0123', limit: 9, nested: { deep: true } },
    'digits stay text where text is wanted'
  )
  t.match(config.routes[0], { reply: { status: 204, body: 'a 8081 b 8081' }, timeout: 250 })
  t.equal(config.workers.threads, 3)
  t.match(config.masked, {
    listeners: { a: { address: `127.0.0.1:\${PORT}` }, b: { address: `\${ADDRESS:-127.0.0.1:8082}` } }
  })
})

t.test('anchors and merges', async (t) => {
  const dir = t.testdir({
    'sidecar.yaml': `
listeners: { a: { address: ":8080" } }
services:
  one: &base { endpoints: [http://127.0.0.1:1], connectTimeout: 1s, plugins: &list [load-balancer] }
  two: { <<: *base, endpoints: [http://127.0.0.1:2] }
  three: { endpoints: [http://127.0.0.1:3], plugins: *list }
`
  })
  const { services } = await loadConfig(join(dir, 'sidecar.yaml'), { host })
  t.match(services.get('two'), { connectTimeout: 1000, endpoints: [{ url: 'http://127.0.0.1:2' }] })
  t.match(services.get('three'), { plugins: [{ name: 'load-balancer' }] })
})

t.test('every key of a listener', async (t) => {
  const config = await loadConfig(
    defineConfig({
      listeners: {
        a: {
          address: '127.0.0.1:0',
          maxConnections: 10_000,
          http2: false,
          maxStreams: 250,
          trustedProxies: ['127.0.0.1', '10.0.0.0/8', '::1', 'fd00::/8', '::ffff:192.0.2.1'],
          proxyProtocol: true,
          forwarded: true,
          via: true,
          serverTiming: true
        },
        b: { address: ':0', via: 'edge-1' },
        c: { address: ':0', via: false }
      }
    }),
    { host }
  )
  t.match(config.listeners.get('a'), {
    maxConnections: 10_000,
    http2: false,
    maxStreams: 250,
    trustedProxies: ['127.0.0.1', '10.0.0.0/8', '::1', 'fd00::/8', '::ffff:192.0.2.1'],
    proxyProtocol: true,
    forwarded: true,
    via: 'outrigger',
    serverTiming: true
  })
  t.equal(config.listeners.get('b')?.via, 'edge-1')
  t.equal(config.listeners.get('c')?.via, undefined)
})

t.test('what a service speaks: as it says, else as its endpoints do', async (t) => {
  const protocolOf = async (service: object) => {
    const { services } = await loadConfig(
      { listeners: { a: { address: ':0' } }, services: { s: service } },
      { host }
    )
    return services.get('s')?.protocol
  }
  const plain = ['http://h:1']
  const secure = ['https://h:1']
  const unix = ['unix:/run/app.sock']
  t.equal(await protocolOf({ endpoints: plain }), 'http')
  t.equal(await protocolOf({ endpoints: secure }), 'https')
  t.equal(await protocolOf({ endpoints: unix }), 'http')
  t.equal(await protocolOf({ endpoints: [...unix, ...secure] }), 'https')
  for (const protocol of ['http', 'h2c', 'auto'])
    t.equal(await protocolOf({ protocol, endpoints: plain }), protocol)
  for (const protocol of ['https', 'h2', 'auto'])
    t.equal(await protocolOf({ protocol, endpoints: secure }), protocol)
  for (const protocol of ['http', 'https', 'h2c', 'h2', 'auto'])
    t.equal(await protocolOf({ protocol, endpoints: unix }), protocol)
})

t.test('certificates are read and watched, and kept as the names of their files', async (t) => {
  const dir = t.testdir()
  mkdirSync(join(dir, 'certs'))
  for (const name of ['server', 'other', 'ca']) {
    const { cert, key } = certificate({ name })
    writeFileSync(join(dir, 'certs', `${name}.pem`), cert)
    writeFileSync(join(dir, 'certs', `${name}.key`), key)
  }
  const config = await loadConfig(
    defineConfig({
      listeners: {
        plain: { address: ':0', tls: { cert: 'certs/server.pem', key: 'certs/server.key' } },
        mutual: {
          address: ':0',
          tls: {
            cert: 'certs/server.pem',
            key: 'certs/server.key',
            ca: 'certs/ca.pem',
            clientAuth: 'require',
            minVersion: 'TLSv1.3',
            sni: [
              { names: ['Shop.example.com'], cert: 'certs/other.pem', key: 'certs/other.key' },
              { names: ['*.example.com', 'example.com'], cert: 'certs/server.pem', key: 'certs/server.key' }
            ]
          }
        }
      },
      services: {
        own: { endpoints: ['https://localhost:1'] },
        b: {
          endpoints: ['https://localhost:1'],
          tls: {
            ca: 'certs/ca.pem',
            cert: 'certs/other.pem',
            key: 'certs/other.key',
            serverName: 'localhost'
          }
        }
      }
    }),
    { host, directory: dir }
  )
  const server = { cert: join(dir, 'certs/server.pem'), key: join(dir, 'certs/server.key') }
  const other = { cert: join(dir, 'certs/other.pem'), key: join(dir, 'certs/other.key') }
  t.same(config.listeners.get('plain')?.tls, {
    ...server,
    ca: undefined,
    clientAuth: 'none',
    minVersion: 'TLSv1.2',
    sni: []
  })
  t.same(config.listeners.get('mutual')?.tls, {
    ...server,
    ca: join(dir, 'certs/ca.pem'),
    clientAuth: 'require',
    minVersion: 'TLSv1.3',
    sni: [
      { names: ['shop.example.com'], ...other },
      { names: ['*.example.com', 'example.com'], ...server }
    ]
  })
  t.same(config.services.get('own')?.tls, {
    ca: undefined,
    cert: undefined,
    key: undefined,
    serverName: undefined,
    insecure: false
  })
  t.same(config.services.get('b')?.tls, {
    ca: join(dir, 'certs/ca.pem'),
    ...other,
    serverName: 'localhost',
    insecure: false
  })
  t.same(
    config.watched.map((file) => relative(dir, file)).sort(),
    ['ca.pem', 'other.key', 'other.pem', 'server.key', 'server.pem'].map((name) => `certs/${name}`)
  )
})

t.test('certificates that cannot be used', async (t) => {
  const dir = t.testdir()
  const put = (name: string, text: string) => writeFileSync(join(dir, name), text)
  const ec = certificate({ name: 'a' })
  put('a.pem', ec.cert)
  put('a.key', ec.key)
  put('b.key', certificate({ name: 'b' }).key)
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  put('rsa.key', rsa.export({ type: 'pkcs8', format: 'pem' }) as string)
  put(
    'locked.key',
    rsa.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }) as string
  )
  put('cut.pem', `${ec.cert}${ec.cert.slice(0, 100)}`)
  put('broken.pem', ec.cert.replace(/[a-z]{2}/g, 'AA'))
  const read = async (tls: object) => {
    try {
      await loadConfig({ listeners: { a: { address: ':0', tls } } }, { host, directory: dir })
      return ''
    } catch (error) {
      return (error as Error).message.replace('listeners.a.tls.', '').replaceAll(`${dir}/`, '')
    }
  }
  const cert = 'a.pem'
  const key = 'a.key'
  t.equal(await read({ cert, key }), '')
  const wrong = 'does not go with its key: the key is that of another certificate'
  t.equal(await read({ cert, key: 'b.key' }), `cert: ${wrong}`)
  t.equal(await read({ cert, key: 'rsa.key' }), `cert: ${wrong}`, 'of another kind, which OpenSSL lets pass')
  t.equal(await read({ cert, key: 'none.key' }), 'key: cannot read none.key: there is no such file')
  t.equal(await read({ cert, key: 'a.pem' }), 'key: expected a PEM file with a private key: a.pem has none')
  t.equal(
    await read({ cert, key: 'locked.key' }),
    'key: the key is encrypted: one without a passphrase is needed'
  )
  t.equal(await read({ cert: 'cut.pem', key }), 'cert: a certificate is cut off')
  t.equal(await read({ cert: 'broken.pem', key }), 'cert: a certificate is broken')
  t.equal(await read({ cert, key, ca: 'cut.pem', clientAuth: 'request' }), 'ca: a certificate is cut off')
  const sni = [
    { names: ['x'], cert, key },
    { names: ['y'], cert, key: 'b.key' }
  ]
  t.equal(await read({ cert, key, sni }), `sni[1].cert: ${wrong}`)
})
