// PROXY protocol, versions 1 and 2, as HAProxy publishes it (doc/proxy-protocol.txt): a header ahead of everything else
// on a connection that says who is at its far end. No kept library reads it off a socket.

import { isIPv4, isIPv6 } from 'node:net'

export interface ProxyHeader {
  /** Bytes it takes up. */
  readonly length: number
  /**
   * Whom it names: the address is empty for the far end of a Unix socket. Undefined where it names nobody (a health
   * check of the peer's own, or it does not know): then it is the peer itself.
   */
  readonly source: { readonly address: string; readonly port: number } | undefined
}

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
const V1 = Buffer.from('PROXY ')
/** The longest version 1 line, its CRLF included. */
const V1_LONGEST = 107
/** Version 2: signature, version and command, family, length. */
const V2_FIXED = 16
/** Bytes behind the fixed part: addresses take 216 at most, and extensions that anyone sends little more. */
const V2_LONGEST = 2048

/**
 * Reads the header at the start of `bytes`.
 *
 * @returns undefined while more is needed
 * @throws SyntaxError on what is no PROXY header
 */
export function readProxyHeader(bytes: Buffer): ProxyHeader | undefined {
  if (startsLike(bytes, SIGNATURE)) return readV2(bytes)
  if (startsLike(bytes, V1)) return readV1(bytes)
  throw new SyntaxError('not a PROXY protocol header')
}

/** As far as there are bytes, they are those. */
function startsLike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length)
  return bytes.compare(start, 0, length, 0, length) === 0
}

function readV1(bytes: Buffer): ProxyHeader | undefined {
  const end = bytes.subarray(0, V1_LONGEST).indexOf('\r\n')
  if (end === -1) {
    if (bytes.length >= V1_LONGEST) throw new SyntaxError('a PROXY line that does not end')
    return undefined
  }
  const length = end + 2
  const words = bytes.toString('latin1', 0, end).split(' ')
  const [, family, source = '', destination = '', sourcePort = '', destinationPort = ''] = words
  if (family === 'UNKNOWN') return { length, source: undefined }
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isPlainIPv6 : undefined
  if (
    words.length !== 6 ||
    isAddress === undefined ||
    !isAddress(source) ||
    !isAddress(destination) ||
    !isPort(sourcePort) ||
    !isPort(destinationPort)
  ) {
    throw new SyntaxError('a PROXY line that names no connection')
  }
  return {
    length,
    source: { address: isIPv6(source) ? canonical(source) : source, port: Number(sourcePort) }
  }
}

/** A zone (`fe80::1%eth0`) means something on the machine that wrote it alone. */
function isPlainIPv6(text: string): boolean {
  return isIPv6(text) && !text.includes('%')
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535
}

function readV2(bytes: Buffer): ProxyHeader | undefined {
  if (bytes.length < V2_FIXED) return undefined
  const command = bytes.readUInt8(12)
  const family = bytes.readUInt8(13)
  const more = bytes.readUInt16BE(14)
  if (command >> 4 !== 2 || (command & 0xf) > 1)
    throw new SyntaxError('an unknown version or command of PROXY')
  if (more > V2_LONGEST) throw new SyntaxError('a PROXY header that is too long')
  const length = V2_FIXED + more
  if (bytes.length < length) return undefined
  // LOCAL: the peer speaks for itself, and whatever else is said is to be ignored.
  if ((command & 0xf) === 0) return { length, source: undefined }
  const addresses = ADDRESSES[family >> 4]
  // Unspecified, stream or datagram; the rest "must be rejected as invalid by receivers" (section 2.2).
  if (addresses === undefined || (family & 0xf) > 2) throw new SyntaxError('an unknown family of PROXY')
  if (more < addresses) throw new SyntaxError('a PROXY header without its addresses')
  const body = bytes.subarray(V2_FIXED, length)
  switch (family >> 4) {
    case 1:
      return { length, source: { address: body.subarray(0, 4).join('.'), port: body.readUInt16BE(8) } }
    case 2:
      return { length, source: { address: ipv6(body), port: body.readUInt16BE(32) } }
    case 3:
      return { length, source: { address: '', port: 0 } }
    default:
      return { length, source: undefined }
  }
}

/** Bytes that the addresses take up by their family: unspecified, IPv4, IPv6, Unix. */
const ADDRESSES = [0, 12, 36, 216]

function ipv6(bytes: Buffer): string {
  return canonical(Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(2 * at).toString(16)).join(':'))
}

/** As the URL standard writes it, which is RFC 5952's way; one that stands for an IPv4 address is that. */
function canonical(address: string): string {
  const text = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const mapped = MAPPED.exec(text)
  if (mapped === null) return text
  const [high, low] = [1, 2].map((at) => Number.parseInt(mapped[at] as string, 16)) as [number, number]
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.')
}

const MAPPED = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/
