import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { clientCertificate } from '../../../core/tls/peer.js'
import { type Certificate, certificate } from '../../support/certificates.js'
import { type AcceptingOptions, accepting, ask, ca, otherCa, until } from './accepting.js'

const DAY = 86_400_000
const days = (n: number) => new Date(Date.now() + n * DAY)

const SPIFFE = 'spiffe://shop.local/orders'
const orders = certificate({ name: 'orders', names: `DNS:orders,URI:${SPIFFE}`, issuer: ca })
const stranger = certificate({ name: 'orders', names: `URI:${SPIFFE}`, issuer: otherCa })
const alone = certificate({ name: 'orders', names: `URI:${SPIFFE}` })
const expired = certificate({ name: 'orders', issuer: ca, from: days(-3), until: days(-1) })
const early = certificate({ name: 'orders', issuer: ca, from: days(1), until: days(3) })
const serving = certificate({ name: 'orders', names: 'DNS:orders\nextendedKeyUsage=serverAuth', issuer: ca })

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const

function mutual(t: Test, clientAuth: 'request' | 'require', options: AcceptingOptions = {}) {
  return accepting(t, {
    ...options,
    tls: { clientAuth, ca: join(t.testdirName, 'ca.pem'), ...options.tls }
  })
}

const refusals: [what: string, shown: Certificate | undefined, reason: RegExp][] = [
  ['none', undefined, /ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE/],
  ['of another CA', stranger, /UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT/],
  ['signed by itself', alone, /DEPTH_ZERO_SELF_SIGNED_CERT/],
  ['expired', expired, /CERT_HAS_EXPIRED/],
  ['not valid yet', early, /CERT_NOT_YET_VALID/],
  ['for servers alone', serving, /INVALID_PURPOSE/]
]

t.test('require: the right certificate, and no other', async (t) => {
  for (const maxVersion of VERSIONS) {
    const { port, log } = await mutual(t, 'require')
    t.match((await ask(port, { maxVersion, ...orders })).seen, { protocol: maxVersion, identity: SPIFFE })
    for (const [what, shown, reason] of refusals) {
      await t.rejects(ask(port, { maxVersion, ...shown }), `${maxVersion} ${what}`)
      await until(() => reason.test(log.lines.at(-1)?.message ?? ''))
      t.equal(log.lines.at(-1)?.level, 'debug', `${maxVersion} ${what}`)
    }
    t.same((await ask(port, { maxVersion, ...orders })).seen.identity, SPIFFE, 'and then the right one again')
  }
})

t.test('request: what does not verify is as none', async (t) => {
  for (const maxVersion of VERSIONS) {
    const { port } = await mutual(t, 'request')
    t.equal((await ask(port, { maxVersion, ...orders })).seen.identity, SPIFFE)
    for (const [what, shown] of refusals)
      t.equal((await ask(port, { maxVersion, ...shown })).seen.identity, null, `${maxVersion} ${what}`)
  }
})

t.test('none: a certificate is not asked for', async (t) => {
  const { port } = await accepting(t, { tls: { ca: undefined } })
  t.equal((await ask(port, orders)).seen.identity, null)
})

t.test('a chain by way of an intermediate', async (t) => {
  const middle = certificate({ name: 'intermediate', authority: true, issuer: ca })
  const leaf = certificate({ name: 'payments', issuer: middle })
  const { port } = await mutual(t, 'require')
  t.equal((await ask(port, { cert: leaf.cert + middle.cert, key: leaf.key })).seen.identity, 'payments')
  await t.rejects(ask(port, leaf), 'without the intermediate')
})

t.test('the CA holds for other certificates of the listener too, asked for by SNI', async (t) => {
  for (const maxVersion of VERSIONS) {
    const { port, acceptor, tls, write } = await mutual(t, 'require')
    const files = write('shop', certificate({ name: 'shop.test', issuer: ca }))
    acceptor.update({ ...tls, sni: [{ names: ['shop.test'], ...files }] }, true)
    const servername = 'shop.test'
    const { seen, shown, session } = await ask(port, { servername, maxVersion, ...orders })
    t.match([shown, seen.identity], ['shop.test', SPIFFE])
    await t.rejects(ask(port, { servername, maxVersion, ...stranger }))
    await t.rejects(ask(port, { servername, maxVersion }))
    const again = await ask(port, { servername, maxVersion, ...orders, ...(session && { session }) })
    t.match(again.seen, { resumed: true, identity: SPIFFE }, `${maxVersion}, resumed`)
  }
})

t.test('a session that is resumed has its identity, and shows no certificate again', async (t) => {
  for (const maxVersion of VERSIONS) {
    const { port } = await mutual(t, 'require')
    const first = await ask(port, { maxVersion, ...orders })
    t.match(first.seen, { resumed: false, identity: SPIFFE })
    t.ok(first.session)
    const again = await ask(port, { maxVersion, session: first.session as Buffer })
    t.match(again.seen, { resumed: true, identity: SPIFFE, protocol: maxVersion })
  }
})

t.test('a session without an identity gains none by being resumed', async (t) => {
  for (const maxVersion of VERSIONS) {
    const { port } = await mutual(t, 'request')
    for (const shown of [undefined, stranger, expired]) {
      const first = await ask(port, { maxVersion, ...shown })
      const again = await ask(port, { maxVersion, session: first.session as Buffer, ...orders })
      t.equal(again.seen.identity, again.seen.resumed ? null : SPIFFE, maxVersion)
    }
  }
})

/** Tries with a session; what came of it. */
const withSession = async (port: number, session: Buffer | undefined, options: ConnectionOptions = {}) =>
  (await ask(port, { ...options, session: session as Buffer })).seen

t.test('a session does not outlive the CA, the terms or the listener that it began with', async (t) => {
  for (const maxVersion of VERSIONS) {
    const { port, acceptor, tls, folder, credentials } = await mutual(t, 'require')
    const other = await mutual(t, 'require')
    const { session } = await ask(port, { maxVersion, ...orders })
    t.match(await withSession(port, session, { maxVersion, ...orders }), { resumed: true })
    t.match(
      await withSession(other.port, session, { maxVersion, ...orders }),
      { resumed: false },
      'another listener'
    )
    await t.rejects(
      withSession(other.port, session, { maxVersion }),
      'another listener, without a certificate'
    )

    writeFileSync(join(folder, 'ca.pem'), otherCa.cert)
    await credentials.refresh()
    await t.rejects(withSession(port, session, { maxVersion, ...orders }), 'another CA')
    await t.rejects(withSession(port, session, { maxVersion }), 'another CA')
    t.match((await ask(port, { maxVersion, ...stranger })).seen, { identity: SPIFFE }, 'of that one')

    acceptor.update({ ...tls, clientAuth: 'none' }, true)
    const open = await ask(port, { maxVersion })
    acceptor.update({ ...tls, clientAuth: 'require' }, true)
    await t.rejects(withSession(port, open.session, { maxVersion }), 'from when no certificate was asked for')
  }
})

t.test('one whose session outlived it is refused, or is as none', async (t) => {
  const brief = certificate({ name: 'brief', issuer: ca, from: days(-1), until: days(1) })
  for (const clientAuth of ['require', 'request'] as const) {
    for (const maxVersion of VERSIONS) {
      const { port } = await mutual(t, clientAuth)
      const { seen, session } = await ask(port, { maxVersion, ...brief })
      t.equal(seen.identity, 'brief')
      const now = Date.now
      // The process's own clock: OpenSSL's is not asked when a session is resumed.
      Date.now = () => now() + 2 * DAY
      try {
        if (clientAuth === 'require') {
          await t.rejects(withSession(port, session, { maxVersion }))
        } else {
          t.match(await withSession(port, session, { maxVersion }), { resumed: true, identity: null })
        }
      } finally {
        Date.now = now
      }
    }
  }
})

t.test('who the client was is known when it has gone', async (t) => {
  let resolve: (socket: TLSSocket) => void = () => {}
  const promise = new Promise<TLSSocket>((given) => (resolve = given))
  const { port } = await mutual(t, 'require', {
    onSocket: (socket) => {
      socket.on('error', () => {})
      socket.resume()
      resolve(socket)
    }
  })
  const client = connect({ port, ca: ca.cert, servername: 'localhost', ...orders })
  const socket = await promise
  client.end()
  await once(socket, 'close')
  t.match(clientCertificate(socket), { subject: 'CN=orders', uris: [SPIFFE], dnsNames: ['orders'] })
})
