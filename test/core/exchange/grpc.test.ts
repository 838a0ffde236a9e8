import t from 'tap'
import { statusOf } from '../../../core/errors.js'
import {
  formatGrpcTimeout,
  GRPC_STATUS,
  grpcMessage,
  grpcReplyFields,
  grpcStatusIn,
  grpcStatusName,
  grpcStatusOf,
  grpcTextOf,
  isGrpc,
  parseGrpcTimeout
} from '../../../core/exchange/grpc.js'

t.test('which content types are calls', async (t) => {
  for (const type of [
    'application/grpc',
    'application/grpc+proto',
    'application/grpc+json',
    'application/grpc;charset=utf-8',
    'application/grpc ; a=b',
    'application/grpc+proto; a=b',
    'Application/gRPC'
  ]) {
    t.equal(isGrpc(type), true, type)
  }
  for (const type of [
    undefined,
    '',
    'application/grpc-web',
    'application/grpc-web+proto',
    'application/grpc-web-text',
    'application/grpcx',
    'application/grp',
    'application/json',
    'application/gzip',
    'application/geo+json',
    'text/application/grpc',
    'xpplication/grpc',
    ' application/grpc'
  ]) {
    t.equal(isGrpc(type), false, String(type))
  }
})

t.test('grpc-timeout is read', async (t) => {
  const read: [string, number][] = [
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['15S', 15_000],
    ['100m', 100],
    ['1500u', 1.5],
    ['2000000n', 2],
    ['0m', 0],
    ['00000010S', 10_000],
    ['99999999m', 99_999_999],
    ['99999999H', 2_147_483_647],
    ['99999999S', 2_147_483_647]
  ]
  for (const [value, ms] of read) t.equal(parseGrpcTimeout(value), ms, value)
  for (const value of [
    undefined,
    '',
    'S',
    '1',
    '1s',
    '1h',
    '1N',
    '100000000m',
    '-1S',
    '+1S',
    '1.5S',
    '1 S',
    ' 1S',
    '1S ',
    '1S\n',
    '1mS',
    '0x1S',
    '１S',
    '1S, 2S'
  ]) {
    t.equal(parseGrpcTimeout(value), undefined, JSON.stringify(value))
  }
})

t.test('grpc-timeout is written, and never says more than is left', async (t) => {
  const written: [number, string][] = [
    [15_000, '15000m'],
    [1, '1m'],
    [1.9, '1m'],
    [0.5, '500000n'],
    [1e-9, '1n'],
    [0, '1n'],
    [-5, '1n'],
    [Number.NaN, '1n'],
    [99_999_999.9, '99999999m'],
    [100_000_000, '100000S'],
    [2_147_483_647, '2147483S'],
    [1e11, '1666666M'],
    [Number.POSITIVE_INFINITY, '99999999M']
  ]
  for (const [ms, value] of written) {
    t.equal(formatGrpcTimeout(ms), value, String(ms))
    const back = parseGrpcTimeout(value) ?? Number.NaN
    if (ms > 0.001 && ms < 2 ** 31) t.ok(back <= ms && back > ms * 0.5 - 1, `${value} is ${back} ms`)
  }
})

t.test('the names and numbers of statuses', async (t) => {
  t.equal(GRPC_STATUS.OK, 0)
  t.equal(GRPC_STATUS.UNAVAILABLE, 14)
  t.equal(GRPC_STATUS.UNAUTHENTICATED, 16)
  for (const [name, code] of Object.entries(GRPC_STATUS)) {
    t.equal(grpcStatusName(code), name)
  }
  t.equal(Object.keys(GRPC_STATUS).length, 17)
  t.equal(grpcStatusName(17), undefined)
  t.equal(grpcStatusName(-1), undefined)
  t.equal(grpcStatusName(1.5), undefined)
})

t.test('an HTTP status is one of gRPC by the published mapping', async (t) => {
  const expected: [number, string][] = [
    [200, 'UNKNOWN'],
    [400, 'INTERNAL'],
    [401, 'UNAUTHENTICATED'],
    [403, 'PERMISSION_DENIED'],
    [404, 'UNIMPLEMENTED'],
    [409, 'UNKNOWN'],
    [429, 'UNAVAILABLE'],
    [431, 'INTERNAL'],
    [500, 'UNKNOWN'],
    [502, 'UNAVAILABLE'],
    [503, 'UNAVAILABLE'],
    [504, 'UNAVAILABLE']
  ]
  for (const [status, name] of expected) t.equal(grpcStatusName(grpcStatusOf(status)), name, String(status))
})

t.test("each of the proxy's own errors has its gRPC status", async (t) => {
  const seen: Record<string, string | undefined> = {}
  for (const [code, status] of Object.entries(statusOf)) {
    seen[code] = grpcStatusName(grpcStatusOf(status, code as keyof typeof statusOf))
  }
  t.same(seen, {
    NO_ROUTE: 'UNIMPLEMENTED',
    UNAUTHENTICATED: 'UNAUTHENTICATED',
    FORBIDDEN: 'PERMISSION_DENIED',
    HEADERS_TOO_LARGE: 'RESOURCE_EXHAUSTED',
    REQUEST_TIMEOUT: 'DEADLINE_EXCEEDED',
    FAULT_INJECTED: 'UNAVAILABLE',
    BAD_REQUEST: 'INTERNAL',
    BODY_TOO_LARGE: 'RESOURCE_EXHAUSTED',
    NO_ENDPOINT: 'UNAVAILABLE',
    CIRCUIT_OPEN: 'UNAVAILABLE',
    OVERLOADED: 'UNAVAILABLE',
    WORKER_OVERLOADED: 'UNAVAILABLE',
    RATE_LIMITED: 'RESOURCE_EXHAUSTED',
    CONNECT_FAILED: 'UNAVAILABLE',
    UPSTREAM_RESET: 'UNAVAILABLE',
    BAD_UPSTREAM_RESPONSE: 'UNAVAILABLE',
    CONNECT_TIMEOUT: 'UNAVAILABLE',
    RESPONSE_TIMEOUT: 'DEADLINE_EXCEEDED',
    DEADLINE_EXCEEDED: 'DEADLINE_EXCEEDED',
    PLUGIN_FAILED: 'INTERNAL',
    PLUGIN_TIMEOUT: 'INTERNAL',
    CLIENT_CLOSED: 'CANCELLED'
  })
  t.equal(
    grpcStatusName(grpcStatusOf(401, 'FAULT_INJECTED')),
    'UNAUTHENTICATED',
    'a fault is its HTTP status'
  )
})

t.test('grpc-status is found in a flat list', async (t) => {
  t.equal(grpcStatusIn(['content-type', 'application/grpc', 'grpc-status', '14']), 14)
  t.equal(grpcStatusIn(['Grpc-Status', '0']), 0)
  t.equal(grpcStatusIn(['grpc-status', '99']), 99, 'a number that gRPC does not have stays what it is')
  for (const value of ['', 'OK', '-1', '1.5', '1e1', ' 1', '9999999999']) {
    t.equal(grpcStatusIn(['grpc-status', value]), 2, `${JSON.stringify(value)} is UNKNOWN`)
  }
  t.equal(grpcStatusIn([]), undefined)
  t.equal(grpcStatusIn(['grpc-message', '14', 'x-grpc-statu', '14', 'grpc-statuz', '14']), undefined)
  t.equal(grpcStatusIn(['x-note', 'grpc-status']), undefined, 'a value is no name')
})

t.test('grpc-message is encoded and decoded', async (t) => {
  const pairs: [string, string][] = [
    ['', ''],
    ['not found', 'not found'],
    ['100%', '100%25'],
    ['a\r\nb', 'a%0D%0Ab'],
    ['~ !"#$&', '~ !"#$&'],
    ['\x7f\x00', '%7F%00'],
    ['é', '%C3%A9'],
    [' both ends ', '%20both ends%20'],
    [' ', '%20'],
    ['  ', '%20%20'],
    [
      '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n',
      '%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA and non-BMP %F0%9F%98%88%09%0A'
    ]
  ]
  for (const [text, encoded] of pairs) {
    t.equal(grpcMessage(text), encoded)
    t.equal(decodeURIComponent(encoded), text)
  }
  t.equal(grpcMessage('\ud83d'), '%EF%BF%BD', 'half a character')
})

t.test('what a reply says in words', async (t) => {
  t.equal(grpcTextOf('no'), 'no')
  t.equal(grpcTextOf(undefined), '')
  t.equal(grpcTextOf(Buffer.from('no')), '')
  t.equal(grpcTextOf({ error: 'FORBIDDEN', message: 'not you' }), 'not you')
  t.equal(grpcTextOf({ error: 'unknown api key' }), 'unknown api key')
  t.equal(grpcTextOf({ reason: 1 }), '{"reason":1}')
})

t.test('the fields of a trailers-only answer', async (t) => {
  t.same(grpcReplyFields(14, 'the service is down'), [
    'content-type',
    'application/grpc',
    'grpc-status',
    '14',
    'grpc-message',
    'the service is down'
  ])
  t.same(grpcReplyFields(0, ''), ['content-type', 'application/grpc', 'grpc-status', '0'])
  const carried = [
    'x-outrigger-error',
    'RATE_LIMITED',
    'Content-Type',
    'application/json',
    'Content-Length',
    '12',
    'content-encoding',
    'gzip',
    'transfer-encoding',
    'chunked',
    'retry-after',
    '3',
    'WWW-Authenticate',
    'Bearer',
    'set-cookie',
    'a=1',
    'set-cookie',
    'b=2'
  ]
  t.same(grpcReplyFields(8, 'é\n', carried), [
    'content-type',
    'application/grpc',
    'grpc-status',
    '8',
    'grpc-message',
    '%C3%A9%0A',
    'x-outrigger-error',
    'RATE_LIMITED',
    'retry-after',
    '3',
    'WWW-Authenticate',
    'Bearer',
    'set-cookie',
    'a=1',
    'set-cookie',
    'b=2'
  ])
})

t.test("a plugin's own grpc-status and grpc-message stay", async (t) => {
  const own = ['grpc-status', '9', 'grpc-message', 'not yet']
  t.same(grpcReplyFields(2, 'nothing', own), ['content-type', 'application/grpc', ...own])
  t.same(
    grpcReplyFields(2, 'text', ['grpc-message', 'other']),
    ['content-type', 'application/grpc', 'grpc-status', '2', 'grpc-message', 'text'],
    'a message without its status is not one'
  )
})

t.test('a long message is cut at a whole character', async (t) => {
  const messageOf = (text: string) => grpcReplyFields(2, text)[5] as string
  t.equal(messageOf('x'.repeat(3000)), 'x'.repeat(2048))
  t.equal(messageOf(`${'x'.repeat(2047)} y`).length, 2047, 'and not behind a space')
  for (let before = 0; before < 12; before++) {
    const message = messageOf('x'.repeat(before) + '😈'.repeat(1000))
    t.ok(message.length <= 2048 && message.length > 2048 - 12, `${before}: ${message.length}`)
    t.match(decodeURIComponent(message), /^x*(😈)+$/u)
  }
})
