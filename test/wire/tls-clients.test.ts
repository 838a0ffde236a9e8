// Client certificates: who may come in, and whose word it is that reaches the plugins.
import { connect as connectHttp2 } from 'node:http2'
import { connect, type SecureVersion, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { definePlugin } from '../../core/index.js'
import { certificate } from '../support/certificates.js'
import { startTestProxy } from '../support/proxy.js'
import { parseResponse, RawClient } from '../support/raw-client.js'
import { startUpstream } from '../support/upstream.js'
import { ca, clients, type Files, otherCa, PemFolder, pems, run, server } from './tls-peers.js'

const SPIFFE = 'spiffe://shop.local/orders'
const DAY = 86_400_000
const ago = (days: number) => new Date(Date.now() - days * DAY)

const shown = {
  right: certificate({ name: 'orders', issuer: ca, names: `URI:${SPIFFE},DNS:orders.shop` }),
  dns: certificate({ name: 'billing', issuer: ca, names: 'DNS:billing.shop,DNS:pay.shop' }),
  stranger: certificate({ name: 'orders', issuer: otherCa, names: `URI:${SPIFFE}` }),
  itself: certificate({ name: 'orders', names: `URI:${SPIFFE}` }),
  expired: certificate({ name: 'orders', issuer: ca, names: `URI:${SPIFFE}`, from: ago(9), until: ago(1) }),
  early: certificate({ name: 'orders', issuer: ca, names: `URI:${SPIFFE}`, from: ago(-1), until: ago(-9) })
}

interface Seen {
  identity: string | null
  subject: string | null
  uris: readonly string[]
  dnsNames: readonly string[]
}

const NOBODY: Seen = { identity: null, subject: null, uris: [], dnsNames: [] }

async function start(t: Test, clientAuth: string) {
  const folder = new PemFolder(t)
  const seen: Seen[] = []
  const who = definePlugin({
    name: 'who',
    setup: () => ({
      request: ({ client: { identity = null, certificate } }) => {
        const { subject = null, uris = [], dnsNames = [] } = certificate ?? {}
        seen.push({ identity, subject, uris, dnsNames })
      }
    })
  })
  const upstream = await startUpstream(t, (_request, response) => response.end('ok'))
  const tls = {
    ...folder.pair('server', server),
    ...(clientAuth === 'none' ? {} : { ca: folder.ca, clientAuth })
  }
  const proxy = await startTestProxy(t, {
    endpoints: [upstream.url],
    plugins: [who],
    config: { listeners: { in: { address: '127.0.0.1:0', tls } } }
  })
  const files = Object.fromEntries(
    Object.entries(shown).map(([name, pair]) => [name, folder.pair(name, pair)])
  ) as Record<keyof typeof shown, Files>
  return { proxy, folder, files, seen, upstream, port: Number(new URL(proxy.url()).port) }
}

const RIGHT: Seen = { identity: SPIFFE, subject: 'CN=orders', uris: [SPIFFE], dnsNames: ['orders.shop'] }
const DNS: Seen = {
  identity: 'billing.shop',
  subject: 'CN=billing',
  uris: [],
  dnsNames: ['billing.shop', 'pay.shop']
}

t.test('require: the right one alone comes in, and plugins see who it is', async (t) => {
  const { port, folder, files, seen, upstream } = await start(t, 'require')
  for (const [who, ask] of Object.entries(clients)) {
    for (const version of ['1.2', '1.3'] as const) {
      for (const [what, expected] of Object.entries({ right: RIGHT, dns: DNS })) {
        seen.length = 0
        const answer = await ask(port, folder.ca, { version, show: files[what as 'right'] })
        t.equal(answer.status, 200, `${who}, TLS ${version}, ${what}`)
        t.same(seen, [expected], `${who}, TLS ${version}, ${what}`)
      }
      const before = upstream.count
      seen.length = 0
      for (const what of ['stranger', 'itself', 'expired', 'early', undefined] as const) {
        const show = what && files[what]
        const answer = await ask(port, folder.ca, { version, ...(show && { show }) })
        t.equal(answer.status, 0, `${who}, TLS ${version}, ${what ?? 'none'}: no answer`)
        t.not(answer.trouble, '', `${who}, TLS ${version}, ${what ?? 'none'}: the client sees that it failed`)
      }
      t.same([seen, upstream.count], [[], before], `${who}, TLS ${version}: none of them was a request`)
    }
  }
})

t.test('request: one that does not verify is as none', async (t) => {
  const { port, folder, files, seen } = await start(t, 'request')
  for (const [who, ask] of Object.entries(clients)) {
    for (const version of ['1.2', '1.3'] as const) {
      for (const [what, expected] of Object.entries({
        right: RIGHT,
        dns: DNS,
        stranger: NOBODY,
        itself: NOBODY,
        expired: NOBODY,
        early: NOBODY,
        none: NOBODY
      })) {
        seen.length = 0
        const show = files[what as 'right'] as Files | undefined
        const answer = await ask(port, folder.ca, { version, ...(show && { show }) })
        t.equal(answer.status, 200, `${who}, TLS ${version}, ${what}: ${answer.trouble}`)
        t.same(seen, [expected], `${who}, TLS ${version}, ${what}`)
      }
    }
  }
})

t.test('none: what a client might show is not asked for', async (t) => {
  const { port, folder, files, seen } = await start(t, 'none')
  for (const [who, ask] of Object.entries(clients)) {
    seen.length = 0
    t.equal((await ask(port, folder.ca, { show: files.right })).status, 200, who)
    t.same(seen, [NOBODY], who)
  }
})

/** One request; the connection's last session, and whether it was itself resumed. */
function once(
  port: number,
  options: object
): Promise<{ resumed: boolean; session: Buffer | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, servername: 'localhost', ...options })
    let session: Buffer | undefined
    let text = ''
    let resumed = false
    socket.on('session', (given) => (session = given))
    socket.once('secureConnect', () => {
      resumed = socket.isSessionReused()
      socket.write('GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')
    })
    socket.on('data', (chunk) => (text += chunk))
    socket.once('error', reject)
    socket.once('close', () => resolve({ resumed, session, text }))
  })
}

t.test('a resumed session is whose it was', async (t) => {
  for (const clientAuth of ['require', 'request']) {
    const { port, folder, files, seen } = await start(t, clientAuth)
    for (const version of ['TLSv1.2', 'TLSv1.3'] as SecureVersion[]) {
      seen.length = 0
      const limits = { minVersion: version, maxVersion: version }
      const first = await once(port, { ...pems(folder.ca, files.right), ...limits })
      t.equal(first.resumed, false)
      // Without the certificate: what it showed then is what counts.
      const second = await once(port, { ...pems(folder.ca, undefined), ...limits, session: first.session })
      t.equal(second.resumed, true, `${clientAuth}, ${version}: resumed`)
      t.match(second.text, /^HTTP\/1\.1 200 /)
      t.same(seen, [RIGHT, RIGHT], `${clientAuth}, ${version}`)
    }
    const file = folder.text('session', '')
    for (const version of ['-tls1_2', '-tls1_3']) {
      seen.length = 0
      const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-CAfile', folder.ca, '-ign_eof', version]
      args.push('-cert', files.right.cert, '-key', files.right.key)
      const request = 'GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n'
      t.match((await run('openssl', [...args, '-sess_out', file], request)).out, /^New, TLS/m)
      t.match((await run('openssl', [...args, '-sess_in', file], request)).out, /^Reused, TLS/m)
      t.same(seen, [RIGHT, RIGHT], `${clientAuth}, openssl ${version}`)
    }
  }
})

t.test('under `request` a session without a certificate gets no identity by being resumed', async (t) => {
  const { port, folder, files, seen } = await start(t, 'request')
  for (const version of ['TLSv1.2', 'TLSv1.3'] as SecureVersion[]) {
    for (const what of [undefined, 'stranger', 'expired'] as const) {
      seen.length = 0
      const limits = { minVersion: version, maxVersion: version }
      const first = await once(port, { ...pems(folder.ca, what && files[what]), ...limits })
      const second = await once(port, { ...pems(folder.ca, files.right), ...limits, session: first.session })
      t.same(seen[0], NOBODY, `${version}, ${what ?? 'none'}`)
      t.same(seen[1], second.resumed ? NOBODY : RIGHT, `${version}, ${what ?? 'none'}: the second`)
    }
  }
})

t.test("every request of a connection is its peer's, over HTTP/1.1 and HTTP/2", async (t) => {
  const { port, folder, files, seen, proxy } = await start(t, 'require')
  const options = { ...pems(folder.ca, files.right), port, servername: 'localhost' }
  const client = new RawClient(connect({ ...options, ALPNProtocols: ['http/1.1'] }) as TLSSocket)
  for (let i = 1; i <= 3; i++) {
    const before = client.length
    client.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
    await client.until((text) => parseResponse(text.slice(before)) !== undefined, `answer ${i}`)
  }
  client.destroy()
  t.same(seen, [RIGHT, RIGHT, RIGHT])
  seen.length = 0
  const session = connectHttp2(proxy.url(), options)
  await Promise.all(
    Array.from({ length: 5 }, async () => {
      for await (const _ of session.request({ ':path': '/' }));
    })
  )
  session.close()
  t.same(seen, Array(5).fill(RIGHT))
})

t.test(
  "X-Forwarded-For of a trusted proxy names the client; the identity stays the connection's",
  async (t) => {
    const folder = new PemFolder(t)
    const upstream = await startUpstream(t, (_request, response) => response.end('ok'))
    let seen: unknown
    const who = definePlugin({
      name: 'who',
      setup: () => ({
        request: ({ client: { address, identity } }) => {
          seen = { address, identity }
        }
      })
    })
    const tls = { ...folder.pair('server', server), ca: folder.ca, clientAuth: 'require' }
    const listener = { address: '127.0.0.1:0', tls, trustedProxies: ['127.0.0.1'] }
    const proxy = await startTestProxy(t, {
      endpoints: [upstream.url],
      plugins: [who],
      config: { listeners: { in: listener } }
    })
    const files = folder.pair('right', shown.right)
    const { hostname, port } = new URL(proxy.url())
    const client = new RawClient(
      connect({ host: hostname, port: Number(port), servername: 'localhost', ...pems(folder.ca, files) })
    )
    client.write('GET / HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: 203.0.113.7\r\n\r\n')
    await client.until((text) => parseResponse(text) !== undefined, 'an answer')
    client.destroy()
    t.same(seen, { address: '203.0.113.7', identity: SPIFFE })
  }
)

t.test('auth by mtls on a listener: the identity that is allowed, and no other', async (t) => {
  const folder = new PemFolder(t)
  const upstream = await startUpstream(t, (_request, response) => response.end('ok'))
  const tls = { ...folder.pair('server', server), ca: folder.ca, clientAuth: 'request' }
  const proxy = await startTestProxy(t, {
    endpoints: [upstream.url],
    plugins: [{ auth: { mtls: { allow: [SPIFFE] } } }],
    config: { listeners: { in: { address: '127.0.0.1:0', tls } } }
  })
  const port = Number(new URL(proxy.url()).port)
  const cases = { right: 200, dns: 403, stranger: 401, expired: 401 } as const
  for (const [what, status] of Object.entries(cases)) {
    const show = folder.pair(what, shown[what as 'right'])
    t.equal((await clients.node(port, folder.ca, { show })).status, status, what)
  }
  t.equal((await clients.node(port, folder.ca)).status, 401, 'none')
  t.equal(upstream.count, 1)
})
