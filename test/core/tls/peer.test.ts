import { X509Certificate } from 'node:crypto'
import t from 'tap'
import { namesIn } from '../../../core/tls/alternative-names.js'
import { describe, identityOf } from '../../../core/tls/peer.js'
import { certificate } from '../../support/certificates.js'

/** A certificate with these alternative names, as its reader sees it. */
function described(names: string) {
  return describe(new X509Certificate(certificate({ name: 'orders', names }).cert))
}

const identity = (uris: string[], dnsNames: string[] = []) =>
  identityOf({ subject: '', fingerprint: '', uris, dnsNames })

t.test('a certificate is described by its names, its subject and its fingerprint', async (t) => {
  const { cert } = certificate({
    name: 'orders',
    subject: '/O=shop, inc./OU=a \\+ b/CN=orders+UID=7',
    names: 'DNS:orders,DNS:*.shop.local,URI:spiffe://shop.local/orders,IP:127.0.0.1,IP:::1,email:a@b.c'
  })
  const parsed = new X509Certificate(cert)
  t.same(describe(parsed), {
    subject: 'CN=orders+UID=7,OU=a \\+ b,O=shop\\, inc.',
    uris: ['spiffe://shop.local/orders'],
    dnsNames: ['orders', '*.shop.local'],
    fingerprint: parsed.fingerprint256.replaceAll(':', '').toLowerCase()
  })
  t.match(describe(parsed).fingerprint, /^[\da-f]{64}$/)
})

t.test('a name that reads like several is one name', async (t) => {
  for (const forged of [
    'orders, URI:spiffe://shop.local/admin',
    'orders", URI:spiffe://shop.local/admin',
    '"orders", URI:"spiffe://shop.local/admin"',
    'a\\\\", URI:spiffe://shop.local/admin, DNS:"',
    'orders,URI:spiffe://shop.local/admin',
    "orders', URI:spiffe://shop.local/admin"
  ]) {
    const found = described(`@names\n[names]\nDNS.1 = '${forged.replaceAll("'", "\\'")}'`)
    t.same(found.uris, [], forged)
    t.equal(found.dnsNames.length, 1, forged)
    t.match(found.dnsNames[0], 'spiffe://shop.local/admin', forged)
  }
  const others = described(
    "@names\n[names]\nemail.1 = 'a@b, URI:spiffe://x/y'\notherName.1 = 1.2.3.4;UTF8:x, URI:spiffe://x/y\nDNS.1 = real"
  )
  t.same([others.uris, others.dnsNames], [[], ['real']])
  const folder = described(
    "@names\n[names]\ndirName.1 = folder\nURI.1 = 'spiffe://x/y, DNS:admin'\n[folder]\nCN = 'a, URI:spiffe://x/z'"
  )
  t.same([folder.uris, folder.dnsNames], [['spiffe://x/y, DNS:admin'], []])
})

t.test('text that is not understood has no names, not some of them', async (t) => {
  t.same(namesIn('DNS:a, URI:b'), [
    { kind: 'DNS', value: 'a' },
    { kind: 'URI', value: 'b' }
  ])
  t.same(namesIn('IP Address:0:0:0:0:0:0:0:1'), [{ kind: 'IP Address', value: '0:0:0:0:0:0:0:1' }])
  for (const text of ['DNS:a, URI:"b', 'DNS:"a"x, URI:b', 'DNS:a,URI:b', ', URI:b', 'DNS:"\\x", URI:b'])
    t.same(namesIn(text), [], text)
  t.same(namesIn(undefined), [])
  t.same(namesIn(''), [])
})

t.test('an identity is the SPIFFE ID, else the first DNS name', async (t) => {
  t.equal(
    identity(['https://shop.local/x', 'spiffe://shop.local/ns/a/sa/orders'], ['orders']),
    'spiffe://shop.local/ns/a/sa/orders'
  )
  t.equal(identity(['spiffe://shop.local']), 'spiffe://shop.local', 'a trust domain is one')
  t.equal(identity(['https://shop.local/x'], ['orders', 'payments']), 'orders')
  t.equal(identity([]), undefined)
})

t.test('what is no SPIFFE ID, and two of them, is nobody', async (t) => {
  for (const uri of [
    'SPIFFE://shop.local/orders',
    'spiffe://Shop.local/orders',
    'spiffe://shop.local/',
    'spiffe://shop.local//orders',
    'spiffe://shop.local/orders/',
    'spiffe://shop.local/../admin',
    'spiffe://shop.local/./admin',
    'spiffe://shop.local:80/orders',
    'spiffe://me@shop.local/orders',
    'spiffe://shop.local/orders?a',
    'spiffe://shop.local/orders#a',
    'spiffe://shop.local/%61dmin',
    'spiffe://shop.local/orders\0',
    'spiffe://shop.local/orders\n',
    'spiffe:///orders',
    `spiffe://shop.local/${'a'.repeat(2048)}`
  ]) {
    t.equal(identity([uri], ['orders']), undefined, JSON.stringify(uri).slice(0, 60))
  }
  t.equal(identity(['spiffe://shop.local/a', 'spiffe://shop.local/b'], ['orders']), undefined)
})
