import t from 'tap'
import { BROKEN, ChunkedDecoder, DATA, END, MORE, OTHER } from '../../../core/http1/chunked.js'

/** What comes of a body in pieces. */
function read(pieces: readonly string[], decoder = new ChunkedDecoder()) {
  let data = ''
  for (const [index, text] of pieces.entries()) {
    // Something ahead of it: a head, say.
    const piece = Buffer.from(`..${text}`, 'latin1')
    decoder.feed(piece, 2)
    for (;;) {
      const event = decoder.next()
      if (event === DATA) {
        data += piece.toString('latin1', decoder.from, decoder.to)
        continue
      }
      if (event === MORE) break
      const rest = piece.toString('latin1', decoder.at) + pieces.slice(index + 1).join('')
      const unread = decoder.unread.toString('latin1') + pieces.slice(index + 1).join('')
      return { event, data, rest: event === END ? rest : '', unread: event === OTHER ? unread : '' }
    }
  }
  return { event: MORE, data, rest: '', unread: '' }
}

/** The same body whole, cut in two at every place, and byte by byte. */
function* cuts(text: string): Generator<string[]> {
  yield [text]
  for (let at = 1; at < text.length; at++) yield [text.slice(0, at), text.slice(at)]
  yield [...text]
}

t.test('bodies, however they are cut', async (t) => {
  for (const [body, data, rest = ''] of [
    ['0\r\n\r\n', ''],
    ['5\r\nhello\r\n0\r\n\r\n', 'hello'],
    [
      '1\r\na\r\n00000002\r\nbc\r\nA\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n',
      'abc01234567890123456789'
    ],
    ['4\r\n\r\n\r\n\r\n0\r\n\r\n', '\r\n\r\n'],
    [`1F\r\n${'x'.repeat(31)}\r\n0\r\n\r\nHTTP/1.1 200`, 'x'.repeat(31), 'HTTP/1.1 200']
  ] as const) {
    for (const pieces of cuts(body))
      t.same(read(pieces), { event: END, data, rest, unread: '' }, JSON.stringify(pieces))
  }
})

t.test('one after the other, with one decoder', async (t) => {
  const decoder = new ChunkedDecoder()
  for (const data of ['one', 'three', 'x'.repeat(300)]) {
    for (const pieces of cuts(`${data.length.toString(16)}\r\n${data}\r\n0\r\n\r\n`))
      t.equal(read(pieces, decoder).data, data)
  }
})

t.test('what is not of the strict grammar is given back from its line on', async (t) => {
  for (const line of [
    '3;a=b\r\n',
    '3 \r\n',
    ' 3\r\n',
    '3\n',
    '3\r\r\n',
    '\r\n',
    'x\r\n',
    '-3\r\n',
    '+3\r\n',
    '0x3\r\n',
    '123456789\r\n',
    '000000003\r\n',
    '00\r\n\r\n',
    '00000000\r\n\r\n',
    '0;a\r\n\r\n',
    '0\r\nx-sum: 1\r\n\r\n',
    '0\r\n\n',
    '0\r\n\r\r'
  ]) {
    for (const pieces of cuts(`5\r\nhello\r\n${line}and on`)) {
      const { event, data, unread } = read(pieces)
      t.same([event, data, unread], [OTHER, 'hello', `${line}and on`], JSON.stringify(pieces))
    }
  }
})

t.test('a chunk that does not end where its size says', async (t) => {
  for (const body of ['5\r\nhello!\r\n0\r\n\r\n', '5\r\nhello\n0\r\n\r\n', '5\r\nhello\rx0\r\n\r\n']) {
    for (const pieces of cuts(body)) t.same(read(pieces).event, BROKEN, JSON.stringify(pieces))
    t.equal(read([body]).data, 'hello')
  }
})

t.test('sizes up to 8 digits are counted right', async (t) => {
  const decoder = new ChunkedDecoder()
  const megabyte = Buffer.alloc(1024 * 1024)
  const first = Buffer.from('FFFFFFFF\r\n')
  decoder.feed(first, 0)
  t.equal(decoder.next(), MORE)
  let left = 0xffffffff
  while (left > 0) {
    decoder.feed(megabyte, 0)
    t.equal(decoder.next(), DATA)
    left -= decoder.to - decoder.from
    if (left > 0) t.equal(decoder.next(), MORE)
  }
  t.equal(decoder.to, megabyte.length - 1)
  t.equal(decoder.next(), BROKEN, 'a NUL where the line was to end')
})
