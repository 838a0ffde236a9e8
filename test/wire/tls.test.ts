// A TLS listener, as curl, openssl's s_client and Node see it.
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:tls'
import t, { type Test } from 'tap'
import { definePlugin } from '../../core/index.js'
import { certificate } from '../support/certificates.js'
import { startTestProxy } from '../support/proxy.js'
import { RawClient } from '../support/raw-client.js'
import { echo, startUpstream } from '../support/upstream.js'
import { ca, clients, node, openssl, PemFolder, run, server } from './tls-peers.js'

async function start(t: Test, tls: Record<string, unknown> = {}, listener: Record<string, unknown> = {}) {
  const folder = new PemFolder(t)
  const seen: { version: string; scheme: string }[] = []
  const look = definePlugin({
    name: 'look',
    setup: () => ({
      request: ({ request }) => {
        seen.push({ version: request.httpVersion, scheme: request.scheme })
      }
    })
  })
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, {
    endpoints: [upstream.url],
    plugins: [look],
    config: {
      listeners: {
        in: { address: '127.0.0.1:0', tls: { ...folder.pair('server', server), ...tls }, ...listener }
      }
    }
  })
  return { proxy, folder, seen, upstream, url: proxy.url(), port: Number(new URL(proxy.url()).port) }
}

t.test('TLS 1.2 and 1.3, with every client', async (t) => {
  const { port, folder, seen, url } = await start(t)
  t.match(url, /^https:/)
  for (const [who, ask] of Object.entries(clients)) {
    for (const version of ['1.2', '1.3'] as const) {
      seen.length = 0
      const answer = await ask(port, folder.ca, { version, alpn: ['http/1.1'] })
      const name = `${who}, TLS ${version}`
      t.equal(answer.trouble, '', name)
      t.equal(answer.status, 200, name)
      t.equal(answer.protocol, `TLSv${version}`, name)
      t.equal(answer.shown, 'localhost', name)
      t.match(answer.body, '"x-forwarded-proto","https"', `${name}: the service is told`)
      t.same(seen, [{ version: '1.1', scheme: 'https' }], `${name}: and plugins see`)
    }
  }
})

t.test('minVersion TLSv1.3 refuses 1.2, and by default 1.1 is refused', async (t) => {
  const strict = await start(t, { minVersion: 'TLSv1.3' })
  const lax = await start(t)
  for (const [who, ask] of Object.entries(clients)) {
    const refused = await ask(strict.port, strict.folder.ca, { version: '1.2' })
    t.equal(refused.status, 0, `${who}, 1.2`)
    t.match(refused.trouble, /protocol.version/i, `${who}: and is told why`)
    t.equal((await ask(strict.port, strict.folder.ca, { version: '1.3' })).status, 200, `${who}, 1.3`)
  }
  t.equal(strict.seen.length, 3, 'a refused one was no request')
  const old = ['-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0']
  const { code, err } = await run('openssl', ['s_client', '-connect', `127.0.0.1:${lax.port}`, ...old])
  t.not(code, 0, '1.1')
  t.match(err, /protocol version/)
})

t.test('the certificate of the name that is asked for', async (t) => {
  const folder = new PemFolder(t)
  const one = certificate({ name: 'one.example', issuer: ca })
  const many = certificate({
    name: '*.many.example',
    issuer: ca,
    names: 'DNS:*.many.example,DNS:also.example'
  })
  const sni = [
    { names: ['one.example'], ...folder.pair('one', one) },
    { names: ['*.many.example', 'also.example'], ...folder.pair('many', many) }
  ]
  const { port } = await start(t, { sni })
  for (const [who, ask] of Object.entries(clients)) {
    for (const version of ['1.2', '1.3'] as const) {
      const shown = async (name: string | null) => (await ask(port, folder.ca, { name, version })).shown
      t.equal(await shown('one.example'), 'one.example', `${who}, TLS ${version}`)
      t.equal(
        await shown('a.many.example'),
        '*.many.example',
        `${who}, TLS ${version}: one label of a wildcard`
      )
      t.equal(await shown('localhost'), 'localhost', `${who}, TLS ${version}: the listener's own`)
      t.equal(await shown(null), 'localhost', `${who}, TLS ${version}: without a name`)
    }
  }
  for (const name of ['a.b.many.example', 'many.example', 'unknown.example'])
    t.match((await openssl(port, folder.ca, { name })).trouble, /hostname mismatch/i, `${name} is nobody's`)
  t.match((await openssl(port, folder.ca, { name: 'also.example' })).shown, '*.many.example', 'a second name')
  t.equal((await openssl(port, folder.ca, { name: 'ONE.Example' })).shown, 'one.example', 'in any case')
})

t.test('ALPN settles between HTTP/2 and HTTP/1.1, and both are served', async (t) => {
  const { port, folder, seen, url } = await start(t)
  const curl = await clients.curl(port, folder.ca, { alpn: ['h2', 'http/1.1'] })
  t.same([curl.status, curl.alpn], [200, 'h2'], 'curl takes HTTP/2')
  t.equal(seen.at(-1)?.version, '2.0')
  const older = await clients.curl(port, folder.ca, { alpn: ['http/1.1'] })
  t.same([older.status, older.alpn], [200, 'http/1.1'], 'or HTTP/1.1 where it is told to')
  t.equal(seen.at(-1)?.version, '1.1')
  t.equal((await openssl(port, folder.ca, { alpn: ['http/1.1', 'h2'] })).alpn, 'h2', 'ours is the choice')
  t.equal((await openssl(port, folder.ca, { alpn: ['spdy/3', 'http/1.1'] })).alpn, 'http/1.1')
  const silent = await openssl(port, folder.ca)
  t.same([silent.status, silent.alpn], [200, undefined], 'who does not ask speaks HTTP/1.1')
  t.match((await openssl(port, folder.ca, { alpn: ['spdy/3'] })).trouble, /no application protocol/i)

  const session = connectHttp2(url, { ca: ca.cert, servername: 'localhost' })
  const answers = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const stream = session.request({ ':path': '/' })
      let body = ''
      for await (const chunk of stream.setEncoding('utf8')) body += chunk
      return body
    })
  )
  session.close()
  t.ok(
    answers.every((body) => body.includes('"x-forwarded-proto","https"')),
    '20 streams of one connection'
  )

  const only1 = await start(t, {}, { http2: false })
  const chosen = await openssl(only1.port, only1.folder.ca, { alpn: ['h2', 'http/1.1'] })
  t.same([chosen.status, chosen.alpn], [200, 'http/1.1'], 'HTTP/2 is off')
  t.match((await openssl(only1.port, only1.folder.ca, { alpn: ['h2'] })).trouble, /no application protocol/i)
})

t.test('an upgraded, a pipelined and a kept connection are what they are without TLS', async (t) => {
  const { port, upstream } = await start(t)
  const socket = connect({ port, ca: ca.cert, servername: 'localhost' })
  const client = new RawClient(socket)
  client.write('GET /1 HTTP/1.1\r\nhost: a\r\n\r\nPOST /2 HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi')
  await client.until((text) => /"url":"\/1"[\s\S]*"url":"\/2"/.test(text), 'both answers, in order')
  client.write(
    'GET /3 HTTP/1.1\r\nhost: a\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n'
  )
  await client.until((text) => text.includes('"url":"/3"'), 'an answer without an upgrade')
  client.destroy()
  t.equal(upstream.count, 3)
})

t.test('what is no TLS is closed without a word, and others are served', async (t) => {
  const { proxy, port, folder, url, upstream } = await start(t)
  for (const bytes of [
    'GET / HTTP/1.1\r\nhost: a\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    Buffer.alloc(600, 0x16)
  ]) {
    const client = await RawClient.connect(url)
    client.write(bytes)
    t.notMatch(await client.closed(), 'HTTP', JSON.stringify(String(bytes).slice(0, 20)))
  }
  const reset = await RawClient.connect(url)
  reset.write(Buffer.from('160301', 'hex'))
  reset.socket.resetAndDestroy()
  t.equal((await node(port, folder.ca)).status, 200)
  t.equal(upstream.count, 1)
  t.equal(proxy.proxy.inFlight, 0)
})
