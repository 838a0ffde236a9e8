// What a client may do to HTTP/2 for little that would cost us much. Each attack ends its own connection, or is taken at
// no great cost, and a second connection is answered all the while. What nghttp2 and Node count by themselves differs by
// version: what is asserted is that it ends, and by which codes it may.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { StartedProxy } from '../../plugins/testing.js'
import { block, indexed } from '../support/hpack.js'
import { FrameClient, type FrameClientOptions } from '../support/http2-frame-client.js'
import {
  CODE,
  FLAG,
  frame,
  headers,
  PREFACE,
  request,
  reset,
  settings,
  TYPE,
  windowUpdate
} from '../support/http2-frames.js'
import { startTestProxy } from '../support/proxy.js'
import { startUpstream, type Upstream } from '../support/upstream.js'

const MiB = 1024 * 1024
const { NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, ENHANCE_YOUR_CALM } =
  CODE

function serve(request: IncomingMessage, response: ServerResponse): void {
  if (request.url === '/never') return
  if (request.url === '/large') {
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(64 * 1024)));
    }
    response.on('drain', more)
    more()
    return
  }
  request.resume()
  request.on('end', () => response.end('ok'))
}

interface Attack {
  name: string
  run(client: FrameClient): Promise<void> | void
  options?: FrameClientOptions
  /**
   * The codes of GOAWAY that it may end with. A peer that goes on sending may see a reset connection and no GOAWAY, and
   * nghttp2 says INTERNAL_ERROR of some that it gives up on.
   */
  codes: readonly number[]
}

/** Writes what `make` gives, `times` over or until the peer has closed. */
async function flood(client: FrameClient, times: number, make: (i: number) => Buffer): Promise<void> {
  for (let i = 0; i < times && !client.ended; i++) {
    await client.flush(make(i))
    if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
}

const many = (count: number, one: Buffer): Buffer => Buffer.concat(Array<Buffer>(count).fill(one))
const odd = (i: number): number => 2 * i + 1

const floods: Attack[] = [
  {
    name: 'rapid reset (CVE-2023-44487)',
    run: (client) => flood(client, 5_000, (i) => Buffer.concat([headers(odd(i), request()), reset(odd(i))])),
    codes: [ENHANCE_YOUR_CALM]
  },
  {
    name: 'rapid reset of requests that have reached the upstream',
    run: async (client) => {
      for (let i = 0; i < 2_000 && !client.ended; i++) {
        await client.flush(headers(odd(i), request('/never')))
        if (i % 20 !== 19) continue
        await sleep(5)
        await client.flush(Buffer.concat(Array.from({ length: 20 }, (_, at) => reset(odd(i - at)))))
      }
    },
    codes: [ENHANCE_YOUR_CALM]
  },
  {
    name: 'made you reset (CVE-2025-8671): windows of zero',
    run: (client) =>
      flood(client, 5_000, (i) =>
        Buffer.concat([headers(odd(i), request('/never')), windowUpdate(odd(i), 0)])
      ),
    codes: [ENHANCE_YOUR_CALM, PROTOCOL_ERROR]
  },
  {
    name: 'made you reset: windows past the largest',
    run: (client) =>
      flood(client, 5_000, (i) =>
        Buffer.concat([headers(odd(i), request('/never')), windowUpdate(odd(i), 0x7fffffff)])
      ),
    codes: [ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR]
  },
  {
    name: 'malformed requests without end',
    run: (client) => flood(client, 5_000, (i) => headers(odd(i), request('/', [['Upper', 'x']]))),
    codes: [ENHANCE_YOUR_CALM, PROTOCOL_ERROR]
  },
  {
    name: 'CONTINUATION without end (CVE-2024-27316)',
    run: async (client) => {
      client.write(frame(TYPE.HEADERS, 0, 1, block(request())))
      const part = frame(TYPE.CONTINUATION, 0, 1, block([['x-a', 'v'.repeat(8_000)]]))
      await flood(client, 5_000, () => part)
    },
    codes: [ENHANCE_YOUR_CALM, PROTOCOL_ERROR]
  },
  {
    name: 'empty CONTINUATION frames',
    run: async (client) => {
      client.write(frame(TYPE.HEADERS, 0, 1, block(request())))
      await flood(client, 5_000, () => many(100, frame(TYPE.CONTINUATION, 0, 1)))
    },
    codes: [ENHANCE_YOUR_CALM, PROTOCOL_ERROR]
  },
  {
    name: 'CONTINUATION frames that trickle',
    run: async (client) => {
      client.write(frame(TYPE.HEADERS, 0, 1, block(request())))
      for (let i = 0; i < 100 && !client.ended; i++) {
        client.write(frame(TYPE.CONTINUATION, 0, 1, block([['x-a', 'v']])))
        await sleep(50)
      }
    },
    codes: [ENHANCE_YOUR_CALM, PROTOCOL_ERROR, NO_ERROR]
  },
  {
    name: 'SETTINGS',
    run: (client) => flood(client, 20_000, () => settings([4, 65_535])),
    codes: [ENHANCE_YOUR_CALM]
  },
  {
    name: 'SETTINGS that open and close the windows of many streams',
    options: { greedy: true },
    run: async (client) => {
      for (let i = 0; i < 50; i++) client.write(headers(odd(i), request('/large')))
      await flood(client, 5_000, (i) => settings([4, i % 2 === 0 ? 0 : 65_535]))
    },
    codes: [ENHANCE_YOUR_CALM]
  },
  {
    name: 'acknowledged SETTINGS that nobody sent',
    run: (client) => flood(client, 5_000, () => frame(TYPE.SETTINGS, FLAG.ACK, 0)),
    codes: [ENHANCE_YOUR_CALM, PROTOCOL_ERROR]
  },
  {
    name: 'PING (CVE-2019-9512)',
    run: (client) => flood(client, 20_000, () => frame(TYPE.PING, 0, 0, Buffer.alloc(8))),
    codes: [ENHANCE_YOUR_CALM]
  },
  {
    name: 'PING by one who does not read the answers',
    run: async (client) => {
      client.socket.pause()
      await Promise.race([
        flood(client, 20_000, () => many(50, frame(TYPE.PING, 0, 0, Buffer.alloc(8)))),
        sleep(3_000)
      ])
      client.socket.resume()
    },
    codes: [ENHANCE_YOUR_CALM]
  },
  {
    name: 'answered PINGs that nobody sent',
    run: (client) => flood(client, 5_000, () => frame(TYPE.PING, FLAG.ACK, 0, Buffer.alloc(8))),
    codes: [ENHANCE_YOUR_CALM, PROTOCOL_ERROR]
  },
  {
    name: 'a table entry of 4 KB, thousands of times (HPACK bomb)',
    run: async (client) => {
      const first = Buffer.concat([block(request('/never')), indexed('x-bomb', 'z'.repeat(3_900))])
      client.write(frame(TYPE.HEADERS, FLAG.END_HEADERS, 1, first))
      const bomb = Buffer.concat([block(request('/never')), Buffer.alloc(15_000, 0xbe)])
      await flood(client, 5_000, (i) => frame(TYPE.HEADERS, FLAG.END_HEADERS, odd(i + 1), bomb))
    },
    codes: [ENHANCE_YOUR_CALM]
  },
  {
    name: 'WINDOW_UPDATE by one',
    run: async (client) => {
      client.write(headers(1, request('/never')))
      await flood(client, 5_000, () => many(1_000, windowUpdate(1, 1)))
    },
    codes: [ENHANCE_YOUR_CALM]
  },
  {
    name: 'empty DATA frames (CVE-2019-9518)',
    run: async (client) => {
      client.write(headers(1, request('/never', [], 'POST'), false))
      await flood(client, 5_000, () => many(1_000, frame(TYPE.DATA, 0, 1)))
    },
    codes: [ENHANCE_YOUR_CALM, PROTOCOL_ERROR]
  },
  {
    name: 'padding and nothing else',
    run: async (client) => {
      client.write(headers(1, request('/never', [], 'POST'), false))
      const padding = Buffer.concat([Buffer.from([255]), Buffer.alloc(255)])
      await flood(client, 20_000, () => many(100, frame(TYPE.DATA, FLAG.PADDED, 1, padding)))
    },
    codes: [ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, PROTOCOL_ERROR]
  },
  {
    name: 'PRIORITY (CVE-2019-9513)',
    run: (client) =>
      flood(client, 5_000, () => {
        const one = (i: number) => frame(TYPE.PRIORITY, 0, odd(i), Buffer.from([0, 0, 0, 0, i % 256]))
        return Buffer.concat(Array.from({ length: 1_000 }, (_, i) => one(i)))
      }),
    codes: [ENHANCE_YOUR_CALM]
  },
  {
    name: 'DATA of a stream that is closed',
    run: async (client) => {
      client.write(headers(1, request()))
      await client.until(() => client.over(1), 'an answer')
      await flood(client, 20_000, () => many(1_000, frame(TYPE.DATA, 0, 1, Buffer.from('x'))))
    },
    codes: [ENHANCE_YOUR_CALM, CODE.STREAM_CLOSED, FLOW_CONTROL_ERROR]
  },
  {
    name: 'RST_STREAM of a stream that is closed',
    run: async (client) => {
      client.write(headers(1, request()))
      await client.until(() => client.over(1), 'an answer')
      await flood(client, 20_000, () => many(1_000, reset(1)))
    },
    codes: [ENHANCE_YOUR_CALM, CODE.STREAM_CLOSED]
  },
  {
    name: 'frames of a type that nobody knows',
    run: (client) => flood(client, 20_000, () => many(1_000, frame(0x77, 0xff, 0, Buffer.from('abcdef')))),
    codes: [ENHANCE_YOUR_CALM]
  },
  {
    name: 'large frames of a type that nobody knows',
    run: (client) => flood(client, 20_000, () => frame(0x77, 0, 0, Buffer.alloc(16_384))),
    codes: [ENHANCE_YOUR_CALM]
  },
  {
    name: 'thousands of streams that ask nothing more',
    run: (client) => flood(client, 5_000, (i) => headers(odd(i), request('/never', [], 'POST'), false)),
    codes: [ENHANCE_YOUR_CALM, PROTOCOL_ERROR]
  }
]

const errors: Attack[] = [
  {
    name: 'a connection window past the largest',
    run: (client) => void client.write(windowUpdate(0, 0x7fffffff)),
    codes: [FLOW_CONTROL_ERROR]
  },
  {
    name: 'a connection window of zero more',
    run: (client) => void client.write(windowUpdate(0, 0)),
    codes: [PROTOCOL_ERROR]
  },
  {
    name: 'a window that SETTINGS make too large',
    run: (client) => void client.write(settings([4, 0x80000000])),
    codes: [FLOW_CONTROL_ERROR]
  },
  {
    name: 'DATA of a stream that was never opened',
    run: (client) => void client.write(frame(TYPE.DATA, 0, 5, Buffer.from('x'))),
    codes: [PROTOCOL_ERROR]
  },
  {
    name: 'DATA behind the end of a stream',
    run: async (client) => {
      client.write(headers(1, request('/never')))
      await sleep(50)
      client.write(frame(TYPE.DATA, 0, 1, Buffer.from('x')))
    },
    codes: [CODE.STREAM_CLOSED]
  },
  {
    name: 'RST_STREAM of a stream that was never opened',
    run: (client) => void client.write(reset(5)),
    codes: [PROTOCOL_ERROR]
  },
  {
    name: 'a stream with an even number',
    run: (client) => void client.write(headers(2, request())),
    codes: [PROTOCOL_ERROR]
  },
  {
    name: 'a frame larger than agreed',
    run: (client) => void client.write(frame(TYPE.DATA, 0, 1, Buffer.alloc(20_000))),
    codes: [FRAME_SIZE_ERROR]
  },
  {
    name: 'CONTINUATION of nothing',
    run: (client) => void client.write(frame(TYPE.CONTINUATION, FLAG.END_HEADERS, 1, block(request()))),
    codes: [PROTOCOL_ERROR]
  },
  {
    name: 'a frame within a header block',
    run: (client) =>
      void client.write(frame(TYPE.HEADERS, 0, 1, block(request())), frame(TYPE.PING, 0, 0, Buffer.alloc(8))),
    codes: [PROTOCOL_ERROR]
  },
  {
    name: 'a header block that cannot be decoded',
    run: (client) => void client.write(frame(TYPE.HEADERS, 5, 1, Buffer.from([0xff]))),
    codes: [CODE.COMPRESSION_ERROR]
  },
  {
    name: 'PUSH_PROMISE',
    run: (client) => void client.write(frame(TYPE.PUSH_PROMISE, 4, 1, Buffer.from([0, 0, 0, 2, 0x82]))),
    codes: [PROTOCOL_ERROR]
  },
  {
    name: 'a preface that is none',
    options: { silent: true },
    run: (client) => void client.write(Buffer.from('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n')),
    codes: [PROTOCOL_ERROR]
  },
  {
    name: 'a preface without SETTINGS',
    options: { silent: true },
    run: (client) => void client.write(PREFACE, headers(1, request())),
    codes: [PROTOCOL_ERROR]
  },
  {
    name: 'SETTINGS that are none',
    run: (client) => void client.write(frame(TYPE.SETTINGS, 0, 0, Buffer.alloc(5))),
    codes: [FRAME_SIZE_ERROR]
  }
]

/** A client that asks again and again until it is told to stop. */
function neighbour(client: FrameClient): { stop(): Promise<{ asked: number; slowest: number }> } {
  let going = true
  let slowest = 0
  let stream = 1
  const asking = (async () => {
    while (going) {
      const began = performance.now()
      const id = stream
      stream += 2
      client.write(headers(id, request()))
      await client.until(() => client.over(id), 'an answer for the neighbour', 10_000)
      if (client.status(id) !== 200) throw new Error(`the neighbour got ${client.status(id)}`)
      client.frames.length = 0
      slowest = Math.max(slowest, performance.now() - began)
      await sleep(20)
    }
  })()
  // Whoever stops it hears of it.
  asking.catch(() => {})
  return {
    async stop() {
      going = false
      await asking
      return { asked: stream >> 1, slowest }
    }
  }
}

const listener = { address: '127.0.0.1:0', idleTimeout: 600, headersTimeout: 1_000, bodyTimeout: 1_500 }

async function start(t: Test): Promise<{ proxy: StartedProxy; upstream: Upstream }> {
  const upstream = await startUpstream(t, serve)
  const proxy = await startTestProxy(t, {
    endpoints: [upstream.url],
    route: { timeout: 1_500 },
    config: { listeners: { in: listener } }
  })
  return { proxy, upstream }
}

async function suffer(t: Test, attacks: readonly Attack[]): Promise<void> {
  const { proxy } = await start(t)
  for (const { name, run, options, codes } of attacks) {
    const other = await FrameClient.connect(proxy.url())
    const meanwhile = neighbour(other)
    const client = await FrameClient.connect(proxy.url(), options)
    const before = process.memoryUsage.rss()
    const began = performance.now()
    await run(client)
    await client.closed(8_000)
    const took = Math.round(performance.now() - began)
    const grown = Math.round((process.memoryUsage.rss() - before) / MiB)
    const { asked } = await meanwhile.stop()
    other.destroy()
    client.destroy()
    const said = client.goAways
    t.ok(
      said.every((code) => [...codes, INTERNAL_ERROR, NO_ERROR].includes(code)),
      `${name}: ended after ${took} ms and ${client.socket.bytesWritten} bytes, GOAWAY ${said}`
    )
    t.ok(asked > 0, `${name}: the neighbour had ${asked} answers`)
    t.ok(grown < 64, `${name}: ${grown} MiB more`)
  }
  for (let i = 0; i < 300 && proxy.proxy.inFlight > 0; i++) await sleep(10)
  t.equal(proxy.proxy.inFlight, 0, 'nothing is left under way')
}

t.test('floods', (t) => suffer(t, floods))

t.test('errors of a connection', (t) => suffer(t, errors))

t.test('a limit on resets is none for those who are seen to the end as often', async (t) => {
  const { proxy } = await start(t)
  const client = await FrameClient.connect(proxy.url())
  t.teardown(() => client.destroy())
  let id = -1
  for (let round = 0; round < 40; round++) {
    const good: number[] = []
    for (let i = 0; i < 20; i++) {
      id += 4
      good.push(id)
      client.write(headers(id - 2, request('/never')), headers(id, request()))
    }
    await client.until(() => good.every((stream) => client.over(stream)), 'the answers')
    client.write(...good.map((stream) => reset(stream - 2)))
  }
  client.write(headers(id + 2, request()))
  await client.until(() => client.over(id + 2), 'the last answer')
  t.same(client.goAways, [], '800 of 1,600 taken back')
})

t.test('slow readers: windows of nothing or a byte, and large answers', async (t) => {
  const upstream = await startUpstream(t, serve)
  const proxy = await startTestProxy(t, {
    endpoints: [upstream.url],
    config: { listeners: { in: { ...listener, bodyTimeout: 1_500, idleTimeout: 5_000 } } }
  })
  const other = await FrameClient.connect(proxy.url())
  t.teardown(() => other.destroy())
  const meanwhile = neighbour(other)
  const before = process.memoryUsage.rss()
  const clients: FrameClient[] = []
  for (let i = 0; i < 5; i++) {
    const client = await FrameClient.connect(proxy.url(), { greedy: true, settings: [[4, i % 2]] })
    t.teardown(() => client.destroy())
    clients.push(client)
    client.write(...Array.from({ length: 100 }, (_, at) => headers(odd(at), request('/large'))))
  }
  await sleep(1_000)
  const grown = Math.round((process.memoryUsage.rss() - before) / MiB)
  t.ok(grown < 200, `500 streams: ${grown} MiB more, of upstream and proxy together`)
  // A byte now and then is no reading.
  const drip = setInterval(() => {
    for (const client of clients) client.write(windowUpdate(1, 1))
  }, 100)
  t.teardown(() => clearInterval(drip))
  for (const client of clients) {
    await client.until(
      () => Array.from({ length: 100 }, (_, at) => odd(at)).every((stream) => client.over(stream)),
      'the end of all streams',
      10_000
    )
  }
  clearInterval(drip)
  const { asked } = await meanwhile.stop()
  t.ok(asked > 20, `the neighbour had ${asked} answers`)
  t.equal(proxy.proxy.inFlight, 0)
})

t.test('a client that reads nothing of its connection at all', async (t) => {
  const upstream = await startUpstream(t, serve)
  const proxy = await startTestProxy(t, {
    endpoints: [upstream.url],
    config: { listeners: { in: { ...listener, bodyTimeout: 500 } } }
  })
  const client = await FrameClient.connect(proxy.url(), { settings: [[4, 0x7fffffff]] })
  t.teardown(() => client.destroy())
  client.socket.pause()
  client.write(windowUpdate(0, 0x7fff0000 - 65_535))
  client.write(...Array.from({ length: 20 }, (_, at) => headers(odd(at), request('/large'))))
  await sleep(300)
  t.equal(proxy.proxy.inFlight, 20)
  for (let i = 0; i < 500 && proxy.proxy.inFlight > 0; i++) await sleep(10)
  t.equal(proxy.proxy.inFlight, 0, 'its requests end')
  const began = performance.now()
  const waiting = upstream.sockets.size
  await proxy.proxy.drain()
  t.ok(performance.now() - began < 8_000, `and it holds up no drain; ${waiting} upstream connections`)
})

t.test('100 connections that open and say nothing', async (t) => {
  const { proxy } = await start(t)
  const clients = await Promise.all(
    Array.from({ length: 100 }, (_, i) => FrameClient.connect(proxy.url(), { silent: i % 2 === 0 }))
  )
  const other = await FrameClient.connect(proxy.url())
  t.teardown(() => other.destroy())
  const meanwhile = neighbour(other)
  await Promise.all(clients.map((client) => client.closed(5_000)))
  await meanwhile.stop()
  t.pass('all were closed')
})
