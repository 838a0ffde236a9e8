// HTTP/2 between client and proxy, HTTP/1.1 between proxy and upstream: what is asked and answered, message by message.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { definePlugin, Reply } from '../../core/index.js'
import { block } from '../support/hpack.js'
import { answerOf, ask, openSession } from '../support/http2-client.js'
import { FrameClient } from '../support/http2-frame-client.js'
import { CODE, FLAG, frame, headers, request, TYPE } from '../support/http2-frames.js'
import { startTestProxy } from '../support/proxy.js'
import { bodyOf, echo, startRawUpstream, startUpstream } from '../support/upstream.js'

const KiB = 1024

/** Of an answer of `echo`. */
function valuesOf(text: string, name: string): string[] {
  const { rawHeaders } = JSON.parse(text) as { rawHeaders: string[] }
  return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name)
}

/** Runs a program; undefined where it is not installed. */
function run(program: string, args: string[]): Promise<{ out: string; failed: boolean } | undefined> {
  return new Promise((resolve) => {
    execFile(program, args, { timeout: 20_000, encoding: 'latin1' }, (error, out, err) => {
      if (error?.code === 'ENOENT') resolve(undefined)
      else resolve({ out: out + err, failed: error !== null })
    })
  })
}

t.test('each method has the body that it has', async (t) => {
  const upstream = await startUpstream(t, async (request, response) => {
    switch (request.url) {
      case '/204':
        response.writeHead(204).end()
        return
      case '/205':
        response.writeHead(205, { 'content-length': 0 }).end()
        return
      case '/304':
        response.writeHead(304, { etag: '"x"' }).end()
        return
      case '/counted':
        response.writeHead(200, { 'content-length': 4 }).end('1234')
        return
      case '/empty':
        response.writeHead(200, { 'content-length': 0 }).end()
        return
      default:
        await echo(request, response)
    }
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const session = await openSession(t, proxy.url())
  const get = await ask(session, { ':path': '/a?b=1' })
  t.equal(get.status, 200)
  t.match(JSON.parse(get.text), { method: 'GET', url: '/a?b=1', length: 0 })
  const post = await ask(session, { ':method': 'POST' }, 'hello')
  t.match(JSON.parse(post.text), { method: 'POST', length: 5, body: Buffer.from('hello').toString('base64') })
  const empty = await ask(session, { ':method': 'POST' })
  t.match(JSON.parse(empty.text), { method: 'POST', length: 0 }, 'an empty POST, ended with its head')
  t.same(valuesOf(empty.text, 'content-length'), ['0'])
  t.same(valuesOf(empty.text, 'transfer-encoding'), [])
  const emptier = await ask(session, { ':method': 'POST' }, '')
  t.match(JSON.parse(emptier.text), { method: 'POST', length: 0 }, 'and by an empty DATA frame')
  const counted = await ask(session, { ':method': 'PUT', 'content-length': '5' }, 'hello')
  t.same(valuesOf(counted.text, 'content-length'), ['5'])
  const withBody = await ask(session, { ':method': 'DELETE' }, 'hello')
  t.match(JSON.parse(withBody.text), { method: 'DELETE', length: 5 })
  for (const path of ['/204', '/205', '/304', '/empty']) {
    const answer = await ask(session, { ':path': path })
    t.equal(answer.status, path === '/empty' ? 200 : Number(path.slice(1)))
    t.same([answer.body.length, answer.ended, answer.code], [0, true, 0], path)
  }
  for (const path of ['/counted', '/chunked']) {
    const head = await ask(session, { ':method': 'HEAD', ':path': path })
    t.same([head.status, head.body.length, head.ended, head.code], [200, 0, true, 0], `HEAD ${path}`)
    t.equal(head.headers['content-length'], path === '/counted' ? '4' : undefined)
  }
})

t.test(
  'names are in lower case, what repeats stays repeated, what is the connection’s stays there',
  async (t) => {
    const upstream = await startRawUpstream(t, (socket) => {
      socket.once('data', () =>
        socket.end(
          'HTTP/1.1 200 OK\r\nX-CamelCase: One\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\nX-A: 1\r\nx-a: 2\r\n' +
            'Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\n\r\n' +
            '2\r\nok\r\n0\r\n\r\n'
        )
      )
    })
    const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
    const session = await openSession(t, proxy.url())
    const stream = session.request({})
    const raw = once(stream, 'response') as Promise<unknown[]>
    const answer = await answerOf(stream)
    const flat = (await raw)[2] as string[]
    const names = flat.filter((_, at) => at % 2 === 0)
    t.same(
      names.filter((name) => name !== name.toLowerCase()),
      []
    )
    t.equal(answer.headers['x-camelcase'], 'One')
    t.same(answer.headers['set-cookie'], ['a=1', 'b=2; Path=/'])
    t.equal(names.filter((name) => name === 'x-a').length, 2)
    for (const name of ['connection', 'x-hop', 'keep-alive', 'transfer-encoding'])
      t.notOk(names.includes(name), name)
    t.equal(answer.text, 'ok')
  }
)

t.test('a field that should come once and comes twice does not cost the answer', async (t) => {
  const upstream = await startRawUpstream(t, (socket) => {
    socket.once('data', () =>
      socket.end(
        'HTTP/1.1 200 OK\r\nX-Content-Type-Options: nosniff\r\nX-Content-Type-Options: nosniff\r\nAge: 1\r\nAge: 2\r\n' +
          'Set-Cookie: a=1\r\nSet-Cookie: a=1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n' +
          '0\r\nETag: "1"\r\nETag: "2"\r\nX-Sum: 3\r\nHost: x\r\n\r\n'
      )
    )
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const session = await openSession(t, proxy.url())
  const answer = await ask(session, {})
  t.equal(answer.status, 200)
  t.equal(answer.headers['x-content-type-options'], 'nosniff')
  t.equal(answer.headers.age, '1, 2')
  t.same(answer.headers['set-cookie'], ['a=1', 'a=1'])
  t.equal(answer.text, 'ok')
  t.equal(answer.trailers?.['x-sum'], '3')
  t.equal(answer.trailers?.etag, '"1", "2"')
  t.notOk(answer.trailers && 'host' in answer.trailers, 'routing is no trailer')
  t.equal(answer.code, 0)
  t.equal((await ask(session, {})).status, 200, 'and the proxy lives')
})

t.test("an upstream's trailers arrive, and where there are none the stream ends cleanly", async (t) => {
  const upstream = await startUpstream(t, (request, response) => {
    if (request.method === 'HEAD') {
      response.end()
      return
    }
    response.writeHead(200, request.url === '/with' ? { trailer: 'x-sum' } : {})
    response.write('some')
    response.write(' more')
    if (request.url === '/with') response.addTrailers({ 'X-Sum': '9' })
    response.end()
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const session = await openSession(t, proxy.url())
  const withThem = await ask(session, { ':path': '/with', te: 'trailers' })
  t.same([withThem.text, withThem.trailers?.['x-sum'], withThem.code], ['some more', '9', 0])
  const without = await ask(session, { ':path': '/without' })
  t.same([without.text, without.trailers, without.ended, without.code], ['some more', undefined, true, 0])
  const head = await ask(session, { ':path': '/with', ':method': 'HEAD' })
  t.same([head.status, head.body.length, head.ended, head.code], [200, 0, true, 0])
})

t.test('a request with trailers is a request', async (t) => {
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const session = await openSession(t, proxy.url())
  const stream = session.request({ ':method': 'POST' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '1', 'x-more': '2' }))
  const answered = answerOf(stream)
  stream.end('hello')
  const answer = await answered
  t.match(JSON.parse(answer.text), { method: 'POST', length: 5 })
  t.same([answer.ended, answer.code], [true, 0])
})

t.test('103 Early Hints pass', async (t) => {
  const upstream = await startRawUpstream(t, (socket) => {
    socket.once('data', () => {
      socket.write(
        'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nLink: </b.js>; rel=preload\r\n\r\n'
      )
      socket.write('HTTP/1.1 103 Early Hints\r\nlink: </c.js>; rel=preload\r\nconnection: x\r\n\r\n')
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
    })
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const session = await openSession(t, proxy.url())
  const answer = await ask(session, {})
  t.same(
    answer.hints.map((hint) => [hint[':status'], hint.link]),
    [
      [103, '</a.css>; rel=preload, </b.js>; rel=preload'],
      [103, '</c.js>; rel=preload']
    ]
  )
  t.same([answer.status, answer.text], [200, 'ok'])
})

t.test('Expect: 100-continue', async (t) => {
  const upstream = await startUpstream(t, echo)
  const guard = definePlugin({
    name: 'guard',
    setup: () => ({ request: ({ request }) => (request.path === '/no' ? new Reply(401, 'no') : undefined) })
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], plugins: [guard] })
  const session = await openSession(t, proxy.url())
  const post = (path: string) => session.request({ ':method': 'POST', ':path': path, expect: '100-continue' })
  const wanted = post('/yes')
  const answered = answerOf(wanted)
  wanted.on('continue', () => wanted.end('hello'))
  const yes = await answered
  t.same([yes.status, yes.hints.map((hint) => hint[':status'])], [200, [100]])
  t.equal(JSON.parse(yes.text).length, 5)
  t.same(valuesOf(yes.text, 'expect'), [], 'it is between client and proxy')
  const refused = await answerOf(post('/no'))
  t.same([refused.status, refused.hints, refused.code], [401, [], 0], 'an early refusal comes without it')
  t.equal((await ask(session, { ':method': 'POST', expect: 'tea' }, 'x')).status, 417)
})

t.test('cookie crumbs are one field, as HTTP/1.1 has it', async (t) => {
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await FrameClient.connect(proxy.url())
  t.teardown(() => client.destroy())
  const session = await openSession(t, proxy.url())
  const answer = await ask(session, { cookie: ['a=1', 'b=2', 'c=3'] })
  t.same(valuesOf(answer.text, 'cookie'), ['a=1; b=2; c=3'])
})

t.test('who is asked: :authority, Host, or both where they agree', async (t) => {
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await FrameClient.connect(proxy.url())
  t.teardown(() => client.destroy())
  let id = -1
  const status = async (...fields: [string, string][]) => {
    id += 2
    const stream = id
    client.write(headers(stream, [[':method', 'GET'], [':scheme', 'http'], [':path', '/'], ...fields]))
    await client.until(() => client.over(stream), 'an answer')
    return client.status(stream) ?? `reset ${client.resetOf(stream)}`
  }
  t.equal(await status([':authority', 'shop.test']), 200)
  t.equal(await status(['host', 'shop.test']), 200, 'a Host alone')
  t.equal(await status([':authority', 'Shop.test'], ['host', 'shop.test']), 200, 'both, alike')
  t.equal(await status([':authority', 'shop.test'], ['host', 'other.test']), 400, 'both, and they differ')
  t.match(String(await status()), /^(400|reset 1)$/, 'neither')
  t.match(String(await status(['host', 'shop.test'], ['host', 'other.test'])), /^(400|reset 1)$/, 'two Hosts')
  t.match(String(await status([':authority', 'a b'])), /^(400|reset 1)$/, 'none that is a host')
  t.match(String(await status([':authority', 'user@shop.test'])), /^(400|reset 1)$/, 'a user in it')
  const session = await openSession(t, proxy.url())
  const answer = await ask(session, { ':authority': 'shop.test:81' })
  t.same(valuesOf(answer.text, 'host'), ['shop.test:81'], 'the upstream is told')
})

t.test('what HTTP/2 has no place for is refused, and the rest goes on', async (t) => {
  let seen = 0
  const upstream = await startUpstream(t, (request, response) => {
    if (request.url === '/bad') seen++
    response.end('ok')
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await FrameClient.connect(proxy.url())
  t.teardown(() => client.destroy())
  const bad: Record<string, [string, string][]> = {
    connection: [['connection', 'close']],
    'keep-alive': [['keep-alive', '1']],
    'proxy-connection': [['proxy-connection', 'close']],
    'transfer-encoding': [['transfer-encoding', 'chunked']],
    upgrade: [['upgrade', 'websocket']],
    'te: gzip': [['te', 'gzip']],
    'upper case': [['X-Upper', '1']],
    'a second :path': [[':path', '/other']],
    'a pseudo field behind a field': [
      ['a', 'b'],
      [':authority', 'x.test']
    ],
    'an unknown pseudo field': [[':user', 'x']],
    ':status': [[':status', '200']],
    'two content-lengths': [
      ['content-length', '0'],
      ['content-length', '1']
    ],
    'a content-length that is not so': [['content-length', '5']],
    'a content-length that is none': [['content-length', '+1']]
  }
  let id = -1
  for (const [name, fields] of Object.entries(bad)) {
    id += 2
    const stream = id
    client.write(headers(stream, request('/bad', fields)))
    await client.until(() => client.over(stream), name)
    t.ok(client.resetOf(stream) === CODE.PROTOCOL_ERROR || client.status(stream) === 400, name)
  }
  const cases = {
    CONNECT: [
      [':method', 'CONNECT'],
      [':authority', 'shop.test:443']
    ]
  } as const
  for (const [name, fields] of Object.entries(cases)) {
    id += 2
    const stream = id
    client.write(headers(stream, fields, false))
    await client.until(() => client.over(stream), name)
    t.equal(client.status(stream), 400, name)
  }
  id += 2
  client.write(headers(id, request('/bad', [[':protocol', 'websocket']], 'CONNECT'), false))
  await client.until(() => client.over(id), 'extended CONNECT')
  t.ok(client.resetOf(id) === CODE.PROTOCOL_ERROR || client.status(id) === 400, 'extended CONNECT')
  t.equal(seen, 0, 'no upstream has seen one')
  client.write(headers(id + 2, request('/good')))
  await client.until(() => client.over(id + 2), 'a good one')
  t.equal(client.status(id + 2), 200)
  t.same(client.goAways, [])
})

t.test('a body that is not as long as it says is no request', async (t) => {
  for (const [name, length] of Object.entries({ longer: '5', shorter: '50' })) {
    let whole = 0
    const upstream = await startUpstream(t, (request, response) => {
      request.resume()
      request.on('end', () => {
        whole++
        response.end()
      })
      request.on('error', () => {})
    })
    const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
    const client = await FrameClient.connect(proxy.url())
    t.teardown(() => client.destroy())
    client.write(
      headers(1, request('/', [['content-length', length]], 'POST'), false),
      frame(TYPE.DATA, FLAG.END_STREAM, 1, Buffer.from('neither five nor fifty'))
    )
    // Of one that is longer later versions of Node end the connection.
    await client.until(() => client.over(1) || client.goAways.length > 0, 'its end')
    t.equal(client.resetOf(1) ?? CODE.PROTOCOL_ERROR, CODE.PROTOCOL_ERROR, name)
    t.equal(client.status(1), undefined)
    t.equal(whole, 0, 'no upstream has seen a complete one')
  }
})

t.test('a field that is none does not cross: nghttp2 leaves it out of the request', async (t) => {
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const session = await FrameClient.connect(proxy.url())
  t.teardown(() => session.destroy())
  const seen: string[][] = []
  upstream.server.on('request', (request) => seen.push(request.rawHeaders))
  const fields: [string, string][] = [
    ['', 'v1'],
    ['a b', 'v2'],
    ['a:', 'v3'],
    ['x-a', 'v4\r\nv4: v4'],
    ['x-b', 'v5\nv5: v5'],
    ['x-c', 'v6\0'],
    ['x-d\r\n', 'v7']
  ]
  session.write(...fields.map((field, at) => headers(2 * at + 1, request('/', [field]))))
  await session.until(() => fields.every((_, at) => session.over(2 * at + 1)), 'all answers')
  t.notMatch(JSON.stringify(seen), /v[1-7]/)
})

t.test('header blocks up to their limits, and past them', async (t) => {
  // Node's own server would read 16 KiB of a head and no more.
  const upstream = await startRawUpstream(t, (socket) => {
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (!text.endsWith('\r\n\r\n')) return
      text = ''
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
    })
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const client = await FrameClient.connect(proxy.url())
  t.teardown(() => client.destroy())
  let id = -1
  const status = async (fields: [string, string][], path = '/') => {
    id += 2
    const stream = id
    const bytes = block(request(path, fields))
    const parts: Buffer[] = []
    for (let at = 0; at < bytes.length; at += 16 * KiB) {
      const last = at + 16 * KiB >= bytes.length
      const flags = (at === 0 ? FLAG.END_STREAM : 0) | (last ? FLAG.END_HEADERS : 0)
      parts.push(
        frame(at === 0 ? TYPE.HEADERS : TYPE.CONTINUATION, flags, stream, bytes.subarray(at, at + 16 * KiB))
      )
    }
    client.write(...parts)
    await client.until(() => client.over(stream), 'an answer')
    return client.status(stream) ?? `reset ${client.resetOf(stream)}`
  }
  t.equal(await status([['x-big', 'v'.repeat(50 * KiB)]]), 200, '50 KiB')
  t.match(String(await status([['x-big', 'v'.repeat(61 * KiB)]])), /^(431|reset 11)$/, '61 KiB of 60')
  const fields = (count: number) =>
    Array.from({ length: count }, (_, at): [string, string] => [`x-${at}`, 'v'])
  t.equal(await status(fields(90)), 200, '94 fields')
  t.equal(await status(fields(97)), 431, '101 fields')
  t.match(String(await status(fields(200))), /^(431|reset 11)$/, '204 fields')
  t.equal(await status([], `/${'p'.repeat(16 * KiB)}`), 200, 'a path of 16 KiB')
  t.equal(await status([]), 200, 'and the rest goes on')
  t.same(client.goAways, [])
})

t.test("a plugin's replies and bodies", async (t) => {
  const upstream = await startUpstream(t, async (request, response) => {
    const body = await bodyOf(request)
    response.setHeader('content-length', 5 + body.length)
    response.end(`got: ${body}`)
  })
  const plugin = definePlugin({
    name: 'bodies',
    body: { request: 'buffer', response: 'buffer', maxBytes: 64 * KiB },
    setup: () => ({
      async request({ request }) {
        if (request.path === '/reply') return new Reply(418, { tea: true }, { 'X-Kind': 'green' })
        if (request.path === '/upper')
          request.body.replace(Buffer.from((await request.body.bytes()).toString().toUpperCase()))
        return undefined
      },
      async response(response, { request }) {
        if (request.path === '/reverse')
          response.body.replace(Buffer.from([...(await response.body.bytes())].reverse()))
      }
    })
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], plugins: [plugin] })
  const session = await openSession(t, proxy.url())
  const post = (path: string, body: string) => ask(session, { ':method': 'POST', ':path': path }, body)
  const reply = await post('/reply', 'x')
  t.same([reply.status, reply.text, reply.headers['x-kind']], [418, '{"tea":true}', 'green'])
  t.equal((await post('/upper', 'abc')).text, 'got: ABC')
  const reversed = await post('/reverse', 'abc')
  t.same([reversed.text, reversed.headers['content-length']], ['cba :tog', '8'])
  const large = await post('/upper', 'x'.repeat(65 * KiB))
  t.same([large.status, large.headers['x-outrigger-error'], large.code], [413, 'BODY_TOO_LARGE', 0])
})

t.test('curl and nghttp', async (t) => {
  const upstream = await startUpstream(t, echo)
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const curl = (...args: string[]) =>
    run('curl', [
      '-sS',
      '--noproxy',
      '*',
      '--http2-prior-knowledge',
      '-w',
      ' HTTP/%{http_version} %{http_code}',
      ...args
    ])
  const get = await curl(`${proxy.url()}/a?b=1`)
  if (get === undefined) t.pass('curl is not installed')
  else {
    t.match(get.out, / HTTP\/2 200$/)
    t.match(get.out, '"url":"/a?b=1"')
    const post = await curl('--data-binary', 'x'.repeat(100_000), proxy.url())
    t.match(post?.out, '"length":100000')
    t.match((await curl('-I', proxy.url()))?.out, /HTTP\/2 200 [\s\S]* HTTP\/2 200$/)
    t.match((await curl('-H', 'Expect: 100-continue', '-d', 'abc', proxy.url()))?.out, '"length":3')
    // The preface is not HTTP/1's business, and an upgrade to h2c is declined.
    t.match((await run('curl', ['-sS', '--noproxy', '*', '--http2', proxy.url()]))?.out, '"method":"GET"')
  }
  const nghttp = await run('nghttp', ['-v', '--no-dep', '-m', '20', `${proxy.url()}/n`])
  if (nghttp === undefined) t.pass('nghttp is not installed')
  else {
    t.equal(nghttp.out.match(/:status: 200/g)?.length, 20)
    t.notMatch(nghttp.out, /RST_STREAM|error_code=(?!NO_ERROR)/)
  }
  const h2load = await run('h2load', ['-n', '2000', '-c', '10', '-m', '10', proxy.url()])
  if (h2load === undefined) t.pass('h2load is not installed')
  else t.match(h2load.out, '2000 succeeded, 0 failed')
})

t.test('the client side says which request was whose', async (t) => {
  const seen: IncomingMessage[] = []
  const upstream = await startUpstream(t, (request, response) => {
    seen.push(request)
    setTimeout(() => response.end(request.url), (seen.length * 7) % 40)
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url] })
  const session = await openSession(t, proxy.url())
  const paths = Array.from({ length: 300 }, (_, at) => `/${at}`)
  const answers = await Promise.all(paths.map((path) => ask(session, { ':path': path })))
  t.same(
    answers.map(({ text }) => text),
    paths
  )
})
