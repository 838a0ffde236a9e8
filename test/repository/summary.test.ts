import { cp, symlink, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { checkout, command, type Ended } from './command.js'

const passing = "import t from 'tap'\nt.test('two', async (t) => { t.ok(1); t.ok(1) })\nt.skip('one')\n"
const failing = "import t from 'tap'\nt.ok(1)\nt.test('sums', async (t) => t.equal(1 + 1, 3, 'three'))\n"

/** Runs `npm test` in a checkout that is built, unless a source newer than that is given. */
async function npmTest(
  t: Test,
  tests: Record<string, string>,
  { args = [], source }: { args?: string[]; source?: string } = {}
): Promise<Ended> {
  const folder = t.testdir({
    core: source === undefined ? {} : { 'one.ts': source },
    plugins: {},
    dist: { '.tsbuildinfo': '', plugins: { 'bin.js': '' } },
    test: tests
  })
  for (const name of ['.ci', 'package.json', 'package-lock.json', 'tsconfig.json']) {
    await cp(join(checkout, name), join(folder, name), { recursive: true })
  }
  await symlink(join(checkout, 'node_modules'), join(folder, 'node_modules'))
  const built = new Date(Date.now() + (source === undefined ? 60_000 : -60_000))
  await utimes(join(folder, 'dist/.tsbuildinfo'), built, built)
  return command(process.execPath, ['.ci/test.mjs', ...args], folder)
}

const lastLine = (text: string) => text.trimEnd().split('\n').at(-1)

t.test('the last line counts the assertions, and a file that is named is run alone', async (t) => {
  const tests = { 'one.test.ts': passing, 'two.test.ts': failing }
  const { code, stdout } = await npmTest(t, tests, { args: ['test/one.test.ts'] })
  t.equal(lastLine(stdout), '2 passed, 0 failed')
  t.match(stdout, 'ok   test/one.test.ts: 2 passed, 1 skipped')
  t.equal(code, 0)
})

t.test(
  'a failure is told with its place and difference, and a file that fails as a whole is counted',
  async (t) => {
    const { code, stdout } = await npmTest(t, {
      'broken.test.ts': "import './nowhere.js'\n",
      'empty.test.ts': 'export {}\n',
      'failing.test.ts': failing,
      'passing.test.ts': passing
    })
    t.match(stdout, 'not ok: test/failing.test.ts > sums > three (test/failing.test.ts:3:')
    t.match(stdout, '-3\n')
    t.match(stdout, 'FAIL test/broken.test.ts')
    t.match(stdout, 'FAIL test/empty.test.ts: no test in it')
    t.equal(lastLine(stdout), '3 passed, 3 failed')
    t.equal(code, 1)
  }
)

t.test('a run of no test fails', async (t) => {
  const { code, stdout, stderr } = await npmTest(
    t,
    { 'one.test.ts': passing },
    { args: ['test/nowhere.test.ts'] }
  )
  t.match(stderr, 'no test ran')
  t.equal(lastLine(stdout), '0 passed, 1 failed')
  t.equal(code, 1)
})

t.test('sources that do not compile end the run before any test', async (t) => {
  const source = "export const one: number = 'one'\n"
  const { code, stdout } = await npmTest(t, { 'one.test.ts': passing }, { source })
  t.match(stdout, "core/one.ts(1,14): error TS2322: Type 'string' is not assignable to type 'number'")
  t.notMatch(stdout, 'test/one.test.ts')
  t.equal(lastLine(stdout), '0 passed, 1 failed')
  t.not(code, 0)
})
