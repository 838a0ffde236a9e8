// The tables of README.md beside what they are about: each names all that there is, and nothing else.
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { listPlugins } from '../../core/cli/plugins.js'
import { runProgram } from '../../core/cli/program.js'
import { configSchema } from '../../core/config/json-schema.js'
import { statusOf } from '../../core/errors.js'
import { createProxyWith } from '../../core/server/create.js'
import { checkConfig } from '../../core/server/load.js'
import { host } from '../../plugins/host.js'
import { claimPorts } from '../examples/ports.js'
import { checkout } from '../repository/command.js'
import { certificate } from '../support/certificates.js'
import { startTestProxy } from '../support/proxy.js'
import { startUpstream } from '../support/upstream.js'
import { anchors, codes, files, links, section, table } from './markdown.js'

const text = await readFile(join(checkout, 'README.md'), 'utf8')
const everyKey = files(text).get('every-key.yaml') ?? ''
const packageJson = JSON.parse(await readFile(join(checkout, 'package.json'), 'utf8'))

interface Schema {
  readonly properties?: Record<string, Schema>
  readonly additionalProperties?: Schema | boolean
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly default?: unknown
  readonly definitions?: Record<string, Schema>
}

/** Every key that a schema knows, `*` being any name and `0` any item, with its default. */
function* keysOf(schema: Schema, path: readonly string[] = []): Generator<[string[], unknown]> {
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    yield [[...path, name], inner.default]
    yield* keysOf(inner, [...path, name])
  }
  if (typeof schema.additionalProperties === 'object')
    yield* keysOf(schema.additionalProperties, [...path, '*'])
  if (schema.items !== undefined) yield* keysOf(schema.items, [...path, '0'])
  for (const choice of schema.anyOf ?? []) yield* keysOf(choice, path)
}

/** What stands at a path of a configuration. */
function at(value: unknown, [key, ...rest]: readonly string[]): unknown[] {
  if (key === undefined) return [value]
  if (typeof value !== 'object' || value === null) return []
  const inside = key === '*' || key === '0' ? Object.values(value) : key in value ? [Object(value)[key]] : []
  return inside.flatMap((each) => at(each, rest))
}

t.test('the configuration has every key, with its default', async (t) => {
  const schema = (await configSchema(host)) as Schema
  const written = parse(everyKey)
  const retry = written.routes[0].plugins[0].retry
  const plugins = [...keysOf(schema.definitions?.plugin ?? {})]
  const known = [...keysOf(schema)]
  t.ok(known.length > 50 && plugins.length >= 4, `${known.length} and ${plugins.length} keys`)
  for (const [keys, whole] of [
    [known, written],
    [plugins, retry]
  ] as const) {
    for (const [path, expected] of keys) {
      const found = at(whole, path)
      t.ok(found.length > 0, path.join('.'))
      if (expected === undefined || typeof expected === 'object') continue
      t.ok(found.includes(expected), `${path.join('.')} is ${expected}`, { found })
    }
  }
})

t.test('the configuration is right, and it starts', async (t) => {
  const ports = await claimPorts(t)
  const folder = t.testdir()
  const { cert, key } = certificate({ name: 'orders.internal' })
  for (const name of ['server.pem', 'ca.pem', 'client.pem', 'api.pem'])
    await writeFile(join(folder, name), cert)
  for (const name of ['server.key', 'client.key', 'api.key']) await writeFile(join(folder, name), key)
  const file = join(folder, 'every-key.yaml')
  await writeFile(file, everyKey.replace(/\b180(\d\d)\b/g, `${ports}$1`).replace(':9901', `:${ports}90`))
  const { routes } = await checkConfig(host, file)
  t.equal(routes.length, 2)
  const proxy = await createProxyWith(host, file)
  t.teardown(() => proxy.close())
  await proxy.start()
  t.equal(proxy.addresses.get('inbound'), `https://127.0.0.1:${ports}80`)
})

t.test('paths are normalised as it says', async (t) => {
  const [, from = '', to] = /`(\/a\S+)` is `(\S+)`/.exec(section(text, 'Configuration')) ?? []
  const { proxy } = await startTestProxy(t, { endpoints: ['http://127.0.0.1:1'] })
  t.equal(proxy.explain('GET', from).request.path, to)
})

/** What the command line says, and its exit code. */
async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' }
  const out = (text: string) => void (said.out += text)
  const err = (text: string) => void (said.err += text)
  const code = await runProgram(host, args, { out, err })
  return { code, ...said }
}

t.test('the commands, and the options of each', async (t) => {
  const commands = section(text, 'Commands')
  const listed = table(commands, 'command').map(([cell]) => codes(cell)[0]?.split(' ')[0] ?? '')
  const { out } = await run('--help')
  const names = [...out.matchAll(/^ {2}([a-z]+) .*/gm)].map(([, name]) => name as string)
  t.same([...new Set(listed)].sort(), names.filter((name) => name !== 'help').sort())
  const described = commands + section(text, 'For the service')
  for (const name of [...names.filter((name) => name !== 'help' && name !== 'new'), 'new plugin']) {
    const { out } = await run(...name.split(' '), '--help')
    for (const [, option = ''] of out.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)) {
      const named = option === '--header' ? '-H' : option
      t.ok(described.includes(named), `${name} ${option}`)
    }
  }
})

t.test('the exit codes', async (t) => {
  const folder = t.testdir({
    'good.yaml': 'listeners: { in: { address: "127.0.0.1:0" } }',
    'broken.yaml': 'listeners: {}'
  })
  t.equal((await run('check', join(folder, 'good.yaml'))).code, 0, 'done')
  t.equal((await run('check', join(folder, 'broken.yaml'))).code, 1, 'the configuration is wrong')
  t.equal((await run('chekc')).code, 1, 'an argument is wrong')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  await writeFile(
    join(folder, 'taken.yaml'),
    `listeners: { in: { address: "127.0.0.1:${port}" } }\nadmin: false\n`
  )
  t.equal((await run('run', join(folder, 'taken.yaml'))).code, 2, 'an address is taken')
})

t.test('what the admin answers to', async (t) => {
  const { proxy } = await startTestProxy(t, {
    endpoints: ['http://127.0.0.1:1'],
    config: { admin: { address: '127.0.0.1:0' } }
  })
  const response = await fetch(`${proxy.addresses.get('admin')}/nothing`)
  const { paths } = (await response.json()) as { paths: string[] }
  const listed = codes(section(text, 'The admin')).filter((code) => /^(GET|POST) \//.test(code))
  t.same(listed.sort(), paths.sort())
})

t.test('what it answers itself', async (t) => {
  const listed: Record<string, number> = {}
  for (const [names, statuses = ''] of table(section(text, 'What it answers itself'), 'code')) {
    const numbers = statuses.split(', ').map(Number)
    for (const [i, name] of codes(names).entries()) listed[name] = numbers[i] ?? (numbers[0] as number)
  }
  t.same(listed, statusOf)
})

t.test('the metrics', async (t) => {
  const upstream = await startUpstream(t, (_request, response) => response.end('ok'))
  const started = await startTestProxy(t, {
    endpoints: [upstream.url, 'http://127.0.0.1:1'],
    top: [
      { logging: { destination: join(t.testdir(), 'access.log') } },
      'metrics',
      { auth: { apiKeys: { mobile: `sha256:${'0'.repeat(64)}` }, when: { path: '/closed' } } }
    ],
    plugins: ['retry'],
    service: { plugins: ['load-balancer'] }
  })
  for (const path of ['/', '/', '/closed']) await (await fetch(new URL(path, started.url()))).text()
  const { text: shown } = await started.proxy.metrics()
  const there = new Map<string, { kind: string; labels: string[] | undefined }>()
  for (const [, name = '', kind = ''] of shown.matchAll(/^# TYPE (outrigger_\w+) (\w+)$/gm)) {
    const series = new RegExp(`^${name}(?:_count)?(?:\\{(.*)\\})? `, 'm').exec(shown)
    const labels = [...(series?.[1] ?? '').matchAll(/(\w+)="/g)].map(([, label]) => label as string)
    there.set(name, { kind, labels: series === null ? undefined : labels })
  }
  const listed = table(section(text, 'Metrics'), 'metric')
  t.same(listed.flatMap(([names]) => codes(names)).sort(), [...there.keys()].sort())
  for (const [names, kind, labels = ''] of listed) {
    for (const name of codes(names)) {
      const metric = there.get(name)
      t.equal(metric?.kind, kind, name)
      if (metric?.labels !== undefined) t.same(labels.split(', ').filter(Boolean), metric.labels, name)
    }
  }
  t.ok(
    [...there.values()].filter(({ labels }) => labels !== undefined).length >= 13,
    'nearly all have been seen'
  )
  t.match(shown, /^nodejs_/m)
  t.match(shown, /^process_/m)
})

t.test('the plugins and the examples', async (t) => {
  const part = section(text, 'What comes with it')
  const listed = table(part, 'plugin').map(([name = '', places = '']) => [
    /\[(.*)\]\(plugins\/\1\/README\.md\)/.exec(name)?.[1],
    places.split(', ')
  ])
  t.same(
    listed,
    (await listPlugins(host, undefined)).map(({ name, places }) => [name, places])
  )
  const examples = links(part).flatMap((target) => /^examples\/([^/]+)/.exec(target)?.[1] ?? [])
  t.same(examples.sort(), (await readdir(join(checkout, 'examples'))).sort())
})

t.test('the dependencies', async (t) => {
  const listed = table(section(text, 'How it forwards'), 'dependency').map(([name]) => codes(name)[0])
  t.same(listed, Object.keys(packageJson.dependencies))
})

t.test('versions, links and the place of the measurements', async (t) => {
  t.match(text, `Node ${packageJson.engines.node.replace('>=', '')} or newer`)
  t.match(text, `outrigger-${packageJson.version}.tgz`)
  for (const target of links(text)) {
    if (target.startsWith('#')) t.ok(anchors(text).includes(target.slice(1)), target)
    else t.ok(existsSync(join(checkout, target)), target)
  }
  t.ok(existsSync(join(checkout, 'outrigger.schema.json')))
  t.match(text, /\n<!-- bench -->\n[\s\S]*<!-- \/bench -->\n/)
})
