// What a session makes of its peer's frames, among them those that Node's own server never sends.
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { Http2Upstream } from '../../../core/service/http2.js'
import { TIMING } from '../../../core/service/http2-pulse.js'
import { block, STATUS_200 } from '../../support/hpack.js'
import { CODE, FLAG, TYPE } from '../../support/http2-frames.js'
import { FramePeer, type PeerConnection, type PeerOptions } from './frame-peer.js'
import { Heard, options, until } from './http2-calls.js'

async function world(t: Test, peerOptions: PeerOptions, over = {}, timing = {}) {
  const peer = await FramePeer.listen(peerOptions)
  const upstream = new Http2Upstream(options(peer.url, over), ['h2'], { ...TIMING, ...timing })
  t.teardown(() => {
    upstream.destroy()
    peer.close()
  })
  return { peer, upstream }
}

t.test('streams above the last of a GOAWAY are sent again elsewhere, and those below end', async (t) => {
  const { peer, upstream } = await world(t, {
    frame({ type }, connection) {
      if (type !== TYPE.HEADERS) return
      if (peer.connections.length > 1) {
        connection.answer(connection.streams.at(-1) as number, 'second')
      } else if (connection.streams.length === 3) {
        connection.goaway(1)
        connection.answer(1, 'first')
      }
    }
  })
  const heard = [1, 2, 3].map(() => new Heard(upstream, { body: Buffer.from('whole') }))
  const ends = await Promise.all(heard.map(({ end }) => end))
  t.same(
    ends.map(({ body }) => body),
    ['first', 'second', 'second']
  )
  t.same(
    ends.map(({ told }) => told),
    ends.map(() => ['responded', 'data', 'ended'])
  )
  t.equal(peer.connections.length, 2)
})

t.test('a GOAWAY with an error cuts what was begun and repeats what was not', async (t) => {
  const { peer, upstream } = await world(t, {
    frame({ type, stream }, connection) {
      if (type !== TYPE.HEADERS) return
      if (peer.connections.length > 1) connection.answer(stream, 'second')
      else if (connection.streams.length === 2) connection.goaway(1, 11)
    }
  })
  const first = new Heard(upstream)
  const second = new Heard(upstream)
  t.match((await first.end).error, { code: 'UPSTREAM_RESET' })
  t.equal(first.call.sent, true)
  t.equal((await second.end).body, 'second')
})

t.test('no request goes out on a session that said GOAWAY', async (t) => {
  const { peer, upstream } = await world(t, {
    frame({ type, stream }, connection) {
      if (type !== TYPE.HEADERS) return
      if (peer.connections.length === 1) {
        connection.goaway(2 ** 31 - 1)
        connection.send(TYPE.HEADERS, FLAG.END_HEADERS, stream, STATUS_200)
      } else connection.answer(stream, 'new')
    }
  })
  const old = new Heard(upstream)
  await old.head
  t.equal((await new Heard(upstream).end).body, 'new')
  peer.connections[0]?.send(TYPE.DATA, FLAG.END_STREAM, 1, Buffer.from('old'))
  t.equal((await old.end).body, 'old')
  await until(() => peer.connections[0]?.socket.destroyed === true)
})

t.test('a refused stream is sent again, once', async (t) => {
  const { peer, upstream } = await world(t, {
    frame({ type, stream }, connection) {
      if (type !== TYPE.HEADERS) return
      if (stream === 1 || stream >= 5) connection.reset(stream, CODE.REFUSED_STREAM)
      else connection.answer(stream, 'at last')
    }
  })
  t.equal((await new Heard(upstream).end).body, 'at last')
  const refused = new Heard(upstream)
  t.match((await refused.end).error, {
    code: 'UPSTREAM_RESET',
    message: 'the service refused the request unseen'
  })
  t.equal(refused.call.sent, false, 'it may be repeated whatever it asks for')
  t.same(peer.connections[0]?.streams, [1, 3, 5, 7])
})

t.test('a refused body that was begun is not sent again, and is reported as not sent', async (t) => {
  const body = new Readable({ read() {} })
  const { upstream } = await world(t, {
    frame({ type, stream }, connection) {
      if (type === TYPE.DATA) connection.reset(stream, CODE.REFUSED_STREAM)
    }
  })
  const heard = new Heard(upstream, { body })
  body.push('some')
  t.match((await heard.end).error, { code: 'UPSTREAM_RESET' })
  t.equal(heard.call.sent, false)
})

t.test('a refused body of which nothing was read is sent again whole', async (t) => {
  const body = new Readable({ read() {} })
  const { upstream, peer } = await world(t, {
    frame({ type, stream, flags }, connection) {
      if (type === TYPE.HEADERS && stream === 1) connection.reset(1, CODE.REFUSED_STREAM)
      else if (type === TYPE.HEADERS) body.push('all of it')
      else if (type === TYPE.DATA && (flags & FLAG.END_STREAM) !== 0) connection.answer(stream, 'thanks')
      if (type === TYPE.DATA) body.push(null)
    }
  })
  t.equal((await new Heard(upstream, { body }).end).body, 'thanks')
  const sent =
    peer.connections[0]?.frames.filter(({ type, stream }) => type === TYPE.DATA && stream === 3) ?? []
  t.equal(Buffer.concat(sent.map(({ payload }) => payload)).toString(), 'all of it')
})

t.test('a response that is reset with NO_ERROR before its end is broken', async (t) => {
  const { upstream } = await world(t, {
    frame({ type, stream }, connection) {
      if (type !== TYPE.HEADERS) return
      connection.send(TYPE.HEADERS, FLAG.END_HEADERS, stream, STATUS_200)
      connection.send(TYPE.DATA, 0, stream, Buffer.from('half'))
      connection.reset(stream, CODE.NO_ERROR)
    }
  })
  const heard = await new Heard(upstream).end
  t.same(heard.told, ['responded', 'data', 'failed'])
  t.match(heard.error, { code: 'UPSTREAM_RESET' })
})

t.test('one that is reset with NO_ERROR when all its content-length has come is whole', async (t) => {
  const { upstream } = await world(t, {
    frame({ type, stream }, connection) {
      if (type !== TYPE.HEADERS) return
      const head = Buffer.concat([STATUS_200, block([['content-length', '4']])])
      connection.send(TYPE.HEADERS, FLAG.END_HEADERS, stream, head)
      connection.send(TYPE.DATA, 0, stream, Buffer.from('full'))
      connection.reset(stream, CODE.NO_ERROR)
    }
  })
  const heard = await new Heard(upstream).end
  t.same(heard.told, ['responded', 'data', 'ended'])
})

t.test('a reset with NO_ERROR ends a call whose upload is stuck', async (t) => {
  const { upstream } = await world(t, {
    frame({ type, stream }, connection) {
      if (type !== TYPE.HEADERS) return
      connection.send(TYPE.HEADERS, FLAG.END_HEADERS, stream, STATUS_200)
      connection.reset(stream, CODE.NO_ERROR)
    }
  })
  const heard = await new Heard(upstream, { body: Buffer.alloc(1024 * 1024) }).end
  t.match(heard.error, { code: 'UPSTREAM_RESET' })
})

t.test('any other reset before or within a response fails it, and its session lives on', async (t) => {
  const { upstream, peer } = await world(t, {
    frame({ type, stream }, connection) {
      if (type !== TYPE.HEADERS) return
      if (stream === 1) connection.reset(stream, 2)
      else if (stream === 3) {
        connection.send(TYPE.HEADERS, FLAG.END_HEADERS, stream, STATUS_200)
        connection.reset(stream, CODE.CANCEL)
      } else connection.answer(stream, 'fine')
    }
  })
  t.match((await new Heard(upstream).end).error, {
    code: 'UPSTREAM_RESET',
    cause: { code: 'INTERNAL_ERROR' }
  })
  const within = await new Heard(upstream).end
  t.same(within.told, ['responded', 'failed'])
  t.match(within.error, { code: 'UPSTREAM_RESET', cause: { code: 'CANCEL' } })
  t.equal((await new Heard(upstream).end).body, 'fine')
  t.equal(peer.connections.length, 1)
})

t.test('a connection that closes without a word fails what was on it', async (t) => {
  const { upstream } = await world(t, {
    frame({ type, stream }, connection) {
      if (type !== TYPE.HEADERS) return
      if (stream === 1) connection.answer(1, 'fine')
      else connection.socket.destroy()
    }
  })
  await new Heard(upstream).end
  const heard = new Heard(upstream)
  t.match((await heard.end).error, { code: 'UPSTREAM_RESET' })
  t.match(heard.call, { sent: true, stale: true }, 'it had served another, and not a byte came')
})

t.test('a response without a status is BAD_UPSTREAM_RESPONSE', async (t) => {
  const { upstream } = await world(t, {
    frame({ type, stream }, connection) {
      if (type === TYPE.HEADERS)
        connection.send(TYPE.HEADERS, FLAG.END_HEADERS, stream, block([['x-a', '1']]))
    }
  })
  t.match((await new Heard(upstream).end).error, { code: 'BAD_UPSTREAM_RESPONSE' })
})

t.test('frames that are none end all that is on their session, and another takes its place', async (t) => {
  const { upstream, peer } = await world(
    t,
    {
      frame({ type, stream }, connection) {
        if (type !== TYPE.HEADERS) return
        if (peer.connections.length > 1) connection.answer(stream, 'fine')
        else if (stream === 3) connection.socket.write(Buffer.alloc(64, 0xff))
      }
    },
    {},
    // Node 20 says nothing of such frames and takes no others from then on: it is a PING that finds out.
    { pingAfter: 20, pingTimeout: 20 }
  )
  const both = [new Heard(upstream), new Heard(upstream)]
  for (const { end } of both) t.match((await end).error, { code: /^(BAD_UPSTREAM_RESPONSE|UPSTREAM_RESET)$/ })
  t.equal((await new Heard(upstream).end).body, 'fine')
})

t.test('a header block without end is refused', async (t) => {
  const { upstream } = await world(t, {
    frame({ type, stream }, connection) {
      if (type !== TYPE.HEADERS) return
      const fields = Array.from({ length: 400 }, (_, i) => block([[`x-${i}`, '1']]))
      connection.send(TYPE.HEADERS, FLAG.END_HEADERS, stream, Buffer.concat([STATUS_200, ...fields]))
    }
  })
  t.match((await new Heard(upstream).end).error, { status: 502 })
})

t.test('SETTINGS that never come are CONNECT_TIMEOUT, and nothing was sent', async (t) => {
  const connected = (connection: PeerConnection) => void (connection.answers = false)
  const { upstream } = await world(t, { connected }, { connectTimeout: 60 })
  const heard = new Heard(upstream)
  t.match((await heard.end).error, {
    code: 'CONNECT_TIMEOUT',
    cause: { message: 'no SETTINGS within 60 ms' }
  })
  t.equal(heard.call.sent, false)
})

t.test('an answer in HTTP/1.1 is CONNECT_FAILED', async (t) => {
  const { upstream } = await world(t, {
    connected: ({ socket }) => void socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n')
  })
  const heard = new Heard(upstream)
  t.match((await heard.end).error, {
    code: 'CONNECT_FAILED',
    message: 'the service does not speak HTTP/2',
    cause: { code: 'ERR_NOT_HTTP2' }
  })
  t.equal(heard.call.sent, false)
})

t.test('a peer that takes connections and no request does not keep one connecting', async (t) => {
  const { upstream, peer } = await world(t, {
    connected(connection) {
      connection.settings(0)
      setTimeout(() => connection.socket.end(), 20)
    }
  })
  t.match((await new Heard(upstream).end).error, {
    code: 'CONNECT_FAILED',
    message: 'the service took no request'
  })
  t.equal(peer.connections.length, 1)
})

t.test('a silent session is asked by PING, and one that does not answer is over', async (t) => {
  const { upstream, peer } = await world(t, {}, {}, { pingAfter: 20, pingTimeout: 40 })
  const heard = new Heard(upstream)
  await until(() => peer.connections[0]?.count(TYPE.PING) === 2)
  t.equal(heard.error, undefined, 'an answer will do')
  ;(peer.connections[0] as PeerConnection).answers = false
  t.match((await heard.end).error, { code: 'UPSTREAM_RESET', cause: { code: 'ETIMEDOUT' } })
})

t.test('PINGs that bring nothing but their answers are not sent again and again', async (t) => {
  const { upstream, peer } = await world(t, {}, {}, { pingAfter: 20, pingTimeout: 20 })
  const heard = new Heard(upstream)
  await until(() => peer.connections[0]?.count(TYPE.PING) === 3)
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.equal(peer.connections[0]?.count(TYPE.PING), 3)
  peer.connections[0]?.send(TYPE.HEADERS, FLAG.END_HEADERS, 1, STATUS_200)
  await until(() => peer.connections[0]?.count(TYPE.PING) === 4)
  t.equal(heard.error, undefined)
})

t.test('an idle session is closed, with a GOAWAY', async (t) => {
  const { upstream, peer } = await world(
    t,
    { frame: ({ type, stream }, connection) => type === TYPE.HEADERS && connection.answer(stream, 'fine') },
    { keepAlive: 1 },
    { pingTimeout: 20, idle: 40 }
  )
  await new Heard(upstream).end
  await until(() => peer.connections[0]?.socket.destroyed === true)
  t.ok(peer.connections[0]?.count(TYPE.GOAWAY))
  t.equal((await new Heard(upstream).end).body, 'fine', 'and another takes its place')
})

t.test('fewer streams than are open: the rest waits for one to end', async (t) => {
  const { upstream, peer } = await world(
    t,
    {
      connected: (connection) => connection.settings(2),
      frame({ type, stream }, connection) {
        if (type === TYPE.HEADERS && stream === 3) connection.settings(1)
      }
    },
    { maxConnections: 1 }
  )
  const heard = [1, 2, 3].map(() => new Heard(upstream))
  await until(() => peer.connections[0]?.streams.length === 2)
  peer.connections[0]?.answer(1, 'one')
  await heard[0]?.end
  await new Promise((resolve) => setTimeout(resolve, 30))
  t.same(peer.connections[0]?.streams, [1, 3])
  peer.connections[0]?.answer(3, 'two')
  await until(() => peer.connections[0]?.streams.length === 3)
  peer.connections[0]?.answer(5, 'three')
  t.equal((await heard[2]?.end)?.body, 'three')
})
