// What the fuzzer found over HTTP/2 and with slow readers; what it found over HTTP/1.1 stands among the cases.
import { connect } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { block } from '../support/hpack.js'
import { FrameClient } from '../support/http2-frame-client.js'
import { FLAG, frame, headers, request, TYPE } from '../support/http2-frames.js'
import { startTestProxy } from '../support/proxy.js'
import { startRawUpstream, startUpstream } from '../support/upstream.js'

/** Until it holds, or 8 s have passed. */
async function until(holds: () => boolean): Promise<boolean> {
  for (let i = 0; i < 400 && !holds(); i++) await sleep(20)
  return holds()
}

t.test('a connection error does not leave the exchanges of its streams under way for ever', async (t) => {
  const upstream = await startUpstream(t, () => {})
  // Node neither ends such a session nor hears its client leave: what stalls on it is timed as a body is.
  const listeners = { in: { address: '127.0.0.1:0', bodyTimeout: 500, idleTimeout: 500 } }
  const setup = { endpoints: [upstream.url], route: { timeout: 500 }, config: { listeners } }
  const proxy = await startTestProxy(t, setup)
  const client = await FrameClient.connect(proxy.url())
  t.teardown(() => client.destroy())
  const stray = frame(TYPE.CONTINUATION, FLAG.END_HEADERS, 9, block([['x-a', '1']]))
  client.write(headers(1, request('/')), stray)
  await client.until(() => client.goAways.length > 0, 'a GOAWAY')
  t.same(client.goAways, [1])
  client.destroy()
  t.ok(await until(() => proxy.proxy.inFlight === 0), `left under way: ${proxy.proxy.inFlight}`)
})

t.test('an upstream that breaks mid-body: the stream is reset, whatever length was announced', async (t) => {
  const heads = { counted: 'content-length: 10', chunked: 'transfer-encoding: chunked' }
  for (const [name, head] of Object.entries(heads)) {
    const upstream = await startRawUpstream(t, (socket) => {
      socket.once('data', () => {
        socket.end(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${name === 'chunked' ? '5\r\nhello\r\n' : 'hello'}`)
      })
    })
    const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
    for (const method of ['GET', 'POST']) {
      const client = await FrameClient.connect(proxy.url())
      client.write(headers(1, request('/', [], method)))
      await client.until(() => client.over(1), 'the end of the stream')
      const ended = client.frames.some(({ stream, type, flags }) => {
        return stream === 1 && type <= TYPE.HEADERS && (flags & FLAG.END_STREAM) !== 0
      })
      t.notOk(ended, `${name}, ${method}: no clean end`)
      t.equal(client.resetOf(1), 2, `${name}, ${method}: INTERNAL_ERROR`)
      client.destroy()
    }
  }
})

t.test('an upstream that ends its connection while its body is held back', async (t) => {
  const size = 97_000
  const upstream = await startRawUpstream(t, (socket) => {
    socket.once('data', () => {
      const head = Buffer.from('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n')
      socket.end(Buffer.concat([head, Buffer.alloc(size, 'x')]))
    })
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  for (let i = 0; i < 5; i++) {
    const session = connect(proxy.url(), { settings: { initialWindowSize: 40_000 } })
    const stream = session.request({ ':path': '/' })
    let received = 0
    stream.on('data', (chunk: Buffer) => {
      received += chunk.length
      stream.pause()
      setTimeout(() => stream.resume(), 5)
    })
    await new Promise((resolve) => stream.once('close', resolve))
    session.destroy()
    t.equal(received, size, 'all of it arrives')
  }
})
