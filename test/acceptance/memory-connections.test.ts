// maxConnections holds, whatever is spoken on a listener, and one that ends makes room for another.
import { connect as connectHttp2 } from 'node:http2'
import { createConnection, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { startTestProxy } from '../support/proxy.js'
import { closedPort } from '../support/upstream.js'
import { ca, PemFolder, server } from '../wire/tls-peers.js'

const MOST = 5

interface Connected {
  /** Resolves with whether one request was answered. */
  ask(): Promise<boolean>
  /** Resolves once the proxy has closed it. */
  readonly closed: Promise<void>
  end(): void
}

function overHttp1(socket: Socket): Connected {
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  return {
    ask: () =>
      new Promise((resolve) => {
        void closed.then(() => resolve(false))
        socket.once('data', (chunk) => resolve(chunk.toString().startsWith('HTTP/1.1 200 ')))
        socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
      }),
    closed,
    end: () => socket.destroy()
  }
}

function overHttp2(url: string): Connected {
  const session = connectHttp2(url, { ca: ca.cert, servername: 'localhost' })
  session.on('error', () => {})
  const closed = new Promise<void>((resolve) => session.once('close', () => resolve()))
  return {
    ask: () =>
      new Promise((resolve) => {
        void closed.then(() => resolve(false))
        if (session.destroyed) return
        const stream = session.request({ ':path': '/' })
        stream.on('error', () => {})
        stream.once('response', (headers) => resolve(headers[':status'] === 200))
        stream.resume()
      }),
    closed,
    end: () => session.destroy()
  }
}

const port = (url: string) => Number(new URL(url).port)

const kinds: Record<string, (plain: string, secure: string) => Connected> = {
  'HTTP/1.1': (plain) => overHttp1(createConnection(port(plain), '127.0.0.1')),
  h2c: (plain) => overHttp2(plain),
  'HTTP/1.1 over TLS': (_, secure) =>
    overHttp1(connectTls({ port: port(secure), host: '127.0.0.1', ca: ca.cert, servername: 'localhost' })),
  'HTTP/2 over TLS': (_, secure) => overHttp2(secure)
}

for (const [kind, connect] of Object.entries(kinds)) {
  t.test(`${kind}: ${MOST} connections and no more`, async (t) => {
    const listener = { address: '127.0.0.1:0', maxConnections: MOST }
    const tls = new PemFolder(t).pair('server', server)
    const proxy = await startTestProxy(t, {
      endpoints: [`http://127.0.0.1:${await closedPort()}`],
      route: { service: undefined, reply: { status: 200, body: 'ok' } },
      config: { listeners: { plain: listener, secure: { ...listener, tls } } }
    })
    const open = () => connect(proxy.url('plain'), proxy.url('secure'))
    const first: Connected[] = []
    for (let i = 0; i < MOST; i++) {
      const one = open()
      t.equal(await one.ask(), true, `connection ${i + 1}`)
      first.push(one)
    }
    for (let i = 0; i < 3; i++) {
      const one = open()
      t.equal(await one.ask(), false, 'one too many')
      await one.closed
    }
    for (const one of first) t.equal(await one.ask(), true, 'those that were there are served on')
    first[0]?.end()
    let again = open()
    // The proxy hears of the end when it hears of it.
    for (let i = 0; i < 50 && !(await again.ask()); i++) {
      again.end()
      await new Promise((resolve) => setTimeout(resolve, 10))
      again = open()
    }
    t.equal(await again.ask(), true, 'one that ended made room')
    t.equal(await first[1]?.ask(), true)
    const over = open()
    t.equal(await over.ask(), false, 'for one')
    for (const one of [...first, again, over]) one.end()
  })
}

t.test('connections that say nothing count, and are closed in time', async (t) => {
  const listener = { address: '127.0.0.1:0', maxConnections: MOST, headersTimeout: 1_000 }
  const proxy = await startTestProxy(t, {
    endpoints: [`http://127.0.0.1:${await closedPort()}`],
    route: { service: undefined, reply: { status: 200, body: 'ok' } },
    config: { listeners: { in: listener } }
  })
  const connect = () => overHttp1(createConnection(port(proxy.url()), '127.0.0.1'))
  const silent = Array.from({ length: MOST }, connect)
  const over = connect()
  t.equal(await over.ask(), false, 'one too many')
  await Promise.all(silent.map(({ closed }) => closed))
  const after = connect()
  t.equal(await after.ask(), true, 'their places are free')
  after.end()
})
