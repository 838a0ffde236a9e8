import { mkdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../../core/config/load.js'
import { ConfigError, formatProblem } from '../../../core/config/problem.js'
import { definePlugin } from '../../../core/hooks/plugin.js'
import { ModuleLoader } from '../../../core/modules/load.js'
import { host } from './fixtures/host.js'

const typescript = (name: string, extra = '') => `
import { definePlugin, type Plugin } from 'outrigger'
${extra}
interface Config { limit: number }
const mine: Plugin = definePlugin({
  name: '${name}',
  config: { type: 'object', properties: { limit: { type: 'integer', default: 1 } } },
  setup(context: { config: Config }) {}
})
export default mine
`
const javascript = (name: string) => `
import { definePlugin } from 'outrigger'
export default definePlugin({ name: '${name}', setup() {} })
`

const listeners = 'listeners: { a: { address: ":0" } }\n'

function configOf(...listings: unknown[]) {
  return { listeners: { a: { address: ':0' } }, plugins: listings }
}

async function problems(directory: string, ...listings: unknown[]): Promise<string[]> {
  try {
    await loadConfig(configOf(...listings), { host, directory })
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const shown = relative(process.cwd(), directory) || directory
    return error.problems.map((problem) => formatProblem(problem).replaceAll(shown, 'DIR'))
  }
  return []
}

t.test('built in, as a file in TypeScript and JavaScript, and as an installed package', async (t) => {
  const dir = t.testdir({
    conf: {
      'sidecar.yaml': `${listeners}plugins:
  - metrics
  - ./plugins/mine.ts: { limit: 5 }
  - ./plugins/mine.ts
  - ../shared/plain.mjs
  - DIRECTORY/conf/plugins/absolute.js
  - packaged
  - outrigger-plugin-packaged
  - '@acme/audit'
  - '@acme/outrigger-plugin-audit': { onFailure: skip }
  - whole-name
`,
      plugins: { 'mine.ts': typescript('mine'), 'absolute.js': javascript('absolute') }
    },
    shared: { 'plain.mjs': javascript('plain') },
    node_modules: {
      'outrigger-plugin-packaged': {
        'package.json':
          '{"name":"outrigger-plugin-packaged","type":"module","exports":{".":{"import":"./dist/index.js"}}}',
        dist: { 'index.js': javascript('packaged') }
      },
      '@acme': {
        'outrigger-plugin-audit': {
          'package.json': '{"name":"@acme/outrigger-plugin-audit","main":"index.js"}',
          'index.js': `const { definePlugin } = require('outrigger')\nmodule.exports = definePlugin({ name: 'audit', setup() {} })\n`
        }
      },
      'whole-name': {
        'package.json': '{"name":"whole-name","type":"module","exports":"./index.js"}',
        'index.js': javascript('whole-name')
      }
    }
  })
  const file = join(dir, 'conf/sidecar.yaml')
  const { readFileSync } = await import('node:fs')
  writeFileSync(file, readFileSync(file, 'utf8').replace('DIRECTORY', dir))
  const { plugins, watched } = await loadConfig(file, { host })
  t.same(
    plugins.map(({ name, config }) => [name, config]),
    [
      ['metrics', {}],
      ['mine', { limit: 5 }],
      ['mine', { limit: 1 }],
      ['plain', {}],
      ['absolute', {}],
      ['packaged', {}],
      ['packaged', {}],
      ['audit', {}],
      ['audit', {}],
      ['whole-name', {}]
    ]
  )
  t.equal(plugins[1]?.plugin, plugins[2]?.plugin, 'a file is loaded once')
  t.equal(plugins[7]?.plugin, plugins[8]?.plugin)
  t.same(watched.slice(0, 4), [
    file,
    join(dir, 'conf/plugins/mine.ts'),
    join(dir, 'shared/plain.mjs'),
    join(dir, 'conf/plugins/absolute.js')
  ])
})

t.test('a reload reads a changed plugin, and a changed file that it imports', async (t) => {
  const dir = t.testdir({
    'sidecar.yaml': `${listeners}plugins: [./a.ts, ./b.ts]\n`,
    'a.ts': typescript('a'),
    'b.ts': typescript('b', `import { value } from './lib.js'\nexport const imported = value`),
    'lib.ts': 'export const value = 1\n'
  })
  const loader = new ModuleLoader(host.modules)
  const file = join(dir, 'sidecar.yaml')
  const load = async () => (await loadConfig(file, { host, loader })).plugins.map(({ plugin }) => plugin)
  const first = await load()
  t.same((await loadConfig(file, { host, loader })).watched, [
    file,
    ...['a.ts', 'b.ts', 'lib.ts'].map((name) => join(dir, name))
  ])
  t.same(await load(), first)

  writeFileSync(join(dir, 'a.ts'), typescript('renamed'))
  const second = await load()
  t.equal(second[0]?.name, 'renamed')
  t.equal(second[1], first[1], 'what has not changed is the same')

  writeFileSync(join(dir, 'lib.ts'), 'export const value = 2\n')
  const third = await load()
  t.equal(third[0], second[0])
  t.not(third[1], second[1], 'a file it imports has changed')

  writeFileSync(join(dir, 'lib.ts'), 'export const value = (\n')
  await t.rejects(load(), {
    message: /sidecar\.yaml:2:19: plugins\[1\]: "\.\/b\.ts" cannot be loaded: .*lib\.ts:2: /
  })
})

t.test('what cannot be found says what was tried', async (t) => {
  const dir = t.testdir({ plugins: { 'mine.ts': typescript('mine') }, 'sibling.ts': typescript('sibling') })
  t.same(await problems(dir, 'retyr'), ['plugins[0]: unknown plugin "retyr": did you mean "retry"?'])
  t.same(await problems(dir, 'nowhere'), [
    'plugins[0]: unknown plugin "nowhere": it is not built in (auth, buffers, from-json-schema, load-balancer, logging, marked, ' +
      'metrics, reads, retry), and no package "outrigger-plugin-nowhere" or "nowhere" is installed for DIR'
  ])
  t.match(await problems(dir, '@acme/x'), [
    /no package "@acme\/outrigger-plugin-x" or "@acme\/x" is installed/
  ])
  t.match(await problems(dir, 'sibling', 'http', 'a b', ''), [
    /unknown plugin "sibling"/,
    /unknown plugin "http"/,
    /unknown plugin "a b"/,
    /expected the name of a plugin/
  ])
  t.same(await problems(dir, 'plugins/mine.ts'), [
    'plugins[0]: unknown plugin "plugins/mine.ts": did you mean the file "./plugins/mine.ts"?'
  ])
  t.same(await problems(dir, './plugins/mien.ts', './plugins/mine', './none/mine.ts'), [
    'plugins[0]: no plugin file DIR/plugins/mien.ts: did you mean "DIR/plugins/mine.ts"?',
    'plugins[1]: no plugin file DIR/plugins/mine: did you mean "DIR/plugins/mine.ts"?',
    'plugins[2]: no plugin file DIR/none/mine.ts: there is no folder DIR/none'
  ])
})

t.test('what is found but no plugin says why', async (t) => {
  const dir = t.testdir({
    'none.ts': 'export const a = 1\n',
    'other.ts': 'export default { name: "x" }\n',
    'throws.ts': `import 'outrigger'\n\nthrow new Error('no database')\n`,
    'syntax.js': 'export default {\n  a: 1,,\n}\n',
    'badname.mjs': `import { definePlugin } from 'outrigger'\nexport default definePlugin({ name: 'Bad Name', setup() {} })\n`,
    'text.txt': 'hello'
  })
  const [none, other, throws, syntax, badName, text] = await problems(
    dir,
    './none.ts',
    './other.ts',
    './throws.ts',
    './syntax.js',
    './badname.mjs',
    './text.txt'
  )
  const expectation = 'expected "export default definePlugin({ ... })"'
  t.equal(none, `plugins[0]: "./none.ts" is no plugin: it has no default export; ${expectation}`)
  t.equal(other, `plugins[1]: "./other.ts" is no plugin: its default export is an object; ${expectation}`)
  t.equal(throws, 'plugins[2]: "./throws.ts" cannot be loaded: DIR/throws.ts:3: no database')
  t.match(syntax, /^plugins\[3\]: "\.\/syntax\.js" cannot be loaded: DIR\/syntax\.js:2: [^\n]+$/)
  t.match(
    badName,
    /^plugins\[4\]: "\.\/badname\.mjs" cannot be loaded: DIR\/badname\.mjs:2: TypeError: a plugin's name is/
  )
  t.match(text, /^plugins\[5\]: "\.\/text\.txt" cannot be loaded: /)
})

t.test('a config schema that is of no use is told where the plugin is listed', async (t) => {
  const plugin = (config: never) => definePlugin({ name: 'odd', config, setup() {} })
  const schema = (config: object) => plugin(config as never)
  t.same(await problems(process.cwd(), schema({ type: 'array' })), [
    'plugins[0]: the config schema of odd is not usable: it is neither a zod 4 schema nor a JSON Schema of type object'
  ])
  t.match(await problems(process.cwd(), schema({ type: 'object', not: { required: ['a'] } })), [
    /^plugins\[0\]: the config schema of odd is not usable: /
  ])
  t.same(
    await problems(process.cwd(), schema({ type: 'object', properties: { when: { type: 'string' } } })),
    ['plugins[0]: the config schema of odd is not usable: it has the key "when", which every plugin has']
  )
})

t.test("schemas of a plugin's own copy of zod, with everything zod has", async (t) => {
  const { z } = await import('zod')
  type Node = { name: string; children?: Node[] | undefined }
  const node: import('zod').ZodType<Node> = z.object({
    name: z.string(),
    get children() {
      return z.array(node).optional()
    }
  })
  const plugin = definePlugin({
    name: 'rich',
    config: z
      .object({
        tree: node.optional(),
        target: z
          .discriminatedUnion('kind', [
            z.object({ kind: z.literal('file'), path: z.string() }),
            z.object({ kind: z.literal('http'), url: z.string() })
          ])
          .optional(),
        pairs: z.tuple([z.string(), z.object({ a: z.number() })]).optional(),
        both: z.intersection(z.object({ a: z.number() }), z.object({ b: z.number() })).optional(),
        open: z.looseObject({ a: z.number() }).optional(),
        map: z.record(z.string(), z.object({ a: z.number() })).optional(),
        min: z.string().min(3, 'say more').optional(),
        late: z
          .string()
          .refine(async (text) => text !== 'no', 'not that')
          .optional()
      })
      .refine(({ min, late }) => min === undefined || late === undefined, 'min or late'),
    setup() {}
  })
  const read = async (config: object) =>
    (await problems(process.cwd(), [plugin, config])).map((line) => line.replace('plugins[0][1].', ''))
  t.same(await read({ tree: { name: 'a', children: [{ name: 'b', children: [{ nam: 'c' }] }] } }), [
    'tree.children[0].children[0].name: missing: expected a string',
    'tree.children[0].children[0].nam: unknown key "nam": did you mean "name"?'
  ])
  t.same(await read({ target: { kind: 'file', path: '/x', pth: 1 } }), [
    'target.pth: unknown key "pth": did you mean "path"?'
  ])
  t.match(await read({ target: { kind: 'ftp' } }), [/^target\.kind: /])
  t.same(await read({ pairs: ['a', { a: 1, b: 2 }] }), ['pairs[1].b: unknown key "b": did you mean "a"?'])
  t.same(await read({ both: { a: 1, b: 2 } }), [])
  t.equal((await read({ both: { a: 1, b: 2, c: 3 } })).length, 1)
  t.same(await read({ open: { a: 1, anything: 2 } }), [])
  t.same(await read({ map: { x: { a: 'y' } } }), ['map.x.a: expected a number, not "y"'])
  t.same(await read({ min: 'a' }), ['min: say more'])
  t.same(await read({ late: 'no' }), ['late: not that'])
  t.same(await read({ min: 'aaa', late: 'b' }), ['plugins[0][1]: min or late'])
})

t.test('a folder that comes to be is found at the next load', async (t) => {
  const dir = t.testdir({})
  const loader = new ModuleLoader(host.modules)
  const load = () => loadConfig(configOf('packaged'), { host, directory: dir, loader })
  await t.rejects(load(), { name: 'ConfigError' })
  mkdirSync(join(dir, 'node_modules/outrigger-plugin-packaged'), { recursive: true })
  writeFileSync(
    join(dir, 'node_modules/outrigger-plugin-packaged/package.json'),
    '{"name":"outrigger-plugin-packaged","type":"module","exports":"./index.js"}'
  )
  writeFileSync(join(dir, 'node_modules/outrigger-plugin-packaged/index.js'), javascript('packaged'))
  t.equal((await load()).plugins[0]?.name, 'packaged')
})
