// PROXY protocol headers, as a load balancer writes them.

export function line1(line: string): Buffer {
  return Buffer.from(`${line}\r\n`, 'latin1')
}

/** Address family in the upper half of the byte, transport in the lower. */
export const AF = {
  unspecified: 0x00,
  inet: 0x10,
  tcp4: 0x11,
  udp4: 0x12,
  tcp6: 0x21,
  unix: 0x31
} as const

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')

/** @param fields `command` holds the version, too: 0x21 is PROXY, 0x20 is LOCAL */
export function header2(fields: { command?: number; family: number; body?: Buffer }): Buffer {
  const { command = 0x21, family, body = Buffer.alloc(0) } = fields
  const rest = Buffer.from([command, family, body.length >> 8, body.length & 0xff])
  return Buffer.concat([SIGNATURE, rest, body])
}

/** The addresses of a connection from here to 10.0.0.1:443. */
export function ipv4Pair(source: string, port: number): Buffer {
  const pair = Buffer.from([...source.split('.').map(Number), 10, 0, 0, 1, 0, 0, 443 >> 8, 443 & 0xff])
  pair.writeUInt16BE(port, 8)
  return pair
}

/** @param source 32 hex digits */
export function ipv6Pair(source: string, port: number): Buffer {
  const pair = Buffer.concat([Buffer.from(source, 'hex'), Buffer.alloc(20)])
  pair.writeUInt16BE(port, 32)
  return pair
}

/** Two paths of 108 bytes. */
export function unixPair(): Buffer {
  const pair = Buffer.alloc(216)
  pair.write('/run/client.sock')
  pair.write('/run/server.sock', 108)
  return pair
}
