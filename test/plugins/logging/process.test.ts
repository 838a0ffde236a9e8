import { execFileSync, spawn } from 'node:child_process'
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

// Each of these is a process that compiles the plugin anew, and its thread too.
t.setTimeout(180_000)

const LINES = 1000
const expected = Array.from({ length: LINES }, (_, i) => `{"requestId":"id-${i}"}\n`).join('')

/** Runs ending.ts. @returns what it wrote to standard output, and its exit code */
async function run(
  t: Test,
  destination: string,
  how: 'end' | 'exit' | 'throw',
  stdout: 'pipe' | number = 'pipe'
): Promise<{ out: string; code: unknown }> {
  const file = fileURLToPath(new URL('./fixtures/ending.ts', import.meta.url))
  const probe = join(t.testdirName, 'probe')
  const running = spawn(
    process.execPath,
    [...process.execArgv, file, destination, String(LINES), how, probe],
    {
      stdio: ['ignore', stdout, 'ignore']
    }
  )
  const over = new Promise((resolve) => running.on('exit', resolve))
  const out = running.stdout === null ? '' : await text(running.stdout)
  return { out, code: await over }
}

t.test('the thread does not keep the process, and no line is lost when it ends', async (t) => {
  const file = join(t.testdir({}), 'access.log')
  const { code } = await run(t, file, 'end')
  t.equal(code, 0)
  t.equal(readFileSync(file, 'utf8'), expected)
})

t.test('no line is lost at process.exit, and standard output gets every one', async (t) => {
  t.testdir({})
  const { out, code } = await run(t, 'stdout', 'exit')
  t.equal(code, 0)
  t.equal(out, expected)
})

t.test('a standard output that nobody reads does not keep a process that fails', async (t) => {
  const fifo = join(t.testdir({}), 'stdout')
  execFileSync('mkfifo', [fifo])
  const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK)
  const filler = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK)
  const writer = openSync(fifo, constants.O_WRONLY)
  t.teardown(() => {
    for (const fd of [reader, filler, writer]) closeSync(fd)
  })
  t.throws(() => {
    for (;;) writeSync(filler, Buffer.alloc(4096))
  }, /EAGAIN/)
  const { code } = await run(t, 'stdout', 'throw', writer)
  t.equal(code, 1)
})
