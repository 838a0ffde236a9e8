import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ListenerTls } from '../../../core/config/types.js'
import { type Certificate, certificate } from '../../support/certificates.js'
import { type Accepting, accepting, ask, ca, until } from './accepting.js'

const names = 'DNS:localhost'
const first = certificate({ name: 'first', names, issuer: ca })
const second = certificate({ name: 'second', names, issuer: ca })
const third = certificate({ name: 'third', names, issuer: ca })

const shown = async ({ port }: Accepting, servername = 'localhost') => (await ask(port, { servername })).shown
const comesToShow = (of: Accepting, name: string) => until(async () => (await shown(of)) === name)
const warnings = ({ log }: Accepting) =>
  log.lines.filter(({ level }) => level === 'warn' || level === 'error')

/** Files that lie in a folder as `write` leaves them. */
async function serving(t: Test, write: (folder: string) => Pick<ListenerTls, 'cert' | 'key'>) {
  return accepting(t, { layout: write })
}

const put = (folder: string, { cert, key }: Certificate) => {
  writeFileSync(join(folder, 'tls.crt'), cert)
  writeFileSync(join(folder, 'tls.key'), key)
}
const inFolder = (folder: string) => ({ cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') })

t.test('written in place, certificate first', async (t) => {
  const of = await serving(t, (folder) => {
    put(folder, first)
    return inFolder(folder)
  })
  t.equal(await shown(of), 'first')
  put(of.folder, second)
  await comesToShow(of, 'second')
  put(of.folder, third)
  await comesToShow(of, 'third')
  t.same(warnings(of), [])
})

t.test('replaced by renames, key first', async (t) => {
  const of = await serving(t, (folder) => {
    put(folder, first)
    return inFolder(folder)
  })
  for (const next of [second, third]) {
    const { cert, key } = of.write('.next', next)
    renameSync(key, of.tls.key)
    renameSync(cert, of.tls.cert)
    await comesToShow(of, next === second ? 'second' : 'third')
  }
})

t.test('turned around by a link, as Kubernetes does', async (t) => {
  const turn = (folder: string, version: string, pair: Certificate) => {
    mkdirSync(join(folder, version))
    put(join(folder, version), pair)
    symlinkSync(version, join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
  }
  const of = await serving(t, (folder) => {
    turn(folder, '..1', first)
    for (const name of ['tls.crt', 'tls.key']) symlinkSync(join('..data', name), join(folder, name))
    return inFolder(folder)
  })
  t.equal(await shown(of), 'first')
  turn(of.folder, '..2', second)
  rmSync(join(of.folder, '..1'), { recursive: true })
  await comesToShow(of, 'second')
  turn(of.folder, '..3', third)
  rmSync(join(of.folder, '..2'), { recursive: true })
  await comesToShow(of, 'third')
  t.same(warnings(of), [])
})

t.test('links further up, and links to other folders', async (t) => {
  const of = await serving(t, (folder) => {
    for (const [version, pair] of Object.entries({ one: first, two: second })) {
      mkdirSync(join(folder, 'archive', version), { recursive: true })
      put(join(folder, 'archive', version), pair)
    }
    symlinkSync(join('archive', 'one'), join(folder, 'current'))
    mkdirSync(join(folder, 'live'))
    for (const name of ['tls.crt', 'tls.key'])
      symlinkSync(join('..', 'current', name), join(folder, 'live', name))
    return inFolder(join(folder, 'live'))
  })
  t.equal(await shown(of), 'first')
  symlinkSync(join('archive', 'two'), join(of.folder, 'next'))
  renameSync(join(of.folder, 'next'), join(of.folder, 'current'))
  await comesToShow(of, 'second')
  put(join(of.folder, 'archive', 'two'), third)
  await comesToShow(of, 'third')
})

t.test('a folder that goes and comes again', async (t) => {
  const of = await serving(t, (folder) => {
    mkdirSync(join(folder, 'certs'))
    put(join(folder, 'certs'), first)
    return inFolder(join(folder, 'certs'))
  })
  await comesToShow(of, 'first')
  rmSync(join(of.folder, 'certs'), { recursive: true })
  await until(() => warnings(of).length > 0)
  t.equal(await shown(of), 'first', 'with no file left')
  t.match(warnings(of), [{ message: /^the certificates of before stay: .*tls\.crt: there is no such file$/ }])
  mkdirSync(join(of.folder, 'certs'))
  put(join(of.folder, 'certs'), second)
  await comesToShow(of, 'second')
})

t.test('a folder that is replaced as a whole', async (t) => {
  const of = await serving(t, (folder) => {
    mkdirSync(join(folder, 'certs'))
    put(join(folder, 'certs'), first)
    return inFolder(join(folder, 'certs'))
  })
  for (const next of [second, third]) {
    mkdirSync(join(of.folder, 'next'))
    put(join(of.folder, 'next'), next)
    renameSync(join(of.folder, 'certs'), join(of.folder, 'gone'))
    renameSync(join(of.folder, 'next'), join(of.folder, 'certs'))
    await comesToShow(of, next === second ? 'second' : 'third')
    rmSync(join(of.folder, 'gone'), { recursive: true })
  }
})

t.test('halves that do not belong together leave those of before, and are told once', async (t) => {
  const of = await serving(t, (folder) => {
    put(folder, first)
    return inFolder(folder)
  })
  writeFileSync(of.tls.cert, second.cert)
  await until(() => warnings(of).length > 0)
  t.equal(await shown(of), 'first')
  t.match(warnings(of), [
    {
      level: 'warn',
      fields: { cert: of.tls.cert },
      message: /tls\.crt: does not go with its key: the key is that of another certificate$/
    }
  ])
  t.notMatch(JSON.stringify(of.log.lines), 'PRIVATE')
  await t.rejects(of.credentials.refresh(), { message: /tls\.crt: does not go with its key/ })
  writeFileSync(of.tls.key, second.key)
  await comesToShow(of, 'second')
  t.equal(warnings(of).length, 1)
  t.match(of.log.lines.at(-1), { level: 'info', message: 'certificates renewed' })
})

t.test('what is cut off is not taken, whichever part it is', async (t) => {
  const of = await serving(t, (folder) => {
    put(folder, first)
    return inFolder(folder)
  })
  const { credentials, tls } = of
  const refused = async (what: RegExp) => {
    await t.rejects(credentials.refresh(), { message: what })
    t.equal(await shown(of), 'first')
  }
  const chain = second.cert + ca.cert
  for (const cert of [
    '',
    second.cert.slice(0, 30),
    second.cert.slice(0, 300),
    chain.slice(0, second.cert.length + 100)
  ]) {
    writeFileSync(tls.cert, cert)
    await refused(/tls\.crt: (a certificate is cut off|there is no certificate in it|does not go)/)
  }
  writeFileSync(tls.cert, second.cert)
  for (const key of ['', second.key.slice(0, 30), second.key.slice(0, -20)]) {
    writeFileSync(tls.key, key)
    await refused(/tls\.key: there is no whole private key in it/)
  }
  writeFileSync(tls.key, second.key)
  await credentials.refresh()
  t.equal(await shown(of), 'second')
})

t.test('a refresh takes what is on disk at once, and says which of several cannot be used', async (t) => {
  const of = await accepting(t)
  const shop = of.write('shop', certificate({ name: 'shop.test', issuer: ca }))
  const cart = of.write('cart', certificate({ name: 'cart.test', issuer: ca }))
  of.acceptor.update(
    {
      ...of.tls,
      sni: [
        { names: ['shop.test'], ...shop },
        { names: ['cart.test'], ...cart }
      ]
    },
    true
  )
  t.equal(await shown(of, 'shop.test'), 'shop.test')
  of.write('server', second)
  of.write('shop', certificate({ name: 'renewed', names: 'DNS:shop.test', issuer: ca }))
  writeFileSync(cart.cert, 'nothing')
  await t.rejects(of.credentials.refresh(), { message: /^[^;]*cart\.pem: there is no certificate in it$/ })
  t.equal(await shown(of), 'second')
  t.equal(await shown(of, 'shop.test'), 'renewed')
  t.equal(await shown(of, 'cart.test'), 'cart.test')
})

t.test('the CA of clients is renewed with them', async (t) => {
  const other = certificate({ name: 'next CA', authority: true })
  const of = await accepting(t, { tls: { clientAuth: 'require', ca: join(t.testdirName, 'ca.pem') } })
  const mine = certificate({ name: 'orders', issuer: ca })
  const theirs = certificate({ name: 'payments', issuer: other })
  t.equal((await ask(of.port, mine)).seen.identity, 'orders')
  await t.rejects(ask(of.port, theirs))
  writeFileSync(join(of.folder, 'ca.pem'), ca.cert + other.cert)
  await until(async () => (await ask(of.port, theirs).catch(() => undefined))?.seen.identity === 'payments')
  t.equal((await ask(of.port, mine)).seen.identity, 'orders', 'with both')
  writeFileSync(join(of.folder, 'ca.pem'), other.cert)
  await until(async () => (await ask(of.port, mine).catch(() => undefined)) === undefined)
  t.equal((await ask(of.port, theirs)).seen.identity, 'payments')
})

t.test('100 renewals under load fail no handshake', async (t) => {
  const of = await accepting(t)
  let over = false
  let handshakes = 0
  const failed: unknown[] = []
  const seen = new Set<string>()
  const load = Array.from({ length: 4 }, async (_, client) => {
    const maxVersion = client % 2 === 0 ? 'TLSv1.3' : 'TLSv1.2'
    let session: Buffer | undefined
    while (!over) {
      try {
        const asked = await ask(of.port, { maxVersion, ...(session && { session }) })
        // Half of them resume what they can, and are then shown nothing.
        if (client >= 2) session = asked.session
        else seen.add(asked.shown)
        handshakes++
      } catch (error) {
        failed.push(error)
      }
    }
  })
  const pairs = [first, second, third]
  for (let renewal = 1; renewal <= 100; renewal++) {
    const version = of.log.lines.length
    const next = of.write('.next', pairs[renewal % 3] as Certificate)
    renameSync(next.cert, of.tls.cert)
    renameSync(next.key, of.tls.key)
    await until(() => of.log.lines.slice(version).some(({ message }) => message === 'certificates renewed'))
  }
  over = true
  await Promise.all(load)
  t.same(failed, [])
  t.ok(handshakes > 100, `${handshakes} handshakes`)
  seen.delete('localhost')
  t.same([...seen].sort(), ['first', 'second', 'third'])
  t.same(warnings(of), [])
})
