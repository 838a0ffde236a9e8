import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { definePlugin, isPlugin } from '../../../core/hooks/plugin.js'
import { ModuleError } from '../../../core/modules/failure.js'
import { ModuleLoader } from '../../../core/modules/load.js'

const own = new URL('../../../core/hooks/plugin.ts', import.meta.url)
const testing = new URL('../../../core/hooks/decisions.ts', import.meta.url)
const newLoader = () => new ModuleLoader({ outrigger: own, 'outrigger/testing': testing })

async function failure(promise: Promise<unknown>): Promise<ModuleError> {
  try {
    await promise
  } catch (error) {
    if (error instanceof ModuleError) return error
    throw error
  }
  throw new Error('it was to fail')
}

t.test('a TypeScript file runs as it is, with our own copy of outrigger', async (t) => {
  const dir = t.testdir({
    'mine.ts': `
      import type { Plugin } from 'outrigger'
      import { definePlugin, type Place } from 'outrigger'
      import * as outrigger from 'outrigger'
      import { Reply } from 'outrigger/testing'
      enum Level { Low = 1, High }
      class Box { constructor(private readonly held: number) {} get value(): number { return this.held } }
      const place: Place = 'top'
      export const late = await Promise.resolve('waited')
      export const level: number = Level.High
      export const boxed = new Box(7).value
      export const url = import.meta.url
      export const resolved = import.meta.resolve('outrigger')
      export { definePlugin, outrigger, Reply, place }
      export default definePlugin({ name: 'mine', setup() {} }) satisfies Plugin
    `
  })
  const mine = await newLoader().import(join(dir, 'mine.ts'))
  t.equal(mine.definePlugin, definePlugin, 'the very same function')
  t.equal((mine.outrigger as Record<string, unknown>).definePlugin, definePlugin)
  t.equal(mine.Reply, (await import('../../../core/hooks/decisions.js')).Reply)
  t.ok(isPlugin(mine.default))
  t.match(mine, { late: 'waited', level: 2, boxed: 7, place: 'top' })
  t.equal(mine.url, pathToFileURL(join(dir, 'mine.ts')).href)
  t.equal(mine.resolved, own.href)
})

t.test('JavaScript of every kind gets the same copy', async (t) => {
  const module = `import { definePlugin } from 'outrigger'\nexport { definePlugin }\nexport default 'esm'\n`
  const common = `const { definePlugin } = require('outrigger')\nmodule.exports = { definePlugin, kind: 'cjs' }\n`
  const dir = t.testdir({
    'a.mjs': module,
    'b.js': module,
    'c.js': common,
    'd.cjs': common,
    'e.mts': module,
    typed: { 'package.json': '{"type":"module"}', 'f.js': module },
    untyped: { 'package.json': '{}', 'g.js': module, 'h.js': common },
    'later.cjs': `exports.later = () => import('outrigger')\n`
  })
  for (const [file, fallback] of [
    ['a.mjs', 'esm'],
    ['b.js', 'esm'],
    ['typed/f.js', 'esm'],
    ['e.mts', 'esm'],
    ['untyped/g.js', 'esm'],
    ['untyped/h.js', undefined],
    ['c.js', undefined],
    ['d.cjs', undefined]
  ] as const) {
    const loaded = await newLoader().import(join(dir, file))
    t.equal(loaded.definePlugin, definePlugin, file)
    t.equal(fallback ?? (loaded.default as { kind: string }).kind, fallback ?? 'cjs')
  }
  const { later } = (await newLoader().import(join(dir, 'later.cjs'))) as { later(): Promise<object> }
  t.match(await later(), { definePlugin }, 'import() in CommonJS too')
})

t.test('installed packages that build on outrigger get it too; others are left to Node', async (t) => {
  const dir = t.testdir({
    'entry.ts': `
      export { definePlugin as viaKit } from 'kit'
      export { state, own } from 'plain'
    `,
    node_modules: {
      'outrigger-plugin-mine': {
        'package.json':
          '{"name":"outrigger-plugin-mine","type":"module","exports":{"import":"./lib/index.js"}}',
        lib: {
          'index.js': `import { definePlugin } from 'outrigger'\nimport { helped } from './helper.js'\nexport { definePlugin, helped }\n`,
          'helper.js': `import { isPlugin } from 'outrigger'\nexport const helped = isPlugin\n`
        }
      },
      '@acme': {
        'outrigger-plugin-old': {
          'package.json': '{"name":"@acme/outrigger-plugin-old","main":"main.js"}',
          'main.js': `"use strict"
Object.defineProperty(exports, "__esModule", { value: true })
const outrigger_1 = require("outrigger")
const deep = require("./deep")
exports.definePlugin = outrigger_1.definePlugin
exports.deep = deep.definePlugin
exports.default = outrigger_1.definePlugin({ name: "old", setup() {} })
`,
          'deep.js': `exports.definePlugin = require('outrigger').definePlugin\n`
        }
      },
      kit: {
        'package.json':
          '{"name":"kit","type":"module","exports":"./i.js","peerDependencies":{"outrigger":"*"}}',
        'i.js': `export { definePlugin } from 'outrigger'\n`
      },
      plain: {
        'package.json': '{"name":"plain","type":"module","exports":"./i.js"}',
        'i.js': `export const state = {}\nlet own\ntry { own = await import('outrigger') } catch {}\nexport { own }\n`
      }
    }
  })
  const loader = newLoader()
  const mine = await loader.import((await loader.resolve('outrigger-plugin-mine', dir)) as string)
  t.equal(mine.definePlugin, definePlugin)
  t.equal(mine.helped, isPlugin)
  const old = await loader.import((await loader.resolve('@acme/outrigger-plugin-old', dir)) as string)
  t.equal(old.definePlugin, definePlugin)
  t.equal(old.deep, definePlugin)
  t.ok(isPlugin(old.default))
  const entry = await loader.import(join(dir, 'entry.ts'))
  t.equal(entry.viaKit, definePlugin)
  const plain = await import(pathToFileURL(join(dir, 'node_modules/plain/i.js')).href)
  t.equal(entry.state, plain.state, "Node's own instance")
  t.equal(await loader.resolve('outrigger-plugin-absent', dir), undefined)
})

t.test('a reload reads what has changed, and keeps what has not', async (t) => {
  const dir = t.testdir({
    'a.ts': `import { value } from './lib/b.js'\nexport const from = value\nexport const id = {}\n`,
    'other.ts': `import { value } from './lib/b.js'\nexport const from = value\n`,
    'still.ts': `export const id = {}\n`,
    lib: {
      'b.ts': `import data from './data.json' with { type: 'json' }\nexport const value = data.n\n`,
      'data.json': '{"n":1}'
    },
    'm.mjs': 'export const n = 1\n'
  })
  const loader = newLoader()
  const at = (name: string) => join(dir, name)
  const a = await loader.import(at('a.ts'))
  const still = await loader.import(at('still.ts'))
  t.equal((await loader.import(at('other.ts'))).from, 1)
  t.equal((await loader.import(at('m.mjs'))).n, 1)
  t.same(loader.files(at('a.ts')).sort(), [at('a.ts'), at('lib/b.ts'), at('lib/data.json')])

  t.equal((await loader.import(at('a.ts'), { fresh: true })).id, a.id, 'nothing changed, nothing run again')

  writeFileSync(at('lib/data.json'), '{"n":2}')
  t.equal((await loader.import(at('a.ts'))).from, 1, 'not asked to be fresh')
  t.equal((await loader.import(at('a.ts'), { fresh: true })).from, 2, 'a file two imports away')
  t.equal((await loader.import(at('other.ts'), { fresh: true })).from, 2, 'who else imports it')
  t.equal((await loader.import(at('still.ts'), { fresh: true })).id, still.id)

  writeFileSync(at('m.mjs'), 'export const n = 2\n')
  t.equal((await loader.import(at('m.mjs'), { fresh: true })).n, 2)

  writeFileSync(at('lib/b.ts'), 'export const value = \n')
  t.match(
    (await failure(loader.import(at('a.ts'), { fresh: true }))).message,
    /lib\/b\.ts:\d+: .*[Uu]nexpected/
  )
  writeFileSync(at('lib/b.ts'), 'export const value = 3\n')
  t.equal((await loader.import(at('a.ts'), { fresh: true })).from, 3, 'mended')

  renameSync(at('lib/b.ts'), at('lib/c.ts'))
  t.match(
    (await failure(loader.import(at('a.ts'), { fresh: true }))).message,
    /a\.ts:1: cannot find \.\/lib\/b\.js$/
  )
})

t.test('what cannot be loaded says where and why, in one line', async (t) => {
  const dir = t.testdir({
    'syntax.ts': 'const a = 1\nconst b: = 2\n',
    'syntax.cjs': 'const a = 1\nconst b = = 2\n',
    'throws.ts': `import 'outrigger'\ninterface A {\n  b: string\n}\n\nfunction fail(): never {\n  throw new TypeError('boom\\nsecond line')\n}\nfail()\n`,
    'inner.mjs': `export const a = 1\n\nthrow new Error('inner')\n`,
    'outer.ts': `import { a } from './inner.mjs'\nexport { a }\n`,
    'string.ts': `throw 'a word'\n`,
    'missing.ts': `// first\nimport x from 'not-installed'\nexport default x\n`,
    'late.ts': `await Promise.resolve()\n\nthrow new Error('later')\n`,
    'bad.json': '{',
    'json.ts': `import bad from './bad.json'\nexport default bad\n`
  })
  const loader = newLoader()
  const message = async (name: string) => (await failure(loader.import(join(dir, name)))).message
  const at = (name: string) => join(dir, name).slice(process.cwd().length + 1)
  t.match(await message('syntax.ts'), new RegExp(`^${at('syntax.ts')}:2: [^\\n]+$`))
  t.match(await message('syntax.cjs'), new RegExp(`^${at('syntax.cjs')}:2: SyntaxError: [^\\n]+$`))
  t.equal(await message('throws.ts'), `${at('throws.ts')}:7: TypeError: boom`)
  t.equal(await message('outer.ts'), `${at('inner.mjs')}:3: inner`)
  t.equal(await message('string.ts'), `${at('string.ts')}: threw "a word"`)
  t.equal(await message('missing.ts'), `${at('missing.ts')}:2: cannot find not-installed`)
  t.equal(await message('late.ts'), `${at('late.ts')}:3: later`)
  t.match(await message('json.ts'), new RegExp(`^${at('bad.json')}: SyntaxError: `))
  t.equal(await message('nowhere.ts'), `${at('nowhere.ts')}: no such file`)
})

t.test('files may import each other in a circle, and import() runs later', async (t) => {
  const dir = t.testdir({
    'a.ts': `import { b } from './b.ts'\nexport function a() { return 'a' }\nexport const both = a() + b()\n`,
    'b.ts': `import { a } from './a.ts'\nexport const b = () => 'b'\nexport const back = () => a() + b()\nexport const lazy = () => import('./a.ts')\n`
  })
  const loader = newLoader()
  const [a, b] = await Promise.all([loader.import(join(dir, 'a.ts')), loader.import(join(dir, 'b.ts'))])
  t.equal(a.both, 'ab')
  t.equal((b.back as () => string)(), 'ab')
  t.equal((await (b.lazy as () => Promise<{ both: string }>)()).both, 'ab')
})

t.test('a file that two import at once is run once', async (t) => {
  const dir = t.testdir({
    'one.ts': `export * from './shared.ts'\n`,
    'two.ts': `export * from './shared.ts'\n`,
    'shared.ts': `await Promise.resolve()\nexport const id = {}\n`
  })
  const loader = newLoader()
  const [one, two] = await Promise.all([
    loader.import(join(dir, 'one.ts')),
    loader.import(join(dir, 'two.ts'))
  ])
  t.ok(one.id)
  t.equal(one.id, two.id)
  rmSync(join(dir, 'shared.ts'))
  t.equal((await loader.import(join(dir, 'two.ts'))).id, one.id)
})

t.test('loaders do not share, and one works in a worker thread', async (t) => {
  const dir = t.testdir({ 'a.ts': 'export const id = {}\n' })
  const first = await newLoader().import(join(dir, 'a.ts'))
  t.not((await newLoader().import(join(dir, 'a.ts'))).id, first.id)

  const work = t.testdir({
    'task.ts': `import { isMainThread } from 'node:worker_threads'
import { isPlugin } from 'outrigger'
enum Answer { Yes = 42 }
export const run = () => ({ isMainThread, answer: Answer.Yes, known: typeof isPlugin })
`
  })
  const worker = new Worker(new URL('./fixtures/loading.worker.ts', import.meta.url), {
    workerData: { own: own.href, task: join(work, 'task.ts') }
  })
  const answer = await new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  await worker.terminate()
  t.same(answer, { isMainThread: false, answer: 42, known: 'function' })
})
