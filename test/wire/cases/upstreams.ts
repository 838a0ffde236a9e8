// Upstreams that break the rules, and ways of ending a response.
import { get, type Observation, type Step, type WireCase } from '../case.js'

const HEAD = 'HTTP/1.1 200 OK\r\n'
const OK = `${HEAD}content-length: 2\r\n\r\nok`
const POISON = `${HEAD}content-length: 6\r\n\r\npoison`
const unpoisoned = ({ text }: Observation) =>
  text.includes('poison') ? 'poison reached the client' : undefined

/** The answer cannot be used: 502. */
function bad(name: string, says: string, ...upstream: Step[]): WireCase {
  return {
    id: `upstreams/${name}`,
    says,
    send: [get('/x')],
    // What ends without an answer on a connection that was used before may be asked again on another.
    cold: true,
    upstream,
    expect: { statuses: [502], end: 'open', upstream: ['GET /x'], lacks: [/poison/, /127\.0\.0\.1/] }
  }
}

/** It breaks off behind its head: so does what the client gets. */
function broken(name: string, says: string, ...upstream: Step[]): WireCase {
  return {
    id: `upstreams/${name}`,
    says,
    send: [get('/x')],
    upstream,
    expect: {
      // The head may have been held back until it broke.
      statuses: [[200, 502]],
      end: 'closed',
      upstream: ['GET /x'],
      complete: false,
      lacks: [/0\r\n\r\n$/]
    }
  }
}

function good(
  name: string,
  says: string,
  upstream: readonly Step[],
  more: Partial<WireCase['expect']> = {}
): WireCase {
  return {
    id: `upstreams/${name}`,
    says,
    send: [get('/x')],
    upstream,
    expect: { statuses: [200], end: 'open', upstream: ['GET /x'], bodies: ['ok'], ...more }
  }
}

const chunked = (body: string) => `${HEAD}transfer-encoding: chunked\r\n\r\n${body}`
const large = (size: number) => `${HEAD}x-a: ${'a'.repeat(size)}\r\ncontent-length: 2\r\n\r\nok`

export const upstreamCases: readonly WireCase[] = [
  good('chunked', 'a chunked response', [chunked('2\r\nok\r\n0\r\n\r\n')]),
  good(
    'chunk-extension',
    'chunk extensions of a response do not cross',
    [chunked('2;a=poison\r\nok\r\n0;poison\r\n\r\n')],
    {
      lacks: [/poison/]
    }
  ),
  good('close-delimited', 'a response that ends with its connection', [
    `${HEAD}connection: close\r\n\r\nok`,
    { end: true }
  ]),
  good('http10', 'a response of HTTP/1.0 that ends with its connection', [
    'HTTP/1.0 200 OK\r\n\r\nok',
    { end: true }
  ]),
  good('http10-length', 'a response of HTTP/1.0 with a length', [
    'HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok',
    { end: true }
  ]),
  good('no-reason', 'a status line without a reason', ['HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok']),
  good('no-reason-space', 'a status line with an empty reason', [
    'HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nok'
  ]),
  good('reason-high', 'a reason past ASCII', ['HTTP/1.1 200 \xe2\x9c\x93\r\ncontent-length: 2\r\n\r\nok']),
  good('fields-large', 'a response’s header block of 32 KiB', [large(32 * 1024)]),
  good('trailers', 'response trailers arrive', [chunked('2\r\nok\r\n0\r\nx-sum: 42\r\n\r\n')], {
    also: ({ trailers }) => (trailers.join() === 'x-sum: 42' ? undefined : `trailers ${trailers}`)
  }),
  broken(
    'trailers-framing',
    'a Content-Length in response trailers',
    chunked('5\r\nhello\r\n0\r\ncontent-length: 99\r\n\r\n')
  ),
  bad(
    'two-lengths',
    'two Content-Lengths that differ',
    `${HEAD}content-length: 6\r\ncontent-length: 2\r\n\r\npoison`
  ),
  bad(
    'length-and-coding',
    'Content-Length and Transfer-Encoding',
    `${HEAD}content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n6\r\npoison\r\n0\r\n\r\n`
  ),
  bad(
    'coding-and-length',
    'Transfer-Encoding and Content-Length',
    `${HEAD}transfer-encoding: chunked\r\ncontent-length: 6\r\n\r\n6\r\npoison\r\n0\r\n\r\n`
  ),
  bad('length-plus', 'Content-Length: +6', `${HEAD}content-length: +6\r\n\r\npoison`),
  bad('length-empty', 'Content-Length without a value', `${HEAD}content-length:\r\n\r\npoison`),
  bad('length-list', 'Content-Length: 6, 2', `${HEAD}content-length: 6, 2\r\n\r\npoison`),
  bad('length-minus', 'Content-Length: -6', `${HEAD}content-length: -6\r\n\r\npoison`),
  bad(
    'length-overflow',
    'a Content-Length past 64 bits',
    `${HEAD}content-length: 18446744073709551622\r\n\r\npoison`
  ),
  bad(
    'coding-x',
    'Transfer-Encoding: xchunked',
    `${HEAD}transfer-encoding: xchunked\r\n\r\n6\r\npoison\r\n0\r\n\r\n`
  ),
  bad(
    'coding-gzip',
    'Transfer-Encoding: gzip, chunked',
    `${HEAD}transfer-encoding: gzip, chunked\r\n\r\n6\r\npoison\r\n0\r\n\r\n`
  ),
  bad(
    'coding-identity',
    'Transfer-Encoding: chunked, identity',
    `${HEAD}transfer-encoding: chunked, identity\r\n\r\n6\r\npoison\r\n0\r\n\r\n`
  ),
  bad(
    'coding-twice',
    'two Transfer-Encodings',
    `${HEAD}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n6\r\npoison\r\n0\r\n\r\n`
  ),
  bad('folded', 'a folded field', `${HEAD}x-a: 1\r\n poison\r\ncontent-length: 2\r\n\r\nok`),
  bad('space-colon', 'a space ahead of a colon', `${HEAD}x-a : poison\r\ncontent-length: 2\r\n\r\nok`),
  bad('bare-cr', 'a bare CR in a value', `${HEAD}x-a: 1\rpoison\r\ncontent-length: 2\r\n\r\nok`),
  bad('bare-lf', 'bare LFs end its lines', `HTTP/1.1 200 OK\ncontent-length: 6\n\npoison`),
  bad('nul', 'a NUL in a value', `${HEAD}x-a: 1\0poison\r\ncontent-length: 2\r\n\r\nok`),
  bad('empty-name', 'an empty name', `${HEAD}: poison\r\ncontent-length: 2\r\n\r\nok`),
  bad('http09', 'bytes without a status line (HTTP/0.9)', 'poison without a head', { end: true }),
  bad('version', 'HTTP/3.7', `HTTP/3.7 200 OK\r\ncontent-length: 6\r\n\r\npoison`),
  bad('status-two', 'a status of two digits', `HTTP/1.1 20 OK\r\ncontent-length: 6\r\n\r\npoison`),
  bad('status-four', 'a status of four digits', `HTTP/1.1 2000 OK\r\ncontent-length: 6\r\n\r\npoison`),
  bad('status-0', 'status 000', `HTTP/1.1 000 OK\r\ncontent-length: 6\r\n\r\npoison`),
  bad('status-99', 'status 099', `HTTP/1.1 099 OK\r\ncontent-length: 6\r\n\r\npoison`),
  bad('status-letters', 'a status of letters', `HTTP/1.1 abc OK\r\ncontent-length: 6\r\n\r\npoison`),
  good(
    'status-999',
    'a status that HTTP does not know passes',
    ['HTTP/1.1 999 No\r\ncontent-length: 2\r\n\r\nok'],
    {
      statuses: [999]
    }
  ),
  bad(
    'status-switch',
    '101 that nobody asked for',
    `HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\npoison`
  ),
  bad('fields-too-large', 'a header block of 128 KiB', large(128 * 1024)),
  bad('fields-endless', 'a header block without an end', `${HEAD}${'x-a: poison\r\n'.repeat(20_000)}`),
  bad('closed-early', 'a connection that ends without an answer', { end: true }),
  bad('reset-early', 'a connection that is reset without an answer', { reset: true }),
  bad('closed-in-head', 'a connection that ends within the head', `${HEAD}content-le`, { end: true }),
  broken(
    'closed-in-body',
    'a connection that ends before its Content-Length',
    `${HEAD}content-length: 10\r\n\r\nhello`,
    { end: true }
  ),
  broken(
    'reset-in-body',
    'a connection that is reset before its Content-Length',
    `${HEAD}content-length: 10\r\n\r\nhello`,
    { pause: 20 },
    { reset: true }
  ),
  broken('closed-in-chunks', 'a connection that ends between chunks', chunked('5\r\nhello\r\n'), {
    end: true
  }),
  broken(
    'reset-in-chunks',
    'a connection that is reset between chunks',
    chunked('5\r\nhello\r\n'),
    { pause: 20 },
    { reset: true }
  ),
  broken(
    'reset-undelimited',
    'a connection that is reset where its end would be the body’s',
    `${HEAD}\r\nhello`,
    { pause: 20 },
    { reset: true }
  ),
  broken('chunk-size', 'a chunk size that is none', chunked('5\r\nhello\r\nzz\r\npoison\r\n0\r\n\r\n')),
  broken('chunk-longer', 'a chunk longer than its size', chunked('4\r\nhello\r\n0\r\n\r\n')),
  broken(
    'chunk-overflow',
    'a chunk size past 64 bits',
    chunked('5\r\nhello\r\n10000000000000005\r\npoison\r\n0\r\n\r\n')
  ),
  {
    id: 'upstreams/broken-http10',
    says: 'a response that breaks, to a client of HTTP/1.0 whose body ends with its connection: a reset',
    // What has come is read first: libuv takes a reset behind unread bytes for an end.
    send: ['GET /x HTTP/1.0\r\nhost: a\r\n\r\n'],
    upstream: [chunked('5\r\nhello\r\n'), { pause: 50 }, { end: true }],
    h2: 'HTTP/2 is HTTP/2',
    expect: {
      statuses: [[200, 502]],
      end: 'closed',
      upstream: ['GET /x'],
      complete: false,
      also: ({ reset }) => (reset ? undefined : 'the connection just ended')
    }
  },
  {
    id: 'upstreams/extra-bytes',
    says: 'bytes behind a whole response reach nobody',
    send: [get('/x'), { until: /ok$/ }, get('/y')],
    upstream: [`${OK}poison`],
    expect: {
      statuses: [200, 200],
      end: 'open',
      upstream: ['GET /x', 'GET /y'],
      bodies: ['ok', 'ok'],
      also: unpoisoned
    }
  },
  {
    id: 'upstreams/extra-response',
    says: 'a second response to one request reaches nobody',
    send: [get('/x'), { until: /ok$/ }, get('/y')],
    upstream: [OK + POISON],
    expect: {
      statuses: [200, 200],
      end: 'open',
      upstream: ['GET /x', 'GET /y'],
      bodies: ['ok', 'ok'],
      also: unpoisoned
    }
  },
  {
    id: 'upstreams/idle-response',
    says: 'a response on an idle connection reaches nobody',
    send: [get('/x'), { until: /ok$/ }, { pause: 250 }, get('/y')],
    upstream: [OK, { pause: 20 }, POISON],
    expect: {
      statuses: [200, 200],
      end: 'open',
      upstream: ['GET /x', 'GET /y'],
      bodies: ['ok', 'ok'],
      also: unpoisoned
    }
  },
  {
    id: 'upstreams/extra-in-head',
    says: 'a body behind an answer to HEAD is not the next answer',
    send: ['HEAD /x HTTP/1.1\r\nhost: a\r\n\r\n', { until: /\r\n\r\n$/ }, get('/y')],
    methods: ['HEAD', 'GET'],
    upstream: [{ byTarget: { '/x': POISON, '/y': OK } }],
    expect: { statuses: [200, 200], end: 'open', upstream: ['HEAD /x', 'GET /y'], also: unpoisoned }
  },
  {
    id: 'upstreams/answers-early',
    says: 'an answer ahead of the upload’s end',
    on: 'head',
    send: ['POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhello'],
    upstream: [OK],
    expect: { statuses: [200], upstream: 'nothing', bodies: ['ok'] }
  },
  {
    id: 'upstreams/continues',
    says: 'a 100 from the upstream that nobody asked for',
    send: ['POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello'],
    upstream: [`HTTP/1.1 100 Continue\r\n\r\n${OK}`],
    expect: { statuses: [200], end: 'open', upstream: ['POST /x'], bodies: ['ok'], uploads: ['hello'] }
  },
  {
    id: 'upstreams/silent',
    says: 'an upstream that does not answer is 504 within the route’s time',
    send: [get('/hang/x')],
    upstream: [],
    expect: { statuses: [504], end: 'open', upstream: ['GET /hang/x'] }
  },
  {
    id: 'upstreams/interim-flood',
    says: 'ten thousand 103s ahead of the answer',
    send: [get('/x')],
    upstream: [`${'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(10_000)}${OK}`],
    expect: {
      upstream: ['GET /x'],
      also: ({ statuses }) =>
        statuses.at(-1) === 200 || statuses.at(-1) === 502 ? undefined : `${statuses.at(-1)}`
    }
  }
]
