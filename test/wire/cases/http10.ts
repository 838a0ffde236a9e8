// Clients of HTTP/1.0: no chunks, no 1xx, and a body that may end with its connection.
import { get, type WireCase } from '../case.js'

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
const CHUNKED = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'
const old = (target: string, ...fields: string[]) =>
  `${[`GET ${target} HTTP/1.0`, ...fields].join('\r\n')}\r\n\r\n`
const NO_OLD = 'HTTP/2 is HTTP/2'

export const http10Cases: readonly WireCase[] = [
  {
    id: 'connections/http10',
    says: 'HTTP/1.0 ends behind the answer',
    send: [old('/x', 'host: a')],
    h2: NO_OLD,
    expect: { statuses: [200], end: 'closed', upstream: ['GET /x'], bodies: ['ok'] }
  },
  {
    id: 'connections/http10-keep-alive',
    says: 'HTTP/1.0 with Connection: keep-alive stays open',
    send: [old('/x', 'host: a', 'connection: keep-alive')],
    h2: NO_OLD,
    expect: {
      statuses: [200],
      end: 'open',
      upstream: ['GET /x'],
      bodies: ['ok'],
      holds: [/\r\nconnection: keep-alive\r\n/i]
    }
  },
  {
    id: 'connections/http10-chunks',
    says: 'an HTTP/1.0 client gets no chunks: the end of the connection is the body’s',
    send: [old('/x', 'host: a')],
    upstream: [CHUNKED],
    h2: NO_OLD,
    expect: {
      statuses: [200],
      end: 'closed',
      upstream: ['GET /x'],
      bodies: ['hello'],
      lacks: [/transfer-encoding/i]
    }
  },
  {
    id: 'connections/http10-keep-alive-chunks',
    says: 'the same when it asked to be kept',
    send: [old('/x', 'host: a', 'connection: keep-alive')],
    upstream: [CHUNKED],
    h2: NO_OLD,
    expect: {
      statuses: [200],
      end: 'closed',
      upstream: ['GET /x'],
      bodies: ['hello'],
      lacks: [/transfer-encoding/i, /\r\nconnection: keep-alive/i]
    }
  },
  {
    id: 'connections/http10-interim',
    says: 'an HTTP/1.0 client gets no 1xx',
    send: [old('/x', 'host: a')],
    upstream: [`HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${OK}`],
    h2: NO_OLD,
    expect: { statuses: [200], end: 'closed', upstream: ['GET /x'], bodies: ['ok'] }
  },
  {
    id: 'connections/http10-expect',
    says: 'an HTTP/1.0 client gets no 100',
    send: ['POST /x HTTP/1.0\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\nhello'],
    h2: NO_OLD,
    expect: { statuses: [200], end: 'closed', upstream: ['POST /x'], uploads: ['hello'] }
  },
  {
    id: 'connections/http10-junk-behind',
    says: 'nor that of an HTTP/1.0 client',
    send: [
      `POST /x HTTP/1.0\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi${get('/y')}`,
      { until: /hello/ },
      'zz\r\n\r\n'
    ],
    upstream: [
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n',
      { pause: 50 },
      '5\r\nworld\r\n0\r\n\r\n'
    ],
    h2: NO_OLD,
    expect: { statuses: [200], end: 'closed', upstream: ['POST /x'], bodies: ['helloworld'] }
  },
  {
    id: 'connections/http10-junk-pipelined',
    says: 'nor that of an HTTP/1.0 request behind another',
    send: [`${get('/a')}POST /b HTTP/1.0\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi${get('/y')}`],
    upstream: [
      { pause: 20 },
      {
        byTarget: {
          '/a': 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
          '/b': 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n'
        }
      },
      { pause: 50 },
      { byTarget: { '/a': '', '/b': '5\r\nworld\r\n0\r\n\r\n' } }
    ],
    h2: NO_OLD,
    expect: {
      statuses: [200, 200],
      end: 'closed',
      upstream: ['GET /a', 'POST /b'],
      bodies: ['ok', 'helloworld']
    }
  }
]
