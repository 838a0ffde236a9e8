import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect as connectRaw, type Socket } from 'node:net'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { connect } from 'node:tls'
import { promisify } from 'node:util'
import t from 'tap'
import { certificate } from '../../support/certificates.js'
import { type Asked, accepting, ask, ca, server, until } from './accepting.js'

const run = promisify(execFile)

t.test('TLS 1.2 and 1.3, and nothing older', async (t) => {
  const { port } = await accepting(t)
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const { seen } = await ask(port, { minVersion: version, maxVersion: version })
    t.match(seen, { protocol: version, heard: 'hello' })
  }
  const old = { minVersion: 'TLSv1' as const, maxVersion: 'TLSv1.1' as const, ciphers: 'DEFAULT@SECLEVEL=0' }
  await t.rejects(ask(port, old), /protocol version/)
})

t.test('minVersion', async (t) => {
  const { port } = await accepting(t, { tls: { minVersion: 'TLSv1.3' } })
  await t.rejects(ask(port, { maxVersion: 'TLSv1.2' }), /protocol version/)
  t.equal((await ask(port)).seen.protocol, 'TLSv1.3')
})

t.test('ALPN: h2 before HTTP/1, either without the other, none asked for', async (t) => {
  const both = await accepting(t)
  const agreed = async (port: number, ...ALPNProtocols: string[]) =>
    (await ask(port, ALPNProtocols.length === 0 ? {} : { ALPNProtocols })).seen.alpn
  t.equal(await agreed(both.port, 'http/1.1', 'h2'), 'h2', "the server's order")
  t.equal(await agreed(both.port, 'http/1.1'), 'http/1.1')
  t.equal(await agreed(both.port, 'http/1.0'), 'http/1.0')
  t.equal(await agreed(both.port), false)
  await t.rejects(agreed(both.port, 'smtp'), /no application protocol/)
  both.acceptor.update(both.tls, false)
  t.equal(await agreed(both.port, 'h2', 'http/1.1'), 'http/1.1')
  await t.rejects(agreed(both.port, 'h2'), /no application protocol/)
})

t.test("SNI: the exact name, then a wildcard of one label, then the listener's own", async (t) => {
  const { port, acceptor, tls, write } = await accepting(t)
  const exact = write('exact', certificate({ name: 'shop.example.com', issuer: ca }))
  const wild = write('wild', certificate({ name: 'wild', names: 'DNS:*.example.com', issuer: ca }))
  acceptor.update(
    {
      ...tls,
      sni: [
        { names: ['*.example.com', 'other.test'], ...wild },
        { names: ['shop.example.com'], ...exact }
      ]
    },
    true
  )
  const shown = async (servername: string) =>
    (await ask(port, { servername, checkServerIdentity: () => undefined })).shown
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const { shown } = await ask(port, { servername: 'shop.example.com', maxVersion })
    t.equal(shown, 'shop.example.com', maxVersion)
  }
  t.equal(await shown('SHOP.Example.com'), 'shop.example.com')
  t.equal(await shown('cart.example.com'), 'wild')
  t.equal(await shown('other.test'), 'wild')
  t.equal(await shown('a.cart.example.com'), 'localhost', 'two labels')
  t.equal(await shown('example.com'), 'localhost', 'no label')
  t.equal(await shown('unknown.test'), 'localhost')
  t.equal(await shown(''), 'localhost', 'no name')
})

t.test('curl, with HTTP/2, HTTP/1.1 and HTTP/1.0', async (t) => {
  const { port, folder, write } = await accepting(t, {
    http: true,
    tls: { clientAuth: 'request', ca: join(t.testdirName, 'ca.pem') }
  })
  const client = write('client', certificate({ name: 'orders', issuer: ca }))
  const curl = async (...args: string[]) => {
    const own = ['-sS', '--max-time', '10', '--cacert', join(folder, 'ca.pem'), ...args]
    const { stdout } = await run('curl', [...own, `https://localhost:${port}/`])
    return JSON.parse(stdout)
  }
  t.match(await curl('--http1.1', '--tls-max', '1.2'), {
    protocol: 'TLSv1.2',
    alpn: 'http/1.1',
    identity: null
  })
  t.match(await curl('--http1.0'), { protocol: 'TLSv1.3', heard: /^GET \/ HTTP\/1\.0/ })
  t.match(await curl('--http1.1', '--no-alpn'), { alpn: false })
  t.match(await curl('--http1.1', '--cert', client.cert, '--key', client.key), { identity: 'orders' })
  await t.rejects(
    run('curl', ['-sS', '--max-time', '10', `https://localhost:${port}/`]),
    /self-signed|unable to get local issuer/
  )
})

t.test('openssl s_client: the chain is sent whole, and there is no renegotiation', async (t) => {
  const middle = certificate({ name: 'intermediate', authority: true, issuer: ca })
  const leaf = certificate({ name: 'localhost', issuer: middle })
  const { port, folder, write, acceptor, tls } = await accepting(t)
  const files = write('chained', { cert: leaf.cert + middle.cert, key: leaf.key })
  acceptor.update({ ...tls, ...files }, true)
  const client = (input: string, ...args: string[]) => {
    const own = [
      's_client',
      '-connect',
      `127.0.0.1:${port}`,
      '-servername',
      'localhost',
      '-CAfile',
      join(folder, 'ca.pem')
    ]
    const child = run('openssl', [...own, '-verify_return_error', ...args], { timeout: 10_000 })
    child.child.stdin?.end(input)
    return child.catch((error: { stdout: string; stderr: string }) => error)
  }
  for (const version of ['-tls1_2', '-tls1_3']) {
    const { stdout } = await client('hello', version, '-alpn', 'h2', '-ign_eof')
    t.match(stdout, /Verify return code: 0 \(ok\)/, version)
    t.match(stdout, /ALPN protocol: h2/)
    t.match(stdout, /1 s:CN = intermediate/)
    t.match(stdout, /"heard":"hello"/)
  }
  const { stderr } = await client('R\n', '-tls1_2')
  t.match(stderr, /RENEGOTIATING/)
  t.match(stderr, /no renegotiation/)
})

t.test('what was read before the handshake and put back is not lost', async (t) => {
  const line = 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n'
  const heads: string[] = []
  const byReadable = (raw: Socket, go: () => void) => {
    let held = Buffer.alloc(0)
    const onReadable = () => {
      for (let chunk = raw.read(); chunk !== null; chunk = raw.read()) held = Buffer.concat([held, chunk])
      const end = held.indexOf('\r\n')
      if (end < 0) return
      raw.off('readable', onReadable)
      heads.push(held.subarray(0, end + 2).toString())
      const rest = held.subarray(end + 2)
      if (rest.length > 0) raw.unshift(rest)
      go()
    }
    raw.on('readable', onReadable)
  }
  const byData = (raw: Socket, go: () => void) => {
    let held = Buffer.alloc(0)
    const onData = (chunk: Buffer) => {
      held = Buffer.concat([held, chunk])
      const end = held.indexOf('\r\n')
      if (end < 0) return
      raw.off('data', onData)
      raw.pause()
      heads.push(held.subarray(0, end + 2).toString())
      const rest = held.subarray(end + 2)
      if (rest.length > 0) raw.unshift(rest)
      go()
    }
    raw.on('data', onData)
  }
  for (const before of [byReadable, byData]) {
    const { port } = await accepting(t, { before })
    // The first handshake's bytes come in one with the line, the second's behind it, the third's in the middle of it.
    for (const split of [undefined, line.length, 10, line.length + 20]) {
      const { client, head } = await withHello(port)
      const bytes = Buffer.concat([Buffer.from(line), head])
      if (split === undefined) client.raw.write(bytes)
      else {
        client.raw.write(bytes.subarray(0, split))
        await new Promise((resolve) => setTimeout(resolve, 20))
        client.raw.write(bytes.subarray(split))
      }
      t.match(await client.answer, { heard: 'hello', protocol: 'TLSv1.3' }, `${before.name} ${split}`)
      t.equal(heads.pop(), line)
    }
  }
})

/** A client whose first flight is in hand, to be sent together with what should stand before it. */
async function withHello(port: number) {
  const raw = connectRaw(port, '127.0.0.1')
  await once(raw, 'connect')
  raw.setNoDelay(true)
  let first: ((head: Buffer) => void) | undefined
  const head = new Promise<Buffer>((resolve) => (first = resolve))
  const between = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      if (first === undefined) raw.write(chunk, done)
      else {
        first(chunk)
        first = undefined
        done()
      }
    }
  })
  raw.on('data', (chunk) => between.push(chunk))
  raw.on('end', () => between.push(null))
  const socket = connect({ socket: between, servername: 'localhost', ca: ca.cert })
  const answer = new Promise<Asked['seen']>((resolve, reject) => {
    socket.once('secureConnect', () => socket.write('hello'))
    socket.once('data', (chunk) => {
      resolve(JSON.parse(String(chunk)))
      raw.destroy()
    })
    socket.once('error', reject)
  })
  return { client: { raw, answer }, head: await head }
}

t.test('what is no handshake ends the connection, and nothing else', async (t) => {
  const { port, log } = await accepting(t, { handshakeTimeout: 300 })
  const say = async (bytes: string | Buffer | undefined, then?: (socket: Socket) => void) => {
    const raw = connectRaw(port, '127.0.0.1')
    raw.on('error', () => {})
    raw.resume()
    await once(raw, 'connect')
    if (bytes !== undefined) raw.write(bytes)
    then?.(raw)
    await once(raw, 'close')
  }
  await say('GET / HTTP/1.1\r\n\r\n')
  await say(Buffer.alloc(20_000, 0x16))
  await say(Buffer.from([0x16, 3, 1, 0xff, 0xff]))
  await say(undefined)
  await say(Buffer.from([0x16, 3, 1]), (raw) => raw.end())
  await say(Buffer.from([0x16, 3, 1]), (raw) => raw.resetAndDestroy())
  t.equal((await ask(port)).seen.heard, 'hello')
  t.ok(
    log.lines.some(({ message }) => /handshake failed: ERR_SSL_(HTTP_REQUEST|WRONG_VERSION)/.test(message))
  )
  t.ok(log.lines.some(({ message }) => /handshake failed: ERR_TLS_HANDSHAKE_TIMEOUT/.test(message)))
  t.same(
    log.lines.filter(({ level }) => level !== 'debug'),
    [],
    'no stranger fills the log'
  )
})

t.test('whoever holds the raw connection hears of its end, however it ends', async (t) => {
  let open = 0
  const { port } = await accepting(t, {
    handshakeTimeout: 200,
    before: (raw, go) => {
      open++
      raw.once('close', () => open--)
      go()
    }
  })
  await ask(port)
  await until(() => open === 0)
  const client = connect({ port, host: '127.0.0.1', servername: 'localhost', ca: ca.cert })
  await once(client, 'secureConnect')
  t.equal(open, 1)
  client.destroy()
  await until(() => open === 0)
  const plain = connectRaw(port, '127.0.0.1')
  plain.on('error', () => {})
  plain.write('GET / HTTP/1.1\r\n\r\n')
  await once(plain, 'close')
  await until(() => open === 0)
  const silent = connectRaw(port, '127.0.0.1')
  await once(silent, 'connect')
  await until(() => open === 1)
  silent.on('error', () => {})
  silent.resume()
  await once(silent, 'close')
  await until(() => open === 0)
  t.pass('each of them')
})

t.test('an update that cannot be used changes nothing', async (t) => {
  const { port, acceptor, tls, write, folder } = await accepting(t)
  const bad = write('bad', { cert: server.cert, key: certificate({ name: 'x' }).key })
  t.throws(() => acceptor.update({ ...tls, ...bad }, true), { message: /bad\.pem: does not go with its key/ })
  t.throws(() => acceptor.update({ ...tls, sni: [{ names: ['a'], ...bad }] }, true), /bad\.pem/)
  writeFileSync(join(folder, 'half.pem'), `${ca.cert}${ca.cert.slice(0, 200)}`)
  t.throws(() => acceptor.update({ ...tls, ca: join(folder, 'half.pem'), clientAuth: 'require' }, true), {
    message: /half\.pem: a certificate is cut off/
  })
  t.throws(() => acceptor.update({ ...tls, cert: join(folder, 'none.pem') }, true), {
    message: /none\.pem: there is no such file/
  })
  t.equal((await ask(port)).shown, 'localhost')
})
