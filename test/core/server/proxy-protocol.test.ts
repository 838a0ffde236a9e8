// The headers are written by hand here, byte for byte after HAProxy's doc/proxy-protocol.txt.
import t, { type Test } from 'tap'
import { type ProxyHeader, readProxyHeader } from '../../../core/server/proxy-protocol.js'
import { AF, header2, ipv4Pair, ipv6Pair, line1, unixPair } from './proxy-header.js'

const BEHIND = Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n\r\n')

/** One with the first byte alone, then the first two, and so on: it is understood at its last byte and not before. */
function understood(t: Test, header: Buffer, source: ProxyHeader['source'], what: string): void {
  for (let length = 1; length < header.length; length++) {
    const early = readProxyHeader(header.subarray(0, length))
    if (early !== undefined) t.fail(`${what}: understood at byte ${length} of ${header.length}`)
  }
  t.same(readProxyHeader(header), { length: header.length, source }, what)
  const followed = readProxyHeader(Buffer.concat([header, BEHIND]))
  t.same(followed, { length: header.length, source }, `${what}, with bytes behind it`)
}

function refused(t: Test, bytes: Buffer, what: string): void {
  t.throws(() => readProxyHeader(bytes), SyntaxError, what)
}

t.test('version 1: whom a line names', async (t) => {
  const cases: [string, ProxyHeader['source']][] = [
    ['PROXY TCP4 203.0.113.7 10.0.0.1 56324 443', { address: '203.0.113.7', port: 56_324 }],
    ['PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535', { address: '255.255.255.255', port: 65_535 }],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 0 0', { address: '1.2.3.4', port: 0 }],
    ['PROXY TCP6 2001:db8::7 ::1 56324 443', { address: '2001:db8::7', port: 56_324 }],
    ['PROXY TCP6 2001:0DB8:0:0:0:0:0:7 ::1 1 2', { address: '2001:db8::7', port: 1 }],
    ['PROXY TCP6 ::ffff:203.0.113.7 ::1 1 2', { address: '203.0.113.7', port: 1 }],
    ['PROXY TCP6 ::FFFF:cb00:7107 ::1 1 2', { address: '203.0.113.7', port: 1 }],
    ['PROXY UNKNOWN', undefined],
    ['PROXY UNKNOWN what ever comes here', undefined],
    [`PROXY UNKNOWN ${'f'.repeat(39)} ${'f'.repeat(39)} 65535 65535`, undefined]
  ]
  for (const [line, source] of cases) understood(t, line1(line), source, line)
})

t.test('version 1: what is refused', async (t) => {
  for (const line of [
    'PROXY',
    'PROXY ',
    'PROXY TCP4',
    'PROXY TCP4 203.0.113.7 10.0.0.1 56324',
    'PROXY TCP4 203.0.113.7 10.0.0.1 56324 443 ',
    'PROXY TCP4 203.0.113.7 10.0.0.1 56324 443 1',
    'PROXY  TCP4 203.0.113.7 10.0.0.1 56324 443',
    'PROXY TCP4  203.0.113.7 10.0.0.1 56324 443',
    'PROXY TCP4\t203.0.113.7 10.0.0.1 56324 443',
    'PROXY tcp4 203.0.113.7 10.0.0.1 56324 443',
    'PROXY TCP5 203.0.113.7 10.0.0.1 56324 443',
    'PROXY UDP4 203.0.113.7 10.0.0.1 56324 443',
    'PROXY UNKNOWNS',
    'PROXY TCP4 2001:db8::7 ::1 56324 443',
    'PROXY TCP6 203.0.113.7 10.0.0.1 56324 443',
    'PROXY TCP6 fe80::1%lo ::1 56324 443',
    'PROXY TCP4 203.0.113.7 2001:db8::7 56324 443',
    'PROXY TCP4 203.0.113.256 10.0.0.1 56324 443',
    'PROXY TCP4 203.0.113 10.0.0.1 56324 443',
    'PROXY TCP4 0203.0.113.7 10.0.0.1 56324 443',
    'PROXY TCP4 shop.example 10.0.0.1 56324 443',
    'PROXY TCP4 203.0.113.7 10.0.0.1 65536 443',
    'PROXY TCP4 203.0.113.7 10.0.0.1 056 443',
    'PROXY TCP4 203.0.113.7 10.0.0.1 -1 443',
    'PROXY TCP4 203.0.113.7 10.0.0.1 +1 443',
    'PROXY TCP4 203.0.113.7 10.0.0.1 1.0 443',
    'PROXY TCP4 203.0.113.7 10.0.0.1 1e3 443',
    'PROXY TCP4 203.0.113.7 10.0.0.1 x 443',
    'PROXY TCP4 203.0.113.7 10.0.0.1 56324 99999',
    'PROXY TCP4 203.0.113.7\0 10.0.0.1 56324 443',
    'PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r',
    'PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\n'
  ]) {
    refused(t, line1(line), JSON.stringify(line))
  }
  refused(t, Buffer.from('PROXX TCP4 1.1.1.1 1.1.1.1 1 1\r\n'), 'another word')
  refused(t, Buffer.from('PROXY\tTCP4 1.1.1.1 1.1.1.1 1 1\r\n'), 'a tab behind the word')
  refused(t, Buffer.from('proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n'), 'in lower case')
  refused(t, Buffer.from(' PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n'), 'a space before it')
  refused(t, BEHIND, 'a request without a header')
  refused(t, Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), "HTTP/2's preface")
  refused(t, Buffer.from([0x16, 3, 1]), 'a TLS hello')
})

t.test('version 1: a line of 107 bytes is the longest', async (t) => {
  const fits = line1(`PROXY UNKNOWN ${'x'.repeat(91)}`)
  t.equal(fits.length, 107)
  understood(t, fits, undefined, '107 bytes')
  const endless = Buffer.from(`PROXY UNKNOWN ${'x'.repeat(93)}`)
  t.equal(endless.length, 107)
  t.equal(readProxyHeader(endless.subarray(0, 106)), undefined, '106 bytes may still end')
  refused(t, endless, '107 bytes without an end')
  refused(t, line1(`PROXY UNKNOWN ${'x'.repeat(92)}`), '108 bytes')
  t.equal(
    readProxyHeader(Buffer.from('PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n')),
    undefined,
    'a bare LF ends nothing'
  )
})

t.test('version 2: whom a header names', async (t) => {
  const v4 = ipv4Pair('203.0.113.7', 56_324)
  const v6 = (address: string) => ipv6Pair(address, 56_324)
  const named = { address: '203.0.113.7', port: 56_324 }
  understood(t, header2({ family: AF.tcp4, body: v4 }), named, 'TCP over IPv4')
  understood(t, header2({ family: AF.udp4, body: v4 }), named, 'UDP over IPv4')
  understood(t, header2({ family: AF.inet, body: v4 }), named, 'IPv4, the transport not said')
  const groups = '20010db8000000000000000000000007'
  understood(
    t,
    header2({ family: AF.tcp6, body: v6(groups) }),
    { address: '2001:db8::7', port: 56_324 },
    'TCP over IPv6'
  )
  understood(
    t,
    header2({ family: AF.tcp6, body: v6('00000000000000000000ffffcb007107') }),
    named,
    'an IPv4 address in IPv6'
  )
  understood(
    t,
    header2({ family: AF.tcp6, body: v6('00000000000000000000000000000001') }),
    { address: '::1', port: 56_324 },
    'loopback'
  )
  understood(t, header2({ family: AF.unix, body: unixPair() }), { address: '', port: 0 }, 'a Unix socket')
  understood(t, header2({ family: AF.unspecified }), undefined, 'nobody')
  understood(
    t,
    header2({ family: AF.unspecified, body: Buffer.alloc(7) }),
    undefined,
    'nobody, with something'
  )
})

t.test('version 2: LOCAL is the peer itself, whatever family it says', async (t) => {
  for (const family of [AF.unspecified, AF.tcp4, AF.tcp6, AF.unix, 0xff]) {
    understood(t, header2({ command: 0x20, family }), undefined, `family ${family}`)
    understood(
      t,
      header2({ command: 0x20, family, body: Buffer.alloc(84, 7) }),
      undefined,
      `family ${family}, with extensions`
    )
  }
})

t.test('version 2: extensions behind the addresses are left alone', async (t) => {
  const authority = Buffer.concat([Buffer.from([0x02, 0, 12]), Buffer.from('shop.example')])
  const checksum = Buffer.from([0x03, 0, 4, 1, 2, 3, 4])
  const broken = Buffer.from([0x20, 0xff, 0xff, 1])
  for (const [what, more] of Object.entries({ authority, checksum, broken })) {
    const body = Buffer.concat([ipv4Pair('203.0.113.7', 1), more])
    understood(t, header2({ family: AF.tcp4, body }), { address: '203.0.113.7', port: 1 }, what)
  }
})

t.test('version 2: what is refused', async (t) => {
  const v4 = ipv4Pair('203.0.113.7', 1)
  refused(t, header2({ command: 0x11, family: AF.tcp4, body: v4 }), 'version 1 in the dress of 2')
  refused(t, header2({ command: 0x31, family: AF.tcp4, body: v4 }), 'version 3')
  for (const command of [0x22, 0x23, 0x2f])
    refused(t, header2({ command, family: AF.tcp4, body: v4 }), `command ${command & 0xf}`)
  for (const family of [0x40, 0x41, 0xf1])
    refused(t, header2({ family, body: Buffer.alloc(216) }), `address family ${family >> 4}`)
  for (const family of [0x13, 0x1f, 0x23, 0x33, 0x03])
    refused(t, header2({ family, body: Buffer.alloc(216) }), `transport ${family & 0xf}`)
  refused(t, header2({ family: AF.tcp4, body: v4.subarray(0, 11) }), 'half of an IPv4 pair')
  refused(t, header2({ family: AF.tcp4 }), 'IPv4 without addresses')
  refused(t, header2({ family: AF.tcp6, body: Buffer.alloc(35) }), 'half of an IPv6 pair')
  refused(t, header2({ family: AF.unix, body: Buffer.alloc(215) }), 'half of a pair of paths')
  const signature = header2({ family: AF.tcp4, body: v4 })
  for (let at = 0; at < 12; at++) {
    const other = Buffer.from(signature)
    other[at] = (other[at] as number) ^ 0x01
    refused(t, other, `byte ${at} of the signature is another`)
  }
})

t.test('version 2: 2,048 bytes behind the fixed part are the most', async (t) => {
  const body = (length: number) => Buffer.concat([ipv4Pair('203.0.113.7', 1), Buffer.alloc(length - 12)])
  understood(t, header2({ family: AF.tcp4, body: body(2_048) }), { address: '203.0.113.7', port: 1 }, '2,048')
  const tooLong = header2({ family: AF.tcp4, body: body(2_049) })
  refused(t, tooLong, '2,049')
  refused(t, tooLong.subarray(0, 16), 'and that is said before they are waited for')
})
