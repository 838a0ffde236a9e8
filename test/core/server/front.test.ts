// PROXY protocol headers on real sockets, with each of what may stand behind them.
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { definePlugin } from '../../../core/index.js'
import { certificate } from '../../support/certificates.js'
import { startTestProxy } from '../../support/proxy.js'
import { RawClient } from '../../support/raw-client.js'
import { echo, startUpstream } from '../../support/upstream.js'
import { type Cut, dial, get, get2, inPieces, seenBy } from './front-client.js'
import { AF, header2, ipv4Pair, ipv6Pair, line1, unixPair } from './proxy-header.js'

const ca = certificate({ name: 'front CA', authority: true })
const server = certificate({ name: 'localhost', issuer: ca })

const V1 = line1('PROXY TCP4 203.0.113.7 10.0.0.1 56324 443')
const V2 = header2({ family: AF.tcp6, body: ipv6Pair('20010db8000000000000000000000007', 56_325) })
const LOCAL = header2({ command: 0x20, family: AF.unspecified })
const REQUEST = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'

interface Asked {
  address: string
  port: number
}

/** A proxy that trusts 127.0.0.1 alone and wants PROXY headers of it. */
async function start(t: Test, listener: Record<string, unknown> = {}) {
  const folder = t.testdir({ 'cert.pem': server.cert, 'key.pem': server.key })
  const clients: Asked[] = []
  const who = definePlugin({
    name: 'who',
    setup: () => ({
      request: ({ client }) => {
        clients.push({ address: client.address, port: client.port })
      }
    })
  })
  const upstream = await startUpstream(t, echo)
  const from = { address: '127.0.0.1:0', proxyProtocol: true, trustedProxies: ['127.0.0.1'], ...listener }
  const tls = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  const proxy = await startTestProxy(t, {
    endpoints: [upstream.url],
    plugins: [who],
    config: { listeners: { plain: from, secure: { ...from, tls } } }
  })
  return { clients, upstream, plain: proxy.url('plain'), secure: proxy.url('secure') }
}

t.test('a trusted peer names the client, whatever is spoken behind it and however it is cut', async (t) => {
  const { clients, plain, secure } = await start(t)
  for (const cut of ['whole', 'bytes'] as Cut[]) {
    for (const [version, first] of Object.entries({ 1: V1, 2: V2 })) {
      const client = version === '1' ? ['203.0.113.7', 56_324] : ['2001:db8::7', 56_325]
      for (const [what, ask, ca_] of [
        ['HTTP/1.1', () => get({ url: plain, first, cut }), false],
        ['h2c', () => get2({ url: plain, first, cut }), false],
        ['HTTP/1.1 over TLS', () => get({ url: secure, first, cut, ca: ca.cert }), true],
        ['HTTP/2 over TLS', () => get2({ url: secure, first, cut, ca: ca.cert }), true]
      ] as const) {
        const name = `version ${version}, ${what}, ${cut}`
        clients.length = 0
        const answer = await ask()
        t.equal(answer.status, 200, name)
        t.same(clients[0], { address: client[0], port: client[1] }, `${name}: what plugins see`)
        t.ok(
          clients.every(({ address }) => address === client[0]),
          `${name}: of every request on it`
        )
        const seen = seenBy(answer)
        t.same(seen['x-forwarded-for'], [client[0]], `${name}: what the service is told`)
        t.same(seen['x-forwarded-proto'], [ca_ ? 'https' : 'http'], name)
      }
    }
  }
})

t.test('whom a header names need not be trusted: what it says of who asked is not believed', async (t) => {
  const { clients, plain } = await start(t, { trustedProxies: ['127.0.0.1', '203.0.113.64/26'] })
  const fields = ['x-forwarded-for: 198.51.100.1', 'x-request-id: mine']
  const untrusted = seenBy(await get({ url: plain, first: V1, fields }))
  t.same(untrusted['x-forwarded-for'], ['203.0.113.7'])
  t.not(untrusted['x-request-id']?.[0], 'mine')
  t.equal(clients[0]?.address, '203.0.113.7')
  clients.length = 0
  const first = line1('PROXY TCP4 203.0.113.70 10.0.0.1 1 443')
  const trusted = seenBy(await get({ url: plain, first, fields }))
  t.same(
    trusted['x-forwarded-for'],
    ['198.51.100.1, 203.0.113.70'],
    'a proxy behind the one that wrote the header'
  )
  t.same(trusted['x-request-id'], ['mine'])
  t.equal(clients[0]?.address, '198.51.100.1')
})

t.test('a header that names nobody leaves the peer itself', async (t) => {
  const { clients, plain, secure } = await start(t)
  const unknown = line1('PROXY UNKNOWN 1.2.3.4 5.6.7.8 1 2')
  const unspecified = header2({ family: AF.unspecified })
  for (const [what, first] of Object.entries({ LOCAL, unknown, unspecified })) {
    clients.length = 0
    const fields = ['x-forwarded-for: 198.51.100.1']
    const seen = seenBy(await get({ url: plain, first, fields }))
    t.same(seen['x-forwarded-for'], ['198.51.100.1, 127.0.0.1'], `${what}: it is trusted`)
    t.equal(clients[0]?.address, '198.51.100.1', what)
    clients.length = 0
    t.equal((await get({ url: secure, first, ca: ca.cert })).status, 200, `${what}, over TLS`)
    t.equal(clients[0]?.address, '127.0.0.1', what)
  }
  clients.length = 0
  const first = header2({ family: AF.unix, body: unixPair() })
  const seen = seenBy(await get({ url: plain, first, fields: ['x-forwarded-for: 198.51.100.1'] }))
  t.same(clients[0], { address: '', port: 0 }, 'the far end of a Unix socket has no address')
  t.same(seen['x-forwarded-for'], undefined, 'and its word is not taken')
})

t.test('a trusted peer without a header is closed, and nothing is forwarded', async (t) => {
  const { upstream, plain, secure } = await start(t)
  for (const bytes of [
    REQUEST,
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    '\0\0\0\0',
    `PROXY TCP4 203.0.113.7 10.0.0.1 56324\r\n${REQUEST}`,
    `PROXY TCP4 localhost 10.0.0.1 1 1\r\n${REQUEST}`,
    ` ${V1.toString()}${REQUEST}`,
    Buffer.concat([header2({ family: 0x44, body: ipv4Pair('203.0.113.7', 1) }), Buffer.from(REQUEST)])
  ]) {
    for (const url of [plain, secure]) {
      const client = await RawClient.connect(url)
      client.write(bytes)
      t.equal(await client.closed(), '', JSON.stringify(String(bytes).slice(0, 40)))
    }
  }
  await t.rejects(
    new Promise((resolve, reject) => {
      const socket = connectTls({ port: Number(new URL(secure).port), ca: ca.cert, servername: 'localhost' })
      socket.once('error', reject)
      socket.once('secureConnect', resolve)
    }),
    'a TLS hello is no header'
  )
  t.equal(upstream.count, 0)
})

t.test('a header is the word of one connection: a second one in it is no request', async (t) => {
  const { upstream, plain } = await start(t)
  const client = await RawClient.connect(plain)
  client.write(Buffer.concat([V1, V1, Buffer.from(REQUEST)]))
  t.match(await client.closed(), /^HTTP\/1\.1 400 /)
  t.equal(upstream.count, 0)
})

t.test('a peer that is not trusted cannot name anybody', async (t) => {
  const { clients, upstream, plain, secure } = await start(t)
  const from = '127.0.0.2'
  for (const first of [V1, V2, LOCAL]) {
    const client = new RawClient(await dial(plain, from))
    client.write(Buffer.concat([first, Buffer.from(REQUEST)]))
    t.match(await client.closed(), /^HTTP\/1\.1 400 /, 'a header of it is a malformed request')
    const secured = new RawClient(await dial(secure, from))
    secured.write(first)
    t.notMatch(await secured.closed(), 'HTTP', 'or a malformed hello')
  }
  t.equal(upstream.count, 0)
  for (const [what, ask] of Object.entries({
    'HTTP/1.1': () => get({ url: plain, from }),
    h2c: () => get2({ url: plain, from }),
    'HTTP/1.1 over TLS': () => get({ url: secure, from, ca: ca.cert }),
    'HTTP/2 over TLS': () => get2({ url: secure, from, ca: ca.cert })
  })) {
    clients.length = 0
    t.same(seenBy(await ask())['x-forwarded-for'], [from], `${what}: without one it is served`)
    t.equal(clients[0]?.address, from, what)
  }
})

t.test('without proxyProtocol a header is a malformed request, of a trusted peer too', async (t) => {
  const { upstream, plain } = await start(t, { proxyProtocol: false })
  const client = await RawClient.connect(plain)
  client.write(Buffer.concat([V1, Buffer.from(REQUEST)]))
  t.match(await client.closed(), /^HTTP\/1\.1 400 /)
  t.equal(upstream.count, 0)
})

t.test('a header that is slow to come ends with headersTimeout, however it trickles', async (t) => {
  const { clients, plain, secure } = await start(t, { headersTimeout: 300 })
  const begun = performance.now()
  const silent = await RawClient.connect(plain)
  const half = (await RawClient.connect(plain)).write(V1.subarray(0, 20))
  const half2 = (await RawClient.connect(secure)).write(V2.subarray(0, 40))
  const preface = (await RawClient.connect(plain)).write(Buffer.concat([V1, Buffer.from('PR')]))
  const trickling = await RawClient.connect(plain)
  const trickle = setInterval(() => trickling.socket.writable && trickling.write('P'), 50)
  trickling.write('PROXY UNKNOWN ')
  t.teardown(() => clearInterval(trickle))
  for (const [what, client] of Object.entries({ silent, half, half2, preface, trickling })) {
    t.equal(await client.closed(), '', what)
  }
  clearInterval(trickle)
  const passed = performance.now() - begun
  t.ok(passed >= 280 && passed < 2_000, `${Math.round(passed)} ms`)
  t.same(clients, [])
  const inTime = await dial(plain)
  await inPieces(inTime, V1)
  const client = new RawClient(inTime)
  client.write(REQUEST)
  await client.until((text) => text.startsWith('HTTP/1.1 200 '), 'an answer')
  client.destroy()
})

t.test('a client that leaves within its header leaves nothing behind', async (t) => {
  const { plain, clients } = await start(t)
  for (const end of ['end', 'destroy', 'resetAndDestroy'] as const) {
    const socket = await dial(plain)
    socket.on('error', () => {})
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.write(V1.subarray(0, 10))
    await new Promise((resolve) => setImmediate(resolve))
    socket[end]()
    socket.resume()
    await closed
  }
  t.equal((await get({ url: plain, first: V1 })).status, 200, 'others are served')
  t.equal(clients.length, 2)
})

t.test('a protocol is told by its first bytes, however they come', async (t) => {
  const { plain } = await start(t, { proxyProtocol: false })
  for (const cut of ['whole', 'bytes'] as Cut[]) {
    t.equal((await get({ url: plain, cut })).status, 200, `HTTP/1.1, ${cut}`)
    t.equal((await get2({ url: plain, cut })).status, 200, `HTTP/2, ${cut}`)
  }
  const client = await RawClient.connect(plain)
  client.write('P')
  await new Promise((resolve) => setImmediate(resolve))
  client.write('OST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nok')
  await client.until((text) => /"length":2/.test(text), 'an answer to a method that begins like the preface')
  client.destroy()
  const one = await start(t, { proxyProtocol: false, http2: false })
  const refused = await RawClient.connect(one.plain)
  refused.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  t.match(await refused.closed(), /^HTTP\/1\.1 400 /, 'where HTTP/2 is off, its preface is no request')
  await t.rejects(get2({ url: one.secure, ca: ca.cert }), 'nor does ALPN give it')
})
