import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { checkout } from './command.js'

/** A checkout where nothing is left to install or to build, and whose shop is the script given. */
async function checkoutWith(t: Test, shop: string): Promise<string> {
  const folder = t.testdir({
    'package-lock.json': '{ "packages": { "": {} } }',
    'tsconfig.json': '{}',
    node_modules: { '.package-lock.json': '{ "packages": {} }' },
    core: {},
    plugins: {},
    dist: { '.tsbuildinfo': '', plugins: { 'bin.js': '' } },
    examples: { shop: { 'run.mjs': shop } }
  })
  await cp(join(checkout, '.ci'), join(folder, '.ci'), { recursive: true })
  const later = new Date(Date.now() + 60_000)
  await utimes(join(folder, 'dist/.tsbuildinfo'), later, later)
  return folder
}

async function start(folder: string, ...args: string[]): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(folder, '.ci/start.mjs'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  await once(child.stdout as NonNullable<typeof child.stdout>, 'data')
  return child
}

t.test('npm start runs the shop with its arguments and ends with its exit code', async (t) => {
  const folder = await checkoutWith(
    t,
    "console.log('up'); process.exitCode = process.argv[2] === '--port' ? 7 : 1"
  )
  const [code] = await once(await start(folder, '--port', '1'), 'exit')
  t.equal(code, 7)
})

t.test('Ctrl-C, which npm passes on once more, reaches the shop once', async (t) => {
  const folder = await checkoutWith(
    t,
    `let signals = 0
     process.on('SIGINT', () => {
       console.log('once')
       signals++
       setTimeout(() => process.exit(40 + signals), 200)
     })
     setInterval(() => {}, 1000)
     console.log('up')`
  )
  const child = await start(folder)
  child.kill('SIGINT')
  await once(child.stdout as NonNullable<typeof child.stdout>, 'data')
  child.kill('SIGINT')
  const [code] = await once(child, 'exit')
  t.equal(code, 41)
})

t.test('a shop that a signal ended ends npm start in the same way', async (t) => {
  const folder = await checkoutWith(t, "setInterval(() => {}, 1000); console.log('up')")
  const child = await start(folder)
  child.kill('SIGTERM')
  const [code, signal] = await once(child, 'exit')
  t.same([code, signal], [null, 'SIGTERM'])
})
