import t from 'tap'
import { CHUNKED, headIn, readResponseHead } from '../../../core/http1/response-head.js'

const read = (lines: string, bodiless = false) =>
  readResponseHead(`${lines.replaceAll('\n', '\r\n')}\r\n\r\n`, bodiless)

t.test('what it reads', async (t) => {
  t.same(read('HTTP/1.1 200 Fine By Me\nContent-Length:  12 \nX-a: b: c\nx-A:\nconnection: Keep-Alive'), {
    status: 200,
    statusText: 'Fine By Me',
    fields: ['Content-Length', '12', 'X-a', 'b: c', 'x-A', '', 'connection', 'Keep-Alive'],
    length: 12,
    close: false,
    keepAlive: undefined
  })
  t.equal(read('HTTP/1.1 200 \ntransfer-encoding: CHUNKED')?.length, CHUNKED)
  t.equal(read('HTTP/1.1 599 \ncontent-length: 999999999999999')?.length, 999_999_999_999_999)
  t.equal(read('HTTP/1.1 200 OK\ncontent-length: 0\nConnection: CLOSE')?.close, true)
  const kept = (...values: string[]) =>
    read(['HTTP/1.1 200 OK\ncontent-length: 0', ...values.map((value) => `Keep-Alive: ${value}`)].join('\n'))
      ?.keepAlive
  t.equal(kept('timeout=5'), 5_000)
  t.equal(kept('max=100, timeout=72'), 72_000)
  t.equal(kept('max=100'), undefined)
  t.equal(kept('timeout=72'), 72_000, 'the same again')
  t.equal(kept('timeout=72', 'max=3', 'timeout=4'), 4_000, 'the shorter of two')
})

t.test('responses without a body', async (t) => {
  t.equal(read('HTTP/1.1 204 No Content')?.length, 0)
  t.equal(read('HTTP/1.1 204 No Content\ncontent-length: 0')?.length, 0)
  t.equal(read('HTTP/1.1 304 Not Modified\ncontent-length: 70')?.length, 0)
  t.equal(read('HTTP/1.1 200 OK\ncontent-length: 70', true)?.length, 0)
  t.equal(read('HTTP/1.1 200 OK\ntransfer-encoding: chunked', true)?.length, 0)
  t.equal(read('HTTP/1.1 404 OK', true)?.length, 0)
  t.equal(read('HTTP/1.1 204 No Content\ncontent-length: 5'), undefined)
  t.equal(read('HTTP/1.1 204 No Content\ntransfer-encoding: chunked'), undefined)
  t.equal(read('HTTP/1.1 304 Not Modified\ntransfer-encoding: chunked'), undefined)
})

t.test('what it leaves to another', async (t) => {
  const length = 'content-length: 2'
  for (const head of [
    `HTTP/1.0 200 OK\n${length}`,
    `HTTP/2.0 200 OK\n${length}`,
    `http/1.1 200 OK\n${length}`,
    ` HTTP/1.1 200 OK\n${length}`,
    `HTTP/1.1  200 OK\n${length}`,
    `HTTP/1.1 200\n${length}`,
    `HTTP/1.1 200OK\n${length}`,
    `HTTP/1.1 2000 OK\n${length}`,
    `HTTP/1.1 20 OK\n${length}`,
    `HTTP/1.1 2a0 OK\n${length}`,
    `HTTP/1.1 -20 OK\n${length}`,
    `HTTP/1.1 100 Continue\n${length}`,
    `HTTP/1.1 101 Switching\n${length}`,
    `HTTP/1.1 103 Hints\n${length}`,
    `HTTP/1.1 099 What\n${length}`,
    `HTTP/1.1 205 Reset\n${length}`,
    `HTTP/1.1 600 Far\n${length}`,
    `HTTP/1.1 200 a\tb\n${length}`,
    `HTTP/1.1 200 caf\xe9\n${length}`,
    `HTTP/1.1 200 a\rb\n${length}`,
    `HTTP/1.1 200 a\0b\n${length}`,
    'HTTP/1.1 200 OK',
    'HTTP/1.1 200 OK\nx: 1',
    `HTTP/1.1 200 OK\n${length}\n${length}`,
    `HTTP/1.1 200 OK\n${length}\nContent-Length: 3`,
    `HTTP/1.1 200 OK\n${length}\ntransfer-encoding: chunked`,
    `HTTP/1.1 200 OK\ntransfer-encoding: chunked\n${length}`,
    'HTTP/1.1 200 OK\ntransfer-encoding: chunked\ntransfer-encoding: chunked',
    'HTTP/1.1 200 OK\ntransfer-encoding: gzip, chunked',
    'HTTP/1.1 200 OK\ntransfer-encoding: identity',
    'HTTP/1.1 200 OK\ncontent-length:',
    'HTTP/1.1 200 OK\ncontent-length: 2, 2',
    'HTTP/1.1 200 OK\ncontent-length: +2',
    'HTTP/1.1 200 OK\ncontent-length: -2',
    'HTTP/1.1 200 OK\ncontent-length: 0x2',
    'HTTP/1.1 200 OK\ncontent-length: 02',
    'HTTP/1.1 200 OK\ncontent-length: 2.0',
    'HTTP/1.1 200 OK\ncontent-length: 1000000000000000',
    `HTTP/1.1 200 OK\n${length}\nconnection: keep-alive, x`,
    `HTTP/1.1 200 OK\n${length}\nconnection: upgrade`,
    `HTTP/1.1 200 OK\n${length}\nproxy-connection: close`,
    `HTTP/1.1 200 OK\n${length}\n x: 1`,
    `HTTP/1.1 200 OK\n${length}\nx : 1`,
    `HTTP/1.1 200 OK\n${length}\nx`,
    `HTTP/1.1 200 OK\n${length}\n: 1`,
    `HTTP/1.1 200 OK\n${length}\nx: a\tb`,
    `HTTP/1.1 200 OK\n${length}\nx: a\0b`
  ])
    t.equal(read(head), undefined, JSON.stringify(head))
  for (const bytes of [
    'HTTP/1.1 200 OK\ncontent-length: 2\n\n',
    'HTTP/1.1 200 OK\r\ncontent-length: 2\n\r\n'
  ])
    t.equal(readResponseHead(bytes, false), undefined, JSON.stringify(bytes))
})

t.test('where a head ends', async (t) => {
  const head = (bytes: number) => `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(bytes - 24)}\r\n\r\n`
  for (const bytes of [24, 100, 1023, 1024, 1025, 5_000, 16_384]) {
    const text = head(bytes)
    for (const behind of ['', 'body', `\r\n\r\n${'z'.repeat(70_000)}`])
      t.equal(headIn(Buffer.from(text + behind)), text, `${bytes} and ${behind.length}`)
    for (const missing of [1, 2, 3, 4]) t.equal(headIn(Buffer.from(text.slice(0, -missing))), '')
  }
  t.equal(headIn(Buffer.from(head(16_385))), '', 'past 16 KiB')
  t.equal(headIn(Buffer.from('HTTP/1.1 200 OK\n\n')), '')
  t.equal(headIn(Buffer.from('\xe9\r\n\r\n', 'latin1')), '\xe9\r\n\r\n')
})
