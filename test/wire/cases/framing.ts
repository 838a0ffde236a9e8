// Where a message ends, said in more than one way or not at all.
import { post, refused, request, SMUGGLED, type WireCase } from '../case.js'

const CHUNKED = '5\r\nhello\r\n0\r\n\r\n'
const NO_FRAMING = 'HTTP/2 frames bodies itself'
const h2 = NO_FRAMING
const shows = ['content-length', 'transfer-encoding']

function framing(name: string, says: string, fields: string[], body = CHUNKED): WireCase {
  return refused(`framing/${name}`, says, post(fields, body) + SMUGGLED, { h2, shows })
}

function chunks(name: string, says: string, body: string): WireCase {
  return framing(name, says, ['transfer-encoding: chunked'], body)
}

function passed(
  name: string,
  says: string,
  sent: string,
  upload: string,
  more: Partial<WireCase> = {}
): WireCase {
  return {
    id: `framing/${name}`,
    says,
    send: [sent],
    h2,
    shows,
    expect: { statuses: [200], end: 'open', upstream: ['POST /x'], uploads: [upload] },
    ...more
  }
}

const length = (value: string) => `content-length:${value}`

export const framingCases: readonly WireCase[] = [
  framing('length-and-coding', 'Content-Length, then Transfer-Encoding', [
    length(' 5'),
    'transfer-encoding: chunked'
  ]),
  framing('coding-and-length', 'Transfer-Encoding, then Content-Length', [
    'transfer-encoding: chunked',
    length(' 5')
  ]),
  framing('zero-length-and-coding', 'Content-Length: 0 and Transfer-Encoding', [
    length(' 0'),
    'transfer-encoding: chunked'
  ]),
  framing('two-lengths', 'two Content-Lengths that differ', [length(' 5'), length(' 6')], 'hello!'),
  framing('two-lengths-zero', 'Content-Length: 0, then 5', [length(' 0'), length(' 5')], 'hello'),
  framing('two-equal-lengths', 'two Content-Lengths that agree', [length(' 5'), length(' 5')], 'hello'),
  framing('length-list', 'Content-Length: 5, 5', [length(' 5, 5')], 'hello'),
  framing('length-list-differs', 'Content-Length: 5, 6', [length(' 5, 6')], 'hello!'),
  framing('length-plus', 'Content-Length: +1', [length(' +1')], 'h'),
  framing('length-minus', 'Content-Length: -1', [length(' -1')], 'h'),
  framing('length-space', 'Content-Length: 1 2', [length(' 1 2')], 'hello hello!'),
  framing('length-empty', 'Content-Length without a value', [length('')], ''),
  framing('length-hex', 'Content-Length: 0x5', [length(' 0x5')], 'hello'),
  framing('length-decimal', 'Content-Length: 5.0', [length(' 5.0')], 'hello'),
  framing('length-exponent', 'Content-Length: 1e1', [length(' 1e1')], 'hellohello'),
  framing('length-underscore', 'Content-Length: 1_0', [length(' 1_0')], 'hellohello'),
  framing('length-letter', 'Content-Length: 5a', [length(' 5a')], 'hello'),
  framing('length-semicolon', 'Content-Length: 5;', [length(' 5;')], 'hello'),
  framing('length-quoted', 'Content-Length: "5"', [length(' "5"')], 'hello'),
  framing('length-overflow', 'a Content-Length past 64 bits', [length(' 18446744073709551621')], 'hello'),
  framing('length-vertical-tab', 'a vertical tab ahead of the Content-Length', [length(' \x0b5')], 'hello'),
  framing('length-high-space', 'a no-break space ahead of the Content-Length', [length(' \xa05')], 'hello'),
  passed('length-leading-zeros', 'Content-Length: 005, which is 5', post([length(' 005')], 'hello'), 'hello'),
  passed('length-blanks', 'blanks around the Content-Length', post([length('   5   ')], 'hello'), 'hello'),
  framing('length-tab', 'a tab behind the Content-Length', [length(' 5\t')], 'hello'),
  framing('two-codings', 'two Transfer-Encodings', [
    'transfer-encoding: chunked',
    'transfer-encoding: chunked'
  ]),
  framing('coding-twice', 'Transfer-Encoding: chunked, chunked', ['transfer-encoding: chunked, chunked']),
  framing('coding-two-fields', 'Transfer-Encoding: chunked, and again: identity', [
    'transfer-encoding: chunked',
    'transfer-encoding: identity'
  ]),
  framing('coding-x', 'Transfer-Encoding: xchunked', ['transfer-encoding: xchunked']),
  framing('coding-suffix', 'Transfer-Encoding: chunkedx', ['transfer-encoding: chunkedx']),
  framing('coding-identity-behind', 'Transfer-Encoding: chunked, identity', [
    'transfer-encoding: chunked, identity'
  ]),
  framing('coding-identity-ahead', 'Transfer-Encoding: identity, chunked', [
    'transfer-encoding: identity, chunked'
  ]),
  framing('coding-identity', 'Transfer-Encoding: identity, with a Content-Length', [
    'transfer-encoding: identity',
    length(' 5')
  ]),
  framing('coding-gzip', 'Transfer-Encoding: gzip, chunked', ['transfer-encoding: gzip, chunked']),
  framing('coding-gzip-alone', 'Transfer-Encoding: gzip', ['transfer-encoding: gzip']),
  framing('coding-empty', 'Transfer-Encoding without a value', ['transfer-encoding:']),
  framing('coding-comma', 'Transfer-Encoding: , chunked', ['transfer-encoding: , chunked']),
  framing('coding-comma-behind', 'Transfer-Encoding: chunked,', ['transfer-encoding: chunked,']),
  framing('coding-quoted', 'Transfer-Encoding: "chunked"', ['transfer-encoding: "chunked"']),
  framing('coding-parameter', 'Transfer-Encoding: chunked;a=b', ['transfer-encoding: chunked;a=b']),
  framing('coding-vertical-tab', 'a vertical tab ahead of chunked', ['transfer-encoding: \x0bchunked']),
  framing('coding-nul', 'a NUL behind chunked', ['transfer-encoding: chunked\0']),
  framing('coding-folded', 'Transfer-Encoding folded onto a line of its own', [
    'transfer-encoding:\r\n chunked'
  ]),
  framing('coding-colon-space', 'Transfer-Encoding, a space, a colon', ['transfer-encoding : chunked']),
  framing('length-colon-space', 'Content-Length, a space, a colon', ['content-length : 5'], 'hello'),
  {
    id: 'framing/coding-underscore',
    says: 'Transfer_Encoding is another field: what follows is the next request, and none',
    send: [post(['transfer_encoding: chunked'], CHUNKED) + SMUGGLED],
    h2,
    shows,
    expect: { statuses: [200, 400], end: 'closed', upstream: ['POST /x'], uploads: [''] }
  },
  refused(
    'framing/coding-http10',
    'Transfer-Encoding in HTTP/1.0',
    `POST /x HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n${CHUNKED}`,
    { h2, shows }
  ),
  passed(
    'coding-casing',
    'Transfer-Encoding: ChUnKeD',
    post(['Transfer-Encoding: ChUnKeD'], CHUNKED),
    'hello'
  ),
  passed('coding-blanks', 'blanks around chunked', post(['transfer-encoding:   chunked'], CHUNKED), 'hello'),
  framing('coding-tab', 'a tab behind chunked', ['transfer-encoding: chunked\t']),
  passed('body-of-get', 'a GET with a body', `${request('GET', '/x', ['content-length: 5'])}hello`, 'hello', {
    expect: { statuses: [200], end: 'open', upstream: ['GET /x'], uploads: ['hello'] }
  }),
  passed(
    'body-of-delete',
    'a DELETE with a chunked body',
    request('DELETE', '/x', ['transfer-encoding: chunked']) + CHUNKED,
    'hello',
    { expect: { statuses: [200], end: 'open', upstream: ['DELETE /x'], uploads: ['hello'] } }
  ),
  chunks('chunk-letters', 'a chunk size of zz', 'zz\r\nhello\r\n0\r\n\r\n'),
  chunks('chunk-empty', 'a chunk size that is empty', '\r\nhello\r\n0\r\n\r\n'),
  chunks('chunk-minus', 'a chunk size of -5', '-5\r\nhello\r\n0\r\n\r\n'),
  chunks('chunk-plus', 'a chunk size of +5', '+5\r\nhello\r\n0\r\n\r\n'),
  chunks('chunk-hex', 'a chunk size of 0x5', '0x5\r\nhello\r\n0\r\n\r\n'),
  chunks('chunk-underscore', 'a chunk size of 0_5', '0_5\r\nhello\r\n0\r\n\r\n'),
  chunks('chunk-space-ahead', 'a space ahead of the chunk size', ' 5\r\nhello\r\n0\r\n\r\n'),
  chunks('chunk-two-sizes', 'a chunk size of 5 5', '5 5\r\nhello\r\n0\r\n\r\n'),
  chunks('chunk-overflow', 'a chunk size past 64 bits', '10000000000000005\r\nhello\r\n0\r\n\r\n'),
  chunks('chunk-longer', 'a chunk longer than its size', '4\r\nhello\r\n0\r\n\r\n'),
  chunks('chunk-no-end', 'no line end behind the chunk', '5\r\nhello0\r\n\r\n'),
  chunks('chunk-size-lf', 'a bare LF behind the chunk size', '5\nhello\r\n0\r\n\r\n'),
  chunks('chunk-size-cr', 'a bare CR behind the chunk size', '5\rhello\r\n0\r\n\r\n'),
  chunks('chunk-data-lf', 'a bare LF behind the chunk', '5\r\nhello\n0\r\n\r\n'),
  chunks('chunk-last-lf', 'a bare LF behind the last chunk', '5\r\nhello\r\n0\n\n'),
  chunks('chunk-extension-lf', 'a bare LF in a chunk extension', '5;a\nb\r\nhello\r\n0\r\n\r\n'),
  chunks('chunk-extension-cr', 'a bare CR in a chunk extension', '5;a\rb\r\nhello\r\n0\r\n\r\n'),
  chunks('chunk-extension-nul', 'a NUL in a chunk extension', '5;a\0b\r\nhello\r\n0\r\n\r\n'),
  chunks(
    'chunk-extension-control',
    'a control character in a chunk extension',
    '5;a\x01\r\nhello\r\n0\r\n\r\n'
  ),
  chunks('chunk-extension-quote', 'a quoted extension that does not end', '5;a="b\r\nhello\r\n0\r\n\r\n'),
  chunks('trailer-nameless', 'a trailer line without a name', '5\r\nhello\r\n0\r\n: x\r\n\r\n'),
  chunks('trailer-space', 'a space ahead of a trailer’s colon', '5\r\nhello\r\n0\r\nx : y\r\n\r\n'),
  chunks('trailer-folded', 'a folded trailer', '5\r\nhello\r\n0\r\nx: y\r\n z\r\n\r\n'),
  chunks('trailer-lf', 'a bare LF behind a trailer', '5\r\nhello\r\n0\r\nx: y\n\r\n'),
  passed(
    'trailer-dropped',
    'request trailers do not cross to HTTP/1.1',
    post(['transfer-encoding: chunked'], '5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n'),
    'hello',
    {
      expect: {
        statuses: [200],
        end: 'open',
        upstream: ['POST /x'],
        uploads: ['hello'],
        fields: { 'x-sum': undefined },
        also: ({ upstream }) => (upstream[0]?.trailers.length === 0 ? undefined : 'a trailer crossed')
      }
    }
  ),
  chunks(
    'trailer-length',
    'a Content-Length in the trailers',
    '5\r\nhello\r\n0\r\ncontent-length: 99\r\n\r\n'
  ),
  chunks(
    'trailer-coding',
    'a Transfer-Encoding in the trailers',
    '5\r\nhello\r\n0\r\ntransfer-encoding: chunked\r\n\r\n'
  ),
  passed(
    'trailer-head',
    'a Host and a credential in the trailers change nothing',
    post(['transfer-encoding: chunked'], '5\r\nhello\r\n0\r\nhost: b\r\nauthorization: x\r\n\r\n'),
    'hello',
    {
      shows: ['host', 'authorization'],
      expect: {
        statuses: [200],
        end: 'open',
        upstream: ['POST /x'],
        uploads: ['hello'],
        fields: { host: 'a', authorization: undefined }
      }
    }
  ),
  passed(
    'chunk-extension',
    'chunk extensions are read over and do not cross',
    post(['transfer-encoding: chunked'], '5;a;b=c;d="e"\r\nhello\r\n0;f\r\n\r\n'),
    'hello'
  ),
  passed(
    'chunk-sizes',
    'leading zeros and capitals in a chunk size',
    post(['transfer-encoding: chunked'], `0000A\r\nhellohello\r\n0b\r\nhello hello\r\n000\r\n\r\n`),
    'hellohellohello hello'
  ),
  refused(
    'framing/chunk-extension-long',
    'a chunk extension of 20 KiB',
    post(['transfer-encoding: chunked'], `5;${'a'.repeat(20 * 1024)}\r\nhello\r\n0\r\n\r\n`),
    {
      h2,
      shows,
      expect: { statuses: [[400, 413]], end: 'closed', upstream: 'nothing' }
    }
  ),
  passed(
    'chunk-extensions-many',
    'a thousand chunks of a byte with an extension each: the bound is each chunk’s',
    post(['transfer-encoding: chunked'], `${`1;${'a'.repeat(100)}\r\nx\r\n`.repeat(1000)}0\r\n\r\n`),
    'x'.repeat(1000)
  ),
  {
    id: 'framing/upload-cut',
    says: 'a client that leaves in the middle of its upload',
    send: [post(['content-length: 10'], 'hello'), { heads: 1 }, { reset: true }],
    shows,
    expect: {
      statuses: [],
      end: 'closed',
      upstream: 'nothing',
      complete: false
    }
  },
  {
    id: 'framing/chunk-bad-late',
    says: 'a chunk found bad while the upload streams: the upstream’s connection is cut',
    send: [
      post(['transfer-encoding: chunked'], '5\r\nhello\r\n'),
      { heads: 1 },
      `zz\r\nhello\r\n0\r\n\r\n${SMUGGLED}`
    ],
    h2,
    shows,
    expect: { statuses: [400], end: 'closed', upstream: 'nothing' }
  }
]
