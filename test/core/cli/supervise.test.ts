import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Supervisor } from '../../../core/cli/supervise.js'
import { StartError } from '../../../core/server/types.js'
import { keptLines } from './lines.js'

/** Polls, since another process does it; bounded by tap's own time limit. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // A zombie that init has not yet taken away is dead.
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

const node = (script: string) => ({ command: process.execPath, args: ['-e', script] })
const note = (file: string, text: string) =>
  `require('fs').appendFileSync(${JSON.stringify(file)}, ${JSON.stringify(text)})`
const STAY = 'setInterval(() => {}, 1000)'

t.test('a command that is not there', async (t) => {
  const missing = new Supervisor({ command: 'no-such-command-anywhere', args: [], log: keptLines() })
  await t.rejects(missing.start(), {
    constructor: StartError,
    message: /there is no command no-such-command-anywhere/
  })
  const folder = new Supervisor({ command: t.testdir(), args: [], log: keptLines() })
  await t.rejects(folder.start(), { constructor: StartError, message: /is not executable/ })
})

t.test('started again when it ends', async (t) => {
  const file = join(t.testdir(), 'starts')
  const log = keptLines()
  const service = new Supervisor({ ...node(`${note(file, 'x')}; process.exit(3)`), log })
  t.teardown(() => service.kill())
  await service.start()
  await until(() => existsSync(file) && readFileSync(file, 'utf8').length >= 3)
  t.match(await log.until('ended with code 3'), /starting it again in \d+ ms/)
  await service.stop(5000)
  const starts = readFileSync(file, 'utf8').length
  const count = log.lines.length
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(readFileSync(file, 'utf8').length, starts)
  t.equal(log.lines.length, count)
})

t.test('stop: SIGTERM once, and time to end', async (t) => {
  const file = join(t.testdir(), 'signals')
  const script = `process.on('SIGTERM', () => { ${note(file, 'T')}; setTimeout(() => process.exit(0), 100) }); ${note(file, 'up ')}; ${STAY}`
  const service = new Supervisor({ ...node(script), log: keptLines() })
  t.teardown(() => service.kill())
  await service.start()
  const { pid } = service
  await until(() => existsSync(file))
  await service.stop(10_000)
  t.equal(readFileSync(file, 'utf8'), 'up T')
  t.notOk(isAlive(pid as number))
})

t.test('stop: killed when it does not end, with what it has started', async (t) => {
  const file = join(t.testdir(), 'child')
  const inner = `process.on('SIGTERM', () => {}); require('fs').writeFileSync(${JSON.stringify(file)}, String(process.pid)); ${STAY}`
  const script = `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(inner)}]); process.on('SIGTERM', () => {}); ${STAY}`
  const log = keptLines()
  const service = new Supervisor({ ...node(script), log })
  t.teardown(() => service.kill())
  await service.start()
  const { pid } = service
  await until(() => existsSync(file) && readFileSync(file, 'utf8') !== '')
  await service.stop(100)
  t.match(log.lines.at(-1), /killed/)
  await until(() => !isAlive(pid as number))
  await until(() => !isAlive(Number(readFileSync(file, 'utf8'))))
  t.pass()
})

t.test('what a shell leaves behind is ended too', async (t) => {
  const file = join(t.testdir(), 'child')
  const inner = `require('fs').writeFileSync(${JSON.stringify(file)}, String(process.pid)); ${STAY}`
  const service = new Supervisor({
    command: 'sh',
    args: ['-c', `"$0" -e "$1" & wait`, process.execPath, inner],
    log: keptLines()
  })
  t.teardown(() => service.kill())
  await service.start()
  await until(() => existsSync(file) && readFileSync(file, 'utf8') !== '')
  await service.stop(10_000)
  await until(() => !isAlive(Number(readFileSync(file, 'utf8'))))
  t.pass()
})
