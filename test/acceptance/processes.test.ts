// Several processes as one: who answers, what the admin says, reloads and what dies.
import { once as event } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { ServiceView } from '../../core/server/types.js'
import { finish, ready, start } from '../core/cli/binary.js'
import { once, startCrew, until, yaml } from '../core/cluster/two-processes.js'
import { startUpstream } from '../support/upstream.js'

// Each of these starts processes, on machines that may be busy.
t.setTimeout(300_000)

const OK = 'outrigger_requests_total{route="app",service="app",method="GET",code="200"}'

t.test('both answer, and what the admin says is of both', async (t) => {
  const upstream = await startUpstream(t, (_request, response) => response.end('ok'))
  const crew = await startCrew(t, yaml(upstream.url))
  const pids = await crew.pids(2)
  t.notOk(pids.has(crew.binary.child.pid as number), 'the primary proxies nothing')
  t.same(crew.binary.out.trim().split('\n').sort(), [
    `ready admin ${crew.admin}`,
    `ready inbound ${crew.url}`
  ])

  await once(crew.url)
  const before = await crew.metric(OK)
  for (let sent = 0; sent < 39; sent++) t.equal(await once(crew.url), 'ok')
  t.equal(await crew.metric(OK), before + 39)
  t.equal(
    await crew.metric(
      'outrigger_attempts_total{service="app",endpoint="ENDPOINT",outcome="2xx"}'.replace(
        'ENDPOINT',
        upstream.url
      )
    ),
    40
  )
  t.equal(
    await crew.metric(`outrigger_endpoint_healthy{service="app",endpoint="${upstream.url}"}`),
    1,
    'a state is not added up'
  )
  t.equal(await crew.metric('outrigger_processes{state="serving"}'), 2)
  const [service] = (await (await fetch(`${crew.admin}/services`)).json()) as ServiceView[]
  t.equal(service?.endpoints[0]?.attempts, 40)
  t.equal((await fetch(`${crew.admin}/readyz`)).status, 200)
  const shown = (await (await fetch(`${crew.admin}/config`)).json()) as { processes: number }
  t.equal(shown.processes, 2)
  for (const path of ['routes', 'plugins']) {
    const list = (await (await fetch(`${crew.admin}/${path}`)).json()) as unknown[]
    t.equal(list.length, path === 'routes' ? 1 : 2, `/${path} says each thing once`)
  }
  crew.binary.child.kill('SIGTERM')
  t.equal(await crew.binary.ended, 0)
})

t.test('in flight is added up', async (t) => {
  const held: (() => void)[] = []
  const upstream = await startUpstream(t, (_request, response) => void held.push(() => response.end('ok')))
  const crew = await startCrew(t, yaml(upstream.url))
  const answers = Array.from({ length: 6 }, () => once(crew.url))
  await until(() => held.length === 6)
  t.equal(await crew.metric('outrigger_requests_in_flight{route="app"}'), 6)
  const [service] = (await (await fetch(`${crew.admin}/services`)).json()) as ServiceView[]
  t.equal(service?.inFlight, 6)
  t.equal(service?.endpoints[0]?.inFlight, 6)
  for (const end of held) end()
  t.same(await Promise.all(answers), Array(6).fill('ok'))
})

t.test('a reload changes all of them, and a mistake none', async (t) => {
  const crew = await startCrew(t, yaml('http://127.0.0.1:9'))
  const pids = await crew.pids(2)
  const saysOfAll = async () => {
    const says = new Set<string>()
    const seen = new Set<number>()
    for (let asked = 0; asked < 10 || seen.size < 2; asked++) {
      const one = await crew.who()
      says.add(one.says)
      seen.add(one.pid)
    }
    return [...says]
  }
  const reload = async () => {
    const response = await fetch(`${crew.admin}/reload`, { method: 'POST' })
    return {
      status: response.status,
      ...((await response.json()) as { message?: string; problems?: string[] })
    }
  }
  writeFileSync(crew.file, yaml('http://127.0.0.1:9', 'says: two'))
  t.equal((await reload()).status, 200)
  t.same(await saysOfAll(), ['two'])
  t.equal(await crew.metric('outrigger_config_reloads_total'), 1, 'one reload, however many processes')

  writeFileSync(crew.file, yaml('http://127.0.0.1:9', 'sayz: three'))
  const refused = await reload()
  t.equal(refused.status, 400)
  t.equal(refused.problems?.length, 1, 'the mistake is told once')
  t.match(refused.problems?.[0], /sidecar\.yaml:\d+:\d+.*sayz/)
  t.same(await saysOfAll(), ['two'])

  writeFileSync(crew.file, yaml('http://127.0.0.1:9', 'says: three, refusedIn: 1'))
  t.match(await reload(), { status: 500, message: /not in this process/ })
  t.notMatch(crew.binary.err, /back to the one before/, 'the second was not asked')
  t.same(await saysOfAll(), ['two'])

  writeFileSync(crew.file, yaml('http://127.0.0.1:9', 'says: three, refusedIn: 2'))
  t.match(await reload(), { status: 500, message: /not in this process/ })
  await crew.binary.untilErr(/process 2 did not take the configuration that process 1 had taken/)
  t.same(await saysOfAll(), ['two'], 'the first has gone back')
  t.equal(await crew.metric('outrigger_config_reload_failures_total'), 3)
  const shown = await (await fetch(`${crew.admin}/config`)).text()
  t.match(shown, /"two"/)

  writeFileSync(
    crew.file,
    yaml('http://127.0.0.1:9', 'says: four', 'log: { level: info }').replace('processes: 2', 'processes: 3')
  )
  crew.binary.child.kill('SIGHUP')
  await crew.binary.untilErr(/"SIGHUP".*"reloaded"/)
  t.same(await saysOfAll(), ['four'])
  t.match(crew.binary.err, /"POST \/reload","msg":"reloaded"/)
  t.match(crew.binary.err, /"POST \/reload","msg":"not reloaded/)
  t.match(crew.binary.err, /number of processes is taken up at the next start/)
  t.same(await crew.pids(2), pids, 'no process was started anew')
})

t.test('--watch', async (t) => {
  const crew = await startCrew(t, yaml('http://127.0.0.1:9'), ['--watch'])
  writeFileSync(crew.file, yaml('http://127.0.0.1:9', 'says: two'))
  await crew.binary.untilErr(/"reloaded"/)
  for (let asked = 0; asked < 6; asked++) t.equal((await crew.who()).says, 'two')
})

t.test('a reload of a listener that needs its socket anew, and of one more', async (t) => {
  const crew = await startCrew(t, yaml('http://127.0.0.1:9'))
  const port = await free()
  const config = (says: string, size: string) =>
    yaml('http://127.0.0.1:9', `says: ${says}`).replace(
      'inbound: { address: 127.0.0.1:0 }',
      `inbound: { address: "127.0.0.1:${port}", maxHeaderSize: ${size} }, more: { address: 127.0.0.1:0 }`
    )
  writeFileSync(crew.file, config('two', '8KiB'))
  crew.binary.child.kill('SIGHUP')
  const more = await ready(crew.binary, 'more')
  for (let asked = 0; asked < 4; asked++) t.match(await once(`${more}/who`), /^two/)
  await t.rejects(once(crew.url), 'the old address is let go of')
  writeFileSync(crew.file, config('three', '9KiB'))
  t.equal((await fetch(`${crew.admin}/reload`, { method: 'POST' })).status, 200)
  const seen = new Set<string>()
  while (seen.size < 2) {
    const answer = await once(`http://127.0.0.1:${port}/who`)
    t.match(answer, /^three/)
    seen.add(answer)
  }
})

t.test('one that dies is replaced, and no counter goes backwards', async (t) => {
  const upstream = await startUpstream(t, (_request, response) => response.end('ok'))
  const crew = await startCrew(t, yaml(upstream.url))
  const pids = [...(await crew.pids(2))]
  const readings: number[] = []
  let over = false
  let failed = 0
  const load = (async () => {
    while (!over) await once(crew.url).catch(() => failed++)
  })()
  const look = async () => void readings.push(await crew.metric(OK))
  await until(async () => {
    await look()
    return (readings.at(-1) as number) > 20
  })
  process.kill(pids[0] as number, 'SIGKILL')
  await crew.binary.untilErr(/process \d was ended by SIGKILL: starting it again/)
  t.equal((await fetch(`${crew.admin}/readyz`)).status, 200, 'ready while one serves')
  await until(async () => {
    await look()
    return (await crew.metric('outrigger_processes{state="serving"}')) === 2
  })
  await look()
  over = true
  await load
  t.same(
    readings,
    [...readings].sort((a, b) => a - b)
  )
  t.ok(failed <= 2, `${failed} requests failed, those that were with the one killed`)
  t.equal(await crew.metric('outrigger_process_restarts_total'), 1)
  const now = await crew.pids(2)
  t.ok(now.has(pids[1] as number))
  t.notOk(now.has(pids[0] as number))
})

for (const [name, later] of [
  ['is another one', 'says: two'],
  ['has a mistake', 'sayz: two']
] as const)
  t.test(`one that takes a dead one's place has what runs, though the file ${name} by now`, async (t) => {
    const crew = await startCrew(t, yaml('http://127.0.0.1:9'))
    const [first] = await crew.pids(2)
    writeFileSync(crew.file, yaml('http://127.0.0.1:9', later))
    process.kill(first as number, 'SIGKILL')
    await crew.binary.untilErr(/serves again/)
    const pids = new Set<number>()
    while (pids.size < 2) {
      const { says, pid } = await crew.who()
      t.equal(says, 'one')
      pids.add(pid)
    }
    t.notOk(pids.has(first as number))
    t.equal(await crew.metric('outrigger_process_restarts_total'), 1)
  })

t.test('all of them at once', async (t) => {
  const crew = await startCrew(
    t,
    yaml('http://127.0.0.1:9').replace('127.0.0.1:0 }', `"127.0.0.1:${await free()}" }`)
  )
  for (const pid of await crew.pids(2)) process.kill(pid, 'SIGKILL')
  await until(async () => (await fetch(`${crew.admin}/readyz`)).status === 503)
  const services = await fetch(`${crew.admin}/services`)
  t.equal(services.status, 503, 'there is nobody to say')
  await until(async () => (await fetch(`${crew.admin}/readyz`)).status === 200)
  await crew.pids(2)
})

t.test('one that does not answer holds up no scrape for good', async (t) => {
  const upstream = await startUpstream(t, (_request, response) => response.end('ok'))
  const crew = await startCrew(t, yaml(upstream.url))
  const [first] = await crew.pids(2)
  for (let sent = 0; sent < 10; sent++) await once(crew.url)
  const before = await crew.metric(OK)
  process.kill(first as number, 'SIGSTOP')
  t.teardown(() => process.kill(first as number, 'SIGCONT'))
  t.equal(await crew.metric(OK), before, 'what it said last is in the sum')
  t.equal((await fetch(`${crew.admin}/services`)).status, 200)
  process.kill(first as number, 'SIGCONT')
})

t.test('a Unix socket, and one that was left behind', async (t) => {
  const path = join(tmpdir(), `outrigger-${process.pid}.sock`)
  const config = yaml('http://127.0.0.1:9').replace('127.0.0.1:0', `unix:${path}`)
  const cwd = t.testdir({
    'sidecar.yaml': config,
    'who.ts': `
import { definePlugin, Reply } from 'outrigger'
export default definePlugin({ name: 'who', setup: () => ({ request: () => new Reply(200, String(process.pid)) }) })
`
  })
  const ask = async () => {
    const socket = connect(path)
    await event(socket, 'connect')
    socket.end('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')
    let text = ''
    for await (const chunk of socket) text += chunk
    return text.split('\r\n').at(-1)
  }
  for (const round of ['fresh', 'left behind']) {
    const binary = start(t, ['run'], { cwd })
    t.equal(await ready(binary), `unix:${path}`, round)
    const pids = new Set<string | undefined>()
    while (pids.size < 2) pids.add(await ask())
    if (round === 'fresh') binary.child.kill('SIGKILL')
    else binary.child.kill('SIGTERM')
    await binary.ended
  }
  await t.rejects(ask(), { code: 'ENOENT' })
})

t.test('what is wrong is told once', async (t) => {
  const cwd = t.testdir({
    'key.yaml': 'processes: 2\nlisteners: { a: { address: 127.0.0.1:0, maxConnection: 1 } }\nadmin: false\n',
    'setup.yaml':
      'processes: 2\nlisteners: { a: { address: 127.0.0.1:0 } }\nadmin: false\nplugins: [./bad.ts]\n',
    'bad.ts': `import { definePlugin } from 'outrigger'\nexport default definePlugin({ name: 'bad', setup() { throw new Error('no luck') } })\n`
  })
  const key = await finish(t, ['run', 'key.yaml'], { cwd })
  t.equal(key.code, 1)
  t.equal(key.err.match(/unknown key/g)?.length, 1, key.err)
  const setup = await finish(t, ['run', 'setup.yaml'], { cwd })
  t.equal(setup.code, 2)
  t.equal(setup.err.match(/no luck/g)?.length, 1, setup.err)
  const blocker = await startUpstream(t, (_request, response) => response.end())
  writeFileSync(
    join(cwd, 'taken.yaml'),
    `processes: 2\nlisteners: { a: { address: "127.0.0.1:${blocker.port}" } }\nadmin: false\n`
  )
  const taken = await finish(t, ['run', 'taken.yaml'], { cwd })
  t.equal(taken.code, 2)
  t.equal(taken.err.match(/is taken/g)?.length, 1, taken.err)
})

/** A port that nobody has now. */
async function free(): Promise<string> {
  const { createServer } = await import('node:net')
  const server = createServer().listen(0, '127.0.0.1')
  await event(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await event(server, 'close')
  await sleep(0)
  return String(port)
}
