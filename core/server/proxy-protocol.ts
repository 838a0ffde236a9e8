// PROXY protocol, versions 1 and 2, as HAProxy publishes it (doc/proxy-protocol.txt): a header ahead of everything else
// on a connection that says who is at its far end. No kept library reads it off a socket.

import { isIPv4, isIPv6 } from 'node:net'

/** Whom the header names; undefined where it names nobody (a health check of the peer's own, a family we do not know). */
export interface ProxyHeader {
  /** Bytes it takes up. */
  readonly length: number
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
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : undefined
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
  return { length, source: { address: source, port: Number(sourcePort) } }
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
  // LOCAL: the peer speaks for itself.
  if ((command & 0xf) === 0) return { length, source: undefined }
  const body = bytes.subarray(V2_FIXED, length)
  switch (family >> 4) {
    case 1:
      if (more < 12) throw new SyntaxError('a PROXY header without its addresses')
      return { length, source: { address: body.subarray(0, 4).join('.'), port: body.readUInt16BE(8) } }
    case 2:
      if (more < 36) throw new SyntaxError('a PROXY header without its addresses')
      return { length, source: { address: ipv6(body), port: body.readUInt16BE(32) } }
    default:
      return { length, source: undefined }
  }
}

/** As the URL standard writes it, which is RFC 5952's way; one that stands for an IPv4 address is that. */
function ipv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(2 * at).toString(16))
  if (bytes.subarray(0, 12).equals(MAPPED)) return bytes.subarray(12, 16).join('.')
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

const MAPPED = Buffer.from('00000000000000000000ffff', 'hex')
