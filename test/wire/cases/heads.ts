// Request lines and fields that are not what they should be, and how much of it all there may be.
import { get, refused, SMUGGLED, type WireCase } from '../case.js'

const NO_LINES = 'HTTP/2 has no lines'
const shows = ['host']

export function bad(name: string, says: string, bytes: string, h2: WireCase['h2'] = NO_LINES): WireCase {
  const more = h2 === undefined ? { shows } : { shows, h2 }
  return refused(`heads/${name}`, says, bytes + SMUGGLED, more)
}

export const line = (text: string) => `${text}\r\nhost: a\r\n\r\n`
const field = (text: string) => `GET /x HTTP/1.1\r\nhost: a\r\n${text}\r\n\r\n`
export function served(name: string, says: string, sent: string, more: Partial<WireCase> = {}): WireCase {
  return {
    id: `heads/${name}`,
    says,
    send: [sent],
    shows,
    h2: NO_LINES,
    expect: { statuses: [200], end: 'open', upstream: ['GET /x'] },
    ...more
  }
}

export const headCases: readonly WireCase[] = [
  bad('folded', 'a folded field', field('x-a: 1\r\n 2')),
  bad('folded-tab', 'a field folded by a tab', field('x-a: 1\r\n\t2')),
  bad('folded-first', 'a fold ahead of the first field', 'GET /x HTTP/1.1\r\n host: a\r\n\r\n'),
  bad('folded-empty', 'a fold of nothing but a space', field('x-a: 1\r\n ')),
  bad('space-colon', 'a space ahead of the colon', field('x-a : 1')),
  bad('tab-colon', 'a tab ahead of the colon', field('x-a\t: 1')),
  bad('host-space-colon', 'Host, a space, a colon', 'GET /x HTTP/1.1\r\nhost : a\r\n\r\n'),
  bad('bare-cr', 'a bare CR in a value', field('x-a: 1\r2')),
  bad('bare-cr-field', 'a bare CR with a field behind it', field('x-a: 1\rtransfer-encoding: chunked')),
  bad('bare-cr-end', 'a CR alone ends a line', 'GET /x HTTP/1.1\rhost: a\r\n\r\n'),
  bad('bare-cr-line', 'a bare CR in the request line', line('GET /x\r HTTP/1.1')),
  bad('bare-lf', 'a bare LF ends a field', 'GET /x HTTP/1.1\r\nhost: a\nx-a: 1\r\n\r\n'),
  bad('bare-lf-line', 'a bare LF ends the request line', 'GET /x HTTP/1.1\nhost: a\r\n\r\n'),
  bad('bare-lf-all', 'bare LFs throughout', 'GET /x HTTP/1.1\nhost: a\n\n'),
  bad('bare-lf-blank', 'a bare LF is the blank line', 'GET /x HTTP/1.1\r\nhost: a\r\n\n'),
  bad('cr-cr-lf', 'CR CR LF ends a field', 'GET /x HTTP/1.1\r\nhost: a\r\r\nx-a: 1\r\n\r\n'),
  bad('nul-value', 'a NUL in a value', field('x-a: 1\x002')),
  bad('nul-name', 'a NUL in a name', field('x\0a: 1')),
  bad('nul-target', 'a NUL in the target', line('GET /x\0y HTTP/1.1')),
  bad('nul-method', 'a NUL in the method', line('GE\0T /x HTTP/1.1')),
  bad('control-value', 'a control character in a value', field('x-a: 1\x012')),
  bad('delete-value', 'a DEL in a value', field('x-a: 1\x7f2')),
  bad('control-name', 'a control character in a name', field('x\x01a: 1')),
  bad('empty-name', 'an empty name', field(': 1')),
  bad('name-space', 'a space in a name', field('x a: 1')),
  bad('name-bracket', 'a bracket in a name', field('x(a): 1')),
  bad('name-high', 'a byte past ASCII in a name', field('x\xe9: 1')),
  bad('no-colon', 'a field without a colon', field('x-a')),
  bad('blank-ahead', 'a space ahead of the request line', ` ${line('GET /x HTTP/1.1')}`),
  served('two-spaces', 'two spaces in the request line: one goes upstream', line('GET  /x HTTP/1.1')),
  bad('space-behind', 'a space behind the version', line('GET /x HTTP/1.1 ')),
  bad('tab-line', 'tabs in the request line', line('GET\t/x\tHTTP/1.1')),
  bad('target-space', 'a space in the target', line('GET /x y HTTP/1.1')),
  bad('target-missing', 'no target', line('GET HTTP/1.1')),
  bad('version-missing', 'no version (HTTP/0.9)', 'GET /x\r\n\r\n'),
  bad('version-lower', 'http/1.1', line('GET /x http/1.1')),
  bad('version-unknown', 'HTTP/1.2', line('GET /x HTTP/1.2')),
  bad('version-two', 'HTTP/2.0 in a request line', line('GET /x HTTP/2.0')),
  bad('version-long', 'HTTP/1.10', line('GET /x HTTP/1.10')),
  bad('version-zeros', 'HTTP/01.01', line('GET /x HTTP/01.01')),
  bad('version-other', 'SIP/2.0', line('GET /x SIP/2.0')),
  bad('method-lower', 'a method in lower case', line('get /x HTTP/1.1')),
  bad('method-control', 'a control character in the method', line('G\x01T /x HTTP/1.1')),
  bad('method-colon', 'a colon in the method', line('GET: /x HTTP/1.1')),
  bad(
    'not-http',
    'bytes that are no HTTP (a TLS hello)',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'
  ),
  served('empty-lines', 'empty lines ahead of the request line', `\r\n\r\n${get('/x')}`),
  served(
    'empty-lines-bare',
    'bare line ends ahead of the request line are read over',
    `\n\r\n\r${get('/x')}`
  ),
  served('unicode-value', 'bytes past ASCII in a value pass as they are', get('/x', 'x-a: \xc3\xa9\xff'), {
    shows: ['x-a'],
    expect: { statuses: [200], end: 'open', upstream: ['GET /x'], fields: { 'x-a': '\xc3\xa9\xff' } }
  }),
  served('empty-value', 'a field without a value stays', get('/x', 'x-a:', 'x-b:   '), {
    shows: ['x-a', 'x-b'],
    expect: { statuses: [200], end: 'open', upstream: ['GET /x'], fields: { 'x-a': '', 'x-b': '' } }
  }),
  served('connect', 'CONNECT', 'CONNECT b:443 HTTP/1.1\r\nhost: b:443\r\n\r\n', {
    h2: { fields: [[':method', 'CONNECT']], expect: { status: 400, upstream: 'nothing' } },
    expect: { statuses: [400], end: 'closed', upstream: 'nothing' }
  }),
  bad('asterisk', 'OPTIONS *', line('OPTIONS * HTTP/1.1'), {
    fields: [
      [':method', 'OPTIONS'],
      [':path', '*']
    ],
    expect: { status: 400, upstream: 'nothing' }
  }),
  bad('asterisk-get', 'GET *', line('GET * HTTP/1.1')),
  bad('authority-form', 'a target in authority form', line('GET a:80 HTTP/1.1')),
  bad('relative', 'a target without a slash', line('GET x HTTP/1.1')),

  served('fields-100', '100 fields', get('/x', ...Array.from({ length: 99 }, (_, i) => `x-${i}: ${i}`)), {
    shows: ['x-98'],
    expect: { statuses: [200], end: 'open', upstream: ['GET /x'], fields: { 'x-98': '98' } }
  }),
  refused(
    'heads/fields-101',
    '101 fields',
    get('/x', ...Array.from({ length: 100 }, (_, i) => `x-${i}: ${i}`)) + SMUGGLED,
    { status: 431, shows: ['host'] }
  ),
  refused(
    'heads/fields-3000',
    '3,000 small fields',
    get('/x', ...Array.from({ length: 3000 }, (_, i) => `x-${i}: ${i}`)) + SMUGGLED,
    { status: 431, shows: ['host'] }
  ),
  served('fields-large', 'a header block of 56 KiB', get('/x', `x-a: ${'a'.repeat(56 * 1024)}`), {
    expect: {
      statuses: [200],
      end: 'open',
      upstream: ['GET /x'],
      fields: { 'x-a': 'a'.repeat(56 * 1024) }
    }
  }),
  refused('heads/fields-too-large', 'a header block of 64 KiB', get('/x', `x-a: ${'a'.repeat(64 * 1024)}`), {
    status: 431,
    shows: ['host']
  }),
  refused('heads/name-too-large', 'a field name of 64 KiB', get('/x', `${'a'.repeat(64 * 1024)}: 1`), {
    status: 431,
    shows: ['host']
  }),
  served('target-16k', 'a target of 16 KiB', get(`/${'a'.repeat(16 * 1024)}`), {
    expect: { statuses: [200], end: 'open', upstream: [`GET /${'a'.repeat(16 * 1024)}`] }
  }),
  refused('heads/target-too-large', 'a target of 64 KiB', get(`/${'a'.repeat(64 * 1024)}`), {
    status: 431,
    shows: ['host']
  }),
  {
    id: 'heads/pieces',
    says: 'a request in pieces of one byte',
    send: [...`${get('/x', 'x-a: 1')}`].flatMap((byte) => [byte, { pause: 0 }]),
    h2: NO_LINES,
    shows: ['x-a'],
    expect: { statuses: [200], end: 'open', upstream: ['GET /x'], fields: { 'x-a': '1' } }
  },
  {
    id: 'heads/behind-a-good-one',
    says: 'a malformed request behind a good one: the good one has its answer first',
    send: [`${get('/x')}GET /y HTTP/1.1\r\nhost : a\r\n\r\n${SMUGGLED}`],
    h2: NO_LINES,
    shows,
    expect: { statuses: [200, 400], end: 'closed', upstream: ['GET /x'] }
  },
  {
    id: 'heads/behind-two-good-ones',
    says: 'a malformed request behind two good ones: both have their answers first, whole',
    send: [`${get('/a')}${get('/b')}GET /y HTTP/1.1\r\nhost : a\r\n\r\n${SMUGGLED}`],
    upstream: [
      {
        byTarget: {
          '/a': 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
          '/b': `HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n${'b'.repeat(500)}`
        }
      },
      { pause: 50 },
      { byTarget: { '/a': '', '/b': 'b'.repeat(500) } }
    ],
    h2: NO_LINES,
    expect: {
      statuses: [200, 200, 400],
      end: 'closed',
      upstream: ['GET /a', 'GET /b'],
      also: ({ bodies }) => (bodies[1] === 'b'.repeat(1000) ? undefined : `the second body is ${bodies[1]}`)
    }
  },
  {
    id: 'heads/behind-a-refused-one',
    says: 'a good request behind one that is refused is not read',
    send: [`GET /x HTTP/1.1\r\nhost: a b\r\n\r\n${SMUGGLED}`],
    h2: NO_LINES,
    shows,
    expect: { statuses: [400], end: 'closed', upstream: 'nothing' }
  }
]
