import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { checkout, environment } from '../repository/command.js'
import { claimPorts, taken } from './ports.js'
import { Running, requireBuild } from './running.js'

const SHOP = 'node examples/shop/run.mjs'

interface Shop {
  run: Running
  ports: string
  log: string
}

async function start(t: Test, args = '', ports?: string): Promise<Shop> {
  requireBuild()
  const prefix = ports ?? (await claimPorts(t))
  const log = join(t.testdir({}), 'access.log')
  const env = { SHOP_PORTS: prefix, SHOP_LOG: log }
  return { run: Running.start(t, `${SHOP} ${args}`, { cwd: checkout, env }), ports: prefix, log }
}

/** A line of a second: its numbers by their heading. */
function statusOf(line: string): Record<string, number> | undefined {
  const numbers = line.trim().split(/ +/)
  if (!/^ +\d+( +[\d.-]+)+( +([\d/]+|-)){2}$/.test(line)) return undefined
  const names = ['s', 'catalogue', 'stock', 'orders', 'payment', '4xx', '5xx', 'retry']
  return Object.fromEntries(names.map((name, i) => [name, Number(numbers[i])]))
}

/** Standard output of a line as a shell runs it. */
function shell(line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { env: environment(), timeout: 60_000 }
    execFile('bash', ['-c', line], options, (error, stdout) => (error ? reject(error) : resolve(stdout)))
  })
}

function jsonLines(text: string) {
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

/** Nothing of a shop is left: of its hundred ports, the test's own lock alone is taken. */
async function isGone(t: Test, ports: string): Promise<void> {
  t.same(await taken(ports), [Number(`${ports}99`)], 'none of its ports is taken any more')
}

t.test('the shop opens, does what it says, and closes', async (t) => {
  const { run, ports, log } = await start(t)
  const curls = await run.until('five curl lines', (lines) => {
    const found = lines.filter((line) => line.startsWith('  curl ')).map((line) => line.trim())
    return found.length === 5 ? (found as [string, string, string, string, string]) : undefined
  })
  t.match(
    run.output,
    new RegExp(`^ +shop +http://127\\.0\\.0\\.1:${ports}00 `, 'm'),
    'it prints its listener'
  )
  t.match(run.output, new RegExp(`^ +admin +http://127\\.0\\.0\\.1:${ports}01 `, 'm'), 'and the admin')

  const seconds = (lines: string[]) => lines.map(statusOf).filter((second) => second !== undefined)
  for (const column of ['catalogue', 'stock', 'orders', 'payment', 'retry']) {
    await run.until(`a second with ${column}`, (lines) => seconds(lines).find((second) => second[column]))
  }
  t.pass('a line a second says what happens on each route, and what is tried again')

  const answers: string[] = []
  for (const curl of curls) answers.push(await shell(curl))
  const [items, stock, refused, order, retries] = answers as [string, string, string, string, string]
  t.same(
    jsonLines(items).map(({ item }) => item),
    [1, 2, 3, 4, 5, 6],
    curls[0]
  )
  t.same(
    jsonLines(stock).map(({ item, left }) => left > 0 && item),
    [1, 2, 3, 4, 5, 6],
    curls[1]
  )
  t.match(refused, /^HTTP\/1\.1 401 .*x-outrigger-error: UNAUTHENTICATED/s, curls[2])
  t.match(jsonLines(order)[0], { order: '1', item: 'kettle', paid: 7, signature: 'verified' }, curls[3])
  t.match(retries, /outrigger_retries_total\{route="stock",reason="\w+"\} [1-9]/, curls[4])

  run.interrupt()
  t.equal(await run.ended(), 0)
  t.match(run.output, /^Closed after \d+ s: [\d,]+ requests, [\d,]+ failed, [\d,]+ attempts repeated\.$/m)
  await isGone(t, ports)

  const written = jsonLines(await readFile(log, 'utf8'))
  const placed = written.find(({ path, status }) => path === '/orders/1' && status === 201)
  t.match(placed, { identity: 'demo', requestId: String })
  t.same(
    written
      .filter((line) => line['header:x-parent'] === placed?.requestId)
      .map(({ method, path }) => `${method} ${path}`)
      .sort(),
    ['GET /catalogue/items/2', 'POST /payments', 'PUT /stock/2/reservations/1'],
    'its log shows what an order asked of others'
  )
})

t.test('without customers nothing happens, and SIGTERM closes too', async (t) => {
  const { run, ports } = await start(t, '--quiet-traffic')
  const second = await run.until('a second', (lines) => lines.map(statusOf).find((found) => found))
  t.match(second, { catalogue: 0, stock: 0, orders: 0, payment: 0, '4xx': 0, '5xx': 0, retry: 0 })
  process.kill(run.pid, 'SIGTERM')
  t.equal(await run.ended(), 0)
  await isGone(t, ports)
})

t.test('where a port is taken it says which, and leaves nothing behind', async (t) => {
  for (const ending of ['01', '42']) {
    const ports = await claimPorts(t)
    const other = createServer().listen(Number(`${ports}${ending}`), '127.0.0.1')
    await once(other, 'listening')
    const { run } = await start(t, '', ports)
    t.equal(await run.ended(), 2)
    t.match(run.output, new RegExp(`${ports}${ending} is taken`))
    t.match(run.output, /cannot open: (sidecar|stock) .*\n.*SHOP_PORTS=/)
    other.close()
    await once(other, 'close')
    await isGone(t, ports)
  }
})

t.test(
  'when a part of it dies, the rest closes and says so',
  { skip: !existsSync('/proc/self/task') },
  async (t) => {
    const { run, ports } = await start(t)
    await run.until('a second', (lines) => lines.map(statusOf).find((found) => found))
    const children = (await readFile(`/proc/${run.pid}/task/${run.pid}/children`, 'utf8')).trim().split(' ')
    const commands = await Promise.all(children.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8')))
    process.kill(Number(children[commands.findIndex((command) => command.includes('stock.mjs'))]), 'SIGKILL')
    t.equal(await run.ended(), 2)
    t.match(run.output, /^the shop has to close: stock has ended on SIGKILL$/m)
    await isGone(t, ports)
  }
)

t.test('what it does not understand it refuses', async (t) => {
  const wrongArgument = await start(t, '--quiet')
  t.equal(await wrongArgument.run.ended(), 1)
  t.match(wrongArgument.run.output, /'--quiet'.*usage: npm start/s)
  const wrongPorts = await start(t, '', '9999')
  t.equal(await wrongPorts.run.ended(), 1)
  t.match(wrongPorts.run.output, /SHOP_PORTS is .*"9999"/)
})
