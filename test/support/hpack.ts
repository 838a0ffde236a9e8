// HPACK (RFC 7541), as far as the tests write and read it: literals out, a status in.
export type Field = readonly [name: string, value: string]

/** Fields as HPACK's literals, not indexed and not Huffman coded (RFC 7541 section 6.2.2). */
export function block(fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]))
}

/** One literal field that goes into the table, where it is entry 62 until the next (section 6.2.1). */
export function indexed(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0x40]), literal(name), literal(value)])
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  return Buffer.concat([integer(bytes.length, 7, 0), bytes])
}

/** HPACK's integers (section 5.1). */
function integer(value: number, bits: number, first: number): Buffer {
  const most = 2 ** bits - 1
  if (value < most) return Buffer.from([first | value])
  const bytes = [first | most]
  let rest = value - most
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  bytes.push(rest)
  return Buffer.from(bytes)
}

/** `:status: 200` from the static table. */
export const STATUS_200 = Buffer.from([0x88])

/** Statuses that the static table has, from entry 8 on. */
const STATUSES = [200, 204, 206, 304, 400, 404, 500]

/** Of a header block that begins with `:status`: indexed, or a literal by the table's name, plain or in Huffman digits. */
export function statusIn(payload: Buffer): number | undefined {
  let at = 0
  // Changes of the table's size come first (RFC 7541 section 6.3).
  while (at < payload.length && ((payload[at] as number) & 0xe0) === 0x20) {
    if (((payload[at++] as number) & 0x1f) === 0x1f) while (((payload[at++] as number) & 0x80) !== 0);
  }
  const first = payload[at] as number
  if (first >= 0x88 && first <= 0x8e) return STATUSES[first - 0x88]
  const length = payload[at + 1] as number
  const value = payload.subarray(at + 2, at + 2 + (length & 0x7f))
  if ((length & 0x80) === 0) return Number(value.toString('latin1'))
  let bits = ''
  for (const byte of value) bits += byte.toString(2).padStart(8, '0')
  let digits = ''
  for (let i = 0; digits.length < 3; ) {
    // '0' to '2' are five bits, the others six (appendix B).
    const five = Number.parseInt(bits.slice(i, i + 5), 2)
    if (five <= 2) digits += five
    else digits += Number.parseInt(bits.slice(i, i + 6), 2) - 0x19 + 3
    i += five <= 2 ? 5 : 6
  }
  return Number(digits)
}
