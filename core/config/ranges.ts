import { BlockList, isIP } from 'node:net'
import { z } from 'zod'
import { expected } from './quote.js'

const WHAT = 'an address or a range such as 127.0.0.1, 10.0.0.0/8 or fd00::/8'

/** An address, or a range of them in CIDR notation (RFC 4632, RFC 4291 section 2.3). */
export const addressRange = z
  .string({ error: ({ input }) => expected(WHAT, input) })
  .superRefine((text, context) => {
    const message = problemOf(text)
    if (message !== undefined) context.addIssue({ code: 'custom', message })
  })
  .meta({
    description: 'An address, or a range of them such as 10.0.0.0/8 or fd00::/8.',
    pattern: '^[\\da-fA-F.:]+(/\\d{1,3})?$',
    examples: ['127.0.0.1', '10.0.0.0/8', 'fd00::/8']
  })

function problemOf(text: string): string | undefined {
  try {
    add(new BlockList(), text)
    return undefined
  } catch {
    return expected(WHAT, text) + hint(text)
  }
}

function hint(text: string): string {
  const [address = '', length] = text.split('/')
  if (length !== undefined && isIP(address) !== 0)
    return `: what is behind "/" is a number from 0 to ${isIP(address) === 4 ? 32 : 128}`
  if (/^\[.*\](:\d+)?$|^[\d.]+:\d+$/.test(text)) return ': without brackets and port'
  if (/[a-z]/i.test(text) && !text.includes(':')) return ': a name may come to mean another address'
  return ''
}

/**
 * The ranges, to ask of each peer. An IPv4 address written as an IPv6 one (`::ffff:10.0.0.1`) is the IPv4 address.
 *
 * @returns undefined for none
 * @throws TypeError on what is no range; none is left once a configuration has been checked
 */
export function rangesOf(texts: readonly string[]): BlockList | undefined {
  if (texts.length === 0) return undefined
  const list = new BlockList()
  for (const text of texts) add(list, text)
  return list
}

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

function add(list: BlockList, text: string): void {
  const [written = '', length, ...rest] = text.split('/')
  const mapped = MAPPED.exec(written)?.[1]
  const address = mapped ?? written
  const version = isIP(address)
  // A zone (`fe80::1%eth0`) is a name of this machine's own, which no peer's address carries.
  if (version === 0 || rest.length > 0 || address.includes('%')) throw new TypeError(`no address: ${text}`)
  const family = version === 4 ? 'ipv4' : 'ipv6'
  if (length === undefined) {
    list.addAddress(address, family)
    return
  }
  const bits = Number(length) - (mapped === undefined ? 0 : 96)
  if (!/^\d{1,3}$/.test(length) || bits < 0 || bits > (version === 4 ? 32 : 128))
    throw new TypeError(`no length of a prefix: ${length}`)
  list.addSubnet(address, bits, family)
}
