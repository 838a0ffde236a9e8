// `node --import outrigger/register`, as it was built: what it transpiles, and what it leaves to Node.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root } from './binary.js'

// It starts a process, on machines that may be busy.
t.setTimeout(60_000)

async function run(cwd: string, file: string): Promise<{ code: number | null; out: string }> {
  const child = spawn(process.execPath, ['--import', 'outrigger/register', file], {
    cwd,
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let out = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (out += chunk))
  const [code] = await once(child, 'close')
  return { code, out }
}

const BY_NODE = "typeof require === 'undefined'"

t.test('the author’s TypeScript alone is transpiled; all else is Node’s, and this package one', async (t) => {
  const cwd = t.testdir({
    'package.json': '{ "type": "module" }',
    node_modules: {
      dep: {
        'package.json': '{ "name": "dep", "type": "module", "exports": "./index.js" }',
        'index.js': `export { definePlugin } from 'outrigger'\nexport const byNode = ${BY_NODE}\n`
      }
    },
    'own.ts': `enum Level { High = 3 }\nclass Own { constructor(readonly level: Level) {} }\nexport const { level } = new Own(Level.High)\nexport { level as height, type Own }\nexport default 'mine'\n`,
    'main.ts': `
import { byNode, definePlugin as theirs } from 'dep'
import { definePlugin } from 'outrigger'
import { runPlugin } from 'outrigger/testing'
import own, { height } from './own.js'
const plugin = theirs({ name: 'mine', setup: () => ({}) })
const { status }: { status: number } = await runPlugin(plugin).request()
console.log(JSON.stringify({ byNode, one: theirs === definePlugin, own, height, status }))
`,
    'main.mjs': `import own, { height } from './own.ts'\nconsole.log(JSON.stringify({ byNode: ${BY_NODE}, own, height }))\n`,
    'throws.ts': `interface Gone {\n  a: number\n}\nthrow new Error('boom')\n`
  })
  symlinkSync(root, join(cwd, 'node_modules', 'outrigger'))
  const written = await run(cwd, 'main.ts')
  t.equal(written.code, 0, written.out)
  t.same(JSON.parse(written.out), { byNode: true, one: true, own: 'mine', height: 3, status: 200 })
  const plain = await run(cwd, 'main.mjs')
  t.equal(plain.code, 0, plain.out)
  t.same(JSON.parse(plain.out), { byNode: true, own: 'mine', height: 3 })
  const failed = await run(cwd, 'throws.ts')
  t.equal(failed.code, 1)
  t.match(failed.out, 'throws.ts:4: boom')
})
