import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ProxyError } from '../../../core/index.js'
import logging from '../../../plugins/logging/index.js'
import { type Ending, ended, Listing } from './fixtures/listing.js'

// The thread ends with the last log; this one keeps it from starting anew, compiled anew, for each test.
const keeper = new Listing({ destination: '/dev/null' })
t.teardown(() => keeper.close())

/** What a log with this configuration says of these exchanges. */
async function linesOf(t: Test, config: object, endings: Ending[]): Promise<string[]> {
  const directory = t.testdir({})
  const listing = new Listing({ destination: 'access.log', ...config }, { directory })
  for (const ending of endings) listing.finish(...ended(ending))
  await listing.close()
  const lines = readFileSync(join(directory, 'access.log'), 'utf8').split('\n')
  t.equal(lines.pop(), '', 'the last line is whole')
  return lines
}

function problemsOf(config: object): string[] {
  const parsed = logging.config?.safeParse(config)
  return parsed?.error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? []
}

t.test('json: one object a line with the default fields, in their order', async (t) => {
  const [line = ''] = await linesOf(t, {}, [{ identity: 'mobile', query: '?secret=1' }])
  t.equal(
    line,
    '{"time":"2025-11-21T15:20:01.250Z","requestId":"0192f1c2-7f3a-7c1e-8a3b-000000000001","listener":"inbound",' +
      '"client":"127.0.0.1","identity":"mobile","method":"GET","host":"shop.example.com","path":"/orders/1",' +
      '"status":200,"duration":12.346,"bytesIn":0,"bytesOut":512,"route":"orders","service":"orders",' +
      '"endpoint":"http://127.0.0.1:9001","attempts":1,"userAgent":"curl/8.5.0"}'
  )
})

t.test('json: what an exchange does not have is left out', async (t) => {
  const error = new ProxyError('NO_ROUTE', 'nothing matches')
  const [line = ''] = await linesOf(t, {}, [{ error, status: 404, attempts: 0, headers: {}, address: '' }])
  const object = JSON.parse(line)
  t.match(object, { status: 404, code: 'NO_ROUTE', attempts: 0 })
  for (const name of ['identity', 'endpoint', 'userAgent', 'client']) t.notOk(name in object, name)
})

t.test('fields are what was asked for, in that order', async (t) => {
  const fields = [
    'status',
    'query',
    'header:x-tenant',
    'scheme',
    'httpVersion',
    'error',
    'upstreamLatency',
    'header:x-no'
  ]
  const error = new ProxyError('RESPONSE_TIMEOUT', 'the service did not answer in time')
  const lines = await linesOf(t, { fields }, [
    { query: '?page=2', headers: { 'x-tenant': 'a' } },
    { error, status: 504, attempts: 0 }
  ])
  t.same(lines, [
    '{"status":200,"query":"?page=2","header:x-tenant":"a","scheme":"http","httpVersion":"1.1","upstreamLatency":9.877}',
    '{"status":504,"scheme":"http","httpVersion":"1.1","error":"the service did not answer in time"}'
  ])
})

t.test('text: the combined format, then the rest by name', async (t) => {
  const lines = await linesOf(t, { format: 'text' }, [
    { identity: 'mobile', query: '?secret=1' },
    { error: new ProxyError('NO_ROUTE', 'nothing matches'), status: 404, attempts: 0, headers: {} }
  ])
  t.equal(
    lines[0],
    '127.0.0.1 - mobile [21/Nov/2025:15:20:01 +0000] "GET /orders/1 HTTP/1.1" 200 512 "-" "curl/8.5.0"' +
      ' requestId=0192f1c2-7f3a-7c1e-8a3b-000000000001 listener=inbound host=shop.example.com duration=12.346' +
      ' bytesIn=0 route=orders service=orders endpoint=http://127.0.0.1:9001 attempts=1'
  )
  t.match(
    lines[1],
    /^127\.0\.0\.1 - - \[.*\] "GET \/orders\/1 HTTP\/1\.1" 404 512 "-" "-" .* code=NO_ROUTE .* attempts=0$/
  )
})

t.test('text: query, referer and values with spaces where they were asked for', async (t) => {
  const fields = ['method', 'path', 'query', 'status', 'header:Referer', 'header:x-note']
  const headers = { referer: 'https://a.example/', 'x-note': 'two words' }
  const [line] = await linesOf(t, { format: 'text', fields }, [{ query: '?page=2', headers }])
  t.equal(
    line,
    '- - - [-] "GET /orders/1?page=2 HTTP/1.1" 200 - "https://a.example/" "-" header:x-note="two words"'
  )
})

t.test('a client cannot write a line of its own', async (t) => {
  const hostile = 'a\n{"status":200}\r\x1b[2J"\\\x00\x7f\x9b\u2028é'
  const ending = { path: `/${hostile}`, identity: hostile, headers: { 'user-agent': hostile } }
  const [json = '', ...more] = await linesOf(t, {}, [ending])
  t.same(more, [])
  t.match(JSON.parse(json), { path: `/${hostile}`, identity: hostile, userAgent: hostile })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  t.notMatch(json, /[\x00-\x1f\x7f-\x9f\u2028]/)

  const [line = '', ...others] = await linesOf(t, { format: 'text' }, [{ ...ending, identity: 'a b' }])
  t.same(others, [])
  const escaped = 'a\\x0A{\\x22status\\x22:200}\\x0D\\x1B[2J\\x22\\x5C\\x00\\x7F\\x9B\\u2028é'
  t.match(line, ` - a\\x20b [`)
  t.match(line, `"GET /${escaped} HTTP/1.1" 200 512 "-" "${escaped}"`)
})

t.test('a long value is cut', async (t) => {
  const [line = ''] = await linesOf(t, {}, [{ headers: { 'user-agent': 'x'.repeat(60_000) } }])
  const { userAgent } = JSON.parse(line)
  t.equal(userAgent, `${'x'.repeat(2048)}…`)
})

t.test('thousands of lines arrive, each once and in order', async (t) => {
  const endings = Array.from({ length: 5000 }, (_, i) => ({
    id: `id-${i}`,
    path: i % 7 === 0 ? '/"é\n' : '/'
  }))
  const lines = await linesOf(t, { fields: ['requestId', 'path', 'bytesOut'] }, endings)
  t.same(
    lines.map((line) => JSON.parse(line)),
    endings.map(({ id, path }) => ({ requestId: id, path, bytesOut: 512 }))
  )
})

t.test('sample leaves out what went well, and nothing that failed', async (t) => {
  let random = 0.1
  const directory = t.testdir({})
  const listing = new Listing(
    { destination: 'access.log', sample: 0.25, fields: ['requestId'] },
    { directory, random: () => random }
  )
  listing.finish(...ended({ id: 'drawn' }))
  random = 0.25
  listing.finish(...ended({ id: 'not drawn' }))
  listing.finish(...ended({ id: 'not drawn', status: 499 }))
  listing.finish(...ended({ id: 'failed', status: 500 }))
  await listing.close()
  t.equal(
    readFileSync(join(directory, 'access.log'), 'utf8'),
    '{"requestId":"drawn"}\n{"requestId":"failed"}\n'
  )
  t.equal(await listing.dropped(), 0, 'what is not drawn is not dropped')
})

t.test('sample 0 logs failures alone', async (t) => {
  const lines = await linesOf(t, { sample: 0, fields: ['status'] }, [{}, { status: 404 }, { status: 503 }])
  t.same(lines, ['{"status":503}'])
})

t.test('the status of a gRPC call, on calls alone', async (t) => {
  const fields = ['status', 'code', 'grpcStatus', 'attempts']
  const endings = [{ grpcStatus: 0 }, { grpcStatus: 14, status: 200 }, {}]
  t.same(await linesOf(t, { fields }, endings), [
    '{"status":200,"grpcStatus":0,"attempts":1}',
    '{"status":200,"grpcStatus":14,"attempts":1}',
    '{"status":200,"attempts":1}'
  ])
  const [line = ''] = await linesOf(t, {}, [{ grpcStatus: 5 }])
  t.match(line, '"status":200,"grpcStatus":5,"duration":', 'by default too')
  const [text = ''] = await linesOf(t, { format: 'text' }, [{ grpcStatus: 5 }])
  t.match(text, / grpcStatus=5 /)
})

t.test('a gRPC call that failed for the service is logged whatever the sample', async (t) => {
  const endings = Array.from({ length: 18 }, (_, grpcStatus) => ({ grpcStatus }))
  const lines = await linesOf(t, { sample: 0, fields: ['grpcStatus'] }, endings)
  t.same(
    lines.map((line) => JSON.parse(line).grpcStatus),
    [2, 4, 12, 13, 14, 15, 17]
  )
})

t.test('the file is not for everybody to read', async (t) => {
  const directory = t.testdir({})
  const listing = new Listing({ destination: 'access.log' }, { directory })
  listing.finish(...ended())
  await listing.close()
  t.equal(statSync(join(directory, 'access.log')).mode & 0o007, 0)
})

t.test('a wrong configuration is told', async (t) => {
  t.same(problemsOf({}), [])
  t.same(
    problemsOf({
      fields: ['header:authorization', 'header:Cookie', 'header:x-api-key', 'header:x-auth-token']
    }),
    [
      'fields.0: "header:authorization" would write a credential into the log',
      'fields.1: "header:Cookie" would write a credential into the log',
      'fields.2: "header:x-api-key" would write a credential into the log',
      'fields.3: "header:x-auth-token" would write a credential into the log'
    ]
  )
  t.same(problemsOf({ fields: ['header:idempotency-key', 'header:referer', 'header:x-author'] }), [])
  t.match(problemsOf({ fields: ['pth'] })[0], /^fields\.0: expected time, .* or header:NAME, not "pth"$/)
  t.match(problemsOf({ fields: ['constructor'] })[0], /not "constructor"$/)
  t.equal(problemsOf({ sample: 2 }).length, 1)
  t.equal(problemsOf({ format: 'xml' }).length, 1)
  t.equal(problemsOf({ colour: true }).length, 1)
})

t.test('a destination that cannot be is told when the configuration loads', async (t) => {
  const directory = t.testdir({ logs: {} })
  t.throws(() => new Listing({ destination: 'logs' }, { directory }), {
    message: 'destination logs is a folder; name a file in it'
  })
  t.throws(() => new Listing({ destination: 'gone/access.log' }, { directory }), {
    message: 'destination gone/access.log: its folder does not exist (ENOENT)'
  })
})
