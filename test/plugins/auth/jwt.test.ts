import { createHmac } from 'node:crypto'
import t, { type Test } from 'tap'
import { maskSecrets } from '../../../core/config/mask.js'
import auth from '../../../plugins/auth/index.js'
import { type Called, openAuth } from './calling.js'
import {
  AUDIENCE,
  bearer,
  claims,
  encoded,
  ISSUER,
  jwt,
  keyFile,
  keySet,
  NOW,
  rawToken,
  signingKey,
  token
} from './tokens.js'

const key = signingKey('RS256', 'one')
const stranger = signingKey('RS256', 'one')

async function opened(t: Test, more: object = {}, keys = keySet(key)) {
  const { directory } = keyFile(t, keys)
  return openAuth(t, jwt(more), { directory })
}

function refused(
  t: Test,
  { error, identity, claims, fields }: Called,
  why: RegExp | string,
  name: string
): void {
  t.match(error, { code: 'UNAUTHENTICATED', status: 401, message: why }, name)
  const challenge = error?.headers?.['www-authenticate'] ?? ''
  t.match(challenge, /^Bearer realm="api", error="invalid_token", error_description="[^"\\]+"$/, challenge)
  t.equal(identity, undefined)
  t.equal(claims, undefined)
  t.same(fields, [], 'the token is gone before anyone could log it')
}

t.test('a right token lets its owner through', async (t) => {
  const { call } = await opened(t)
  const text = await token(key, { scope: 'read write' })
  const {
    error,
    identity,
    claims: found,
    fields
  } = await call([['Accept', '*/*'], ...bearer(text), ['x-trace', '1']])
  t.equal(error, undefined)
  t.equal(identity, 'ada')
  t.same(found, claims({ scope: 'read write' }), 'its claims are there for later plugins')
  t.ok(Object.isFrozen(found))
  t.same(
    fields,
    [
      ['Accept', '*/*'],
      ['x-trace', '1']
    ],
    'the upstream sees everything but the token'
  )
  t.equal((await call([['authorization', `bEARER  ${text}`]])).identity, 'ada', 'the scheme in any case')
})

t.test('every algorithm that can be configured', async (t) => {
  for (const alg of [
    'RS384',
    'RS512',
    'PS256',
    'PS384',
    'PS512',
    'ES256',
    'ES384',
    'ES512',
    'EdDSA',
    'Ed25519'
  ]) {
    const own = signingKey(alg, 'own')
    const { call } = await opened(t, { algorithms: [alg] }, keySet(own, key))
    t.equal((await call(bearer(await token(own)))).identity, 'ada', alg)
    refused(t, await call(bearer(await token(key))), /algorithm/, `RS256 where ${alg} is configured`)
  }
})

t.test('without a token: 401 with a challenge', async (t) => {
  const { call } = await opened(t)
  for (const sent of [
    [],
    [['authorization', 'Bearer']],
    [['authorization', 'Bearer ']],
    [['authorization', 'Basic YTpi']],
    [['authorization', await token(key)]],
    [['x-authorization', `Bearer ${await token(key)}`]],
    [['cookie', `authorization=Bearer ${await token(key)}`]]
  ] as [string, string][][]) {
    const { error, identity } = await call(sent)
    t.match(error, { code: 'UNAUTHENTICATED', status: 401, message: /is needed in the header authorization/ })
    t.same(error?.headers, { 'www-authenticate': 'Bearer realm="api"' }, 'no error, as there was no token')
    t.equal(identity, undefined)
  }
})

t.test('the signature', async (t) => {
  const { call } = await opened(t)
  const text = await token(key)
  const [header, payload, signature] = text.split('.') as [string, string, string]
  const pem = key.privateKey.export({ format: 'jwk' })
  const hs = (secret: string | Buffer) => {
    const input = `${encoded({ alg: 'HS256', kid: 'one' })}.${payload}`
    return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
  }
  const { createPublicKey } = await import('node:crypto')
  const publicKey = createPublicKey(key.privateKey)
  const spki = publicKey.export({ type: 'spki', format: 'pem' })
  const pkcs1 = publicKey.export({ type: 'pkcs1', format: 'der' })
  const none = (alg: string) => `${encoded({ alg, kid: 'one' })}.${payload}.`

  for (const [name, wrong, why] of [
    ['alg none, no signature', none('none'), /malformed/],
    ['alg None', none('None'), /malformed/],
    ['alg none, without the last dot', none('none').slice(0, -1), /malformed/],
    ['alg none with a signature', `${none('none')}${signature}`, /algorithm/],
    ['alg NONE with a signature', `${none('NONE')}${signature}`, /algorithm/],
    ['RS/HS confusion, the PEM as the secret', hs(spki as string), /algorithm/],
    ['RS/HS confusion, the DER as the secret', hs(pkcs1), /algorithm/],
    ['RS/HS confusion, the modulus as the secret', hs(pem.n as string), /algorithm/],
    ['an empty key', hs(''), /algorithm/],
    ['an empty signature', `${header}.${payload}.`, /malformed/],
    ['the signature cut', text.slice(0, -8), /signature is wrong/],
    ['another payload', `${header}.${encoded(claims({ sub: 'eve' }))}.${signature}`, /signature is wrong/],
    [
      'another header',
      `${encoded({ alg: 'RS256', kid: 'one', typ: 'x' })}.${payload}.${signature}`,
      /signature/
    ],
    ["a stranger's key by a known name", await token(stranger), /signature is wrong/],
    ['an unknown kid', await token(key, {}, { kid: 'two' }), /key that is not known/],
    ['an empty kid', await token(key, {}, { kid: '' }), /key that is not known/],
    [
      'a kid that is no text',
      rawToken(key, { alg: 'RS256', kid: ['one'] }, claims()),
      /key that is not known/
    ],
    ['a kid from the prototype', await token(key, {}, { kid: '__proto__' }), /key that is not known/],
    [
      'a key of its own',
      await token(stranger, {}, { kid: 'two', jwk: stranger.jwk, jku: 'http://127.0.0.1:9/keys' }),
      /key that is not known/
    ],
    ['an alg that is no text', rawToken(key, { alg: ['RS256'], kid: 'one' }, claims()), /malformed/],
    ['another alg of the same key', await token({ ...key, alg: 'PS256' }), /algorithm/],
    [
      'an unknown extension',
      rawToken(key, { alg: 'RS256', kid: 'one', crit: ['x'], x: 1 }, claims()),
      /malformed/
    ],
    ['b64', rawToken(key, { alg: 'RS256', kid: 'one', crit: ['b64'], b64: true }, claims()), /malformed/],
    ['an empty crit', rawToken(key, { alg: 'RS256', kid: 'one', crit: [] }, claims()), /malformed/]
  ] as [string, string, RegExp][]) {
    refused(t, await call(bearer(wrong)), why, name)
  }
  t.equal((await call(bearer(text))).identity, 'ada')
})

t.test('the claims', async (t) => {
  const { call } = await opened(t)
  for (const [name, more, why] of [
    ['another issuer', { iss: 'https://id.shop.local' }, /another issuer/],
    ['issuer as a list', { iss: [ISSUER] }, /another issuer/],
    ['no issuer', { iss: undefined }, /has no iss/],
    ['another audience', { aud: 'payment' }, /another audience/],
    ['other audiences', { aud: ['payment', 'orders2'] }, /another audience/],
    ['audience as an object', { aud: { orders: true } }, /another audience/],
    ['no audience', { aud: undefined }, /has no aud/],
    ['no exp', { exp: undefined }, /has no exp/],
    ['exp as text', { exp: String(NOW + 600) }, /malformed/],
    ['exp null', { exp: null }, /malformed/],
    ['expired', { exp: NOW - 30 }, /has expired/],
    ['expired long ago', { exp: 1 }, /has expired/],
    ['not yet valid', { nbf: NOW + 31 }, /not valid yet/],
    ['nbf as text', { nbf: 'now' }, /malformed/],
    ['issued in the future', { iat: NOW + 31 }, /issued in the future/],
    ['iat as text', { iat: 'now' }, /malformed/],
    ['no sub', { sub: undefined }, /has no sub/],
    ['an empty sub', { sub: '' }, /malformed/],
    ['sub as a list', { sub: ['ada'] }, /malformed/]
  ] as [string, object, RegExp][]) {
    refused(t, await call(bearer(rawToken(key, { alg: 'RS256', kid: 'one' }, claims(more)))), why, name)
  }
  for (const [name, more] of [
    ['one audience of several', { aud: ['payment', AUDIENCE] }],
    ['no iat', { iat: undefined }],
    ['expired within the tolerance', { exp: NOW - 29 }],
    ['not yet valid, within the tolerance', { nbf: NOW + 30, iat: NOW + 30 }]
  ] as [string, object][]) {
    t.equal((await call(bearer(await token(key, more)))).identity, 'ada', name)
  }
  const header = { alg: 'RS256', kid: 'one' }
  for (const payload of ['', '[]', 'null', '"x"', '{', '{"exp":1e999,"sub":"ada"}'])
    refused(t, await call(bearer(rawToken(key, header, payload))), /malformed|has no/, payload)
  const endless = JSON.stringify(claims()).replace(/"exp":\d+/, '"exp":1e999')
  refused(t, await call(bearer(rawToken(key, header, endless))), /malformed/, 'exp Infinity')
})

t.test('the shape', async (t) => {
  const { call } = await opened(t)
  const text = await token(key)
  for (const wrong of [
    'x',
    'undefined',
    '..',
    '...',
    'a.b.c',
    'a.b.c.d.e',
    `${text}.`,
    `${text} `.replace(' ', '='),
    `${text} ${text}`,
    `${text},${text}`,
    `Bearer ${text}`,
    text.replace('.', '\t.'),
    text.replaceAll('.', '. '),
    `${text}é`
  ]) {
    refused(t, await call(bearer(wrong)), /malformed/, wrong.slice(0, 20))
  }
  for (const field of [`Bearer\t${text}`, `Bearer,${text}`, `Bearer:${text}`])
    refused(t, await call([['authorization', field]]), /malformed/, field.slice(0, 12))

  const filled = (length: number) => 'x'.repeat(length)
  let padding = 4000
  let long = await token(key, { padding: filled(padding) })
  for (; long.length <= 8192; padding += 3) long = await token(key, { padding: filled(padding) })
  refused(t, await call(bearer(long)), /longer than 8192 bytes/, `${long.length} bytes`)
  const longest = await token(key, { padding: filled(padding - 12) })
  t.equal((await call(bearer(longest))).identity, 'ada', `${longest.length} bytes`)
  refused(t, await call(bearer('x'.repeat(60_000))), /longer/, '60,000 bytes')
})

/** Whether both have the same three parts: of a part's last character, not every bit has to count. */
function sameBytes(one: string, other: string): boolean {
  const bytes = (text: string) =>
    text.split('.').map((part) => Buffer.from(part, 'base64url').toString('hex'))
  return bytes(one).join() === bytes(other).join()
}

t.test('no text that a stranger can send is taken for a failure of the plugin', async (t) => {
  const { call } = await opened(t)
  const good = await token(key)
  let state = 20_250_101
  const random = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state % below
  }
  const parts: unknown[] = [null, 1, '', [], {}, 'RS256', 'one', true, ['b64'], { alg: 'RS256' }]
  for (let round = 0; round < 400; round++) {
    const header: Record<string, unknown> = { alg: 'RS256', kid: 'one' }
    for (const name of ['alg', 'kid', 'crit', 'b64', 'typ', 'zip'])
      if (random(3) === 0) header[name] = parts[random(parts.length)]
    const at = random(good.length)
    const changed = good.slice(0, at) + String.fromCharCode(33 + random(94)) + good.slice(at + 1)
    const wrong = round % 2 === 0 ? changed : `${encoded(header)}.${good.slice(good.indexOf('.') + 1)}`
    const { error, identity } = await call(bearer(wrong))
    if (identity !== undefined && !sameBytes(wrong, good)) t.fail(`let through: ${wrong}`)
    if (identity === undefined && error?.code !== 'UNAUTHENTICATED') t.fail(`${error} on ${wrong}`)
  }
  t.equal((await call(bearer(good))).identity, 'ada')
})

t.test('more than one field: 400', async (t) => {
  const { call } = await opened(t)
  const text = await token(key)
  for (const second of [`Bearer ${text}`, 'Bearer x', 'Basic YTpi', '']) {
    const { error, fields } = await call([...bearer(text), ['authorization', second]])
    t.match(error, { code: 'BAD_REQUEST', status: 400 }, second.slice(0, 10))
    t.match(error?.headers, { 'www-authenticate': /^Bearer realm="api", error="invalid_request"/ })
    t.same(fields, [])
  }
})

t.test('a token is remembered until it expires, and no longer', async (t) => {
  const { call, clock } = await opened(t)
  const sent = bearer(await token(key, { exp: NOW + 60 }))
  t.ok(call(sent) instanceof Promise, 'the first time it is verified')
  await call(sent)
  const again = call(sent)
  t.notOk(again instanceof Promise, 'and then it is known')
  t.match(again, { identity: 'ada', error: undefined, claims: { sub: 'ada' } })
  await clock.advance(89_000)
  t.match(call(sent), { identity: 'ada' }, 'a second before it has expired, tolerance included')
  await clock.advance(1_000)
  refused(t, await call(sent), /has expired/, 'expired')
})

t.test('what is remembered is bounded', async (t) => {
  const { call } = await opened(t, { cache: 4 })
  const tokens = await Promise.all(Array.from({ length: 12 }, (_, at) => token(key, { sub: `user-${at}` })))
  for (const [at, text] of tokens.entries()) t.equal((await call(bearer(text))).identity, `user-${at}`)
  const known = tokens.filter((text) => !(call(bearer(text)) instanceof Promise))
  t.ok(known.length > 0 && known.length <= 4, `${known.length} of 12`)
  const none = await opened(t, { cache: 0 })
  const sent = bearer(tokens[0] as string)
  await none.call(sent)
  t.ok(none.call(sent) instanceof Promise, '0: none is')
})

t.test('a token that is known costs microseconds', async (t) => {
  const { call } = await opened(t, { claimHeaders: { 'x-user': 'sub' } })
  const sent = bearer(await token(key, { scope: 'read write', name: 'Ada Lovelace' }))
  await call(sent)
  const rounds = 2_000
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < 5; round++) {
    const startedAt = performance.now()
    for (let i = 0; i < rounds; i++) void call(sent)
    best = Math.min(best, ((performance.now() - startedAt) * 1000) / rounds)
  }
  t.comment(`${best.toFixed(1)} µs, the test's own exchange included`)
  t.ok(best < 100, `${best.toFixed(1)} µs`)
})

t.test('the token in another header', async (t) => {
  const { call } = await opened(t, { header: 'X-Identity-Token' })
  const text = await token(key)
  t.equal((await call([['x-identity-token', text]])).identity, 'ada')
  t.equal((await call([['X-Identity-Token', `Bearer ${text}`]])).identity, 'ada')
  const { error, fields } = await call(bearer(text))
  t.match(error?.headers, { 'www-authenticate': 'Bearer realm="api", header="x-identity-token"' })
  t.same(fields, bearer(text), 'authorization is none of its business then')
})

t.test('forward', async (t) => {
  const { call } = await opened(t, { forward: true })
  const text = await token(key)
  for (const time of ['verified', 'known'])
    t.same((await call(bearer(text))).fields, [['authorization', `Bearer ${text}`]], time)
  const wrong = await call(bearer(`${text}x`))
  t.ok(wrong.error)
  t.same(wrong.fields, [], 'a wrong one is not')
})

t.test('claims as headers', async (t) => {
  const claimHeaders = {
    'X-User': 'sub',
    'x-name': 'name',
    'x-admin': 'admin',
    'x-roles': 'roles',
    'x-level': 'level'
  }
  const { call } = await opened(t, { claimHeaders })
  const forged: [string, string][] = [
    ['X-User', 'root'],
    ['x-user', 'root'],
    ['x_user', 'root'],
    ['X-Admin', 'true']
  ]
  const text = await token(key, {
    name: 'Zoë Łuk',
    admin: false,
    roles: ['a', 'b,c'],
    level: 3,
    constructor: 'x'
  })
  for (const time of ['verified', 'known']) {
    const { fields } = await call([...forged, ...bearer(text)])
    t.same(
      fields,
      [
        ['x-user', 'ada'],
        ['x-name', Buffer.from('Zoë Łuk').toString('latin1')],
        ['x-admin', 'false'],
        ['x-roles', '["a","b,c"]'],
        ['x-level', '3']
      ],
      `${time}: in UTF-8, and what the client said is gone`
    )
  }
  t.same((await call([...forged, ...bearer(await token(key, { name: null, admin: '' }))])).fields, [
    ['x-user', 'ada']
  ])
  const refusedFields = (await call([...forged, ['x-trace', '1']])).fields
  t.same(refusedFields, [['x-trace', '1']], 'also where no token is')
  for (const name of ['a\r\nx-admin: true', 'a\n', ' ada', 'ada ', 'a\0b', '\x7f']) {
    const { error, identity } = await call(bearer(await token(key, { name })))
    t.match(error, { code: 'FORBIDDEN', message: /claim name cannot be passed on/ }, JSON.stringify(name))
    t.equal(identity, undefined)
  }
  const inherited = await opened(t, { claimHeaders: { 'x-a': 'constructor', 'x-b': '__proto__' } })
  t.same((await inherited.call(bearer(await token(key)))).fields, [], 'a claim is what the token itself has')
})

t.test('claims that have to be', async (t) => {
  const wanted = { scope: 'orders:write', tenant: ['shop', 'depot'], verified: true, roles: 'clerk' }
  const { call } = await opened(t, { claims: wanted })
  const right = { scope: 'openid orders:write', tenant: 'depot', verified: true, roles: ['admin', 'clerk'] }
  t.equal((await call(bearer(await token(key, right)))).identity, 'ada')
  for (const [name, more] of [
    ['tenant', { tenant: 'other' }],
    ['tenant', { tenant: undefined }],
    ['tenant', { tenant: 'shop depot' }],
    ['verified', { verified: 'true' }],
    ['verified', { verified: 1 }],
    ['roles', { roles: 'admin clerk' }],
    ['roles', { roles: ['Clerk'] }]
  ] as [string, object][]) {
    const { error, identity } = await call(bearer(await token(key, { ...right, ...more })))
    t.match(error, { code: 'FORBIDDEN', status: 403, message: `claim ${name} ` }, JSON.stringify(more))
    t.equal(identity, undefined)
  }
  for (const scope of ['orders:writes', 'orders:read', '']) {
    const { error } = await call(bearer(await token(key, { ...right, scope })))
    t.match(error, { code: 'FORBIDDEN', status: 403 })
    t.match(error?.headers, { 'www-authenticate': /error="insufficient_scope"/ }, scope)
  }
})

t.test('the type of token', async (t) => {
  const { call } = await opened(t, { type: 'at+jwt' })
  t.equal((await call(bearer(await token(key, {}, { typ: 'at+jwt' })))).identity, 'ada')
  t.equal((await call(bearer(await token(key, {}, { typ: 'application/at+JWT' })))).identity, 'ada')
  refused(t, await call(bearer(await token(key, {}, { typ: 'JWT' }))), /another type/, 'an ID token')
  refused(t, await call(bearer(await token(key))), /another type/, 'none')
})

t.test('the configuration', async (t) => {
  const issues = (more: object) => auth.config?.safeParse(jwt(more)).error?.issues ?? []
  t.same(issues({}), [])
  t.match(auth.config?.parse(jwt()), {
    jwt: { clockTolerance: 30_000, header: 'authorization', forward: false }
  })
  for (const name of ['issuer', 'audience', 'jwks', 'algorithms'])
    t.match(issues({ [name]: undefined }), [{ path: ['jwt', name] }], `${name} has to be given`)
  for (const alg of ['none', 'None', 'HS256', 'HS512', 'RSA-OAEP', 'rs256', ''])
    t.match(issues({ algorithms: ['RS256', alg] }), [{ path: ['jwt', 'algorithms', 1] }], alg)
  t.match(issues({ algorithms: ['none'] }), [{ message: /anyone can make such a token/ }])
  t.match(issues({ algorithms: ['HS256'] }), [{ message: /whoever can verify it can also sign/ }])
  t.not(issues({ algorithms: [] }).length, 0)
  for (const jwks of ['', 'ftp://a/b', 'file:///a', 'https://', 'https://me:secret@id.local/keys']) {
    const found = issues({ jwks })
    t.match(found, [{ path: ['jwt', 'jwks'], message: /^expected/ }], jwks)
    t.notMatch(found[0]?.message, 'secret')
  }
  t.not(issues({ audience: [] }).length, 0)
  t.not(issues({ issuer: '' }).length, 0)
  t.not(issues({ clockTolerance: '6m' }).length, 0)
  t.not(issues({ leeway: '6m' }).length, 0, 'an unknown key')
  t.match(issues({ maxStale: '1m' }), [{ path: ['jwt', 'maxStale'], message: /305000 ms, not 60000 ms/ }])
  t.match(issues({ claimHeaders: { Host: 'sub' } }), [{ path: ['jwt', 'claimHeaders', 'host'] }])
  t.match(issues({ claimHeaders: { 'x-user': 'sub', x_user: 'name' } }), [{ message: /take it for x-user/ }])
  t.match(issues({ claimHeaders: { Authorization: 'sub' } }), [{ message: /where the credential comes in/ }])
  const keys = { apiKeys: { mobile: `sha256:${'a'.repeat(64)}` } }
  const both = auth.config?.safeParse({ ...jwt({ header: 'X-API-Key' }), ...keys }).error?.issues
  t.match(both, [{ path: ['jwt', 'header'], message: /the API key is in x-api-key already/ }])
})

t.test('what is shown of it', async (t) => {
  const config = { ...jwt(), apiKeys: { mobile: `sha256:${'a'.repeat(64)}` }, mtls: { allow: ['a.local'] } }
  t.same(maskSecrets(config, auth.config), { ...config, apiKeys: { mobile: '***' } })
})
