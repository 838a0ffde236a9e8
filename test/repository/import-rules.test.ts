import { join } from 'node:path'
import t from 'tap'
import { checkout, command } from './command.js'

const script = join(checkout, '.ci/import-rules.mjs')
const check = (folder: string) => command(process.execPath, [script, folder])

/** A repository of which every file keeps the rules. */
const sound = {
  core: {
    'index.ts': "export { one } from './hooks/one.js'\n",
    hooks: { 'one.ts': "import { readFile } from 'node:fs'\nexport const one = readFile\n" },
    server: { 'proxy.ts': "import { one } from '../hooks/one.js'\nexport const proxy = one\n" },
    cli: { 'main.ts': "import type { proxy } from '../server/proxy.js'\nexport type Main = typeof proxy\n" }
  },
  plugins: {
    'host.ts': "import './retry/index.js'\nimport '../core/server/proxy.js'\n",
    retry: {
      'index.ts':
        "import { one } from '../../core/index.js'\nimport { z } from 'zod'\nimport './budget.js'\none(z)\n",
      'budget.ts': 'export {}\n'
    }
  }
}

t.test('a repository that keeps the rules passes', async (t) => {
  const { code, stdout } = await check(t.testdir(sound))
  t.match(stdout, '7 files, 0 against the rules')
  t.equal(code, 0)
})

t.test('each broken rule is told with its file, line and import', async (t) => {
  const broken = [
    [
      'core/hooks/bad-1.ts',
      "\nimport { retry } from '../../plugins/retry/index.js'\n",
      'hands plugins in',
      2
    ],
    ['core/hooks/bad-2.ts', "import type { proxy } from '../server/proxy.js'\n", 'imports go down', 1],
    ['core/hooks/bad-3.ts', "export * from '../index.js'\n", 'imports go down', 1],
    ['core/hooks/bad-4.ts', "\n\nconst late = () => import('../cli/main.js')\n", 'imports go down', 3],
    ['core/hooks/bad-5.ts', "import { one } from 'outrigger'\n", 'by path', 1],
    ['core/nowhere/bad-6.ts', "import { one } from '../hooks/one.js'\n", 'stands in no layer', 1],
    ['plugins/auth/bad-7.ts', "import { one } from '../../core/hooks/one.js'\n", 'public face alone', 1],
    ['plugins/auth/bad-8.ts', "import '../retry/budget.js'\n", 'no other plugin', 1],
    ['plugins/auth/bad-9.ts', "import { host } from '../host.js'\n", 'no other plugin', 1],
    ['plugins/auth/bad-10.ts', "import { one } from 'outrigger'\n", 'the same copy', 1],
    ['plugins/auth/bad-11.ts', "import '../../test/support/clock.js'\n", 'its own folder', 1]
  ] as const
  const contents: { [top: string]: { [folder: string]: { [file: string]: string } | string } } =
    structuredClone(sound)
  for (const [path, text] of broken) {
    const [top, folder, name] = path.split('/') as [string, string, string]
    contents[top] = { ...contents[top], [folder]: { ...(contents[top]?.[folder] as object), [name]: text } }
  }
  const { code, stdout } = await check(t.testdir(contents))
  for (const [path, text, says, line] of broken) {
    const told = stdout.split('\n').find((told) => told.startsWith(`${path}:${line}: '`))
    t.match(told, says, `${path}: ${text.trim()}`)
  }
  t.match(stdout, `, ${broken.length} against the rules`)
  t.equal(code, 1)
})

t.test('a file named for nothing in particular is told', async (t) => {
  const { code, stdout } = await check(
    t.testdir({ ...sound, test: { 'http-utils.ts': '', 'utilities.ts': '' } })
  )
  t.match(stdout, 'test/http-utils.ts: "utils" says nothing')
  t.match(stdout, ', 1 against the rules')
  t.equal(code, 1)
})

t.test('a long file is a warning and no failure', async (t) => {
  const long = { core: { hooks: { 'long.ts': '\n'.repeat(351), 'short.ts': '\n'.repeat(350) } } }
  const { code, stdout } = await check(t.testdir(long))
  t.match(stdout, 'warning: core/hooks/long.ts: 351 lines')
  t.notMatch(stdout, 'short.ts')
  t.equal(code, 0)
})
