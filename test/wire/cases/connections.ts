// Connections: who ends them, in which order answers come, what is waited for and for how long.
import { get, post, request, SMUGGLED, type WireCase } from '../case.js'

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
const SIZE = 4 * 1024 * 1024
const LARGE = `HTTP/1.1 200 OK\r\ncontent-length: ${SIZE}\r\n\r\n${'x'.repeat(SIZE)}`
const KEY = 'AAAAAAAAAAAAAAAAAAAAAA=='
const NO_CONNECTION = 'a connection is not one request’s'

function bodiless(
  name: string,
  says: string,
  method: string,
  status: string,
  body: string,
  fields = ''
): WireCase {
  return {
    id: `connections/${name}`,
    says,
    send: [request(method, '/x', [])],
    methods: [method],
    upstream: [`HTTP/1.1 ${status}\r\n${fields}\r\n${body}`],
    expect: {
      // With a body that may not be there, the upstream's word is worth nothing: a cut or a 502 will do as well.
      ...(body === '' ? { statuses: [Number(status.slice(0, 3))] } : {}),
      upstream: [`${method} /x`],
      lacks: [/poison/]
    }
  }
}

function interim(
  name: string,
  says: string,
  upstream: readonly string[],
  statuses: number[],
  holds: RegExp[] = []
): WireCase {
  return {
    id: `connections/${name}`,
    says,
    send: [get('/x')],
    upstream,
    expect: { statuses, end: 'open', upstream: ['GET /x'], bodies: ['ok'], holds }
  }
}

export const connectionCases: readonly WireCase[] = [
  {
    id: 'connections/keep-alive',
    says: 'HTTP/1.1 stays open',
    send: [get('/x')],
    h2: NO_CONNECTION,
    expect: { statuses: [200], end: 'open', upstream: ['GET /x'], bodies: ['ok'] }
  },
  {
    id: 'connections/close',
    says: 'Connection: close ends it behind the answer, and says so',
    send: [get('/x', 'connection: close') + SMUGGLED],
    h2: NO_CONNECTION,
    expect: { statuses: [200], end: 'closed', upstream: ['GET /x'], holds: [/\r\nconnection: close\r\n/i] }
  },
  {
    id: 'connections/pipeline',
    says: 'pipelined requests are answered in order',
    send: [['/a', '/b', '/c', '/d'].map((target) => get(target)).join('')],
    h2: NO_CONNECTION,
    upstream: [{ pause: 20 }, { echo: true }],
    expect: {
      statuses: [200, 200, 200, 200],
      end: 'open',
      upstream: ['GET /a', 'GET /b', 'GET /c', 'GET /d'],
      bodies: ['/a', '/b', '/c', '/d']
    }
  },
  {
    id: 'connections/pipeline-bodies',
    says: 'pipelined uploads of either framing end where they end',
    send: [
      `${post(['content-length: 5'], 'hello', '/a')}${post(['transfer-encoding: chunked'], '3\r\nabc\r\n0\r\n\r\n', '/b')}${get('/c')}`
    ],
    h2: NO_CONNECTION,
    upstream: [{ echo: true }],
    expect: {
      statuses: [200, 200, 200],
      end: 'open',
      upstream: ['POST /a', 'POST /b', 'GET /c'],
      uploads: ['hello', 'abc', ''],
      bodies: ['/a', '/b', '/c']
    }
  },
  {
    id: 'connections/pipeline-close',
    says: 'what is pipelined behind Connection: close is not read',
    send: [get('/a', 'connection: close') + get('/b') + get('/c')],
    h2: NO_CONNECTION,
    expect: { statuses: [200], end: 'closed', upstream: ['GET /a'] }
  },
  {
    id: 'connections/close-junk-behind',
    says: 'what stands behind the last request does not cut its answer short',
    send: [get('/x', 'connection: close'), { until: /hello/ }, 'zz\r\n\r\n'],
    upstream: ['HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello', { pause: 50 }, 'world'],
    h2: NO_CONNECTION,
    expect: { statuses: [200], end: 'closed', upstream: ['GET /x'], bodies: ['helloworld'] }
  },
  {
    id: 'connections/upgrade-behind-large',
    says: 'an upgrade pipelined behind a large answer does not stop it',
    send: [
      get('/large') +
        get(
          '/ws',
          'connection: upgrade',
          'upgrade: websocket',
          'sec-websocket-version: 13',
          `sec-websocket-key: ${KEY}`
        ),
      { deaf: 50 }
    ],
    upstream: [{ byTarget: { '/large': LARGE } }],
    h2: NO_CONNECTION,
    expect: {
      end: 'closed',
      also: ({ bodies }) => (bodies[0]?.length === SIZE ? undefined : `${bodies[0]?.length} bytes`)
    }
  },
  {
    id: 'connections/half-closed',
    says: 'a client that closes its half has left: its request is cancelled',
    send: [get('/x'), { end: true }],
    upstream: [{ pause: 20 }, OK],
    h2: NO_CONNECTION,
    expect: { statuses: [], end: 'closed', upstream: ['GET /x'] }
  },
  bodiless(
    'head',
    'HEAD: the length stays, no body follows',
    'HEAD',
    '200 OK',
    '',
    'content-length: 1000\r\n'
  ),
  bodiless(
    'head-chunked',
    'HEAD with Transfer-Encoding',
    'HEAD',
    '200 OK',
    '',
    'transfer-encoding: chunked\r\n'
  ),
  bodiless(
    'head-body',
    'HEAD answered with a body all the same',
    'HEAD',
    '200 OK',
    'poison',
    'content-length: 6\r\n'
  ),
  bodiless('204', '204', 'GET', '204 No Content', ''),
  bodiless('204-length', '204 with a Content-Length', 'GET', '204 No Content', '', 'content-length: 0\r\n'),
  bodiless(
    '204-body',
    '204 with a body all the same',
    'GET',
    '204 No Content',
    'poison',
    'content-length: 6\r\n'
  ),
  bodiless(
    '304',
    '304 with the length it would have had',
    'GET',
    '304 Not Modified',
    '',
    'etag: "x"\r\ncontent-length: 100\r\n'
  ),
  bodiless(
    '304-body',
    '304 with a body all the same',
    'GET',
    '304 Not Modified',
    'poison',
    'content-length: 6\r\n'
  ),
  interim(
    '103',
    '103 Early Hints pass',
    [`HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${OK}`],
    [103, 200],
    [/^HTTP\/1\.1 103 [^\r]*\r\nlink: <\/a>\r\n/i]
  ),
  interim(
    'interim-order',
    '102 and two 103 pass in order',
    [
      `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </b>\r\n\r\n${OK}`
    ],
    [102, 103, 103, 200]
  ),
  interim(
    'interim-pieces',
    'a 103 in a piece of its own',
    ['HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n', OK],
    [103, 200]
  ),
  {
    id: 'connections/connect-reset',
    says: 'a CONNECT from a client that resets at once harms nobody else',
    send: [`${get('/x')}CONNECT b:443 HTTP/1.1\r\nhost: b:443\r\n\r\n`, { reset: true }],
    h2: NO_CONNECTION,
    expect: { end: 'closed' }
  },
  {
    id: 'connections/slow-head',
    says: 'a head that does not come to its end is 408',
    setup: 'impatient',
    send: ['GET /x HTTP/1.1\r\nhost: a\r\n', { closed: true }],
    expect: { statuses: [408], end: 'closed', upstream: 'nothing' }
  },
  {
    id: 'connections/slow-head-dripping',
    says: 'a head that drips is 408 all the same',
    setup: 'impatient',
    send: [
      'GET /x HTTP/1.1\r\nhost: a\r\n',
      ...Array.from({ length: 15 }, (_, i) => [{ pause: 100 }, `x-${i}: 1\r\n`]).flat(),
      { closed: true }
    ],
    expect: { statuses: [408], end: 'closed', upstream: 'nothing' }
  },
  {
    id: 'connections/slow-body',
    says: 'a body that stops is 408',
    setup: 'impatient',
    send: [post(['content-length: 10'], 'hello'), { closed: true }],
    expect: { statuses: [408], end: 'closed', upstream: 'nothing' }
  },
  {
    id: 'connections/slow-chunk',
    says: 'a chunked body that stops is 408',
    setup: 'impatient',
    send: [post(['transfer-encoding: chunked'], '5\r\nhel'), { closed: true }],
    expect: { statuses: [408], end: 'closed', upstream: 'nothing' }
  },
  {
    id: 'connections/idle',
    says: 'an idle connection ends without a word',
    setup: 'impatient',
    send: [get('/x'), { closed: true }],
    expect: { statuses: [200], end: 'closed', upstream: ['GET /x'] }
  },
  {
    id: 'connections/silent',
    says: 'a connection on which nothing is ever said ends',
    setup: 'impatient',
    send: [{ closed: true }],
    expect: {
      end: 'closed',
      upstream: 'nothing',
      also: ({ statuses }) => (/^(408)?$/.test(statuses.join()) ? undefined : `statuses ${statuses}`)
    }
  },
  {
    id: 'connections/slow-reader',
    says: 'a client that reads late gets all of it',
    send: [get('/x'), { deaf: 200 }],
    upstream: [{ large: 4 * 1024 * 1024 }],
    expect: {
      statuses: [200],
      end: 'open',
      upstream: ['GET /x'],
      also: ({ bodies }) => (bodies[0]?.length === 4 * 1024 * 1024 ? undefined : `${bodies[0]?.length} bytes`)
    }
  }
]
