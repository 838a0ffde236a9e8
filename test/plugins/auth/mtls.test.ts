import t from 'tap'
import auth from '../../../plugins/auth/index.js'
import { type Certificate, openAuth } from './calling.js'

const ORDERS = 'spiffe://shop.local/orders'

async function asked(allow: string[], certificate?: Partial<Certificate>) {
  const { call } = await openAuth(t, { mtls: { allow } })
  return call([['accept', '*/*']], certificate)
}

t.test('a certificate with a name that is allowed', async (t) => {
  const cases: [allow: string[], certificate: Partial<Certificate>, identity: string][] = [
    [[ORDERS], { uris: [ORDERS] }, ORDERS],
    [['spiffe://shop.local/pay', ORDERS], { uris: [ORDERS], dnsNames: ['orders.shop.local'] }, ORDERS],
    [['spiffe://shop.local/*'], { uris: [ORDERS] }, ORDERS],
    [['spiffe://shop.local/*'], { uris: ['spiffe://shop.local/ns/a/sa/b'] }, 'spiffe://shop.local/ns/a/sa/b'],
    [['spiffe://shop.local/ns/a/*'], { uris: ['spiffe://shop.local/ns/a/b'] }, 'spiffe://shop.local/ns/a/b'],
    [['spiffe://shop.local'], { uris: ['spiffe://shop.local'] }, 'spiffe://shop.local'],
    [
      ['https://shop.local/orders'],
      { uris: [ORDERS, 'https://shop.local/orders'] },
      'https://shop.local/orders'
    ],
    [['orders.shop.local'], { dnsNames: ['ORDERS.shop.local'] }, 'orders.shop.local'],
    [['Orders.Shop.Local'], { dnsNames: ['pay.shop.local', 'orders.shop.local'] }, 'orders.shop.local'],
    [['*.shop.local'], { uris: [ORDERS], dnsNames: ['orders.shop.local'] }, 'orders.shop.local']
  ]
  for (const [allow, certificate, identity] of cases) {
    const { error, identity: found, fields } = await asked(allow, certificate)
    t.equal(error, undefined, identity)
    t.equal(found, identity, 'the name that was allowed says who it is')
    t.same(fields, [['accept', '*/*']])
  }
})

t.test('a certificate with other names: 403', async (t) => {
  const cases: [allow: string[], certificate: Partial<Certificate>][] = [
    [[ORDERS], {}],
    [[ORDERS], { uris: ['spiffe://shop.local/orders2'] }],
    [[ORDERS], { uris: ['spiffe://shop.local/orders/'] }],
    [[ORDERS], { uris: ['spiffe://shop.local/Orders'] }],
    [[ORDERS], { uris: ['spiffe://shop.local.evil/orders'] }],
    [[ORDERS], { uris: ['SPIFFE://shop.local/orders'] }],
    [[ORDERS], { dnsNames: [ORDERS] }],
    [[ORDERS], { subject: `CN=${ORDERS}` }],
    [[ORDERS], { uris: [ORDERS, 'spiffe://shop.local/pay'] }],
    [['spiffe://shop.local/*'], { uris: ['spiffe://shop.local'] }],
    [['spiffe://shop.local/*'], { uris: ['spiffe://shop.local/'] }],
    [['spiffe://shop.local/*'], { uris: ['spiffe://shop.local/*'] }],
    [['spiffe://shop.local/*'], { uris: ['spiffe://shop.local//a'] }],
    [['spiffe://shop.local/a/*'], { uris: ['spiffe://shop.local/a/../b'] }],
    [['spiffe://shop.local/a/*'], { uris: ['spiffe://shop.local/a/%2e%2e/b'] }],
    [['spiffe://shop.local/a/*'], { uris: ['spiffe://shop.local/a/b?c'] }],
    [['spiffe://shop.local/a/*'], { uris: ['spiffe://shop.local/ab/c'] }],
    [['*.shop.local'], { dnsNames: ['shop.local'] }],
    [['*.shop.local'], { dnsNames: ['a.b.shop.local'] }],
    [['*.shop.local'], { dnsNames: ['*.shop.local'] }],
    [['*.shop.local'], { dnsNames: ['.shop.local'] }],
    [['*.shop.local'], { dnsNames: ['evilshop.local'] }],
    [['*.shop.local'], { dnsNames: ['a.shop.local\0.evil'] }],
    [['*.shop.local'], { dnsNames: ['a b.shop.local'] }],
    [['orders.shop.local'], { uris: ['orders.shop.local'] }],
    [['orders.shop.local'], { subject: 'CN=orders.shop.local' }],
    [['orders.shop.local'], { dnsNames: ['orders.shop.local'], uris: ['spiffe://a/b', 'spiffe://a/c'] }]
  ]
  for (const [allow, certificate] of cases) {
    const { error, identity } = await asked(allow, certificate)
    t.match(error, { code: 'FORBIDDEN', status: 403 }, `${allow} and ${JSON.stringify(certificate)}`)
    t.equal(identity, undefined)
  }
})

t.test('no certificate: 401 with a challenge', async (t) => {
  const { error, identity } = await asked([ORDERS])
  t.match(error, { code: 'UNAUTHENTICATED', status: 401, message: 'a client certificate is needed' })
  t.same(error?.headers, { 'www-authenticate': 'ClientCertificate' })
  t.equal(identity, undefined)
})

t.test('the configuration', async (t) => {
  const messages = (allow: unknown) =>
    (auth.config?.safeParse({ mtls: { allow } }).error?.issues ?? []).map(({ message }) => message)
  t.same(messages([ORDERS, 'spiffe://shop.local/*', '*.shop.local', 'localhost', 'urn:shop:orders']), [])
  for (const wrong of [
    '',
    '*',
    '*.',
    '*.*.local',
    'a.*.local',
    'or*.shop.local',
    'shop..local',
    '-a.local',
    'a b',
    'spiffe://*',
    'spiffe://*/a',
    'spiffe:///*',
    'spiffe://shop.local/a*',
    'spiffe://shop.local/*/b',
    'spiffe://shop.local/../*',
    'spiffe://shop.local/a//b',
    'spiffe://Shop.local/a',
    'SPIFFE://shop.local/a',
    'https://shop.local/*'
  ]) {
    t.equal(messages([wrong]).length, 1, JSON.stringify(wrong))
  }
  t.not(messages([]).length, 0)
  t.not(messages(undefined).length, 0)
  t.match(messages(['spiffe://shop.local/a*'])[0], 'not "spiffe://shop.local/a*"')
})
