import type { Random } from './random.js'

/** Pieces that mean something to a parser, wherever they come to stand. */
const PIECES = [
  '\r',
  '\n',
  '\r\n',
  '\n\n',
  '\r\n\r\n',
  '\0',
  ' ',
  '\t',
  ':',
  ';',
  ',',
  '\x0b',
  '\x7f',
  '\xff',
  '0\r\n\r\n',
  '5\r\nhello\r\n',
  'Content-Length: 3\r\n',
  'Content-Length: 0\r\n',
  'Transfer-Encoding: chunked\r\n',
  'transfer-encoding:\x0bchunked\r\n',
  'Host: evil.test\r\n',
  'Connection: close, x-key\r\n',
  'GET /admin/x HTTP/1.1\r\nhost: a.test\r\n\r\n',
  '/../',
  '%2e%2e/',
  '//',
  '\\',
  '%2f',
  '%00',
  'HTTP/1.1',
  'HTTP/1.0',
  'http://evil.test',
  '#',
  '?',
  '-1',
  '+1',
  '0x',
  'chunked',
  ' identity'
] as const

/** Changes bytes (as latin1) in one to `most` places. */
export function mutate(random: Random, bytes: string, most: number): string {
  let text = bytes
  for (let i = 1 + random.int(most); i > 0; i--) text = change(random, text)
  return text
}

function change(random: Random, text: string): string {
  const at = random.int(text.length + 1)
  const length = 1 + random.size(40)
  const before = text.slice(0, at)
  switch (random.int(9)) {
    case 0:
      return before + text.slice(at + length)
    case 1:
      return before + text.slice(at, at + length) + text.slice(at)
    case 2:
      return before + String.fromCharCode(random.int(256)) + text.slice(at + 1)
    case 3:
      return before + random.pick(PIECES) + text.slice(at)
    case 4:
      return before + random.pick(PIECES) + text.slice(at + length)
    case 5: {
      // A bit.
      const code = (text.charCodeAt(at) || 0) ^ (1 << random.int(8))
      return before + String.fromCharCode(code & 0xff) + text.slice(at + 1)
    }
    case 6: {
      // A line goes elsewhere, or comes twice.
      const lines = text.split('\r\n')
      const [line = ''] = lines.splice(random.int(lines.length), random.chance(0.5) ? 1 : 0)
      lines.splice(random.int(lines.length + 1), 0, line === '' ? random.pick(lines) : line)
      return lines.join('\r\n')
    }
    case 7: {
      const end = text.indexOf('\r\n', at)
      return end < 0
        ? text
        : text.slice(0, end) + random.pick(['\n', '\r', ' \r\n', '\r\n ', '']) + text.slice(end + 2)
    }
    default:
      return random.chance(0.3) ? before : before + text.slice(at).replace(/[0-9]/, String(random.int(10)))
  }
}
