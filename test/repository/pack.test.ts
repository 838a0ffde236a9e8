import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import t from 'tap'
import { builtins } from '../../plugins/index.js'
import { checkout, command, environment, succeeds } from './command.js'

// One user's way, in order: pack, install in an empty folder, write a plugin, check its types, run it.
t.setTimeout(300_000)

// Outside the checkout, whose own node_modules would stand in for what the package forgets to depend on.
const folder = await mkdtemp(join(tmpdir(), 'outrigger-packed-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))

const plugin = `import { definePlugin, key, Reply } from 'outrigger'

const visitor = key<string>('visitor')

export default definePlugin({
  name: 'greeter',
  config: {
    type: 'object',
    properties: { greeting: { type: 'string' } },
    required: ['greeting'],
    additionalProperties: false
  },
  setup({ config }) {
    return {
      request(exchange) {
        exchange.set(visitor, exchange.request.headers.get('x-visitor') ?? 'stranger')
        if (exchange.request.path === '/greeting') return new Reply(200, { text: config.greeting })
      },
      response(response, exchange) {
        response.headers.set('x-greeted', exchange.get(visitor) ?? '')
      }
    }
  }
})
`
const sidecar = `admin: false
listeners:
  inbound: { address: 127.0.0.1:0 }
services:
  echo:
    endpoints: [UPSTREAM]
    plugins: [load-balancer: { policy: random }]
routes:
  - name: echo
    service: echo
    plugins:
      - logging: { destination: requests.log }
      - ./greeter.ts: { greeting: ahoy }
`
const program = `import { createProxy, defineConfig, type Plugin, type Proxy } from 'outrigger'
import { runPlugin } from 'outrigger/testing'
import greeter from './greeter.js'

export const config = defineConfig({ listeners: {}, routes: [] })
export const proxy: Promise<Proxy> = createProxy('sidecar.yaml')
export const plugin: Plugin = greeter
export const harness: unknown = runPlugin
// @ts-expect-error a plugin's name is a string
export const wrong: Plugin = { ...greeter, name: 1 }
`

let version = ''
let tarball = ''

t.test('the tarball holds what a user needs and nothing else', async (t) => {
  version = JSON.parse(await readFile(join(checkout, 'package.json'), 'utf8')).version
  await succeeds(process.execPath, ['.ci/build.mjs'])
  const packed = await succeeds('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder])
  const [{ filename, files }] = JSON.parse(packed.stdout) as [{ filename: string; files: { path: string }[] }]
  tarball = join(folder, filename)
  const paths = files.map(({ path }) => path)

  const expected =
    /^(package\.json|LICENSE|README\.md|CHANGELOG\.md|plugin-api\.md|outrigger\.schema\.json|plugins\/[a-z-]+\/(README\.md|example\.yaml)|dist\/(package\.json|LICENSES\.txt|load\.js|chunks\/[A-Za-z0-9.-]+\.js|(core|plugins)\/[a-z0-9/.-]+\.js|types\/package\.json|types\/(core|plugins)\/[a-z0-9/.-]+\.d\.ts))$/
  t.same(
    paths.filter((path) => !expected.test(path)),
    [],
    'no file of another kind'
  )
  t.same(
    paths
      .filter((path) => /^dist\/(types|core|plugins)\/.*\.(d\.ts|js)$/.test(path))
      .map((path) => path.replace(/^dist\/(types\/)?/, '').replace(/(\.d\.ts|\.js)$/, '.ts'))
      .filter((source) => !existsSync(join(checkout, source))),
    [],
    'nothing built whose source is gone'
  )
  t.same(await missingChunks(paths), [], 'every file that one of them loads')
  for (const path of ['README.md', 'LICENSE', 'CHANGELOG.md', 'plugin-api.md', 'outrigger.schema.json']) {
    t.ok(paths.includes(path), path)
  }
  for (const name of builtins.keys()) {
    for (const file of [
      `dist/plugins/${name}/index.js`,
      `plugins/${name}/README.md`,
      `plugins/${name}/example.yaml`
    ]) {
      t.ok(paths.includes(file), file)
    }
  }
})

/** What the bundle's files name of each other and the tarball does not hold. */
async function missingChunks(paths: readonly string[]): Promise<string[]> {
  const bundle = paths.filter((path) => path.startsWith('dist/') && path.endsWith('.js'))
  const missing: string[] = []
  for (const path of bundle) {
    const text = await readFile(join(checkout, path), 'utf8')
    for (const [, named] of text.matchAll(/require\("(\.[^"]+)"\)/g)) {
      const found = posix.join(posix.dirname(path), named as string)
      if (!paths.includes(found)) missing.push(`${path}: ${named}`)
    }
  }
  return missing
}

t.test('the licences of what is bundled come along', async (t) => {
  const text = await readFile(join(checkout, 'dist/LICENSES.txt'), 'utf8')
  for (const name of ['fastify', '@fastify/http-proxy', 'undici', 'zod', 'yaml', 'tapable', 'pino', 'ws']) {
    t.match(text, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+: (MIT|ISC)$`, 'm'), name)
  }
})

t.test('it installs in an empty folder without a warning, and the binary runs', async (t) => {
  await writeFile(join(folder, 'package.json'), '{ "name": "user", "private": true, "type": "module" }\n')
  const args = ['install', tarball, '--no-audit', '--no-fund', '--prefer-offline']
  const installed = await succeeds('npm', args, folder)
  t.notMatch(installed.stderr, /EBADENGINE|deprecated/)
  const { stdout } = await succeeds('npx', ['--no-install', 'outrigger', '--version'], folder)
  t.equal(stdout.trim(), version)
})

t.test("a user's files pass the type checker against the types that came along", async (t) => {
  await writeFile(join(folder, 'greeter.ts'), plugin)
  await writeFile(join(folder, 'program.ts'), program)
  const compilerOptions = {
    module: 'NodeNext',
    target: 'ES2023',
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    types: ['node'],
    typeRoots: [join(checkout, 'node_modules/@types')]
  }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions }))
  const tsc = join(checkout, 'node_modules/typescript/bin/tsc')
  const { code, stdout } = await command(process.execPath, [tsc, '-p', folder], folder)
  t.equal(stdout, '')
  t.equal(code, 0)
})

t.test('a plugin begun with `new plugin` passes its own test', async (t) => {
  await succeeds('npx', ['--no-install', 'outrigger', 'new', 'plugin', 'begun'], folder)
  const { stdout } = await succeeds('npm', ['test'], join(folder, 'begun'))
  t.match(stdout, /\bpass [1-9]/, 'its tests ran')
})

t.test('a sidecar with a plugin in TypeScript answers, and ends on SIGTERM', async (t) => {
  const upstream = createServer((request, response) => response.end(`upstream saw ${request.url}`))
  await once(upstream.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => upstream.close())
  const { port } = upstream.address() as AddressInfo
  await writeFile(join(folder, 'greeter.ts'), plugin)
  await writeFile(join(folder, 'sidecar.yaml'), sidecar.replace('UPSTREAM', `http://127.0.0.1:${port}`))

  const child = spawn(join(folder, 'node_modules/.bin/outrigger'), ['run', 'sidecar.yaml'], {
    cwd: folder,
    env: environment()
  })
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  const address = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(output)
      if (found) resolve(found[0])
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    child.on('exit', (code) => reject(new Error(`it ended with ${code}: ${output}`)))
  })

  const local = await fetch(`${address}/greeting`)
  t.same(await local.json(), { text: 'ahoy' }, 'the plugin answers by itself')
  const passed = await fetch(`${address}/orders?id=1`, { headers: { 'x-visitor': 'ann' } })
  t.equal(await passed.text(), 'upstream saw /orders?id=1')
  t.equal(passed.headers.get('x-greeted'), 'ann', 'the plugin saw the request and the response')

  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  t.same(await exited, [0, null], 'it ended well')
  const lines = (await readFile(join(folder, 'requests.log'), 'utf8')).trimEnd().split('\n')
  t.equal(lines.length, 2, 'the log is whole when the process has ended')
})
