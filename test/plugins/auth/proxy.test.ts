import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { definePlugin, key } from '../../../core/index.js'
import auth from '../../../plugins/auth/index.js'
import { runPlugin, startProxy } from '../../../plugins/testing.js'
import { certificate } from '../../support/certificates.js'
import { AUDIENCE, ISSUER, jwt, keyFile, keySet, NOW, signingKey, token } from './tokens.js'

const signing = signingKey('ES256', 'one')
const rotated = signingKey('ES256', 'two')

t.test('without a socket: what plugins behind and the upstream see', async (t) => {
  const { file } = keyFile(t, keySet(signing))
  let seen: unknown
  const behind = definePlugin({
    name: 'behind',
    needs: [key('identity'), key('claims')],
    setup: () => ({
      request: (exchange) => {
        seen = [exchange.get(key('identity')), exchange.get(key<{ scope: string }>('claims'))?.scope]
      }
    })
  })
  const config = jwt({ jwks: file, algorithms: ['ES256'], claimHeaders: { 'x-user': 'sub' } })
  const run = runPlugin(auth, config, { after: [behind] })
  t.teardown(() => run.close())
  const authorization = `Bearer ${await token(signing, { scope: 'read', exp: NOW + 10 })}`
  for (const time of ['verified', 'known']) {
    const headers = { authorization, 'X-User': 'root', x_user: 'root' }
    const { status, attempts } = await run.request({ headers })
    t.equal(status, 200, time)
    t.same(seen, ['ada', 'read'])
    t.same(attempts[0]?.headers.getAll('x-user'), ['ada'])
    t.notOk(attempts[0]?.headers.has('x_user'))
    t.notOk(attempts[0]?.headers.has('authorization'))
  }
  t.ok(run.clock.now() < 5_000, 'a clock that moves by itself is not hurried on')

  await run.clock.advance(60_000)
  const late = await run.request({ headers: { authorization } })
  t.match(late, { status: 401, error: 'UNAUTHENTICATED', attempts: [] })
  t.match(late.headers.get('www-authenticate'), /error="invalid_token"/)
  t.equal((await run.request()).headers.get('www-authenticate'), 'Bearer realm="api"')
})

t.test('without a socket: a certificate', async (t) => {
  const run = runPlugin(auth, { mtls: { allow: ['spiffe://shop.local/*'] } })
  t.teardown(() => run.close())
  const asked = async (uri?: string) =>
    (await run.request(uri === undefined ? {} : { client: { certificate: { uris: [uri] } } })).status
  t.equal(await asked('spiffe://shop.local/orders'), 200)
  t.equal(await asked('spiffe://other.local/orders'), 403)
  t.equal(await asked(), 401)
})

t.test('a set-up that fails says why', async (t) => {
  const run = runPlugin(auth, jwt({ jwks: '/nowhere/keys.json' }))
  await t.rejects(run.request(), { message: /jwks "\/nowhere\/keys.json": .*no such file/ })
  await run.close()
})

/** A shop behind TLS that tells what came through, its folder gone with the test. */
async function shop(t: Test) {
  const directory = mkdtempSync(join(tmpdir(), 'outrigger-shop-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const ca = certificate({ name: 'Shop CA', authority: true })
  const server = certificate({ name: 'localhost', issuer: ca })
  writeFileSync(join(directory, 'ca.pem'), ca.cert)
  writeFileSync(join(directory, 'server.pem'), server.cert)
  writeFileSync(join(directory, 'server.key'), server.key)
  writeFileSync(join(directory, 'keys.json'), keySet(signing))

  const upstream = createServer((request, response) => response.end(JSON.stringify(request.headers)))
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise((resolve) => upstream.close(resolve)))
  const config = {
    listeners: {
      in: {
        address: '127.0.0.1:0',
        tls: { cert: 'server.pem', key: 'server.key', ca: 'ca.pem', clientAuth: 'request' }
      }
    },
    admin: false,
    services: { shop: { endpoints: [`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`] } },
    routes: [
      {
        name: 'orders',
        match: { path: '/orders/*' },
        service: 'shop',
        plugins: [{ auth: { mtls: { allow: ['spiffe://shop.local/orders', '*.front.local'] } } }]
      },
      {
        name: 'account',
        match: { path: '/account/*' },
        service: 'shop',
        plugins: [
          {
            auth: {
              jwt: {
                issuer: ISSUER,
                audience: AUDIENCE,
                jwks: './keys.json',
                algorithms: ['ES256'],
                claimHeaders: { 'x-user': 'sub' }
              }
            }
          }
        ]
      }
    ]
  }
  writeFileSync(join(directory, 'sidecar.json'), JSON.stringify(config))
  const proxy = await startProxy(join(directory, 'sidecar.json'))
  t.teardown(() => proxy.close())

  const port = Number(new URL(proxy.url()).port)
  const ask = (path: string, headers: Record<string, string | string[]> = {}, client: object = {}) =>
    new Promise<{ status: number; headers: IncomingHttpHeaders; body: string }>((resolve, reject) => {
      const options = {
        host: '127.0.0.1',
        port,
        servername: 'localhost',
        path,
        ca: ca.cert,
        agent: false,
        ...client
      }
      request({ ...options, headers }, async (response) => {
        let body = ''
        for await (const chunk of response) body += chunk
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body })
      })
        .on('error', reject)
        .end()
    })
  const client = (names: string, issuer = ca, more: object = {}) =>
    certificate({ name: 'client', names, issuer, ...more })
  return {
    ask,
    client,
    log: proxy.log,
    write: (text: string) => writeFileSync(join(directory, 'keys.json'), text)
  }
}

t.test('through the proxy', async (t) => {
  const { ask, client, log, write } = await shop(t)

  t.test('client certificates', async (t) => {
    const other = certificate({ name: 'Other CA', authority: true })
    const hour = 3_600_000
    const expired = { from: new Date(Date.now() - 2 * hour), until: new Date(Date.now() - hour) }
    const orders = 'URI:spiffe://shop.local/orders'
    const cases: [name: string, certificate: object, status: number][] = [
      ['a right one', client(orders), 200],
      ['a right DNS name', client('DNS:shop.front.local'), 200],
      ['a wrong one', client('URI:spiffe://shop.local/pay'), 403],
      ['its common name', client('DNS:a.local', undefined, { subject: '/CN=shop.front.local' }), 403],
      ['two SPIFFE IDs', client(`${orders},URI:spiffe://shop.local/pay`), 403],
      ["a stranger's", client(orders, other), 401],
      ['an expired one', client(orders, undefined, expired), 401],
      ['none', {}, 401]
    ]
    for (const [name, certificate, status] of cases) {
      const answer = await ask('/orders/1', {}, certificate)
      t.equal(answer.status, status, name)
      if (status === 401) t.equal(answer.headers['www-authenticate'], 'ClientCertificate')
    }
    const bothNames = { 'x-forwarded-client-cert': 'URI=spiffe://shop.local/orders' }
    t.equal((await ask('/orders/1', bothNames)).status, 401, 'what a header says of a certificate is nothing')
  })

  t.test('tokens', async (t) => {
    const now = Math.floor(Date.now() / 1000)
    const by = (key: typeof signing, more: object = {}) =>
      token(key, { iat: now, exp: now + 60, ...more }).then((text) => ({ authorization: `Bearer ${text}` }))

    const right = await by(signing)
    const { status, body } = await ask('/account/1', { ...right, 'x-user': 'root', X_User: 'root' })
    t.equal(status, 200)
    const upstream = JSON.parse(body)
    t.equal(upstream['x-user'], 'ada')
    t.notOk('x_user' in upstream)
    t.notOk('authorization' in upstream)

    const old = await ask('/account/1', await by(signing, { exp: now - 60 }))
    t.equal(old.status, 401)
    t.match(old.headers['www-authenticate'], /^Bearer realm="api", error="invalid_token", .*expired/)
    t.equal((await ask('/account/1')).status, 401)
    t.equal(
      (await ask('/account/1', { authorization: [right.authorization, right.authorization] })).status,
      400
    )

    write(keySet(rotated))
    for (let i = 0; i < 100 && log.filter(({ message }) => /taken up/.test(message)).length < 2; i++)
      await new Promise((resolve) => setTimeout(resolve, 50))
    t.equal((await ask('/account/1', await by(rotated))).status, 200, 'without a reload')
    t.equal((await ask('/account/1', right)).status, 401, 'and the old key serves no more')
  })
})
