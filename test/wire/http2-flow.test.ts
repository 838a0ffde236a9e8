// HTTP/2 between client and proxy: a slow side slows the other one, stream by stream, and nothing piles up between them.
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { definePlugin } from '../../core/index.js'
import { ask, openSession } from '../support/http2-client.js'
import { FrameClient } from '../support/http2-frame-client.js'
import { frame, headers, request, TYPE, windowUpdate } from '../support/http2-frames.js'
import { startTestProxy } from '../support/proxy.js'
import { startUpstream } from '../support/upstream.js'

const MiB = 1024 * 1024

/** What sockets of the operating system and of Node may hold between an upstream and its client. */
const IN_BETWEEN = 16 * MiB

/** Resolves once the number has not changed for a while. */
async function settled(read: () => number): Promise<number> {
  let last = -1
  for (let i = 0; i < 100; i++) {
    const now = read()
    if (now === last && now > 0) return now
    last = now
    await sleep(100)
  }
  throw new Error('it goes on and on')
}

/** Writes `total` bytes as fast as they are taken. */
function pour(response: ServerResponse, total: number, count: (bytes: number) => void): void {
  const piece = Buffer.alloc(64 * 1024, 'x')
  let left = total
  const more = () => {
    while (left > 0 && !response.destroyed) {
      left -= piece.length
      count(piece.length)
      if (!response.write(piece)) {
        response.once('drain', more)
        return
      }
    }
    response.end()
  }
  more()
}

t.test('a client that does not read holds its upstream back, and nobody else’s', async (t) => {
  let written = 0
  const upstream = await startUpstream(t, (request, response) => {
    if (request.url === '/quick') response.end('quick')
    else pour(response, 256 * MiB, (bytes) => (written += bytes))
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const session = await openSession(t, proxy.url())
  const stream = session.request({ ':path': '/large' })
  stream.on('error', () => {})
  await once(stream, 'response')
  const before = process.memoryUsage.rss()
  const held = await settled(() => written)
  t.ok(held < IN_BETWEEN, `${held} bytes were written`)
  t.equal((await ask(session, { ':path': '/quick' })).text, 'quick', 'another stream goes on')
  let read = 0
  stream.on('data', (chunk) => (read += chunk.length))
  let grown = 0
  const look = setInterval(() => (grown = Math.max(grown, process.memoryUsage.rss() - before)), 50)
  await once(stream, 'end')
  clearInterval(look)
  t.equal(read, 256 * MiB, 'and all of it arrives once it is read')
  t.ok(grown < 96 * MiB, `${Math.round(grown / MiB)} MiB more in use, of upstream, proxy and client together`)
})

t.test('a client that reads a little at a time gets a little at a time', async (t) => {
  let written = 0
  const upstream = await startUpstream(t, (_request, response) =>
    pour(response, 64 * MiB, (bytes) => (written += bytes))
  )
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await FrameClient.connect(proxy.url(), { greedy: true, settings: [[4, 1_000]] })
  t.teardown(() => client.destroy())
  client.write(headers(1, request()))
  await client.until(() => client.received.get(1) === 1_000, 'its window')
  for (let i = 2; i <= 20; i++) {
    client.write(windowUpdate(1, 1_000))
    await client.until(() => client.received.get(1) === i * 1_000, 'as much again')
  }
  t.ok((await settled(() => written)) < IN_BETWEEN)
  t.equal(client.received.get(1), 20_000)
})

t.test(
  'an upstream that does not read closes the window of its client’s stream, and of that alone',
  async (t) => {
    let stuck: IncomingMessage | undefined
    let received = 0
    const upstream = await startUpstream(t, (request, response) => {
      if (request.url === '/quick') {
        request.resume()
        request.on('end', () => response.end('quick'))
        return
      }
      stuck = request
      request.on('end', () => response.end('done'))
    })
    const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
    const session = await openSession(t, proxy.url())
    const stream = session.request({ ':method': 'POST', ':path': '/stuck' })
    stream.on('error', () => {})
    const total = 48 * MiB
    let written = 0
    const piece = Buffer.alloc(64 * 1024)
    const more = () => {
      while (written < total) {
        written += piece.length
        if (!stream.write(piece)) {
          stream.once('drain', more)
          return
        }
      }
      stream.end()
    }
    more()
    const held = await settled(() => written)
    t.ok(held < IN_BETWEEN, `${held} bytes were taken`)
    const quick = await ask(session, { ':method': 'POST', ':path': '/quick' }, Buffer.alloc(2 * MiB))
    t.equal(quick.text, 'quick', 'another upload goes on')
    const response = once(stream, 'response')
    stuck?.on('data', (chunk) => (received += chunk.length))
    const [answer] = await response
    t.equal(answer[':status'], 200)
    t.equal(received, total, 'and all of it arrives once it is read')
  }
)

t.test('both directions at once, as they come', async (t) => {
  const upstream = await startUpstream(t, (request, response) => {
    response.writeHead(200)
    request.on('data', (chunk) => response.write(chunk))
    request.on('end', () => response.end())
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const session = await openSession(t, proxy.url())
  const stream = session.request({ ':method': 'POST' })
  stream.setEncoding('latin1')
  let text = ''
  stream.on('data', (chunk) => {
    text += chunk
  })
  for (let i = 0; i < 20; i++) {
    stream.write(`${i};`)
    await once(stream, 'data')
  }
  t.equal(text, Array.from({ length: 20 }, (_, i) => `${i};`).join(''))
  stream.end('last')
  await once(stream, 'end')
  t.ok(text.endsWith('last'))
})

t.test('an answer does not wait for the end of its upload, nor end it', async (t) => {
  const upstream = await startUpstream(t, (request, response) => {
    let size = 0
    response.write('begun;')
    request.on('data', (chunk) => {
      size += chunk.length
    })
    request.on('end', () => response.end(String(size)))
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await FrameClient.connect(proxy.url())
  t.teardown(() => client.destroy())
  client.write(headers(1, request('/', [], 'POST'), false), frame(TYPE.DATA, 0, 1, Buffer.alloc(1_000)))
  await client.until(() => client.received.get(1) === 6, 'the first of the answer')
  client.write(frame(TYPE.DATA, 1, 1, Buffer.alloc(1_000)))
  await client.until(() => client.over(1), 'the end')
  t.equal(client.received.get(1), 10)
  t.equal(client.resetOf(1), undefined)
})

t.test('500 streams of one connection, with bodies both ways, none mixed up', async (t) => {
  const upstream = await startUpstream(t, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', () => response.end(Buffer.concat(chunks)))
  })
  const finished: number[] = []
  const recorder = definePlugin({
    name: 'recorder',
    setup: () => ({
      finish: ({ status }) => {
        finished.push(status)
      }
    })
  })
  const proxy = await startTestProxy(t, {
    endpoints: [upstream.url],
    plugins: [recorder],
    config: { listeners: { in: { address: '127.0.0.1:0', maxStreams: 500 } } }
  })
  // Its own limit is less than what it is about to send.
  const session = await openSession(t, proxy.url(), { maxSessionMemory: 100 })
  const sent = Array.from({ length: 500 }, (_, at) => Buffer.alloc(1 + ((at * 977) % 60_000), `${at};`))
  const answers = await Promise.all(sent.map((body) => ask(session, { ':method': 'POST' }, body)))
  t.same(
    finished.filter((status) => status !== 200),
    []
  )
  t.same(
    answers.filter(({ body, status }, at) => status !== 200 || !body.equals(sent[at] as Buffer)).length,
    0
  )
})
