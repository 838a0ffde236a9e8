// How several processes end: drained by one word, at once by a second, and by themselves when nobody is left to say it.
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ready, start } from '../core/cli/binary.js'
import { once, runs, startCrew, until, yaml } from '../core/cluster/two-processes.js'
import { startUpstream } from '../support/upstream.js'

// Each of these starts processes, on machines that may be busy.
t.setTimeout(300_000)

/** An upstream that answers when it is told to. */
async function startHeld(t: Parameters<typeof startUpstream>[0]) {
  const held: (() => void)[] = []
  const upstream = await startUpstream(t, (_request, response) => void held.push(() => response.end('late')))
  return {
    url: upstream.url,
    held,
    release: () => {
      for (const end of held.splice(0)) end()
    }
  }
}

for (const [how, ask] of [
  ['SIGTERM', (crew) => void crew.binary.child.kill('SIGTERM')],
  ['POST /drain', (crew) => fetch(`${crew.admin}/drain`, { method: 'POST' })]
] as [string, (crew: Awaited<ReturnType<typeof startCrew>>) => unknown][]) {
  t.test(`${how}: what is under way on all of them ends, and new requests are refused`, async (t) => {
    const upstream = await startHeld(t)
    const crew = await startCrew(t, yaml(upstream.url))
    const pids = await crew.pids(2)
    const answers = Array.from({ length: 4 }, () => once(crew.url))
    await until(() => upstream.held.length === 4)
    const said = await ask(crew)
    if (said instanceof Response) t.match(await said.json(), { ok: true, state: 'draining', inFlight: 4 })
    await until(async () => (await fetch(`${crew.admin}/readyz`)).status === 503)
    await until(() =>
      once(crew.url).then(
        () => false,
        () => true
      )
    )
    t.ok([...pids].every(runs), 'they wait for what is under way')
    upstream.release()
    t.same(await Promise.all(answers), Array(4).fill('late'))
    t.equal(await crew.binary.ended, 0)
    t.notOk([...pids].some(runs))
    t.notMatch(crew.binary.err, /killed/)
  })
}

t.test('Ctrl-C reaches all of a terminal: the primary alone heeds it', async (t) => {
  const upstream = await startHeld(t)
  const crew = await startCrew(t, yaml(upstream.url))
  const pids = await crew.pids(2)
  const answers = [once(crew.url), once(crew.url)]
  await until(() => upstream.held.length === 2)
  for (const pid of pids)
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(pid, signal)
  crew.binary.child.kill('SIGINT')
  await crew.binary.untilErr(/"draining"/)
  upstream.release()
  t.same(await Promise.all(answers), ['late', 'late'])
  t.equal(await crew.binary.ended, 0)
})

t.test('a second signal ends all at once', async (t) => {
  const upstream = await startHeld(t)
  const crew = await startCrew(t, yaml(upstream.url))
  const pids = await crew.pids(2)
  const answers = [once(crew.url), once(crew.url)].map((answer) => answer.catch(() => 'cut'))
  await until(() => upstream.held.length === 2)
  crew.binary.child.kill('SIGTERM')
  await crew.binary.untilErr(/"draining"/)
  crew.binary.child.kill('SIGTERM')
  t.equal(await crew.binary.ended, 143)
  t.same(await Promise.all(answers), ['cut', 'cut'])
  await until(() => ![...pids].some(runs))
})

t.test('what does not end within the drain is cut', async (t) => {
  const upstream = await startHeld(t)
  const crew = await startCrew(t, yaml(upstream.url).replace('drain: 20s', 'drain: 200ms'))
  const answers = [once(crew.url), once(crew.url)].map((answer) => answer.catch(() => 'cut'))
  await until(() => upstream.held.length === 2)
  crew.binary.child.kill('SIGTERM')
  t.same(await Promise.all(answers), ['cut', 'cut'])
  t.equal(await crew.binary.ended, 0)
})

t.test('the primary is killed: the others end what is under way, and then themselves', async (t) => {
  const upstream = await startHeld(t)
  const crew = await startCrew(t, yaml(upstream.url))
  const pids = await crew.pids(2)
  const answers = [once(crew.url), once(crew.url)]
  await until(() => upstream.held.length === 2)
  crew.binary.child.kill('SIGKILL')
  await crew.binary.untilErr(/the primary process is gone/)
  await t.rejects(once(crew.url))
  upstream.release()
  t.same(await Promise.all(answers), ['late', 'late'])
  await until(() => ![...pids].some(runs))
  await crew.binary.ended
})

t.test('SIGTERM while one is being replaced', async (t) => {
  const crew = await startCrew(t, yaml('http://127.0.0.1:9'))
  const [first] = await crew.pids(2)
  process.kill(first as number, 'SIGKILL')
  await until(async () => (await crew.metric('outrigger_processes{state="starting"}')) === 1)
  const before = performance.now()
  crew.binary.child.kill('SIGTERM')
  t.equal(await crew.binary.ended, 0)
  t.ok(performance.now() - before < 15_000, 'it is not waited for')
})

t.test('run -- COMMAND: started once, when all serve, and stopped last', async (t) => {
  const cwd = t.testdir({
    'app.mjs': `
import { appendFileSync } from 'node:fs'
appendFileSync('events', 'up ' + (process.env.OUTRIGGER_PROCESS ?? 'by itself') + '\\n')
process.on('SIGTERM', () => { appendFileSync('events', 'down\\n'); process.exit(0) })
setInterval(() => {}, 1000)
`
  })
  writeFileSync(
    join(cwd, 'sidecar.yaml'),
    'processes: 3\nlisteners: { inbound: { address: 127.0.0.1:0 } }\nadmin: false\n'
  )
  const binary = start(t, ['run', '--', process.execPath, 'app.mjs'], { cwd })
  await ready(binary)
  await until(() => existsSync(join(cwd, 'events')))
  binary.child.kill('SIGTERM')
  t.equal(await binary.ended, 0)
  const { readFileSync } = await import('node:fs')
  t.equal(readFileSync(join(cwd, 'events'), 'utf8'), 'up by itself\ndown\n')
})

t.test('a program that holds a proxy decides on its own processes', async (t) => {
  const { createProxy } = await import('../../plugins/outrigger.js')
  const { createLogger } = await import('../../core/log/logger.js')
  const lines: string[] = []
  const log = createLogger({ destination: { write: (line) => void lines.push(line) } })
  const proxy = await createProxy(
    {
      processes: 4,
      admin: false,
      listeners: { inbound: { address: '127.0.0.1:0' } },
      routes: [{ name: 'all', reply: { body: String(process.pid) } }]
    },
    { log }
  )
  t.teardown(() => proxy.close())
  await proxy.start()
  const url = proxy.addresses.get('inbound') as string
  t.equal(await once(url), String(process.pid))
  t.equal(lines.filter((line) => line.includes('processes: 4')).length, 1)
})

t.test('one that says nothing holds up no drain', async (t) => {
  const crew = await startCrew(t, yaml('http://127.0.0.1:9').replace('drain: 20s', 'drain: 1s'))
  const [first] = await crew.pids(2)
  process.kill(first as number, 'SIGSTOP')
  crew.binary.child.kill('SIGTERM')
  await until(async () => (await fetch(`${crew.admin}/readyz`)).status === 503)
  t.notMatch(crew.binary.err, /draining/, 'how much is in flight is waited for, and nothing else')
  process.kill(first as number, 'SIGCONT')
  t.equal(await crew.binary.ended, 0)
  t.match(crew.binary.err, /draining/)
})
