import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { checkout, command } from '../repository/command.js'
import { claimPorts, taken } from './ports.js'
import { Running, requireBuild } from './running.js'

const RUN = 'examples/drill/run.mjs'
const SIDECARS = join(checkout, 'examples/drill/sidecars')

interface Drill {
  run: Running
  ports: string
}

async function start(t: Test, args = '', ports?: string): Promise<Drill> {
  requireBuild()
  const prefix = ports ?? (await claimPorts(t))
  return {
    run: Running.start(t, `node ${RUN} ${args}`, { cwd: checkout, env: { DRILL_PORTS: prefix } }),
    ports: prefix
  }
}

/** Nothing of a drill is left: of its hundred ports, the test's own lock alone is taken. */
async function isGone(t: Test, ports: string): Promise<void> {
  t.same(await taken(ports), [Number(`${ports}99`)], 'none of its ports is taken any more')
}

interface Row {
  name: string
  good: number
  /** ms */
  p50: number
  p99: number
  worst: number
  also: string
}

function rowOf(line: string): Row | undefined {
  const [, name, good, p50, p99, worst, also] =
    /^ {2}(\S.*?) +(\d+\.\d) %((?: +[\d.]+ ms){1})((?: +[\d.]+ ms){1})((?: +[\d.]+ ms){1}) {3}(.+)$/.exec(
      line
    ) ?? []
  if (name === undefined || also === undefined) return undefined
  const [a, b, c] = [p50, p99, worst].map((time) => Number.parseFloat(time ?? ''))
  return { name, good: Number(good), p50: a ?? 0, p99: b ?? 0, worst: c ?? 0, also }
}

const readme = () => readFileSync(join(checkout, 'examples/drill/README.md'), 'utf8')

/** What the README shows as the drill's output. */
const shown = () => /^```text\n(.*?)^```$/ms.exec(readme())?.[1]?.split('\n') ?? []

t.test('it breaks the shop, and says what clients saw without the plugins and with them', async (t) => {
  const { run, ports } = await start(t, '--only 1,4 --seconds 2')
  const code = await run.ended()
  const output = run.lines.filter((line) => !line.startsWith('dist is older'))
  const rows = output.map(rowOf).filter((row) => row !== undefined)
  t.equal(rows.length, 4, 'two lines for each way', { output: run.output })
  const [killed, kept, outage, answered] = rows as [Row, Row, Row, Row]

  for (const row of rows)
    t.ok(row.p50 <= row.p99 && row.p99 <= row.worst, `${row.name}: its times are in order`)
  t.same([killed.name, outage.name], ['without', 'without'])

  // How busy this machine is must not matter, so that how much better it is stays open.
  t.ok(killed.good < 98, 'without retry, clients see that an endpoint is dead', killed)
  t.ok(kept.good > killed.good, 'and with it fewer of them do', kept)
  t.ok(outage.good < 5, 'without a breaker and failover no order is taken while payment is out', outage)
  t.ok(answered.good > 90, 'and with them nearly all are', answered)
  const asked = ({ also }: Row) => Number(/^payment is asked (\d+) times$/.exec(also)?.[1])
  t.ok(asked(answered) < asked(outage) / 2, 'while payment is left alone', { outage, answered })

  const lacking = output.filter((line) => line.startsWith('  it must be better: '))
  t.equal(code, lacking.length === 0 ? 0 : 1, 'its exit code says whether it was good enough')
  t.match(output.at(-2), /^\d of 2 are as much better as they must be$/)
  for (const line of output) t.ok(line.length <= 100, `in 100 columns: ${line}`)

  const bare = (line: string) => line.replaceAll(/[\d.,]+/g, 'N').replaceAll(/ +/g, ' ')
  const known = new Set(shown().map(bare))
  for (const line of output.slice(0, -2).filter((line) => !lacking.includes(line))) {
    t.ok(known.has(bare(line)), `the README has a line like this: ${line}`)
  }
  await isGone(t, ports)
})

t.test('Ctrl-C ends it in the middle, and nothing is left', async (t) => {
  const { run, ports } = await start(t, '--only 1')
  await run.until('the first title', (lines) => lines.find((line) => line.startsWith('1 ')))
  run.interrupt()
  t.equal(await run.ended(), 130)
  await isGone(t, ports)
})

t.test('where a port is taken it says which, and leaves nothing behind', async (t) => {
  for (const ending of ['00', '22']) {
    const ports = await claimPorts(t)
    const other = createServer().listen(Number(`${ports}${ending}`), '127.0.0.1')
    await once(other, 'listening')
    const { run } = await start(t, '--only 1', ports)
    t.equal(await run.ended(), 2)
    t.match(run.output, new RegExp(`${ports}${ending} is taken`))
    t.match(run.output, /DRILL_PORTS=/)
    other.close()
    await once(other, 'close')
    await isGone(t, ports)
  }
})

t.test('what it does not understand it refuses, and says what there is', async (t) => {
  for (const [args, said] of [
    ['--onyl 1', /'--onyl'/],
    ['--only 9', /--only is .*"9"/],
    ['--seconds 1', /--seconds is .*"1"/]
  ] as const) {
    const { run } = await start(t, args, '110')
    t.equal(await run.ended(), 1)
    t.match(run.output, said)
    t.match(run.output, /usage: node examples\/drill\/run\.mjs/)
  }
})

t.test('its README shows all eight ways, and the lines that are in their way', async (t) => {
  const help = await command(process.execPath, [RUN, '--help'])
  t.equal(help.code, 0)
  const titles = [...help.stdout.matchAll(/^ {2}(\d) {2}(.+)$/gm)].map(
    ([, number, what]) => `${number} ${what}`
  )
  t.equal(titles.length, 8)
  t.same(
    shown().filter((line) => /^\d .*[a-z]$/.test(line) && !/ of \d are /.test(line)),
    titles,
    'each with what clients saw'
  )
  t.equal(
    shown()
      .map(rowOf)
      .filter((row) => row !== undefined).length,
    16
  )

  const blocks = [...readme().matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, yaml]) => yaml ?? '')
  const files = readdirSync(SIDECARS).sort()
  t.equal(files.length, 8)
  for (const [i, file] of files.entries()) {
    const toggled = pluginsOf(readFileSync(join(SIDECARS, file), 'utf8'))
    t.same(pluginsOf(blocks[i] ?? ''), toggled, `as in ${file}`)
    t.ok(toggled.length > 0)
  }
})

t.test('its configurations are right', async (t) => {
  requireBuild()
  const check = (file: string) =>
    command(process.execPath, ['dist/plugins/bin.js', 'check', join(SIDECARS, file)])
  const files = readdirSync(SIDECARS)
  const checks = await Promise.all(files.map(check))
  t.same(
    checks.map(({ code, stderr }) => ({ code, stderr })),
    files.map(() => ({ code: 0, stderr: '' }))
  )
})

t.test('what makes no difference is not good enough, in each of the eight', async (t) => {
  const { breaks } = await import(join(checkout, 'examples/drill/breaks.mjs'))
  const endpoints = ['catalogue', 'stock', 'orders', 'payment'].flatMap((name) =>
    [1, 2, 3].map((i) => `${name}-${i}`)
  )
  const seen = (good: number, p99: number, each: number) => ({
    clients: { good, goodOnes: 10 * good, requests: 1000, p99, goodP99: p99 },
    asked: Object.fromEntries(endpoints.map((name) => [name, each])),
    seconds: 4
  })
  const hurt = seen(30, 2000, 100)
  const well = seen(100, 20, 5)
  t.equal(breaks.length, 8)
  for (const { what, must } of breaks) {
    t.ok(must(hurt, hurt).some(Boolean), `${what}: it says so`)
    t.notOk(must(well, hurt).some(Boolean), `${what}: and what does is`)
  }
})

/** The lines of the plugins' listings, without those that turn them off. */
function pluginsOf(yaml: string): string[] {
  const lines = yaml.split('\n').filter((line) => !line.includes('disable:'))
  const listings: string[] = []
  let depth = -1
  for (const line of lines) {
    const indent = line.search(/\S/)
    if (depth >= 0 && indent > depth) listings.push(line.trim())
    else depth = line.trim() === 'plugins:' ? indent : -1
  }
  return listings
}
