// Bodies of requests, and what says where they end: plainly, oddly or wrongly.
import type { Random } from './random.js'

interface Framed {
  readonly lines: readonly string[]
  readonly body: string
}

export function makeBody(random: Random, method: string, odd: boolean): Framed {
  const wants = /^(POST|PUT|PATCH)$/.test(method) ? 0.9 : 0.08
  if (!random.chance(wants)) return { lines: [], body: '' }
  const content = makeContent(random)
  if (odd && random.chance(0.2)) return makeOddBody(random, content)
  if (random.chance(0.5)) return { lines: [`content-length: ${content.length}`], body: content }
  return {
    lines: [
      `${random.pick(['Transfer-Encoding', 'transfer-encoding'])}: ${random.pick(['chunked', 'Chunked'])}`
    ],
    body: chunk(random, content)
  }
}

export function makeContent(random: Random): string {
  // Some of it looks like another request, which it must never become.
  if (random.chance(0.15)) return 'GET /admin/x HTTP/1.1\r\nhost: a.test\r\nx-fuzz-id: smuggled\r\n\r\n'
  const length = random.chance(0.05) ? random.size(300_000) : random.size(2_000)
  const piece = random.word() + String.fromCharCode(random.int(256))
  return piece.repeat(Math.ceil(length / piece.length)).slice(0, length)
}

export function chunk(random: Random, content: string, odd = false): string {
  let text = ''
  for (let at = 0; at < content.length; ) {
    const size = 1 + random.int(random.pick([3, 100, 5_000, 100_000]))
    const piece = content.slice(at, at + size)
    const extension = random.chance(0.1)
      ? random.pick([';a', ';a=b', ';a="b c";d', `;a=${'e'.repeat(random.size(300))}`])
      : ''
    const hex = piece.length.toString(16)
    text += `${random.chance(0.1) ? `00${hex.toUpperCase()}` : hex}${extension}\r\n${piece}\r\n`
    at += size
    if (odd && random.chance(0.3))
      text += random.pick(['zz\r\n', '-1\r\n', '\r\n', '5', 'fffffffffffffffff\r\n'])
  }
  const trailers = random.chance(0.1)
    ? random.pick(['x-sum: 1\r\n', 'host: evil.test\r\n', 'x-key: sesame\r\n', 'x-a: 1\r\nx-b: 2\r\n'])
    : ''
  return `${text}${random.chance(0.1) ? '000' : '0'}\r\n${trailers}\r\n`
}

const ODD_LENGTHS = [
  '+5',
  '-5',
  '5 5',
  '',
  '0x5',
  '5, 5',
  '5,6',
  '05',
  '5;',
  '99999999999999999999',
  '1e1',
  ' 5',
  '\x0b5',
  '5.0'
]
const ODD_CODINGS = [
  'xchunked',
  'chunked, identity',
  'identity',
  'gzip, chunked',
  'chunked, chunked',
  '',
  ' chunked',
  '\x0bchunked',
  'chunked;a=b',
  '"chunked"',
  ',chunked',
  'chunked,',
  'gzip'
]

function makeOddBody(random: Random, content: string): Framed {
  const length = `content-length: ${content.length}`
  const coding = 'transfer-encoding: chunked'
  switch (random.int(9)) {
    case 0:
      return { lines: [length, coding], body: random.chance(0.5) ? content : chunk(random, content) }
    case 1:
      return { lines: [length, `Content-Length: ${random.int(100)}`], body: content }
    case 2:
      return { lines: [`content-length: ${random.pick(ODD_LENGTHS)}`], body: content }
    case 3:
      return { lines: [`transfer-encoding: ${random.pick(ODD_CODINGS)}`], body: chunk(random, content) }
    case 4:
      return {
        lines: [coding, `Transfer-Encoding: ${random.pick(['chunked', 'identity', 'x'])}`],
        body: chunk(random, content)
      }
    case 5:
      return { lines: [`content-length: ${content.length + random.int(20)}`], body: content }
    case 6:
      return { lines: [`content-length: ${Math.max(0, content.length - random.int(20))}`], body: content }
    case 7:
      return { lines: [coding], body: chunk(random, content, true) }
    default:
      return {
        lines: [
          random.pick([
            `content-length : ${content.length}`,
            'transfer-encoding : chunked',
            'transfer-encoding:\r\n chunked',
            `${coding}\r`
          ])
        ],
        body: chunk(random, content)
      }
  }
}
