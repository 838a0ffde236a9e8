// `npm test`: readies the checkout, runs the tests (all, or the files named) and closes with `N passed, N failed`.
import { spawn } from 'node:child_process'
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

console.log('running the tests ...')
const tap = spawn(
  process.execPath,
  [join(root, 'node_modules/tap/dist/esm/run.mjs'), 'run', '--reporter=tap', ...process.argv.slice(2)],
  { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] }
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
counts = await summarise(tap.stdout, (line) => console.log(line))
const code = await exited
if (counts.passed + counts.failed === 0) console.error('no test ran')
process.exitCode = code !== 0 || counts.passed === 0 || counts.failed > 0 ? 1 : 0
