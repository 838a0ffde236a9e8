import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { definePlugin, Reply, Retry } from '../../../core/index.js'
import { fastLane } from '../../support/lane.js'
import { startTestProxy } from '../../support/proxy.js'
import { parseResponse, RawClient } from '../../support/raw-client.js'
import { bodyOf, echo, startRawUpstream, startUpstream } from '../../support/upstream.js'

/** Until it holds, or 3 s have passed. */
async function until(holds: () => boolean): Promise<boolean> {
  for (let i = 0; i < 150 && !holds(); i++) await sleep(20)
  return holds()
}

t.test('pipelined requests are answered in order', async (t) => {
  const upstream = await startUpstream(t, async (request, response) => {
    await sleep(request.url === '/0' ? 100 : 1)
    response.end(`${request.url}:${'x'.repeat(50_000)}`)
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await RawClient.connect(proxy.url())
  client.write(Array.from({ length: 8 }, (_, i) => `GET /${i} HTTP/1.1\r\nhost: a\r\n\r\n`).join(''))
  const text = await client.until((text) => text.length > 8 * 50_000 && text.includes('/7:'), 'all of them')
  t.same(
    [...text.matchAll(/\/(\d):x/g)].map(([, n]) => Number(n)),
    [0, 1, 2, 3, 4, 5, 6, 7]
  )
  client.destroy()
})

t.test('103 Early Hints pass, whatever form their links have', async (t) => {
  const links = [
    '</a.css>; rel=preload; as=style',
    '</a.css>; rel=preload; as=style, </b.js>; rel=preload; as=script',
    '</a.css>; rel=preload; title="two words"'
  ]
  for (const link of links) {
    const upstream = await startRawUpstream(t, (socket) => {
      socket.once('data', () => {
        socket.write(`HTTP/1.1 103 Early Hints\r\nlink: ${link}\r\n\r\n`)
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
      })
    })
    const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
    const client = await RawClient.connect(proxy.url())
    client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    const text = await client.until((text) => text.endsWith('ok') || text.includes('"error"'), 'an answer')
    t.match(text, /^HTTP\/1\.1 103 /, link)
    t.ok(text.toLowerCase().includes(`link: ${link}`.toLowerCase()), link)
    t.match(text, /HTTP\/1\.1 200 OK/, link)
    client.destroy()
  }
})

t.test('an idle upstream connection that ends just as it is used again: GET is not lost', async (t) => {
  for (const how of ['destroy', 'resetAndDestroy'] as const) {
    let connections = 0
    const upstream = await startRawUpstream(t, (socket) => {
      connections++
      let requests = 0
      socket.on('data', () => {
        if (++requests === 1 || connections > 1)
          socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
        else socket[how]()
      })
    })
    const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
    t.equal((await fetch(proxy.url())).status, 200)
    t.equal((await fetch(proxy.url())).status, 200, how)
    t.equal(connections, 2, how)
  }
})

t.test(
  'a retry that waits while the upload goes on: whole at the second endpoint, or not at all',
  async (t) => {
    // Refuses at once and takes its time over its answer's end, reading on meanwhile.
    const first = await startRawUpstream(t, (socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 503 Busy\r\ncontent-length: 10\r\n\r\n12345')
        socket.resume()
      })
    })
    const arrived: number[] = []
    const second = await startUpstream(t, async (request, response) => {
      arrived.push((await bodyOf(request)).length)
      response.end('done')
    })
    const failover = definePlugin({
      name: 'failover',
      setup: () => ({
        outcome: ({ status }) => (status === 503 ? new Retry({ delay: 400, service: 'other' }) : undefined)
      })
    })
    const proxy = await startTestProxy(t, {
      endpoints: [first.url],
      plugins: [failover],
      config: {
        services: { upstream: { endpoints: [first.url] }, other: { endpoints: [second.url] } }
      }
    })
    const client = await RawClient.connect(proxy.url())
    client.write('POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3e8\r\n')
    client.write(`${'x'.repeat(1000)}\r\n`)
    await sleep(150)
    const chunk = `4000\r\n${'y'.repeat(16_384)}\r\n`
    for (let i = 0; i < 12; i++) {
      client.write(chunk)
      await sleep(5)
    }
    client.write('0\r\n\r\n')
    await client.until((text) => parseResponse(text) !== undefined, 'an answer').catch(() => {})
    for (const length of arrived) t.equal(length, 1000 + 12 * 16_384, 'it is whole')
    t.match(client.text, arrived.length > 0 ? /^HTTP\/1\.1 200 / : /^HTTP\/1\.1 50\d /)
    client.destroy()
  }
)

t.test('a Reply while a large upload comes in: the client reads it', async (t) => {
  const refuses = definePlugin({
    name: 'refuses',
    setup: () => ({ request: () => new Reply(401, 'who are you?') })
  })
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], plugins: [refuses] })
  let read = 0
  for (let i = 0; i < 10; i++) {
    const client = await RawClient.connect(proxy.url())
    client.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 20000000\r\n\r\n')
    for (let k = 0; k < 40; k++) client.write(Buffer.alloc(32 * 1024))
    await client.closed().catch(() => {})
    if (/^HTTP\/1\.1 401 /.test(client.text)) read++
    client.destroy()
  }
  t.equal(read, 10)
  t.ok(await until(() => proxy.proxy.inFlight === 0))
})

t.test('many uploads whose upstream answers early', async (t) => {
  const upstream = await startUpstream(t, (request, response) => {
    response.writeHead(200, { 'content-length': 5 })
    response.end('early')
    request.resume()
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const answers = await Promise.all(
    Array.from({ length: 20 }, () =>
      fetch(proxy.url(), { method: 'POST', body: Buffer.alloc(512 * 1024) }).then(
        async (response) => `${response.status} ${await response.text()}`,
        (error) => String(error.cause ?? error)
      )
    )
  )
  t.same(new Set(answers), new Set(['200 early']))
  t.ok(await until(() => proxy.proxy.inFlight === 0))
})

t.test('a slow reader holds the upstream back', async (t) => {
  let produced = 0
  const upstream = await startUpstream(t, (_request, response) => {
    const more = () => {
      while (produced < 200e6) {
        produced += 65_536
        if (!response.write(Buffer.alloc(65_536))) return
      }
    }
    response.on('drain', more)
    more()
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await RawClient.connect(proxy.url())
  client.socket.pause()
  client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  let before = -1
  for (let i = 0; i < 50 && before !== produced; i++) {
    before = produced
    await sleep(100)
  }
  // Not whether any is open: undici opens another in an aborted one's place.
  const used = [...upstream.sockets]
  t.ok(produced < 40e6, `${produced} bytes produced for a client that reads none`)
  client.destroy()
  t.ok(
    await until(() => used.every(({ destroyed }) => destroyed)),
    'and the upstream is let go when it leaves'
  )
})

t.test('a reason phrase beyond ASCII does not cost the response', async (t) => {
  const upstream = await startRawUpstream(t, (socket) => {
    socket.once('data', () =>
      socket.write(Buffer.from('HTTP/1.1 200 \u2713 gut\r\ncontent-length: 2\r\n\r\nok'))
    )
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  t.equal((await fetch(proxy.url())).status, 200)
})

t.test('response trailers', async (t) => {
  const upstream = await startUpstream(t, (_request, response) => {
    response.writeHead(200, { trailer: 'x-sum' })
    response.write('a')
    response.addTrailers({ 'x-sum': '42' })
    response.end()
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await RawClient.connect(proxy.url())
  client.write('GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\n\r\n')
  const text = await client.until((text) => text.includes('0\r\nx-sum: 42\r\n\r\n'), 'the trailer')
  t.match(text, /0\r\nx-sum: 42\r\n\r\n$/)
  client.destroy()
})

t.test('a client that leaves with requests still in its pipeline: each of them ends', async (t) => {
  let finished = 0
  const counts = definePlugin({ name: 'counts', setup: () => ({ finish: () => void finished++ }) })
  const upstream = await startUpstream(t, () => {})
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], top: [counts] })
  const client = await RawClient.connect(proxy.url())
  client.write(
    'GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\nGET /3 HTTP/1.1\r\nhost: a\r\n\r\n'
  )
  // Node's server asks for all at once; on the fast lane one waits for the answer to the one before it.
  const under = fastLane ? 1 : 3
  t.ok(await until(() => proxy.proxy.inFlight === under && upstream.sockets.size === under), 'under way')
  const used = [...upstream.sockets]
  client.destroy()
  t.ok(await until(() => proxy.proxy.inFlight === 0), `left under way: ${proxy.proxy.inFlight}`)
  t.equal(finished, under)
  t.ok(await until(() => used.every(({ destroyed }) => destroyed)), 'the upstream’s connections are gone')
})
