import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'

t.test('a pool at rest keeps no process alive, and its threads print to stderr', async (t) => {
  const script = fileURLToPath(new URL('./fixtures/alone.ts', import.meta.url))
  const child = spawn(process.execPath, [...process.execArgv, script], { timeout: 25_000 })
  const closed = new Promise((resolve) => child.on('close', (code, signal) => resolve(code ?? signal)))
  const [code, stdout, stderr] = await Promise.all([closed, text(child.stdout), text(child.stderr)])
  t.equal(code, 0, 'it ended by itself')
  const lines = stdout.split('\n').filter((line) => line !== '')
  t.equal(lines.length, 1, 'stdout has the process’s own line alone')
  const seen = JSON.parse(lines[0] ?? '')
  t.match(seen, { before: 0, after: 2, late: 'PLUGIN_TIMEOUT' })
  t.match(seen.warning, /^failLater .*thrown after the call/, 'a stray error is a warning by default')
  t.equal(stderr.split('said by a worker\n').length - 1, 2)
})
