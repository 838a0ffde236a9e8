import { execFileSync, spawn } from 'node:child_process'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { ProxyError } from '../../../core/errors.js'
import type { LogFields } from '../../../core/hooks/plugin.js'
import { createLogger, type LoggerOptions, type ProxyLogger } from '../../../core/log/logger.js'

function capture(options: LoggerOptions = {}): {
  log: ProxyLogger
  text: () => string
  lines: () => LogFields[]
} {
  let text = ''
  const destination = { write: (line: string) => void (text += line) }
  const log = createLogger({ destination, ...options })
  const lines = () =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as LogFields)
  return { log, text: () => text, lines }
}

t.test('a line says when, how bad, and what', async (t) => {
  const { log, lines } = capture()
  log.info('started')
  log.warn({ route: 'orders', took: 12.5 }, 'slow')
  const [first, second] = lines()
  t.match(first, { level: 'info', time: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, msg: 'started' })
  t.match(second, { level: 'warn', route: 'orders', took: 12.5, msg: 'slow' })
})

t.test('the level holds for every child, and can change', async (t) => {
  const { log, lines } = capture({ level: 'warn' })
  const child = log.child({ plugin: 'auth' })
  child.info('not this')
  child.warn('this')
  log.level = 'debug'
  child.debug('and this')
  log.level = 'silent'
  child.error('not this either')
  t.same(
    lines().map(({ msg }) => msg),
    ['this', 'and this']
  )
})

t.test('a child names its origin, and a line cannot forge it', async (t) => {
  const { log, lines } = capture()
  const child = log.child({ plugin: 'auth' }).child({ route: 'orders' })
  child.info({ plugin: 'other', level: 'fatal', time: 0, msg: 'x' }, 'y')
  t.match(lines()[0], {
    level: 'info',
    plugin: 'auth',
    route: 'orders',
    plugin_: 'other',
    level_: 'fatal',
    time_: 0,
    msg_: 'x',
    msg: 'y'
  })
})

t.test('secrets are hidden wherever they stand', async (t) => {
  const { log, text, lines } = capture()
  const secret = 'hunter2'
  class Fields {
    *[Symbol.iterator]() {
      yield ['Authorization', secret]
      yield ['accept', '*/*']
    }
  }
  log.info(
    {
      authorization: secret,
      headers: { Cookie: secret, 'X-API-Key': secret, 'set-cookie': [secret], host: 'a' },
      list: new Fields(),
      raw: ['Authorization', secret, 'Host', 'a'],
      config: {
        auth: { apiKeys: { mobile: secret }, clientSecret: secret, password: secret, access_token: secret }
      },
      url: `https://user:${secret}@example.com/a?b`,
      map: new Map([['cookie', secret]]),
      tokens: 5
    },
    `calling https://user:${secret}@example.com`
  )
  t.notMatch(text(), secret)
  t.match(lines()[0], {
    headers: { host: 'a' },
    list: { Authorization: '[redacted]', accept: '*/*' },
    raw: ['Authorization', '[redacted]', 'Host', 'a'],
    url: 'https://***@example.com/a?b',
    tokens: 5,
    msg: 'calling https://***@example.com'
  })
})

t.test('an error tells its causes, and its stack at debug or when verbose', async (t) => {
  const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  const error = new ProxyError('CONNECT_FAILED', 'no connection', {
    plugin: 'retry',
    cause: new AggregateError([refused], '')
  })
  const plain = capture()
  plain.log.error({ error }, 'failed')
  t.match(plain.lines()[0], {
    error: {
      type: 'ProxyError',
      message: 'no connection',
      code: 'CONNECT_FAILED',
      plugin: 'retry',
      cause: { type: 'AggregateError', errors: [{ message: 'connect ECONNREFUSED', code: 'ECONNREFUSED' }] }
    }
  })
  t.notMatch(plain.text(), 'logger.test')
  for (const options of [{ level: 'debug' }, { verbose: true }] as const) {
    const { log, lines } = capture(options)
    log.error({ error }, 'failed')
    t.match(lines()[0], { error: { stack: /logger\.test/ } })
  }
})

t.test('an error alone is a line too', async (t) => {
  const { log, lines } = capture()
  log.error(new Error('alone') as unknown as LogFields, 'failed')
  t.match(lines()[0], { level: 'error', error: { message: 'alone' }, msg: 'failed' })
})

t.test('nothing that is logged makes it throw', async (t) => {
  const { log, lines } = capture()
  const circular: LogFields = { name: 'a' }
  circular.self = circular
  const hostile = {
    get value(): never {
      throw new Error('no')
    }
  }
  const strange = [
    circular,
    { big: 10n, symbol: Symbol('s'), fn() {}, nan: Number.NaN, date: new Date(Number.NaN) },
    { bytes: Buffer.alloc(3), none: undefined, empty: null },
    hostile,
    null,
    undefined,
    42
  ]
  for (const fields of strange) t.doesNotThrow(() => log.warn(fields as LogFields, 'strange'))
  t.equal(lines().length, strange.length)
  t.match(lines()[1], { big: '10', symbol: 'Symbol(s)', nan: 'NaN', date: 'invalid date' })
  t.match(lines()[2], { bytes: '<3 bytes>', empty: null })
  t.match(lines()[3], { msg: 'strange', unreadable: 'no' })
  const gone = createLogger({
    destination: {
      write() {
        throw new Error('gone')
      }
    }
  })
  t.doesNotThrow(() => gone.error('x'))
})

t.test('a line stays one line of bounded size', async (t) => {
  const { log, text } = capture()
  log.info(
    {
      text: 'x'.repeat(100_000),
      items: Array(10_000).fill(1),
      deep: JSON.parse('['.repeat(50) + ']'.repeat(50))
    },
    'a\nb'
  )
  t.equal(text().split('\n').length, 2)
  t.ok(text().length < 10_000, `${text().length}`)
})

t.test('for people: short lines, causes in words, no control characters', async (t) => {
  const { log, text } = capture({ format: 'text' })
  log.info({ route: 'orders', note: 'two words', count: 3 }, 'ready')
  log.error(
    { error: new Error('broken', { cause: Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }) }) },
    'failed'
  )
  log.warn({ path: '/a\x1b[2J\nfake' }, 'odd\r\nline')
  const [first, second, third] = text().split('\n')
  t.match(first, /^\d\d:\d\d:\d\d\.\d{3} INFO {2}ready route=orders note="two words" count=3$/)
  t.match(second, / ERROR failed error="Error: broken, because of Error: refused \(ECONNREFUSED\)"$/)
  t.match(third, 'WARN  odd\\x0d\\x0aline path="/a\\\\x1b[2J\\\\x0afake"')
})

// Two processes that compile the log anew.
t.setTimeout(120_000)

/** Runs log-child.ts with this as its standard error. @returns its standard output, standard error and exit code */
async function child(
  lines: number,
  stderr: 'pipe' | number
): Promise<{ out: string; err: string; code: unknown }> {
  const file = fileURLToPath(new URL('./fixtures/log-child.ts', import.meta.url))
  const running = spawn(process.execPath, [...process.execArgv, file, String(lines)], {
    stdio: ['ignore', 'pipe', stderr]
  })
  const ended = new Promise((resolve) => running.on('exit', resolve))
  const [out, err] = await Promise.all([
    running.stdout === null ? '' : text(running.stdout),
    running.stderr === null ? '' : text(running.stderr)
  ])
  return { out, err, code: await ended }
}

t.test('standard error gets every line, flushed at exit', async (t) => {
  const { err } = await child(200, 'pipe')
  const lines = err.split('\n').filter((line) => line.startsWith('{'))
  t.equal(lines.length, 200)
  t.match(JSON.parse(lines[199] ?? ''), { msg: 'line 199' })
})

t.test('a standard error that nobody reads holds up neither the process nor its end', async (t) => {
  const fifo = join(t.testdir({}), 'stderr')
  execFileSync('mkfifo', [fifo])
  const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK)
  const writer = openSync(fifo, constants.O_WRONLY)
  t.teardown(() => {
    closeSync(reader)
    closeSync(writer)
  })
  // Far more than the 64 KiB that a pipe holds.
  const { out, code } = await child(20_000, writer)
  t.equal(code, 0)
  t.ok(Number(out) < 1000, `the slowest call took ${out} ms`)
  t.ok(readSync(reader, Buffer.alloc(65_536)) > 60_000, 'what the pipe held arrived')
})
