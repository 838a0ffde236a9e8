// Services whose answers the fast lane reads itself, and those it leaves to undici: a client cannot tell which.
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { startTestProxy } from '../support/proxy.js'
import { type Answer, RawClient, readAnswers } from '../support/raw-client.js'
import { type SeenRequest, startRecordingUpstream } from '../support/raw-upstream.js'

type Reply = (socket: Socket, seen: SeenRequest) => unknown

const OK = 'HTTP/1.1 200 OK\r\n'

/** What a client gets for each of its requests, one after the other on one connection. */
async function ask(t: Test, fastLane: boolean, reply: Reply, requests: readonly string[]) {
  const seen: SeenRequest[] = []
  const upstream = await startRecordingUpstream(t, {
    answer(request, socket) {
      seen.push(request)
      reply(socket, request)
    }
  })
  const proxy = await startTestProxy(t, { endpoints: [upstream.url], config: { fastLane } })
  const client = await RawClient.connect(proxy.url())
  t.teardown(() => client.destroy())
  const methods = requests.map((request) => request.split(' ')[0] as string)
  const finals = (text: string) =>
    readAnswers(text, client.ended, methods).filter(({ status, complete }) => status >= 200 && complete)
  for (const [index, request] of requests.entries()) {
    client.write(request)
    await client
      .until((text) => finals(text).length > index, `answer ${index + 1}`)
      .catch((error: Error) => {
        if (!client.ended) throw error
      })
    if (client.ended) break
  }
  return { answers: readAnswers(client.text, client.ended, methods).map(told), ended: client.ended, seen }
}

/** Without what is of the moment. */
function told({ fields, ...rest }: Answer) {
  const body = rest.body.replace(/"requestId":"[^"]*"/, '')
  return { ...rest, body, fields: fields.filter((field) => !/^(date|keep-alive|x-request-id):/i.test(field)) }
}

const get = (path = '/', fields = '') => `GET ${path} HTTP/1.1\r\nhost: shop\r\n${fields}\r\n`
const post = (body: string) =>
  `POST / HTTP/1.1\r\nhost: shop\r\ncontent-length: ${body.length}\r\n\r\n${body}`

const kinds: Record<string, { reply: Reply; requests: string[]; status?: number; broken?: true }> = {
  'a length, again and again': {
    reply: (socket, { target }) => socket.write(`${OK}content-length: ${target.length}\r\n\r\n${target}`),
    requests: [get('/a'), get('/bc'), get('/def')]
  },
  'a POST': {
    reply: (socket, { body }) => socket.write(`${OK}content-length: ${body.length}\r\n\r\n${body}`),
    requests: [post('hello'), get(), post('again'), post('x'.repeat(100_000))]
  },
  'HEAD, 204 and 304': {
    reply(socket, { method, target }) {
      if (method === 'HEAD') socket.write(`${OK}content-length: 70\r\n\r\n`)
      else if (target === '/204') socket.write('HTTP/1.1 204 None\r\n\r\n')
      else if (target === '/304') socket.write('HTTP/1.1 304 Same\r\netag: "a"\r\ncontent-length: 70\r\n\r\n')
      else socket.write(`${OK}content-length: 2\r\n\r\nok`)
    },
    requests: ['HEAD / HTTP/1.1\r\nhost: shop\r\n\r\n', get('/304'), get(), get('/204'), get()]
  },
  chunks: {
    reply: (socket) =>
      socket.write(`${OK}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n3\r\nyes\r\n0\r\n\r\n`),
    requests: [get(), get()]
  },
  trailers: {
    reply: (socket) =>
      socket.write(`${OK}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 2\r\n\r\n`),
    requests: [get('/', 'te: trailers\r\nconnection: te\r\n'), get(), get()]
  },
  'extensions that come late': {
    reply(socket) {
      socket.write(`${OK}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n`)
      setImmediate(() => socket.write('3;q=1\r\nyes\r\n0\r\n\r\n'))
    },
    requests: [get(), get()]
  },
  'early hints': {
    reply: (socket) =>
      socket.write(`HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${OK}content-length: 2\r\n\r\nok`),
    requests: [get(), get()]
  },
  'a body up to the end': {
    reply: (socket) => socket.end(`${OK}x: 1\r\n\r\nall of this`),
    requests: [get(), get()]
  },
  'HTTP/1.0': {
    reply: (socket) => socket.end('HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok'),
    requests: [get(), get()]
  },
  'two framings': {
    reply: (socket) => socket.end(`${OK}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nhi`),
    requests: [get(), get()],
    status: 502
  },
  'two lengths': {
    reply: (socket) => socket.end(`${OK}content-length: 2\r\ncontent-length: 3\r\n\r\nhi!`),
    requests: [get()],
    status: 502
  },
  'another coding': {
    reply: (socket) => socket.end(`${OK}transfer-encoding: gzip, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`),
    requests: [get()],
    status: 502
  },
  'a body that ends too soon': {
    reply: (socket) => socket.end(`${OK}content-length: 20\r\n\r\nhello`),
    requests: [get()],
    broken: true
  },
  'chunks that end too soon': {
    reply: (socket) => socket.end(`${OK}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n`),
    requests: [get()],
    broken: true
  },
  'a chunk that is longer than its size': {
    reply: (socket) => socket.write(`${OK}transfer-encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n`),
    requests: [get()],
    broken: true
  },
  'an end without a word, at once': { reply: (socket) => socket.end(), requests: [get()], status: 502 }
}

for (const [name, { reply, requests, status = 200, broken = false }] of Object.entries(kinds)) {
  t.test(name, async (t) => {
    const lane = await ask(t, true, reply, requests)
    const standard = await ask(t, false, reply, requests)
    t.same(lane.answers, standard.answers)
    t.equal(lane.ended, standard.ended)
    const heads = ({ seen }: typeof lane) => seen.map(({ head }) => head.replace(/^x-request-id:.*$/im, ''))
    t.same(heads(lane), heads(standard), 'and the service sees the same')
    if (broken) {
      t.equal(lane.ended, true)
      t.notOk(
        lane.answers.some(({ complete }) => complete),
        'what is broken does not look complete'
      )
    } else {
      const finals = lane.answers.filter((answer) => answer.status >= 200)
      t.equal(finals.length, requests.length)
      t.equal(finals[0]?.status, status)
    }
  })
}

t.test('a GET that met a connection just closed by its service is made again, a POST is not', async (t) => {
  for (const fastLane of [true, false]) {
    const reply: Reply = (socket, { target, connection }) => {
      if (target !== '/first' && connection === 0) socket.destroy()
      else socket.write(`${OK}content-length: 2\r\n\r\nok`)
    }
    const got = await ask(t, fastLane, reply, [get('/first'), get('/second')])
    t.same(
      got.answers.map(({ status }) => status),
      [200, 200]
    )
    t.equal(got.seen.length, 3)
    const posted = await ask(t, fastLane, reply, [get('/first'), post('hello')])
    t.same(
      posted.answers.map(({ status }) => status),
      [200, 502]
    )
    t.equal(posted.seen.length, 2)
  }
})

t.test('a client that reads slowly holds its service back, and gets all', async (t) => {
  const size = 24 * 1024 * 1024
  const piece = Buffer.alloc(64 * 1024, 'x')
  for (const fastLane of [true, false]) {
    let service: Socket | undefined
    const upstream = await startRecordingUpstream(t, {
      answer(_seen, socket) {
        service = socket
        socket.write(`${OK}content-length: ${size}\r\n\r\n`)
        for (let left = size; left > 0; left -= piece.length) socket.write(piece)
      }
    })
    const proxy = await startTestProxy(t, { endpoints: [upstream.url], config: { fastLane } })
    const client = await RawClient.connect(proxy.url())
    client.write(get())
    await client.until((text) => text.length > 0)
    client.socket.pause()
    for (let before = -1; service?.writableLength !== before; ) {
      before = service?.writableLength ?? 0
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    t.ok((service?.writableLength ?? 0) > 0, 'the service waits')
    client.socket.removeAllListeners('data')
    let bytes = 0
    client.socket.on('data', (chunk) => (bytes += chunk.length))
    const before = client.length
    client.socket.resume()
    while (bytes + before < size) await new Promise((resolve) => setTimeout(resolve, 5))
    t.ok(bytes + before > size)
    client.destroy()
  }
})
