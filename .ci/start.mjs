// `npm start`: readies the checkout, then runs the shop of examples/shop until Ctrl-C. Its script says `exec`, since a
// shell in between does not pass on the signal that npm was sent.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { prepare, root } from './prepare.mjs'

await prepare()

// A terminal that closes ends the shop; to a proxy its signal would mean a reload.
const passedOn = { SIGINT: 'SIGINT', SIGTERM: 'SIGTERM', SIGHUP: 'SIGTERM' }

// Ctrl-C in a terminal reaches this process twice, from the terminal and again from npm, and two signals mean "at
// once" to a proxy that drains. So the shop runs in a process group of its own and gets each press once, from here.
const shop = spawn(process.execPath, [join(root, 'examples/shop/run.mjs'), ...process.argv.slice(2)], {
  cwd: root,
  stdio: ['ignore', 'inherit', 'inherit'],
  detached: true
})
shop.on('error', (error) => {
  console.error(`the shop cannot be started: ${error.message}`)
  process.exitCode = 1
})
shop.on('exit', (code, signal) => {
  if (signal === null) return process.exit(code)
  for (const name of Object.keys(passedOn)) process.removeAllListeners(name)
  process.kill(process.pid, signal)
})

let last = Number.NEGATIVE_INFINITY
for (const [name, passed] of Object.entries(passedOn)) {
  process.on(name, () => {
    const now = performance.now()
    if (now - last > 1000) shop.kill(passed)
    last = now
  })
}
