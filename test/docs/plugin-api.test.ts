// Every snippet of plugin-api.md: written to a folder, compiled, and run.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { isPlugin } from '../../core/hooks/plugin.js'
import { ModuleLoader } from '../../core/modules/load.js'
import { checkConfig } from '../../core/server/load.js'
import { runPlugin } from '../../core/testing/index.js'
import { host } from '../../plugins/host.js'
import { startTestProxy } from '../support/proxy.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const text = await readFile(join(root, 'plugin-api.md'), 'utf8')

const files = new Map<string, string>()
for (const [, language, code = ''] of text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)) {
  const name = /^(?:\/\/|#) file: (\S+)\n/.exec(code)?.[1]
  t.ok(name, `a ${language} block names its file: ${code.slice(0, 60)}`)
  if (name !== undefined) files.set(name, code)
}
const names = [...files.keys()]
const plugins = names.filter(
  (name) => name.endsWith('.ts') && files.get(name)?.includes('export default definePlugin(')
)

const folder = t.testdir({})
for (const [name, code] of files) await writeFile(join(folder, name), code)

t.test('the snippets compile', async (t) => {
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      noEmit: true,
      incremental: false,
      declaration: false,
      rootDir: '/',
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
      paths: {
        outrigger: [join(root, 'plugins/outrigger.ts')],
        'outrigger/testing': [join(root, 'plugins/testing.ts')]
      }
    },
    include: ['./*.ts']
  }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
  const { stdout } = await promisify(execFile)(process.execPath, [tsc, '-p', folder]).catch((error) => error)
  t.equal(stdout, '')
})

t.test('each plugin loads and lets a request through or answers it', async (t) => {
  const loader = new ModuleLoader(host.modules)
  t.ok(plugins.length >= 13, `${plugins.length} plugins`)
  for (const name of plugins) {
    const { default: plugin } = await loader.import(join(folder, name))
    t.ok(isPlugin(plugin), name)
    if (!isPlugin(plugin)) continue
    const { default: provider } = await loader.import(join(folder, 'tenant.ts'))
    const before = name === 'tenant-header.ts' && isPlugin(provider) ? [provider] : []
    const run = runPlugin(plugin, name === 'sign.ts' ? { secret: 'key' } : {}, { before })
    const { error, log } = await run.request({ url: '/shop/v1/x', method: 'POST', body: 'a body' })
    t.equal(error, undefined, name)
    t.notOk(
      log.some(({ level }) => level === 'error'),
      `${name} logs no error`
    )
    await run.close()
  }
})

t.test('each test passes', async (t) => {
  const tests = names.filter((name) => name.endsWith('.test.ts'))
  t.ok(tests.length >= 5)
  const loader = new ModuleLoader(host.modules)
  for (const name of tests) await t.resolves(loader.import(join(folder, name)), name)
})

t.test('the chat is moderated', async (t) => {
  const { default: plugin } = await new ModuleLoader(host.modules).import(join(folder, 'moderate.ts'))
  const service = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  service.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })))
  await once(service, 'listening')
  t.teardown(() => service.close())
  const { port } = service.address() as AddressInfo
  const proxy = await startTestProxy(t, {
    endpoints: [`http://127.0.0.1:${port}`],
    plugins: [plugin as object]
  })
  const client = new WebSocket(proxy.url().replace('http', 'ws'))
  const heard: string[] = []
  const three = new Promise<void>((resolve) => {
    client.on('message', (data) => {
      if (heard.push(String(data)) === 3) resolve()
    })
  })
  await once(client, 'open')
  for (const said of ['hello', 'x'.repeat(1001), 'buy my spam']) client.send(said)
  await three
  t.same(heard, ['be kind', 'hello', '***'])
  client.close(1000)
  await once(client, 'close')
})

t.test('each configuration is right', async (t) => {
  for (const name of names.filter((one) => one.endsWith('.yaml'))) {
    await t.resolves(checkConfig(host, join(folder, name)), name)
  }
})

t.test('the hooks can be intercepted, and not tapped', async (t) => {
  const { startProxy } = await import('../../plugins/testing.js')
  const loader = new ModuleLoader(host.modules)
  const { default: plugin } = await loader.import(join(folder, 'every-hook.ts'))
  const proxy = await startProxy({
    listeners: { in: { address: '127.0.0.1:0' } },
    services: { shop: { endpoints: ['http://127.0.0.1:1'] } },
    routes: [{ name: 'shop', match: { path: '/*' }, service: 'shop', plugins: [plugin] }]
  })
  t.teardown(() => proxy.close())
  const hooks = proxy.proxy.hooks('shop')
  const seen: string[] = []
  hooks.request?.intercept({ tap: ({ name }) => void seen.push(name) })
  t.throws(() => hooks.finish?.tap('late', () => undefined))
  t.equal((await fetch(proxy.url())).status, 502)
  t.same(seen, ['every-hook'])
  t.throws(() => proxy.proxy.hooks('none'), RangeError)
})
