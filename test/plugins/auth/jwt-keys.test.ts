import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { VirtualClock } from '../../../core/testing/virtual-clock.js'
import { certificate } from '../../support/certificates.js'
import { openAuth } from './calling.js'
import { bearer, jwt, keyFile, keySet, NOW, signingKey, token } from './tokens.js'

const one = signingKey('RS256', 'one')
const two = signingKey('RS256', 'two')

/** Moves the clock on by seconds until `done`, with real time in between for what is read and fetched. */
async function until(clock: VirtualClock, done: () => unknown, seconds = 60): Promise<void> {
  for (let i = 0; i < seconds && !done(); i++) {
    await clock.advance(1_000)
    await sleep(5)
  }
}

/** The same, for what needs no clock. */
async function soon(done: () => unknown): Promise<void> {
  for (let i = 0; i < 1_000 && !done(); i++) await sleep(5)
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** An identity provider that answers as it is told to. */
async function provider(t: Test, handler: Handler) {
  const idp = { handler, asked: 0, url: '' }
  const server = createServer((request, response) => {
    idp.asked++
    idp.handler(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  idp.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys?x=1`
  return idp
}

const answer =
  (text: string, status = 200): Handler =>
  (_, response) =>
    response.writeHead(status).end(text)

t.test('a file that is not there, or is no key set, keeps the plugin from being set up', async (t) => {
  const { directory, write, remove } = keyFile(t, '')
  const wrong = (text: string) => {
    write(text)
    return openAuth(t, jwt(), { directory })
  }
  for (const [text, why] of [
    ['', /it is not JSON/],
    ['{"secret-looking', /^jwks "keys.json": it is not JSON$/],
    ['[]', /no JSON Web Key Set/],
    ['{"keys":{}}', /no JSON Web Key Set/],
    ['{"keys":["x"]}', /no JSON Web Key Set/],
    ['{"keys":[]}', /none of its 0 keys serves RS256/],
    [keySet(signingKey('ES256', 'ec')), /none of its 1 keys serves RS256/],
    [keySet({ jwk: { kty: 'oct', k: '', kid: 'one', alg: 'HS256' } }), /none of its 1 keys/],
    [keySet(signingKey('RS256', 'one', { use: 'enc' })), /none of its 1 keys/],
    [keySet(signingKey('RS256', 'one', { key_ops: ['sign'] })), /none of its 1 keys/],
    [keySet(signingKey('RS256', 'one', {}, 1024)), /none of its 1 keys/],
    [keySet({ jwk: { kty: 'RSA', kid: 'one' } }), /none of its 1 keys/],
    [keySet({ jwk: one.privateKey.export({ format: 'jwk' }) as never }), /is a private one/],
    [JSON.stringify({ keys: Array.from({ length: 101 }, () => one.jwk) }), /it has 101 keys/],
    [`${keySet(one)}${' '.repeat(256 * 1024)}`, /larger than 262144 bytes/]
  ] as [string, RegExp][]) {
    await t.rejects(wrong(text), { message: why }, String(why))
  }
  remove()
  await t.rejects(openAuth(t, jwt(), { directory }), { message: /no such file/ })
  await t.rejects(openAuth(t, jwt({ jwks: '.' }), { directory }), { message: /it is no file/ })
})

t.test('keys without kid, and kids that are two keys', async (t) => {
  const unnamed = signingKey('RS256', 'x', { kid: undefined } as never)
  const nameless = (key: typeof one) => token(key, {}, { kid: undefined })
  const open = async (text: string) => openAuth(t, jwt(), keyFile(t, text))

  const alone = await open(keySet(unnamed))
  t.equal((await alone.call(bearer(await nameless(unnamed)))).identity, 'ada', 'one key and no name')
  t.ok((await alone.call(bearer(await token(unnamed)))).error, 'a name that no key has')

  const several = await open(keySet(one, two))
  t.match(
    (await several.call(bearer(await nameless(one)))).error,
    { code: 'UNAUTHENTICATED' },
    'which is it?'
  )
  t.equal((await several.call(bearer(await token(two)))).identity, 'ada')

  const twice = await open(keySet(one, { jwk: { ...two.jwk, kid: 'one' } }, two))
  t.match(twice.log, [
    { level: 'warn', fields: { kid: 'one' } },
    { level: 'info', fields: { keys: 3 } }
  ])
  t.ok((await twice.call(bearer(await token(one)))).error, 'neither of two keys by one name')
  t.equal((await twice.call(bearer(await token(two)))).identity, 'ada')
})

t.test('a file that changes is taken up', async (t) => {
  const { directory, write, remove } = keyFile(t, keySet(one))
  const { call, clock, log } = await openAuth(t, jwt(), { directory })
  const first = bearer(await token(one, { exp: NOW + 100_000 }))
  const second = bearer(await token(two, { exp: NOW + 100_000 }))
  t.equal((await call(first)).identity, 'ada')
  t.ok((await call(second)).error)

  write(keySet(one, two))
  await clock.advance(1_000)
  t.equal((await call(second)).identity, 'ada', 'a token with a new kid has the file read again')
  t.equal((await call(first)).identity, 'ada')
  t.notOk(call(first) instanceof Promise)

  write(keySet(two))
  const taken = log.length
  await until(clock, () => log.length > taken)
  t.match(
    (await call(first)).error,
    { code: 'UNAUTHENTICATED' },
    'a key that is gone ends its tokens, known ones too'
  )
  t.equal((await call(second)).identity, 'ada')

  const before = log.length
  write('{"keys":')
  await until(clock, () => log.length > before)
  t.match(log.at(-1), { level: 'warn', message: /still serves/, fields: { problem: 'it is not JSON' } })
  t.equal((await call(second)).identity, 'ada', 'a broken one changes nothing')
  await until(clock, () => false, 10)
  t.equal(log.length, before + 1, 'and is told once')

  write(keySet(one))
  await until(clock, () => log.at(-1)?.level === 'info')
  t.equal((await call(first)).identity, 'ada')
  t.ok((await call(second)).error)

  remove()
  await until(clock, () => log.at(-1)?.level === 'warn')
  t.equal((await call(first)).identity, 'ada', 'one that is gone leaves the last')
  await clock.advance(3_600_000)
  await until(clock, () => log.at(-1)?.level === 'error')
  t.match((await call(first)).error, { status: 503 }, 'but not for ever')
  write(keySet(one))
  await until(clock, () => log.at(-1)?.level === 'info')
  t.equal((await call(first)).identity, 'ada')
})

t.test('the same keys read again leave what is known of tokens', async (t) => {
  const { directory } = keyFile(t, keySet(one))
  const { call, clock, log } = await openAuth(t, jwt(), { directory })
  const sent = bearer(await token(one))
  await call(sent)
  await until(clock, () => false, 10)
  t.notOk(call(sent) instanceof Promise)
  t.equal(log.length, 1)
})

t.test('a key set from a URL, and its rotation', async (t) => {
  const idp = await provider(t, answer(keySet(one)))
  const { call, clock, log } = await openAuth(t, jwt({ jwks: idp.url }))
  t.equal(idp.asked, 1, 'before the first request')
  const first = bearer(await token(one, { exp: NOW + 100_000 }))
  const second = bearer(await token(two, { exp: NOW + 100_000 }))
  t.equal((await call(first)).identity, 'ada')

  idp.handler = answer(keySet(two))
  t.ok((await call(second)).error)
  t.equal(idp.asked, 1, 'within the cooldown it is not asked again')
  await clock.advance(30_000)
  t.equal((await call(second)).identity, 'ada', 'then an unknown kid has it asked')
  t.equal(idp.asked, 2)
  t.match(
    (await call(first)).error,
    { code: 'UNAUTHENTICATED' },
    'what was known by the old key is forgotten'
  )

  const strangers = await Promise.all(
    Array.from({ length: 20 }, async (_, at) => bearer(await token(one, {}, { kid: `kid-${at}` })))
  )
  await clock.advance(30_000)
  const results = await Promise.all(strangers.map((sent) => call(sent)))
  for (const { error } of results) t.match(error, { code: 'UNAUTHENTICATED', status: 401 })
  for (const sent of strangers) await call(sent)
  t.equal(idp.asked, 3, 'once for all that came')

  idp.handler = answer(keySet(one, two))
  await clock.advance(299_000)
  t.equal(idp.asked, 3)
  await clock.advance(1_000)
  await soon(() => log.filter(({ level }) => level === 'info').length === 3)
  t.equal((await call(first)).identity, 'ada', 'every five minutes it is asked anyway')
})

t.test('a URL that is not there yet', async (t) => {
  const idp = await provider(t, answer('not yet', 503))
  const { call, clock, log } = await openAuth(t, jwt({ jwks: idp.url }))
  t.match(log, [{ level: 'warn', fields: { problem: 'its server answered 503' } }])
  const sent = bearer(await token(one))
  const { error, identity, fields } = await call(sent)
  t.match(error, { status: 503, message: 'tokens cannot be verified at the moment' })
  t.match(error?.headers, { 'retry-after': /^\d+$/ })
  t.equal(identity, undefined)
  t.same(fields, [])
  t.match((await call([])).error, { status: 401 }, 'without a token nothing has to be known')
  t.match((await call(bearer('x'))).error, { status: 401 })

  idp.handler = answer(keySet(one))
  await until(clock, () => log.at(-1)?.level === 'info')
  t.equal((await call(sent)).identity, 'ada')
  t.ok(clock.now() <= 5_000, 'it is asked again soon')
})

t.test('nobody listens at the URL', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  const { call, log } = await openAuth(t, jwt({ jwks: `http://127.0.0.1:${port}/keys` }))
  t.match(log, [{ level: 'warn', fields: { problem: /ECONNREFUSED/ } }])
  t.match((await call(bearer(await token(one)))).error, { status: 503 })
})

t.test('a slow URL holds up nobody for long', async (t) => {
  let release: () => void = () => {}
  const idp = await provider(t, (_, response) => {
    response.writeHead(200).write('{"keys":')
    release = () => response.end(`[${JSON.stringify(one.jwk)}]}`)
  })
  const clock = new VirtualClock()
  let isOpen = false
  const opening = openAuth(t, jwt({ jwks: idp.url }), { clock }).then((opened) => {
    isOpen = true
    return opened
  })
  await soon(() => idp.asked === 1)
  t.notOk(isOpen, 'the set-up waits')
  await clock.advance(2_000)
  const { call, log } = await opening
  t.match(
    (await call(bearer(await token(one)))).error,
    { status: 503 },
    'two seconds, and requests not at all then'
  )
  t.equal(idp.asked, 1)
  release()
  await soon(() => log.at(-1)?.level === 'info')
  t.equal((await call(bearer(await token(one)))).identity, 'ada')

  idp.handler = () => {}
  await clock.advance(30_000)
  const unknown = call(bearer(await token(two)))
  const known = await call(bearer(await token(one, { sub: 'eve' })))
  t.equal(known.identity, 'eve', 'others do not wait for it')
  await soon(() => idp.asked === 2)
  await clock.advance(2_000)
  t.match((await unknown).error, { status: 401 })
  await clock.advance(4_000)
  await soon(() => log.at(-1)?.level === 'warn')
  t.match(log.at(-1), { message: /still serves/, fields: { problem: 'no answer within 5000 ms' } })
})

t.test('what a URL may answer with', async (t) => {
  const idp = await provider(t, answer(keySet(one)))
  const { call, clock, log } = await openAuth(
    t,
    jwt({ jwks: idp.url, refresh: '2s', cooldown: '1s', maxStale: '30s' })
  )
  const sent = bearer(await token(one, { exp: NOW + 100_000 }))
  const other = await provider(t, answer(keySet(two)))
  for (const [handler, problem] of [
    [answer('no', 500), 'its server answered 500'],
    [(_, response) => response.writeHead(302, { location: other.url }).end(), 'its server answered 302'],
    [answer('<html>'), 'it is not JSON'],
    [answer(keySet(one) + ' '.repeat(300_000)), /[Mm]ax|exceed|size/],
    [
      (_, response) => {
        response.write(' '.repeat(100_000))
        response.write(' '.repeat(200_000))
      },
      /[Mm]ax|exceed|size/
    ],
    [(_, response) => response.end(Buffer.from([0x7b, 0xff, 0x7d])), 'it is not UTF-8'],
    [(_, response) => response.destroy(), /./]
  ] as [Handler, string | RegExp][]) {
    idp.handler = handler
    const before = log.length
    await until(clock, () => log.length > before)
    t.match(log.at(-1), { level: 'warn', fields: { problem } }, String(problem))
    t.equal((await call(sent)).identity, 'ada', 'the last good one serves on')
    idp.handler = answer(keySet(one))
    const asked = idp.asked
    await until(clock, () => idp.asked > asked + 1)
  }
  t.equal(other.asked, 0, 'a redirect is not followed')

  idp.handler = answer('no', 500)
  await until(clock, () => log.at(-1)?.level === 'error')
  t.match((await call(sent)).error, { status: 503 }, 'past maxStale')
})

t.test('the server of an https URL is verified', async (t) => {
  const self = certificate({ name: 'localhost' })
  const server = createTlsServer(self, (_, response) => response.end(keySet(one)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise((resolve) => server.close(resolve)))
  const { port } = server.address() as AddressInfo
  const { call, log, close } = await openAuth(t, jwt({ jwks: `https://localhost:${port}/keys` }))
  t.match(log, [{ level: 'warn', fields: { problem: /self-signed/ } }])
  t.match((await call(bearer(await token(one)))).error, { status: 503 })
  close()
})

t.test('plain http from elsewhere is warned of', async (t) => {
  const { log, close } = await openAuth(t, jwt({ jwks: 'http://keys.invalid/keys' }))
  t.match(log[0], { level: 'warn', message: /plain http/ })
  close()
})

t.test('once closed, nothing is fetched any more', async (t) => {
  const idp = await provider(t, answer(keySet(one)))
  const { clock, close, log } = await openAuth(t, jwt({ jwks: idp.url }))
  close()
  await clock.advance(3_600_000)
  t.equal(idp.asked, 1)
  t.equal(log.length, 1)
})
