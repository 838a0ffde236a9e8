import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { checkout, environment, succeeds } from './command.js'

// What a newcomer types, and nothing else, where only the files of the repository are.
t.setTimeout(300_000)

const folder = await mkdtemp(join(tmpdir(), 'outrigger-fresh-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))

t.test('npm test installs, builds and runs, and shows its progress', async (t) => {
  const listed = await succeeds('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'])
  for (const file of new Set(listed.stdout.split('\0').filter(Boolean))) {
    if (existsSync(join(checkout, file))) await cp(join(checkout, file), join(folder, file))
  }
  const { stdout } = await succeeds('npm', ['test', '--', 'test/repository/lock.test.ts'], folder)
  t.match(stdout, /^installing \d+ packages/m)
  t.match(stdout, /^building dist/m)
  t.match(stdout.trimEnd(), /\n[1-9]\d* passed, 0 failed$/)
})

t.test('npm start runs the shop until Ctrl-C', async (t) => {
  const child = spawn('npm', ['start'], {
    cwd: folder,
    // Not the ports that another shop on this machine has.
    env: { ...environment(), SHOP_PORTS: '267' },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const exited = once(child, 'exit')
  let output = ''
  const listening = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk
        if (/http:\/\/127\.0\.0\.1:\d+/.test(output)) resolve()
      })
    }
  })
  await Promise.race([listening, exited])
  child.kill('SIGINT')
  t.same(await exited, [0, null], 'it ended well')
  t.notMatch(output, /^installing/m, 'what the first run installed is still there')
  t.notMatch(output, /^building/m, 'what it built, too')
})
