// HTTP/2 between client and proxy: how requests, streams and connections end, and that one's end is not another's.
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ClientHttp2Session } from 'node:http2'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { definePlugin, Reply } from '../../core/index.js'
import { answerOf, ask, openSession } from '../support/http2-client.js'
import { FrameClient } from '../support/http2-frame-client.js'
import { CODE, frame, headers, request, reset, settings, TYPE } from '../support/http2-frames.js'
import { startTestProxy } from '../support/proxy.js'
import { echo, startRawUpstream, startUpstream } from '../support/upstream.js'

interface Finished {
  path: string
  status: number
  code: string | undefined
}

/** Writes down every `finish`. */
function recorder(): { finished: Finished[]; plugin: ReturnType<typeof definePlugin> } {
  const finished: Finished[] = []
  const plugin = definePlugin({
    name: 'recorder',
    setup: () => ({
      finish: ({ status, code }, { request }) => {
        finished.push({ path: request.path, status, code })
      }
    })
  })
  return { finished, plugin }
}

/** `once` would reject with the 'aborted' error that comes first. */
function closeOf(request: IncomingMessage): Promise<void> {
  request.on('error', () => {})
  return new Promise((resolve) => {
    if (request.destroyed) resolve()
    else request.on('close', () => resolve())
  })
}

/** Resolves once it holds. @throws after `ms` */
async function until(holds: () => boolean, what: string, ms = 5_000): Promise<void> {
  const late = performance.now() + ms
  while (!holds()) {
    if (performance.now() > late) throw new Error(`${what} did not come in ${ms} ms`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

function pour(response: ServerResponse): void {
  response.writeHead(200)
  const more = () => {
    while (!response.destroyed && response.write(Buffer.alloc(64 * 1024)));
  }
  response.on('drain', more)
  more()
}

/** A listener that has this beside its address. */
const listener = (more: object) => ({ listeners: { in: { address: '127.0.0.1:0', ...more } } })

t.test(
  'an answer that comes before the upload is read arrives whole, then the upload is called off',
  async (t) => {
    const upstream = await startUpstream(t, echo)
    const guard = definePlugin({
      name: 'guard',
      body: { request: 'buffer', maxBytes: 1024 },
      setup: () => ({
        async request({ request }) {
          if (request.path === '/401') return new Reply(401, 'x'.repeat(200_000))
          if (request.path === '/413') await request.body.bytes()
          return undefined
        }
      })
    })
    const proxy = await startTestProxy(t, { endpoints: [upstream.url], plugins: [guard] })
    for (const [path, size] of [
      ['/401', 200_000],
      ['/413', undefined]
    ] as const) {
      const client = await FrameClient.connect(proxy.url())
      t.teardown(() => client.destroy())
      client.write(
        headers(1, request('/other', [['content-length', '5']], 'POST'), false),
        headers(3, request(path, [], 'POST'), false),
        frame(TYPE.DATA, 0, 3, Buffer.alloc(8_000))
      )
      await client.until(() => client.resetOf(3) !== undefined, 'a reset')
      t.equal(client.status(3), Number(path.slice(1)))
      t.equal(client.resetOf(3), CODE.NO_ERROR)
      const last = client.frames.findIndex(({ type, stream }) => type === TYPE.DATA && stream === 3)
      const resetAt = client.frames.findIndex(({ type, stream }) => type === TYPE.RST_STREAM && stream === 3)
      t.ok(last >= 0 && last < resetAt, 'END_STREAM comes before the reset')
      if (size !== undefined) t.equal(client.received.get(3), size, 'all of the answer')
      client.write(frame(TYPE.DATA, 1, 1, Buffer.from('hello')))
      await client.until(() => client.over(1), "the other stream's answer")
      t.equal(client.status(1), 200, 'another stream goes on')
      t.equal(client.resetOf(1), undefined)
    }
  }
)

t.test('such an answer arrives whole at a client that reads it slowly', async (t) => {
  const guard = definePlugin({
    name: 'guard',
    setup: () => ({ request: () => new Reply(401, 'x'.repeat(100_000)) })
  })
  const proxy = await startTestProxy(t, { endpoints: ['http://127.0.0.1:1'], plugins: [guard] })
  const client = await FrameClient.connect(proxy.url(), { settings: [[4, 1_000]] })
  t.teardown(() => client.destroy())
  client.write(headers(1, request('/', [], 'POST'), false))
  await client.until(() => client.resetOf(1) !== undefined, 'the end', 10_000)
  t.same([client.status(1), client.resetOf(1), client.received.get(1)], [401, CODE.NO_ERROR, 100_000])
})

t.test('the upstream breaks mid-body: the stream is reset and no other', async (t) => {
  const heads = { counted: 'content-length: 1000', chunked: 'transfer-encoding: chunked' }
  for (const [name, head] of Object.entries(heads)) {
    const { plugin, finished } = recorder()
    const upstream = await startRawUpstream(t, (socket) => {
      socket.once('data', (data) => {
        if (data.toString().startsWith('GET /good')) {
          setTimeout(() => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood'), 100)
          return
        }
        socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${name === 'chunked' ? '5\r\nhello\r\n' : 'hello'}`)
        setImmediate(() => setImmediate(() => socket.destroy()))
      })
    })
    const proxy = await startTestProxy(t, { endpoints: [upstream.url], plugins: [plugin] })
    const session = await openSession(t, proxy.url())
    const good = ask(session, { ':path': '/good' })
    const bad = await ask(session, { ':path': '/bad' })
    t.same([bad.status, bad.text, bad.ended], [200, 'hello', false], name)
    t.equal(bad.code, CODE.INTERNAL_ERROR)
    t.same([(await good).text, (await good).code], ['good', 0], 'another stream goes on')
    t.same(
      finished.find(({ path }) => path === '/bad'),
      { path: '/bad', status: 200, code: 'UPSTREAM_RESET' }
    )
  }
})

t.test('a stream that a plugin put in place of the answer breaks: no clean end either', async (t) => {
  const upstream = await startUpstream(t, (_request, response) => response.end('x'))
  const plugin = definePlugin({
    name: 'breaking',
    body: { response: 'stream' },
    setup: () => ({
      response(response) {
        response.body.replace(
          Readable.from(
            (async function* () {
              yield Buffer.from('hello')
              await new Promise((resolve) => setTimeout(resolve, 50))
              throw new Error('broke')
            })()
          )
        )
      }
    })
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], plugins: [plugin] })
  const client = await FrameClient.connect(proxy.url())
  t.teardown(() => client.destroy())
  client.write(headers(1, request()))
  await client.until(() => client.over(1), 'the end')
  t.same([client.status(1), client.received.get(1), client.resetOf(1)], [200, 5, CODE.INTERNAL_ERROR])
  t.same(client.of(TYPE.DATA, 1), [], 'no END_STREAM')
})

t.test('many streams whose upstream breaks are not held against their client', async (t) => {
  const upstream = await startRawUpstream(t, (socket) => {
    socket.on('data', (data) => {
      if (data.toString().startsWith('GET /good'))
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood')
      else {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhello')
        setImmediate(() => setImmediate(() => socket.destroy()))
      }
    })
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const session = await openSession(t, proxy.url())
  for (let round = 0; round < 6; round++) {
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(session, { ':path': '/bad' })))
    t.ok(answers.every(({ code }) => code === CODE.INTERNAL_ERROR))
  }
  t.equal((await ask(session, { ':path': '/good' })).text, 'good')
  t.notOk(session.closed)
})

t.test(
  'the client takes a request back: the upstream hears of it within 100 ms, and `finish` runs once',
  async (t) => {
    const under = new Map<string, IncomingMessage>()
    const upstream = await startUpstream(t, (request, response) => {
      under.set(request.url as string, request)
      if (request.url === '/reading') pour(response)
      else if (request.url === '/uploading-read') request.resume()
    })
    const { plugin, finished } = recorder()
    const proxy = await startTestProxy(t, { endpoints: [upstream.url], plugins: [plugin] })
    const client = await FrameClient.connect(proxy.url(), { greedy: true })
    t.teardown(() => client.destroy())
    const upload = Buffer.alloc(16_000)
    const cases: [string, (stream: number) => Buffer[], number][] = [
      ['/waiting', (stream) => [headers(stream, request('/waiting'))], CODE.CANCEL],
      ['/reading', (stream) => [headers(stream, request('/reading'))], CODE.CANCEL],
      [
        '/uploading-read',
        (stream) => [
          headers(stream, request('/uploading-read', [], 'POST'), false),
          frame(0, 0, stream, upload)
        ],
        CODE.CANCEL
      ],
      [
        '/uploading-unread',
        (stream) => [
          headers(stream, request('/uploading-unread', [], 'POST'), false),
          ...Array.from({ length: 4 }, () => frame(0, 0, stream, upload))
        ],
        CODE.CANCEL
      ],
      ['/without-an-error', (stream) => [headers(stream, request('/without-an-error'))], CODE.NO_ERROR],
      [
        '/unread-without-an-error',
        (stream) => [
          headers(stream, request('/unread-without-an-error', [], 'POST'), false),
          ...Array.from({ length: 4 }, () => frame(0, 0, stream, upload))
        ],
        CODE.NO_ERROR
      ]
    ]
    let id = -1
    for (const [path, frames, code] of cases) {
      id += 2
      const stream = id
      client.write(...frames(stream))
      await until(() => under.has(path), `the upstream's request of ${path}`)
      if (path === '/reading')
        await client.until(() => (client.received.get(stream) ?? 0) > 60_000, 'a full window')
      const left = performance.now()
      client.write(reset(stream, code))
      const gone = closeOf(under.get(path) as IncomingMessage)
      await until(() => finished.some((one) => one.path === path), `finish of ${path}`)
      // One that does not read cannot see that its peer has gone.
      if (path.includes('unread')) (under.get(path) as IncomingMessage).resume()
      await gone
      const took = performance.now() - left
      t.ok(took < 100, `${path}: ${Math.round(took)} ms`)
    }
    t.equal(proxy.proxy.inFlight, 0)
    t.same(
      finished.map(({ path, status, code }) => `${path} ${status} ${code}`),
      cases.map(([path]) => `${path} 499 CLIENT_CLOSED`),
      'each once, as 499'
    )
  }
)

t.test('the client goes: all that it asked for ends within 100 ms', async (t) => {
  const ways: Record<string, (client: FrameClient) => void> = {
    FIN: (client) => client.socket.end(),
    RST: (client) => client.socket.resetAndDestroy(),
    destroyed: (client) => client.destroy()
  }
  for (const [way, leave] of Object.entries(ways)) {
    const under: IncomingMessage[] = []
    const upstream = await startUpstream(t, (request, response) => {
      under.push(request)
      if (request.url === '/reading') pour(response)
    })
    const { plugin, finished } = recorder()
    const proxy = await startTestProxy(t, { endpoints: [upstream.url], plugins: [plugin] })
    const client = await FrameClient.connect(proxy.url(), { greedy: true })
    client.write(
      headers(1, request('/waiting')),
      headers(3, request('/reading')),
      headers(5, request('/uploading', [], 'POST'), false),
      frame(TYPE.DATA, 0, 5, Buffer.alloc(16_000))
    )
    await until(() => under.length === 3, "the upstream's requests")
    await client.until(() => (client.received.get(3) ?? 0) > 60_000, 'a full window')
    const left = performance.now()
    leave(client)
    for (const one of under) one.resume()
    await Promise.all(under.map(closeOf))
    t.ok(performance.now() - left < 100, `${way}: ${Math.round(performance.now() - left)} ms`)
    await until(() => finished.length === 3, 'finish')
    t.ok(
      finished.every(({ status }) => status === 499),
      way
    )
    t.equal(proxy.proxy.inFlight, 0)
    client.destroy()
  }
})

t.test('a deadline is 504 for its stream alone', async (t) => {
  const upstream = await startUpstream(t, (request, response) => {
    if (request.url === '/slow') setTimeout(() => response.end('slow'), 3_000).unref()
    else response.end('fast')
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], route: { timeout: 200 } })
  const session = await openSession(t, proxy.url())
  const slow = ask(session, { ':path': '/slow' })
  t.equal((await ask(session, { ':path': '/fast' })).text, 'fast')
  t.same([(await slow).status, (await slow).headers['x-outrigger-error']], [504, 'DEADLINE_EXCEEDED'])
  t.equal((await ask(session, { ':path': '/fast' })).text, 'fast')
})

t.test('a client that pauses within an upload is told 408 on that stream alone', async (t) => {
  const upstream = await startUpstream(t, (request, response) => {
    request.resume()
    request.on('end', () => response.end('ok'))
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], config: listener({ bodyTimeout: 200 }) })
  const client = await FrameClient.connect(proxy.url())
  t.teardown(() => client.destroy())
  client.write(
    headers(1, request('/', [], 'POST'), false),
    frame(TYPE.DATA, 0, 1, Buffer.alloc(100)),
    headers(3, request('/'))
  )
  await client.until(() => client.over(1) && client.over(3), 'both answers')
  t.equal(client.status(1), 408)
  t.equal(client.status(3), 200)
  t.same(client.goAways, [])
})

t.test('answers that nobody reads end by the body timeout, whole ones too', async (t) => {
  const upstream = await startUpstream(t, (request, response) => {
    if (request.url === '/endless') pour(response)
    else response.end(Buffer.alloc(request.url === '/small' ? 100 : 200_000))
  })
  const { plugin, finished } = recorder()
  const local = definePlugin({
    name: 'local',
    setup: () => ({
      request: ({ request }) =>
        request.path === '/local' ? new Reply(200, Buffer.alloc(500_000)) : undefined
    })
  })
  const proxy = await startTestProxy(t, {
    endpoints: [upstream.url],
    plugins: [plugin, local],
    config: listener({ bodyTimeout: 200 })
  })
  const client = await FrameClient.connect(proxy.url(), { settings: [[4, 0]], greedy: true })
  t.teardown(() => client.destroy())
  const paths = ['/small', '/large', '/endless', '/local']
  client.write(...paths.map((path, at) => headers(2 * at + 1, request(path))))
  // 500,000 bytes at 4 KiB/s would be two minutes.
  const bounded = paths.slice(0, 3)
  await client.until(() => bounded.every((_, at) => client.over(2 * at + 1)), 'their ends', 8_000)
  t.ok(bounded.every((_, at) => client.resetOf(2 * at + 1) !== undefined))
  t.same(finished.map(({ path }) => path).sort(), bounded.toSorted())
  t.same(client.goAways, [], 'the connection is kept')
})

t.test('streams past the limit are refused, and the others answered', async (t) => {
  const waiting: ServerResponse[] = []
  const upstream = await startUpstream(t, (_request, response) => waiting.push(response))
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], config: listener({ maxStreams: 5 }) })
  const client = await FrameClient.connect(proxy.url())
  t.teardown(() => client.destroy())
  // Before it can know the limit.
  client.write(...Array.from({ length: 8 }, (_, at) => headers(2 * at + 1, request())))
  await client.until(() => [11, 13, 15].every((stream) => client.over(stream)), 'three refusals')
  t.same(
    [11, 13, 15].map((stream) => client.resetOf(stream)),
    Array(3).fill(CODE.REFUSED_STREAM)
  )
  await until(() => waiting.length === 5, 'the other five')
  for (const response of waiting) response.end('ok')
  await client.until(() => [1, 3, 5, 7, 9].every((stream) => client.over(stream)), 'their answers')
  t.same(
    [1, 3, 5, 7, 9].map((stream) => client.status(stream)),
    Array(5).fill(200)
  )
  const session = await openSession(t, proxy.url())
  await until(() => session.remoteSettings?.maxConcurrentStreams === 5, 'the limit is announced')
  const answers = Array.from({ length: 12 }, () => ask(session, {}))
  await until(
    () => {
      for (const response of waiting.splice(0)) response.end('ok')
      return false
    },
    'x',
    500
  ).catch(() => {})
  t.ok(
    (await Promise.all(answers)).every(({ status }) => status === 200),
    'a client that keeps to it has all of its answers'
  )
})

t.test('an idle connection is told to go, a used one is not', async (t) => {
  const upstream = await startUpstream(t, (request, response) => {
    setTimeout(() => response.end('ok'), request.url === '/long' ? 900 : 0)
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], config: listener({ idleTimeout: 300 }) })
  const client = await FrameClient.connect(proxy.url())
  const busy = await FrameClient.connect(proxy.url())
  const began = performance.now()
  client.write(headers(1, request()))
  busy.write(headers(1, request('/long')))
  await client.closed()
  const took = performance.now() - began
  t.ok(took > 290 && took < 1_500, `${Math.round(took)} ms`)
  t.equal(client.status(1), 200)
  t.ok(client.goAways.length > 0 && client.goAways.every((code) => code === CODE.NO_ERROR), 'it is told so')
  await busy.closed()
  t.equal(busy.status(1), 200, 'what was under way ends first')
})

t.test('a connection that says nothing, or little by little, ends', async (t) => {
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, {
    endpoints: [upstream.url],
    config: listener({ headersTimeout: 300, idleTimeout: 400 })
  })
  const silent = await FrameClient.connect(proxy.url(), { silent: true })
  const preface = await FrameClient.connect(proxy.url(), { silent: true })
  preface.write(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'))
  const trickled = await FrameClient.connect(proxy.url(), { silent: true })
  const whole = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), settings()])
  let at = 0
  const drip = setInterval(() => trickled.write(whole.subarray(at, ++at)), 50)
  t.teardown(() => clearInterval(drip))
  const head = await FrameClient.connect(proxy.url())
  const bytes = headers(1, request('/', [['x-a', 'v'.repeat(500)]]))
  let sent = 0
  const dripHead = setInterval(() => head.write(bytes.subarray(sent, ++sent)), 20)
  t.teardown(() => clearInterval(dripHead))
  const began = performance.now()
  const ends = await Promise.all(
    [silent, preface, trickled, head].map(async (client) => {
      await client.closed()
      return Math.round(performance.now() - began)
    })
  )
  t.ok(
    ends.every((ms) => ms < 2_500),
    `${ends.join(', ')} ms`
  )
})

t.test('a preface byte by byte in time is a preface', async (t) => {
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await FrameClient.connect(proxy.url(), { silent: true })
  t.teardown(() => client.destroy())
  const bytes = Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    settings([1, 0]),
    headers(1, request())
  ])
  for (const byte of bytes) {
    client.write(Buffer.from([byte]))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await client.until(() => client.over(1), 'an answer')
  t.equal(client.status(1), 200)
})

/** A client whose upload is half sent and one whose answer is half read. */
async function halfway(session: ClientHttp2Session) {
  const down = session.request({ ':path': '/down' })
  const up = session.request({ ':path': '/up', ':method': 'POST' })
  up.write('one')
  const downloaded = answerOf(down)
  const uploaded = answerOf(up)
  await once(down, 'data')
  return { up, downloaded, uploaded }
}

async function twoWays(t: Test) {
  const waiting: (() => void)[] = []
  const upstream = await startUpstream(t, (request, response) => {
    if (request.url === '/down') {
      response.write('one')
      waiting.push(() => response.end('two'))
    } else void echo(request, response)
  })
  return { upstream, waiting }
}

t.test('a drain: GOAWAY twice, and what is under way ends well', async (t) => {
  const { upstream, waiting } = await twoWays(t)
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const session = await openSession(t, proxy.url())
  const idle = await FrameClient.connect(proxy.url())
  const goAways: number[] = []
  session.on('goaway', (_code, last) => goAways.push(last))
  const { up, downloaded, uploaded } = await halfway(session)
  const drained = proxy.proxy.drain()
  await until(() => goAways.length >= 2, 'two GOAWAYs')
  // Node's client answers the first with one of its own, which may bring the last once more.
  t.same([...new Set(goAways)], [2 ** 31 - 1, 3])
  await idle.closed()
  t.ok(
    idle.goAways.length >= 2 && idle.goAways.every((code) => code === 0),
    'an idle connection ends at once'
  )
  for (const end of waiting) end()
  up.end('two')
  t.same([(await downloaded).text, (await downloaded).code], ['onetwo', 0])
  t.equal(JSON.parse((await uploaded).text).length, 6)
  await drained
  t.ok(session.closed)
})

t.test('a drain ends although its client answers no PING', async (t) => {
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await FrameClient.connect(proxy.url(), { silent: true })
  client.write(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), settings(), headers(1, request()))
  await client.until(() => client.over(1), 'an answer')
  const began = performance.now()
  await proxy.proxy.drain()
  t.ok(performance.now() - began < 4_000, `${Math.round(performance.now() - began)} ms`)
})

t.test('a reload leaves streams alone', async (t) => {
  const { upstream, waiting } = await twoWays(t)
  const config = {
    admin: false,
    ...listener({}),
    services: { upstream: { endpoints: [upstream.url] } },
    routes: [{ name: 'all', match: { path: '/*' }, service: 'upstream' }]
  }
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const session = await openSession(t, proxy.url())
  const { up, downloaded, uploaded } = await halfway(session)
  await proxy.proxy.reload({ ...config, routes: [{ ...config.routes[0], name: 'changed' }] })
  t.equal((await ask(session, { ':path': '/new' })).status, 200, 'and takes new ones')
  for (const end of waiting) end()
  up.end('two')
  t.equal((await downloaded).text, 'onetwo')
  t.equal(JSON.parse((await uploaded).text).length, 6)
  t.notOk(session.closed)
})
