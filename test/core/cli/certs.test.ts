import { execFileSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect, createServer, type TLSSocket } from 'node:tls'
import t from 'tap'
import { parse } from 'yaml'
import { leavesOf } from '../../../core/cli/certs-leaves.js'
import { runProgram } from '../../../core/cli/program.js'
import { loadConfig } from '../../../core/config/load.js'
import { clientCertificate, identityOf } from '../../../core/tls/peer.js'
import { host } from '../../../plugins/host.js'
import { certificate } from '../../support/certificates.js'

// Each call of `dev` starts a thread, which a busy machine takes its time for.
t.setTimeout(120_000)

async function call(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const code = await runProgram(host, ['certs', ...args], {
    out: (text) => (out += text),
    err: (text) => (err += text)
  })
  return { code, out, err }
}

t.test('a CA and certificates that verify, on both sides of a handshake', async (t) => {
  const out = join(t.testdir(), 'deep', 'certs')
  const orders = ['--name', 'orders', '--spiffe', 'spiffe://shop.local/orders']
  const wild = ['--name', '*.Shop.test', '--spiffe', 'spiffe://shop.local/front']
  const made = await call('dev', '--out', out, '--days', '30', ...orders, ...wild)
  t.same([made.code, made.err], [0, ''])
  const files = [
    '_wildcard.shop.test.key',
    '_wildcard.shop.test.pem',
    'ca.key',
    'ca.pem',
    'orders.key',
    'orders.pem'
  ]
  t.same(readdirSync(out).sort(), files)
  for (const file of files) {
    t.match(made.out, join(out, file))
    t.equal(statSync(join(out, file)).mode & 0o777, file.endsWith('.key') ? 0o600 : 0o644, file)
  }
  const read = (file: string) => readFileSync(join(out, file), 'utf8')
  const ca = new X509Certificate(read('ca.pem'))
  const certificate = new X509Certificate(read('orders.pem'))
  t.ok(ca.ca)
  t.notOk(certificate.ca)
  t.ok(certificate.checkPrivateKey(createPrivateKey(read('orders.key'))))
  t.equal(
    certificate.subjectAltName,
    'DNS:orders, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, URI:spiffe://shop.local/orders'
  )
  t.ok(new X509Certificate(read('_wildcard.shop.test.pem')).checkHost('a.shop.test'))
  const days = (Date.parse(certificate.validTo) - Date.now()) / 86_400_000
  t.ok(days > 29.9 && days <= 30, `${days} days`)

  for (const purpose of ['sslserver', 'sslclient']) {
    const verify = [
      'verify',
      '-x509_strict',
      '-purpose',
      purpose,
      '-CAfile',
      join(out, 'ca.pem'),
      join(out, 'orders.pem')
    ]
    t.match(execFileSync('openssl', verify).toString(), /: OK$/m, purpose)
  }
  const pair = { cert: read('orders.pem'), key: read('orders.key') }
  const server = createServer(
    { ...pair, ca: read('ca.pem'), requestCert: true, rejectUnauthorized: true },
    (socket: TLSSocket) => {
      const shown = clientCertificate(socket)
      socket.end(shown === undefined ? 'nobody' : (identityOf(shown) ?? 'nobody'))
    }
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const client = { cert: read('_wildcard.shop.test.pem'), key: read('_wildcard.shop.test.key') }
  for (const host of ['localhost', '127.0.0.1']) {
    const socket = connect({ port, host, ca: read('ca.pem'), ...client })
    t.equal(await text(socket), 'spiffe://shop.local/front', host)
  }

  t.test('what is printed to be pasted is a configuration', async (t) => {
    const yaml = made.out.slice(made.out.indexOf('listeners:'))
    const { listeners, services } = await loadConfig(parse(yaml), { host })
    t.match(listeners.get('secure')?.tls, {
      cert: join(out, 'orders.pem'),
      ca: join(out, 'ca.pem'),
      clientAuth: 'require'
    })
    t.match(services.get('upstream'), { protocol: 'https', tls: { key: join(out, 'orders.key') } })
  })

  t.test('once more: the CA stays, its certificates are new', async (t) => {
    const before = new Map(files.map((file) => [file, read(file)]))
    chmodSync(join(out, 'orders.key'), 0o644)
    const again = await call('dev', '--out', out, '--name', 'orders')
    t.same([again.code, again.err], [0, ''])
    t.match(again.out, /^kept .*ca\.pem/)
    const changed = files.filter((file) => read(file) !== before.get(file))
    t.same(changed, ['orders.key', 'orders.pem'])
    t.equal(statSync(join(out, 'orders.key')).mode & 0o777, 0o600)
    const renewed = new X509Certificate(read('orders.pem'))
    t.ok(renewed.verify(ca.publicKey))
    t.match(renewed.subjectAltName, 'URI:spiffe://dev.local/orders')
    t.not(renewed.serialNumber, certificate.serialNumber)
  })

  t.test('--force: another CA', async (t) => {
    const forced = await call('dev', '--out', out, '--force')
    t.same([forced.code, forced.err], [0, ''])
    const next = new X509Certificate(read('ca.pem'))
    t.not(next.fingerprint256, ca.fingerprint256)
    t.ok(new X509Certificate(read('localhost.pem')).verify(next.publicKey))
    // Those of the CA before are not of this one.
    const refused = await call('dev', '--out', out, '--name', 'orders')
    t.equal(refused.code, 1)
    t.match(refused.err, /orders\.pem is there and not of this CA/)
  })
})

t.test('nothing is written where something is in the way', async (t) => {
  const ca = certificate({ name: 'own CA', authority: true })
  const leaf = certificate({ name: 'localhost' })
  const cases: [what: string, files: Record<string, string>, message: RegExp][] = [
    ['half a CA', { 'ca.key': ca.key }, /ca\.key is there and .*ca\.pem is not: --force/],
    ['the other half', { 'ca.pem': ca.cert }, /ca\.pem is there and .*ca\.key is not/],
    [
      'halves of two',
      { 'ca.pem': ca.cert, 'ca.key': leaf.key },
      /ca\.pem cannot be used: does not go with its key/
    ],
    ['no CA', { 'ca.pem': leaf.cert, 'ca.key': leaf.key }, /ca\.pem is no CA/],
    ['a CA of another kind', { 'ca.pem': ca.cert, 'ca.key': ca.key }, /ca\.pem has a key that is not RSA/],
    [
      "somebody else's certificate",
      { 'localhost.pem': leaf.cert },
      /localhost\.pem is there and not of this CA/
    ],
    ["somebody else's key", { 'localhost.key': leaf.key }, /localhost\.key is there and not of this CA/]
  ]
  for (const [what, files, message] of cases) {
    const out = t.testdir(files)
    const { code, out: said, err } = await call('dev', '--out', out)
    t.same([code, said], [1, ''], what)
    t.match(err, message, what)
    t.same(readdirSync(out).sort(), Object.keys(files).sort(), what)
    for (const [file, content] of Object.entries(files))
      t.equal(readFileSync(join(out, file), 'utf8'), content)
  }
  const file = join(t.testdir({ file: '' }), 'file')
  t.match(await call('dev', '--out', file), { code: 1, err: /a file is in the way/ })
})

t.test('names and SPIFFE IDs', (t) => {
  const brief = (names: string[], spiffe: string[] = []) =>
    leavesOf(names, spiffe).map(({ base, dns, ips, uris }) => [base, ...dns, ...ips, ...uris].join(' '))
  const loopback = '127.0.0.1 ::1'
  t.same(brief([]), [`localhost localhost ${loopback} spiffe://dev.local/localhost`])
  t.same(brief(['Orders', 'a.b']), [
    `orders orders localhost ${loopback} spiffe://dev.local/orders`,
    `a.b a.b localhost ${loopback} spiffe://dev.local/a.b`
  ])
  t.same(brief(['*.a.b']), [`_wildcard.a.b *.a.b localhost ${loopback}`])
  t.same(brief(['10.0.0.1', 'fd00::1']), [
    `10.0.0.1 localhost 10.0.0.1 ${loopback}`,
    `fd00__1 localhost fd00::1 ${loopback}`
  ])
  t.same(brief([], ['spiffe://shop.local/ns/x/sa/orders']), [
    `orders orders localhost ${loopback} spiffe://shop.local/ns/x/sa/orders`
  ])
  for (const [names, spiffe, message] of [
    [['a b'], [], /--name takes a host/],
    [['../x'], [], /--name takes a host/],
    [['a/b'], [], /--name takes a host/],
    [[''], [], /--name takes a host/],
    [['1.2.3'], [], /--name takes a host/],
    [['*'], [], /--name takes a host/],
    [['ca'], [], /CA's own files/],
    [['CA'], [], /CA's own files/],
    [['a', 'A'], [], /"a" is there twice/],
    [['a', 'b'], ['spiffe://x/a'], /2 names and 1 SPIFFE IDs/],
    [[], ['https://x/a'], /--spiffe takes a SPIFFE ID/],
    [[], ['spiffe://x/a?b'], /--spiffe takes a SPIFFE ID/],
    [[], ['spiffe://x/-a'], /ends in no host: say which one by --name/],
    [Array.from({ length: 101 }, (_, n) => `n${n}`), [], /too many/]
  ] as [string[], string[], RegExp][]) {
    t.throws(() => leavesOf(names, spiffe), { name: 'UsageError', message }, `${names} ${spiffe}`)
  }
  t.end()
})

t.test('arguments', async (t) => {
  const out = join(t.testdir(), 'certs')
  for (const days of ['0', '-1', '1.5', 'soon', '3651', ''])
    t.match(
      await call('dev', '--out', out, `--days=${days}`),
      { code: 1, err: /--days takes a whole number/ },
      days
    )
  t.match(await call('dev', '--nmae', 'x'), { code: 1, err: /Did you mean --name\?/ })
  t.match(await call('dev', 'orders'), { code: 1 })
  t.match(await call('dev', '--', 'x'), { code: 1, err: /takes no command behind --/ })
  t.match(await call(), { code: 1 })
  const help = await call('--help')
  t.equal(help.code, 0)
  for (const word of ['dev', 'show', '--spiffe']) t.match(help.out, word)
  t.throws(() => readdirSync(out), { code: 'ENOENT' })
})

t.test('show', async (t) => {
  const ca = certificate({ name: 'own CA', authority: true })
  const day = 86_400_000
  const dates = (from: number, until: number) => ({
    from: new Date(Date.now() + from * day),
    until: new Date(Date.now() + until * day)
  })
  const names = 'DNS:orders,IP:::1,URI:spiffe://shop.local/orders'
  const leaf = certificate({ name: 'orders', issuer: ca, names, ...dates(-1, 10.5) })
  const old = certificate({ name: 'old', issuer: ca, ...dates(-9, -2.5) })
  const early = certificate({ name: 'early', issuer: ca, ...dates(3.5, 9) })
  const hostile = certificate({
    name: 'x',
    subject: '/CN=a\u001b[2Jb',
    names: "@n\n[n]\nURI.1 = 'x:\u001b[2J'"
  })
  const folder = t.testdir({
    'chain.pem': `some words\n${leaf.cert}\n${ca.cert}`,
    'old.pem': old.cert,
    'early.pem': early.cert,
    'hostile.pem': hostile.cert,
    'key.pem': leaf.key,
    'cut.pem': leaf.cert.slice(0, 200),
    'leaf.der': Buffer.from(new X509Certificate(leaf.cert).raw),
    'words.txt': 'nothing'
  })
  mkdirSync(join(folder, 'folder'))
  const show = async (file: string) => {
    const { code, out, err } = await call('show', join(folder, file))
    return { code, out, err: err.replace(`${folder}/`, '') }
  }
  const chain = await show('chain.pem')
  t.same([chain.code, chain.err], [0, ''])
  const fingerprint = new X509Certificate(leaf.cert).fingerprint256.replaceAll(':', '').toLowerCase()
  t.match(
    chain.out,
    /^subject +CN=orders\nissuer +CN=own CA\nnames +DNS orders, IP ::1, URI spiffe:\/\/shop\.local\/orders\n/
  )
  t.match(chain.out, /^identity +spiffe:\/\/shop\.local\/orders$/m)
  t.match(chain.out, /^valid +\S+Z to \S+Z \(10 days left\)$/m)
  t.match(chain.out, new RegExp(`^sha256 +${fingerprint}$`, 'm'))
  t.match(chain.out, /\n\nsubject +CN=own CA\n/)
  t.match(chain.out, /^use +CA$/m)
  t.equal((await show('leaf.der')).out, `${chain.out.split('\n\n')[0]}\n`)
  t.match((await show('old.pem')).out, /\(expired 2 days ago\)/)
  t.match((await show('early.pem')).out, /\(not yet: in 3 days\)/)
  t.notMatch((await show('hostile.pem')).out, '\u001b', 'a terminal is told nothing')
  t.match(await show('key.pem'), { code: 1, err: /key\.pem cannot be shown: there is no certificate in it/ })
  t.notMatch((await show('key.pem')).err, 'PRIVATE')
  t.match(await show('cut.pem'), { code: 1, err: /a certificate is cut off/ })
  t.match(await show('words.txt'), { code: 1, err: /neither a PEM nor a DER certificate/ })
  t.match(await show('none.pem'), { code: 1, err: /there is no such file/ })
  t.match(await show('folder'), { code: 1 })
  writeFileSync(join(folder, 'empty'), '')
  t.match(await show('empty'), { code: 1 })
})
