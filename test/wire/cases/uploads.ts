// Uploads that are asked for, that are refused, and that are longer than they say.
import { get, post, refused, request, SMUGGLED, type WireCase } from '../case.js'

const NO_CONNECTION = 'a connection is not one request’s'

export const uploadCases: readonly WireCase[] = [
  {
    id: 'connections/expect',
    says: 'Expect: 100-continue: the 100 comes when the upload is wanted',
    send: [
      post(['content-length: 5', 'expect: 100-continue']),
      { until: /^HTTP\/1\.1 100 [^\r]*\r\n\r\n$/ },
      'hello'
    ],
    h2: NO_CONNECTION,
    shows: ['expect'],
    expect: { statuses: [100, 200], end: 'open', upstream: ['POST /x'], uploads: ['hello'] }
  },
  {
    id: 'connections/expect-casing',
    says: 'Expect: 100-Continue in capitals',
    send: [post(['content-length: 5', 'Expect: 100-Continue']), { until: /^HTTP\/1\.1 100 / }, 'hello'],
    h2: NO_CONNECTION,
    shows: ['expect'],
    expect: { statuses: [100, 200], end: 'open', upstream: ['POST /x'], uploads: ['hello'] }
  },
  {
    id: 'connections/expect-impatient',
    says: 'a client that does not wait for the 100',
    send: [post(['content-length: 5', 'expect: 100-continue'], 'hello')],
    h2: NO_CONNECTION,
    shows: ['expect'],
    expect: {
      end: 'open',
      upstream: ['POST /x'],
      uploads: ['hello'],
      also: ({ statuses }) => (/^(100,)?200$/.test(statuses.join()) ? undefined : `statuses ${statuses}`)
    }
  },
  {
    id: 'connections/expect-bodiless',
    says: 'Expect: 100-continue without a body needs no 100',
    send: [get('/x', 'expect: 100-continue')],
    h2: NO_CONNECTION,
    shows: ['expect'],
    expect: { statuses: [200], upstream: ['GET /x'] }
  },
  {
    id: 'connections/expect-pipelined',
    says: 'a 100 of a pipelined request does not get between another’s bytes, or its own',
    send: [`${get('/a')}${post(['content-length: 5', 'expect: 100-continue'], 'hello', '/b')}${get('/c')}`],
    upstream: [
      { byTarget: { '/a': '', '/b': 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n/b', '/c': '' } },
      { pause: 60 },
      {
        byTarget: {
          '/a': 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n/a',
          '/b': '',
          '/c': 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n/c'
        }
      }
    ],
    h2: NO_CONNECTION,
    expect: {
      end: 'open',
      upstream: ['GET /a', 'POST /b', 'GET /c'],
      bodies: ['/a', '/b', '/c'],
      also: ({ statuses }) =>
        /^200,(100,)?200,200$/.test(statuses.join()) ? undefined : `statuses ${statuses}`
    }
  },
  {
    id: 'connections/expect-refused',
    says: 'an early refusal comes without a 100, and the connection ends',
    send: [request('POST', '/admin/x', ['content-length: 5', 'expect: 100-continue'])],
    h2: NO_CONNECTION,
    expect: { statuses: [401], end: 'closed', upstream: 'nothing' }
  },
  {
    id: 'connections/expect-other',
    says: 'an expectation that nobody knows is 417',
    send: [post(['content-length: 5', 'expect: 200-ok'], 'hello')],
    shows: ['expect'],
    expect: { statuses: [417], upstream: 'nothing', holds: [/\r\nx-outrigger-error: /i] }
  },
  {
    id: 'connections/expect-other-ambiguous',
    says: 'and hides nothing that is refused otherwise: here a request without a Host',
    send: [`GET /x HTTP/1.1\r\nexpect: 200-ok\r\n\r\n${SMUGGLED}`],
    h2: NO_CONNECTION,
    expect: { statuses: [[400, 417]], end: 'closed', upstream: 'nothing' }
  },
  {
    id: 'connections/refused-upload',
    says: 'a refusal with an upload unread: the answer arrives, then the connection ends',
    send: [request('POST', '/admin/x', ['content-length: 1000000']) + 'x'.repeat(30_000)],
    h2: NO_CONNECTION,
    expect: { statuses: [401], end: 'closed', upstream: 'nothing' }
  },
  {
    id: 'connections/refused-upload-small',
    says: 'a refusal with a small upload drains it, and what follows is the next request',
    send: [
      request('POST', '/admin/x', ['content-length: 5']),
      { until: /^HTTP\/1\.1 401 / },
      `hello${get('/y')}`
    ],
    h2: NO_CONNECTION,
    expect: {
      statuses: [401, 200],
      end: 'open',
      upstream: ['GET /y']
    }
  },
  {
    id: 'connections/refused-upload-chunked',
    says: 'a refusal with a chunked upload unread: the connection ends',
    send: [`${request('POST', '/admin/x', ['transfer-encoding: chunked'])}5\r\nhello\r\n`],
    h2: NO_CONNECTION,
    expect: { statuses: [401], end: 'closed', upstream: 'nothing' }
  },
  {
    id: 'connections/refused-then-request',
    says: 'an upload that is refused is not read as requests',
    send: [request('POST', '/admin/x', ['content-length: 200000']) + SMUGGLED],
    h2: NO_CONNECTION,
    expect: { statuses: [401], end: 'closed', upstream: 'nothing' }
  },
  refused(
    'connections/upload-larger',
    'more than the Content-Length says is the next request, and none',
    post(['content-length: 2'], 'hello'),
    {
      h2: NO_CONNECTION,
      expect: { statuses: [200, 400], end: 'closed', upstream: ['POST /x'], uploads: ['he'] }
    }
  )
]
