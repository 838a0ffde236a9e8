// `npm test`: readies the checkout, runs the tests (all, or the files named), those of the wire twice, and closes with `N passed, N failed`.
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { prepare, root } from './prepare.mjs'

let counts = { passed: 0, failed: 0 }
process.on('exit', (code) => {
  // Whatever went wrong without an assertion that says so is a failure too, and must be in the count.
  const failed = counts.failed === 0 && code !== 0 ? 1 : counts.failed
  console.log(`${counts.passed} passed, ${failed} failed`)
})

await prepare()
const { summarise } = await import('./tap-summary.mjs')

const files = process.argv.slice(2)
console.log('running the tests ...')
let failed = await run(files, {})
if (files.length === 0) {
  // What speaks on the wire, a second time: on the path that the fast lane hands over to.
  console.log('running those of the wire with fastLane: false ...')
  failed = (await run(['test/wire', 'test/core/server'].flatMap(testsIn), { FAST_LANE: 'off' })) || failed
}
if (counts.passed + counts.failed === 0) console.error('no test ran')
process.exitCode = failed || counts.passed === 0 || counts.failed > 0 ? 1 : 0

/** tap takes a folder's other files for tests too. */
function testsIn(folder) {
  return readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join(folder, name))
}

/** @returns whether tap itself says that something failed */
async function run(files, environment) {
  const tap = spawn(
    process.execPath,
    [join(root, 'node_modules/tap/dist/esm/run.mjs'), 'run', '--reporter=tap', ...files],
    { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...environment } }
  )
  const exited = new Promise((resolve) => {
    tap.on('error', (error) => {
      console.error(`tap cannot be run: ${error.message}`)
      resolve(1)
    })
    tap.on('exit', (code, signal) => {
      if (signal !== null) console.error(`tap ended on ${signal}`)
      resolve(code ?? 1)
    })
  })
  const { passed, failed } = await summarise(tap.stdout, (line) => console.log(line))
  counts = { passed: counts.passed + passed, failed: counts.failed + failed }
  return (await exited) !== 0
}
