import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import t from 'tap'
import { createAdmin } from '../../../core/admin/admin.js'
import { ConfigError } from '../../../core/config/problem.js'
import { StartError } from '../../../core/server/types.js'
import { fakeProxy } from './fake-proxy.js'

const silent = { debug() {}, info() {}, warn() {}, error() {} }

function setUp(onDrain: () => void = () => {}) {
  const proxy = fakeProxy()
  const admin = createAdmin({ proxy, onDrain, onReload() {}, log: silent })
  const ask = (
    method: 'GET' | 'POST' | 'HEAD' | 'DELETE',
    url: string,
    headers: Record<string, string> = {},
    payload?: string
  ) =>
    admin.inject({
      method,
      url,
      headers: { host: '127.0.0.1:9901', ...headers },
      ...(payload === undefined ? {} : { payload })
    })
  return { proxy, admin, ask }
}

t.test('livez answers as long as the process does; readyz tells the state', async (t) => {
  const { proxy, ask } = setUp()
  for (const [state, status] of [
    ['ready', 200],
    ['draining', 503],
    ['new', 503],
    ['closed', 503]
  ] as const) {
    proxy.state = state
    const ready = await ask('GET', '/readyz')
    t.equal(ready.statusCode, status)
    t.equal(ready.body.trim(), state)
    t.equal((await ask('GET', '/livez')).statusCode, 200)
  }
  t.equal((await ask('GET', '/livez')).body.trim(), 'ok')
  t.equal((await ask('HEAD', '/readyz')).statusCode, 503, 'HEAD as GET')
})

t.test('what the proxy says of itself, as JSON for people', async (t) => {
  const { proxy, ask } = setUp()
  for (const [path, expected] of [
    ['/routes', proxy.routes()],
    ['/services', proxy.services()],
    ['/plugins', proxy.plugins()],
    ['/config', proxy.config()]
  ] as const) {
    const { statusCode, headers, body } = await ask('GET', path)
    t.equal(statusCode, 200)
    t.match(headers['content-type'], /^application\/json/)
    t.same(JSON.parse(body), JSON.parse(JSON.stringify(expected)))
    t.match(body, /\n {2}/, 'indented')
  }
  const metrics = await ask('GET', '/metrics')
  t.equal(metrics.body, proxy.metricsText)
  t.match(metrics.headers['content-type'], /version=0\.0\.4/)
})

t.test('every answer may be neither kept nor taken for another type', async (t) => {
  const { ask } = setUp()
  for (const path of ['/', '/config', '/nowhere', '/dashboard.js']) {
    const { headers } = await ask('GET', path)
    t.equal(headers['cache-control'], 'no-store', path)
    t.equal(headers['x-content-type-options'], 'nosniff', path)
    t.match(headers['content-security-policy'], /default-src 'none'/, path)
  }
})

t.test('POST /reload with and without a body', async (t) => {
  const { proxy, ask } = setUp()
  t.same((await ask('POST', '/reload')).json(), { ok: true })
  t.equal(
    (await ask('POST', '/reload', { 'content-type': 'application/x-www-form-urlencoded' }, 'x=1')).statusCode,
    200
  )
  t.equal((await ask('POST', '/reload', { 'content-type': 'application/json' }, '{bad')).statusCode, 200)
  t.equal(proxy.reloads, 3)
})

t.test('a reload that fails says why', async (t) => {
  const { proxy, ask } = setUp()
  proxy.onReload = async () => {
    throw new ConfigError([
      { at: 'sidecar.yaml:3:5', path: 'routes[0].servce', message: 'unknown key' },
      { at: undefined, path: 'services', message: 'missing' }
    ])
  }
  const wrong = await ask('POST', '/reload')
  t.equal(wrong.statusCode, 400)
  t.same(wrong.json().problems, ['sidecar.yaml:3:5: routes[0].servce: unknown key', 'services: missing'])
  proxy.onReload = async () => {
    throw new StartError('127.0.0.1:8080 is taken')
  }
  const failed = await ask('POST', '/reload')
  t.equal(failed.statusCode, 500)
  t.equal(failed.json().message, '127.0.0.1:8080 is taken')
})

t.test('POST /drain answers first and drains once', async (t) => {
  let drains = 0
  const { admin, ask } = setUp(() => drains++)
  const answer = await ask('POST', '/drain')
  t.equal(answer.statusCode, 202)
  t.equal((await ask('POST', '/drain')).statusCode, 202)
  await admin.listen({ host: '127.0.0.1', port: 0 })
  await admin.close()
  t.equal(drains, 1)
})

t.test('pages of other sites neither reload nor drain', async (t) => {
  let drains = 0
  const { proxy, ask } = setUp(() => drains++)
  for (const path of ['/reload', '/drain']) {
    t.equal((await ask('POST', path, { origin: 'https://evil.example' })).statusCode, 403)
    t.equal((await ask('POST', path, { 'sec-fetch-site': 'cross-site' })).statusCode, 403)
    t.equal((await ask('POST', path, { host: 'evil.example' })).statusCode, 403)
  }
  t.equal((await ask('GET', '/config', { host: 'evil.example:9901' })).statusCode, 403)
  t.equal(proxy.reloads + drains, 0)
})

t.test('unknown paths and wrong methods say what there is', async (t) => {
  const { ask } = setUp()
  const unknown = await ask('GET', '/nope')
  t.equal(unknown.statusCode, 404)
  t.ok(unknown.json().paths.includes('POST /reload'))
  t.ok(unknown.json().paths.includes('GET /services'))
  const get = await ask('GET', '/reload')
  t.equal(get.statusCode, 405)
  t.equal(get.headers.allow, 'POST')
  const post = await ask('POST', '/services?x=1')
  t.equal(post.statusCode, 405)
  t.equal(post.headers.allow, 'GET, HEAD')
  t.equal((await ask('DELETE', '/')).statusCode, 405)
})

t.test('a view that throws is a 500 without its message', async (t) => {
  const { proxy, ask } = setUp()
  proxy.services = () => {
    throw new Error('secret detail')
  }
  const answer = await ask('GET', '/services')
  t.equal(answer.statusCode, 500)
  t.notMatch(answer.body, /secret/)
})

t.test('on a socket: closing does not wait for a kept connection', async (t) => {
  const { admin } = setUp()
  await admin.listen({ host: '127.0.0.1', port: 0 })
  const { port } = admin.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  socket.write('GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n')
  const [head] = await once(socket, 'data')
  t.match(String(head), /^HTTP\/1\.1 200/)
  const closed = once(socket, 'close')
  await admin.close()
  await closed
})
