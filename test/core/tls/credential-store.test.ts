import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { CapturedLog } from '../../../core/testing/captured-log.js'
import { VirtualClock } from '../../../core/testing/virtual-clock.js'
import { CredentialStore } from '../../../core/tls/credential-store.js'
import { LiveUpstreamTls } from '../../../core/tls/upstream.js'
import { type Certificate, certificate } from '../../support/certificates.js'
import { ca, otherCa, until } from './accepting.js'

const first = certificate({ name: 'first', issuer: ca })
const second = certificate({ name: 'second', issuer: ca })

function setUp(t: Test, Store = CredentialStore, clock?: VirtualClock) {
  const folder = t.testdir()
  const files = { ca: undefined, cert: join(folder, 'a.pem'), key: join(folder, 'a.key') }
  const put = ({ cert, key }: Certificate) => {
    writeFileSync(files.cert, cert)
    writeFileSync(files.key, key)
  }
  put(first)
  const log = new CapturedLog()
  const store = new Store({ log, ...(clock === undefined ? {} : { clock }) })
  t.teardown(() => store.close())
  return { folder, files, put, log, store }
}

t.test('files are read once for all who hold them, and for as long as anyone does', async (t) => {
  const { store, files, put } = setUp(t)
  const [one, two] = [store.acquire(files), store.acquire({ ...files })]
  t.equal(one.context, two.context)
  t.equal(one.version, two.version)
  let calls = 0
  one.onChange(() => calls++)
  two.onChange(() => calls++)
  one.release()
  one.release()
  const before = two.version
  put(second)
  await store.refresh()
  t.ok(two.version > before)
  t.equal(two.pem.cert, second.cert)
  t.equal(calls, 1, 'who has released it hears no more')
  t.equal(store.acquire(files).context, two.context)
  two.release()
})

t.test('what nobody holds is forgotten, and read anew by the next', async (t) => {
  const { store, files, put } = setUp(t)
  const one = store.acquire(files)
  one.release()
  put(second)
  await store.refresh()
  t.equal(one.pem.cert, first.cert)
  const next = store.acquire(files)
  t.equal(next.pem.cert, second.cert)
  t.not(next.version, one.version)
})

t.test('what cannot be used is not given', async (t) => {
  const { store, files, folder } = setUp(t)
  writeFileSync(join(folder, 'none.pem'), 'nothing')
  t.throws(() => store.acquire({ ...files, cert: join(folder, 'none.pem') }), {
    message: `${join(folder, 'none.pem')}: there is no certificate in it`
  })
  t.throws(() => store.acquire({ ...files, ca: join(folder, 'missing.pem') }), {
    message: `${join(folder, 'missing.pem')}: there is no such file`
  })
  t.throws(() => store.acquire({ ca: undefined, cert: undefined, key: files.cert }), {
    message: `${files.cert}: there is no whole private key in it`
  })
})

t.test('a certificate out of its time is taken, with a warning', async (t) => {
  const day = 86_400_000
  const { store, files, put, log } = setUp(t)
  put(
    certificate({
      name: 'old',
      issuer: ca,
      from: new Date(Date.now() - 2 * day),
      until: new Date(Date.now() - day)
    })
  )
  store.acquire(files)
  t.match(log.lines, [{ level: 'warn', message: 'a certificate has expired', fields: { cert: files.cert } }])
  put(
    certificate({
      name: 'new',
      issuer: ca,
      from: new Date(Date.now() + day),
      until: new Date(Date.now() + 2 * day)
    })
  )
  await store.refresh()
  t.match(log.lines[1], { level: 'warn', message: 'a certificate is not valid yet' })
})

t.test('without a notification, looking from time to time finds a change', async (t) => {
  class Deaf {
    async set() {}
    close() {}
  }
  const { CredentialStore: Store } = await t.mockImport<
    typeof import('../../../core/tls/credential-store.js')
  >('../../../core/tls/credential-store.js', { '../../../core/tls/folder-watch.js': { FolderWatch: Deaf } })
  const clock = new VirtualClock()
  const { store, files, put } = setUp(t, Store, clock)
  const held = store.acquire(files)
  // What is looked at once it is acquired.
  await clock.advance(1)
  const { version } = held
  put(second)
  await clock.advance(9_000)
  t.equal(held.version, version)
  await clock.advance(1_000)
  await until(() => held.version !== version)
  t.equal(held.pem.cert, second.cert)
})

t.test('once it is closed, what is held can be used on and is not renewed', async (t) => {
  const { store, files, put } = setUp(t)
  const held = store.acquire(files)
  store.close()
  put(second)
  await store.refresh()
  t.equal(held.pem.cert, first.cert)
  t.ok(held.context)
  held.release()
  t.throws(() => store.acquire(files), /closed/)
})

t.test('it keeps no process alive', async (t) => {
  const { files } = setUp(t)
  const script = fileURLToPath(new URL('./fixtures/alone.ts', import.meta.url))
  const child = spawn(process.execPath, [...process.execArgv, script, files.cert, files.key], {
    timeout: 25_000
  })
  const closed = new Promise((resolve) => child.on('close', (code, signal) => resolve(code ?? signal)))
  const [code, stdout, stderr] = await Promise.all([closed, text(child.stdout), text(child.stderr)])
  t.same([code, stdout], [0, 'done\n'], stderr)
})

t.test("a service's TLS: what is shown to its upstream, and whom it trusts, as on disk", async (t) => {
  const { store, folder, files, put } = setUp(t)
  const upstream = certificate({ name: 'upstream.test', issuer: ca })
  const server = createServer(
    { ...upstream, ca: ca.cert, requestCert: true, rejectUnauthorized: true },
    (socket: TLSSocket) => socket.end(String(socket.getPeerCertificate().subject.CN))
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  writeFileSync(join(folder, 'ca.pem'), ca.cert)
  const tls = new LiveUpstreamTls(
    { ...files, ca: join(folder, 'ca.pem'), serverName: 'upstream.test', insecure: false },
    store
  )
  t.match(tls, { serverName: 'upstream.test', insecure: false })
  const call = async () => {
    const { port } = server.address() as AddressInfo
    const { context: secureContext, serverName: servername } = tls
    const socket = connect({ port, host: '127.0.0.1', secureContext, ...(servername && { servername }) })
    return text(socket)
  }
  t.equal(await call(), 'first')
  const { version } = tls
  put(second)
  await until(() => tls.version > version)
  t.equal(await call(), 'second')
  writeFileSync(join(folder, 'ca.pem'), otherCa.cert)
  await store.refresh()
  await t.rejects(call(), /unable to verify|self-signed|unable to get/)
  tls.release()
})

t.test("a service's TLS without files verifies by the system's CAs", async (t) => {
  const { store } = setUp(t)
  const none = { ca: undefined, cert: undefined, key: undefined, serverName: undefined }
  const [one, two] = [false, true].map((insecure) => new LiveUpstreamTls({ ...none, insecure }, store))
  t.equal(one?.context, two?.context, 'one for all')
  t.equal(two?.insecure, true)
})
