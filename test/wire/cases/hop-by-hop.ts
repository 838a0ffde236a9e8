// What belongs to one connection and not to the message.
import { get, request, type WireCase } from '../case.js'
import { asks } from './trust.js'

const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n'
const NO_CONNECTION = 'HTTP/2 knows no Connection field: a request with one is malformed'

/** The upstream answers with these fields. */
function answers(name: string, says: string, sent: string[], holds: RegExp[], lacks: RegExp[]): WireCase {
  return {
    id: `trust/${name}`,
    says,
    send: [get('/x')],
    upstream: [`${ANSWER}${sent.map((line) => `${line}\r\n`).join('')}\r\nok`],
    expect: { statuses: [200], upstream: ['GET /x'], bodies: ['ok'], holds, lacks }
  }
}

export const hopByHopCases: readonly WireCase[] = [
  asks(
    'connection-names',
    'Connection: close, X-User, Authorization removes what it names',
    ['connection: close, X-User, Authorization', 'x-user: admin', 'authorization: x'],
    { 'x-user': undefined, authorization: undefined },
    {
      h2: NO_CONNECTION,
      expect: {
        statuses: [200],
        end: 'closed',
        upstream: ['GET /x'],
        fields: { 'x-user': undefined, authorization: undefined }
      }
    }
  ),
  asks(
    'connection-names-plugins',
    'and not what a plugin sets behind it',
    ['connection: X-User', 'x-user: root'],
    { 'x-user': 'alice' },
    { setup: 'identity', h2: NO_CONNECTION }
  ),
  asks(
    'connection-names-key',
    'a credential that Connection names is none',
    ['connection: x-api-key', 'x-api-key: sesame'],
    {},
    {
      send: [get('/admin/x', 'connection: x-api-key', 'x-api-key: sesame')],
      h2: NO_CONNECTION,
      expect: { statuses: [401], end: 'open', upstream: 'nothing' }
    }
  ),
  asks(
    'connection-twice',
    'two Connection fields, capitals, empty elements',
    ['Connection: keep-alive,, X-A ,', 'connection:X-B', 'x-a: 1', 'X-B: 2', 'x-c: 3'],
    { 'x-a': undefined, 'x-b': undefined, 'x-c': '3' },
    { h2: NO_CONNECTION }
  ),
  asks(
    'connection-names-host',
    'Host and framing are not the client’s to have removed',
    ['connection: host, content-length, transfer-encoding', 'content-length: 5'],
    { host: 'a', 'content-length': '5' },
    {
      h2: NO_CONNECTION,
      send: [
        `${request('POST', '/x', ['connection: host, content-length, transfer-encoding', 'content-length: 5'])}hello`
      ],
      expect: {
        statuses: [200],
        end: 'open',
        upstream: ['POST /x'],
        uploads: ['hello'],
        fields: { host: 'a', 'content-length': '5' }
      }
    }
  ),
  asks(
    'connection-names-forwarded',
    'nor is what the proxy says of the client',
    ['connection: x-forwarded-for, x-forwarded-proto, x-forwarded-host, x-request-id'],
    { 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http', 'x-forwarded-host': 'a' },
    { h2: NO_CONNECTION }
  ),
  asks(
    'connection-names-proto',
    'Connection: __proto__, constructor',
    ['connection: __proto__, constructor', '__proto__: 1', 'constructor: 2', 'x-a: 3'],
    { __proto__x: undefined, constructor: undefined, 'x-a': '3' } as Record<string, string | undefined>,
    { h2: NO_CONNECTION }
  ),
  asks(
    'hop-by-hop',
    'Keep-Alive, Proxy-*, TE, Trailer and Upgrade do not cross',
    [
      'keep-alive: timeout=5',
      'proxy-connection: keep-alive',
      'proxy-authorization: Basic x',
      'te: gzip',
      'trailer: x-sum',
      'upgrade: h2c'
    ],
    {
      'keep-alive': undefined,
      'proxy-connection': undefined,
      'proxy-authorization': undefined,
      te: undefined,
      trailer: undefined,
      upgrade: undefined
    },
    { h2: NO_CONNECTION }
  ),
  asks('httpoxy', 'Proxy, which CGI turns into HTTP_PROXY, does not cross', ['proxy: http://evil.example'], {
    proxy: undefined
  }),
  asks(
    'upgrade-h2c',
    'an upgrade to h2c is not taken up: it is a request',
    ['connection: upgrade, http2-settings', 'upgrade: h2c', 'http2-settings: AAMAAABkAARAAAAAAAIAAAAA'],
    { upgrade: undefined, 'http2-settings': undefined },
    { h2: NO_CONNECTION }
  ),
  asks(
    'upgrade-unknown',
    'an upgrade that nobody knows is not taken up: it is a request',
    ['connection: upgrade', 'upgrade: chat/2'],
    { upgrade: undefined },
    { h2: NO_CONNECTION }
  ),
  answers(
    'answer-connection-names',
    'Connection in a response removes what it names',
    ['connection: keep-alive, X-Back', 'x-back: secret', 'x-kept: 1'],
    [/\r\nx-kept: 1\r\n/],
    [/x-back/i]
  ),
  {
    id: 'trust/answer-connection-names-plugins',
    says: 'and not what a plugin sets on the response',
    setup: 'identity',
    send: [get('/x')],
    upstream: [`${ANSWER}connection: x-back\r\nx-back: secret\r\n\r\nok`],
    expect: {
      statuses: [200],
      end: 'open',
      upstream: ['GET /x'],
      holds: [/\r\nx-back: plugin\r\n/],
      lacks: [/secret/]
    }
  },
  answers(
    'answer-hop-by-hop',
    'Keep-Alive, Proxy-Authenticate, Proxy-Connection and Upgrade of a response do not cross',
    [
      'keep-alive: timeout=77',
      'proxy-authenticate: Basic realm=x',
      'proxy-connection: keep-alive',
      'upgrade: h2c'
    ],
    [],
    [/timeout=77/, /proxy-/i, /upgrade/i]
  )
]
