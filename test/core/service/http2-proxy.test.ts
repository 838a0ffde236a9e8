// A service that speaks HTTP/2, behind the proxy.
import { createServer, type ServerHttp2Session } from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import { Readable } from 'node:stream'
import t from 'tap'
import { request } from 'undici'
import { startTestProxy } from '../../support/proxy.js'

for (const protocol of ['h2c', 'auto']) {
  t.test(`protocol: ${protocol}`, async (t) => {
    const sessions = new Set<ServerHttp2Session>()
    let breaking = () => {}
    const server = createServer()
    server.on('session', (session) => {
      sessions.add(session)
      session.on('close', () => sessions.delete(session))
    })
    server.on('stream', (stream, headers) => {
      stream.on('error', () => {})
      if (headers[':path'] === '/break') {
        stream.respond({ ':status': 200 })
        stream.write('half')
        breaking = () => stream.destroy(new Error('broken'))
        return
      }
      stream.respond(
        { ':status': 200, 'x-host': headers[':authority'], 'set-cookie': ['a=1', 'b=2'] },
        { waitForTrailers: true }
      )
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'right' }))
      stream.pipe(stream)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => {
      for (const session of sessions) session.destroy()
      server.close()
    })
    const { port } = server.address() as AddressInfo
    const proxy = await startTestProxy(t, {
      endpoints: [`http://127.0.0.1:${port}`],
      service: { protocol }
    })
    const url = proxy.url()

    const whole = await request(url, { method: 'POST', body: 'hello', headers: { host: 'shop.example' } })
    t.equal(await whole.body.text(), 'hello')
    t.equal(whole.headers['x-host'], 'shop.example')
    t.same(whole.headers['set-cookie'], ['a=1', 'b=2'])

    const body = Readable.from(Array.from({ length: 64 }, () => Buffer.alloc(65_536, 'x')))
    const streamed = await request(url, { method: 'POST', body, headers: { te: 'trailers' } })
    t.equal((await streamed.body.text()).length, 64 * 65_536)
    t.same(streamed.trailers, { 'x-sum': 'right' })

    const broken = await request(`${url}/break`)
    breaking()
    await t.rejects(broken.body.text(), 'what breaks upstream is broken for the client')

    const many = Array.from({ length: 200 }, (_, i) => request(url, { method: 'POST', body: String(i) }))
    const texts = await Promise.all(many.map(async (one) => (await one).body.text()))
    t.same(
      texts,
      texts.map((_, i) => String(i))
    )
    t.equal(sessions.size, 1)

    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    t.teardown(() => socket.destroy())
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    const [answer] = (await new Promise<Buffer>((resolve) => socket.once('data', resolve)))
      .toString()
      .split('\r\n')
    t.match(answer, protocol === 'h2c' ? / 502 / : / (4|5)\d\d /)
  })
}
