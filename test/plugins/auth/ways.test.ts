import { createHash } from 'node:crypto'
import t, { type Test } from 'tap'
import auth from '../../../plugins/auth/index.js'
import { type Called, openAuth } from './calling.js'
import { bearer, jwt, keyFile, keySet, signingKey, token } from './tokens.js'

const signing = signingKey('ES256', 'one')
const apiKeys = { mobile: `sha256:${createHash('sha256').update('try-me').digest('hex')}` }
const mtls = { allow: ['spiffe://shop.local/orders'] }
const tokens = jwt({ algorithms: ['ES256'], claimHeaders: { 'x-user': 'sub' } })

const key = (value = 'try-me'): [string, string][] => [['x-api-key', value]]
const ours = { uris: ['spiffe://shop.local/orders'] }
const other = { uris: ['spiffe://shop.local/pay'] }

async function opened(t: Test, config: object) {
  const { directory } = keyFile(t, keySet(signing))
  return openAuth(t, config, { directory })
}

function refused(t: Test, { error, identity, claims, fields }: Called, code: string, name: string): void {
  t.match(error, { code }, name)
  t.equal(identity, undefined)
  t.equal(claims, undefined)
  t.same(fields, [], 'no credential is left')
}

t.test('any: the first that the request has decides', async (t) => {
  const { call } = await opened(t, { ...tokens, apiKeys, mtls })
  const right = bearer(await token(signing))
  const wrong = bearer(await token(signing, { aud: 'other' }))

  for (const [name, identity, sent, certificate] of [
    ['a token', 'ada', right, undefined],
    ['a key', 'mobile', key(), undefined],
    ['a certificate', 'spiffe://shop.local/orders', [], ours],
    ['a token before a key', 'ada', [...right, ...key()], ours],
    ['a token, and a key that is wrong', 'ada', [...key('no'), ...right], other],
    ['a key before a certificate', 'mobile', key(), ours],
    ['a key, and a certificate that is not allowed', 'mobile', key(), other],
    ['an empty key is none', 'spiffe://shop.local/orders', key(''), ours],
    ['an empty token is none', 'mobile', [...bearer(''), ...key()], undefined]
  ] as const) {
    const result = await call([...sent, ['x-user', 'root']], certificate)
    t.equal(result.error, undefined, name)
    t.equal(result.identity, identity, name)
    t.same(result.fields, identity === 'ada' ? [['x-user', 'ada']] : [], 'nothing unverified goes on')
    t.equal(result.claims === undefined, identity !== 'ada', 'claims are those of a token')
  }

  refused(
    t,
    await call([...wrong, ...key()], ours),
    'UNAUTHENTICATED',
    'a wrong token is not made good by a key'
  )
  refused(t, await call(key('no'), ours), 'FORBIDDEN', 'nor a wrong key by a certificate')
  refused(t, await call([], other), 'FORBIDDEN', 'a certificate that is not allowed')
  refused(t, await call([...right, ...right, ...key()], ours), 'BAD_REQUEST', 'two tokens')
})

t.test('any: without any', async (t) => {
  const { call } = await opened(t, { ...tokens, apiKeys, mtls })
  const { error } = await call([['authorization', 'Basic YTpi']])
  t.match(error, { code: 'UNAUTHENTICATED', status: 401 })
  t.same(error?.headers, {
    'www-authenticate': 'Bearer realm="api", ApiKey header="x-api-key", ClientCertificate'
  })
})

t.test('all: each has to be there and right', async (t) => {
  const { call } = await opened(t, { ...tokens, apiKeys, mtls, require: 'all' })
  const right = bearer(await token(signing))
  const wrong = bearer(await token(signing, { aud: 'other' }))
  for (const time of ['verified', 'known']) {
    const { error, identity, fields, claims } = await call([...right, ...key()], ours)
    t.equal(error, undefined)
    t.equal(identity, 'ada', `${time}: the token says most of who it is`)
    t.match(claims, { sub: 'ada' })
    t.same(fields, [['x-user', 'ada']])
  }
  for (const [name, sent, certificate, challenge] of [
    ['no token', key(), ours, 'Bearer realm="api"'],
    ['no key', right, ours, 'ApiKey header="x-api-key"'],
    ['no certificate', [...right, ...key()], undefined, 'ClientCertificate'],
    ['a token alone', right, undefined, 'ClientCertificate, ApiKey header="x-api-key"']
  ] as const) {
    const result = await call(sent, certificate)
    refused(t, result, 'UNAUTHENTICATED', name)
    t.same(result.error?.headers, { 'www-authenticate': challenge }, 'what is missing')
  }
  refused(t, await call([...wrong, ...key()], ours), 'UNAUTHENTICATED', 'a wrong token')
  refused(t, await call([...right, ...key('no')], ours), 'FORBIDDEN', 'a wrong key')
  refused(t, await call([...right, ...key()], other), 'FORBIDDEN', 'a wrong certificate')
})

t.test('all of two', async (t) => {
  const keyAndCertificate = await opened(t, { apiKeys, mtls, require: 'all' })
  t.equal(
    (await keyAndCertificate.call(key(), ours)).identity,
    'mobile',
    'the key says more than the certificate'
  )
  refused(t, await keyAndCertificate.call(key(), other), 'FORBIDDEN', 'a wrong certificate')
  refused(t, await keyAndCertificate.call([], ours), 'UNAUTHENTICATED', 'no key')

  const tokenAndCertificate = await opened(t, { ...tokens, mtls, require: 'all' })
  const right = bearer(await token(signing))
  t.equal((await tokenAndCertificate.call(right, ours)).identity, 'ada')
  refused(t, await tokenAndCertificate.call(right), 'UNAUTHENTICATED', 'no certificate')
  refused(t, await tokenAndCertificate.call([], ours), 'UNAUTHENTICATED', 'no token')
})

t.test('all of one is that one', async (t) => {
  const { call } = await opened(t, { apiKeys, require: 'all' })
  t.equal((await call(key())).identity, 'mobile')
  refused(t, await call([]), 'UNAUTHENTICATED', 'no key')
})

t.test('require', async (t) => {
  t.equal(auth.config?.safeParse({ apiKeys, require: 'some' }).success, false)
})
