// Which connection a request goes on, and for how long one is kept: with the fast lane as without.
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import t from 'tap'
import { Heard, until } from './http2-calls.js'
import { bothWays, countUndici, outcomeOf, startPeer, turns, upstreamTo } from './lane-peer.js'

const answer = (fields = '', body = 'ok') =>
  `HTTP/1.1 200 OK\r\n${fields}content-length: ${body.length}\r\n\r\n${body}`
const ok = answer()

bothWays(t, 'one after the other: one connection', async (t, fastLane) => {
  const peer = await startPeer(t, (socket) => socket.write(ok))
  const upstream = upstreamTo(t, peer.port, { fastLane })
  for (let i = 0; i < 5; i++) {
    t.equal((await new Heard(upstream, { path: `/${i}` }).end).body, 'ok')
    await turns()
  }
  t.equal(peer.connections.length, 1)
  t.same(
    peer.heads.map((head) => head.split(' ')[1]),
    ['/0', '/1', '/2', '/3', '/4']
  )
})

bothWays(
  t,
  'at once: as many connections as there may be, and the rest wait in order',
  async (t, fastLane) => {
    const peer = await startPeer(t, (socket, path) => socket.write(answer('', path)))
    const upstream = upstreamTo(t, peer.port, { fastLane, maxConnections: 3 })
    const all = Array.from({ length: 20 }, (_, i) => new Heard(upstream, { path: `/${i}` }))
    const bodies = (await Promise.all(all.map(({ end }) => end))).map(({ body }) => body)
    t.same(
      bodies,
      all.map((_, i) => `/${i}`),
      'each has its own answer'
    )
    t.equal(peer.connections.length, 3)
    t.same(
      peer.heads.map((head) => head.split(' ')[1]),
      all.map((_, i) => `/${i}`)
    )
  }
)

bothWays(t, 'more connections from now on, and fewer', async (t, fastLane) => {
  const sockets: Socket[] = []
  const peer = await startPeer(t, (socket) => sockets.push(socket))
  const upstream = upstreamTo(t, peer.port, { fastLane, maxConnections: 1 })
  const all = Array.from({ length: 4 }, () => new Heard(upstream))
  await until(() => sockets.length === 1)
  upstream.resize(3)
  await until(() => sockets.length === 3)
  upstream.resize(1)
  for (const socket of sockets) socket.write(ok)
  await until(() => sockets.length === 4)
  sockets[3]?.write(ok)
  for (const heard of all) t.equal((await heard.end).body, 'ok')
  t.equal(peer.connections.length, 3, 'the fourth went on one that was there')
})

bothWays(t, 'the last to become free is the next to be used, the others grow old', async (t, fastLane) => {
  const peer = await startPeer(t, (socket) => socket.write(ok))
  const upstream = upstreamTo(t, peer.port, { fastLane, keepAlive: 200 })
  await Promise.all([1, 2, 3].map(() => new Heard(upstream).end))
  t.equal(peer.connections.length, 3)
  await turns()
  const open = () => peer.connections.filter(({ readableEnded, destroyed }) => !readableEnded && !destroyed)
  const until400 = performance.now() + 400
  while (performance.now() < until400) {
    await new Heard(upstream).end
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  t.equal(peer.connections.length, 3)
  t.equal(open().length, 1)
  await until(() => open().length === 0)
})

bothWays(
  t,
  'a service says for how long: a second less, and never longer than the proxy wants',
  async (t, fastLane) => {
    let fields = ''
    const peer = await startPeer(t, (socket) => socket.write(answer(fields)))
    const life = async () => {
      const upstream = upstreamTo(t, peer.port, { fastLane, keepAlive: 300 })
      await new Heard(upstream).end
      const began = performance.now()
      const socket = peer.connections.at(-1) as Socket
      if (!socket.readableEnded) await once(socket, 'end')
      return performance.now() - began
    }
    for (const short of ['Keep-Alive: timeout=1\r\n', 'Keep-Alive: timeout=0\r\n', 'Connection: close\r\n']) {
      fields = short
      t.ok((await life()) < 150, short)
    }
    for (const long of ['Keep-Alive: timeout=60\r\n', 'Keep-Alive: max=3\r\n', '']) {
      fields = long
      const lived = await life()
      t.ok(lived >= 250, `${long}: ${lived}`)
    }
  }
)

bothWays(t, 'after HEAD, and after a body that nobody expects, the connection ends', async (t, fastLane) => {
  for (const request of [{ method: 'HEAD' }, { method: 'DELETE', body: Buffer.from('x') }]) {
    const peer = await startPeer(t, (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'))
    const upstream = upstreamTo(t, peer.port, { fastLane, keepAlive: 60_000 })
    await new Heard(upstream, request).end
    await until(() => (peer.connections[0] as Socket).readableEnded)
    await new Heard(upstream).end
    t.equal(peer.connections.length, 2)
  }
})

bothWays(t, 'an idle connection that ends, or says something, is used no more', async (t, fastLane) => {
  for (const spoil of [
    (socket: Socket) => socket.end(),
    (socket: Socket) => socket.resetAndDestroy(),
    (socket: Socket) => socket.write(answer('', 'poison')),
    (socket: Socket) => socket.write('H')
  ]) {
    const peer = await startPeer(t, (socket) => socket.write(ok))
    const upstream = upstreamTo(t, peer.port, { fastLane, maxConnections: 1 })
    await new Heard(upstream).end
    await turns()
    spoil(peer.connections[0] as Socket)
    await turns()
    t.same(outcomeOf(await new Heard(upstream).end).body, 'ok')
    t.equal(peer.connections.length, 2, String(spoil))
  }
})

bothWays(t, 'bytes behind an answer end the connection', async (t, fastLane) => {
  const chunked = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'
  for (const bytes of [ok + answer('', 'poison'), chunked + answer('', 'poison'), `${ok}\0`]) {
    const peer = await startPeer(t, (socket, path) => socket.write(path === '/' ? bytes : ok))
    const upstream = upstreamTo(t, peer.port, { fastLane, maxConnections: 1 })
    const heard = await new Heard(upstream).end
    t.same([heard.body, heard.error], ['ok', undefined])
    t.equal((await new Heard(upstream, { path: '/next' }).end).body, 'ok')
    t.equal(peer.connections.length, 2)
  }
})

bothWays(t, 'what an idle connection said is seen before a request goes out on it', async (t, fastLane) => {
  const peer = await startPeer(t, (socket) => socket.write(ok))
  const upstream = upstreamTo(t, peer.port, { fastLane, maxConnections: 1 })
  await new Heard(upstream).end
  await turns()
  // It is in the system's hands, and unread, when the request comes.
  peer.connections[0]?.write(answer('', 'poison'))
  const late = new Heard(upstream)
  t.equal((await late.end).body, 'ok')
  t.equal(peer.heads.length, 2, 'nothing is asked twice')
  t.equal(late.call.stale, false)
})

bothWays(
  t,
  'stale: a connection that had served others ended without a byte of an answer',
  async (t, fastLane) => {
    for (const spoil of [(socket: Socket) => socket.end(), (socket: Socket) => socket.resetAndDestroy()]) {
      const peer = await startPeer(t, (socket, path) => (path === '/ok' ? socket.write(ok) : spoil(socket)))
      const upstream = upstreamTo(t, peer.port, { fastLane, maxConnections: 1 })
      const fresh = await new Heard(upstream).end
      t.same([fresh.error?.code, fresh.call.stale], ['UPSTREAM_RESET', false], 'a new one is not')
      t.equal((await new Heard(upstream, { path: '/ok' }).end).body, 'ok')
      const old = await new Heard(upstream).end
      t.same([old.error?.code, old.call.stale, old.call.sent], ['UPSTREAM_RESET', true, true])
    }
    const peer = await startPeer(t, (socket, path) => {
      if (path === '/ok') socket.write(ok)
      else socket.end('HTTP/1.1 2')
    })
    const upstream = upstreamTo(t, peer.port, { fastLane, maxConnections: 1 })
    await new Heard(upstream, { path: '/ok' }).end
    const begun = await new Heard(upstream).end
    t.same(
      [begun.error !== undefined, begun.call.stale],
      [true, false],
      'one that had begun to answer is not'
    )
  }
)

bothWays(t, 'nobody listens there', async (t, fastLane) => {
  const peer = await startPeer(t, () => {})
  peer.server.close()
  await once(peer.server, 'close')
  const upstream = upstreamTo(t, peer.port, { fastLane, maxConnections: 2 })
  const all = await Promise.all(Array.from({ length: 6 }, () => new Heard(upstream).end))
  for (const { error, call } of all) {
    t.same([error?.code, call.sent, call.stale], ['CONNECT_FAILED', false, false])
    t.match(error?.cause, { code: 'ECONNREFUSED' })
  }
})

bothWays(t, 'closed in order: what is under way and what waits ends well', async (t, fastLane) => {
  const sockets: Socket[] = []
  const peer = await startPeer(t, (socket) => sockets.push(socket))
  const upstream = upstreamTo(t, peer.port, { fastLane, maxConnections: 1 })
  const all = [new Heard(upstream), new Heard(upstream)]
  await until(() => sockets.length === 1)
  upstream.close()
  sockets[0]?.write(ok)
  await until(() => sockets.length === 2)
  sockets[1]?.write(ok)
  for (const heard of all) t.equal((await heard.end).body, 'ok')
  await until(() => peer.connections.every(({ readableEnded }) => readableEnded))
})

bothWays(t, 'closed in order while it is idle', async (t, fastLane) => {
  const peer = await startPeer(t, (socket) => socket.write(ok))
  const upstream = upstreamTo(t, peer.port, { fastLane })
  await new Heard(upstream).end
  await turns()
  upstream.close()
  await until(() => (peer.connections[0] as Socket).readableEnded)
  t.equal(peer.connections.length, 1)
})

bothWays(t, 'destroyed: all of it fails, with what is true of each', async (t, fastLane) => {
  const peer = await startPeer(
    t,
    (socket, path) => path === '/body' && socket.write(answer('', 'x').slice(0, -1))
  )
  const upstream = upstreamTo(t, peer.port, { fastLane, maxConnections: 2 })
  const [body, silent, waiting] = [
    new Heard(upstream, { path: '/body' }),
    new Heard(upstream),
    new Heard(upstream)
  ]
  await body?.head
  await until(() => peer.heads.length === 2)
  upstream.destroy()
  t.equal((await body?.end)?.error?.code, 'UPSTREAM_RESET')
  t.equal((await silent?.end)?.error?.code, 'UPSTREAM_RESET')
  t.equal((await waiting?.end)?.error?.code, 'CONNECT_FAILED')
  t.same([silent?.call.stale, waiting?.call.sent], [false, false])
})

bothWays(t, 'a request that is cancelled while it waits leaves no trace', async (t, fastLane) => {
  const sockets: Socket[] = []
  const peer = await startPeer(t, (socket) => sockets.push(socket))
  const upstream = upstreamTo(t, peer.port, { fastLane, maxConnections: 1 })
  const first = new Heard(upstream, { path: '/1' })
  const second = new Heard(upstream, { path: '/2' })
  const third = new Heard(upstream, { path: '/3' })
  second.call.cancel()
  await until(() => sockets.length === 1)
  sockets[0]?.write(ok)
  await first.end
  await until(() => sockets.length === 2)
  sockets[1]?.write(ok)
  t.equal((await third.end).body, 'ok')
  t.same(second.told, [])
  t.same(
    peer.heads.map((head) => head.split(' ')[1]),
    ['/1', '/3']
  )
})

bothWays(t, 'cancelled before it was written, and while it is connected to', async (t, fastLane) => {
  const peer = await startPeer(t, (socket) => socket.write(ok))
  const upstream = upstreamTo(t, peer.port, { fastLane, maxConnections: 1 })
  const connecting = new Heard(upstream, { path: '/never' })
  connecting.call.cancel()
  t.equal((await new Heard(upstream, { path: '/a' }).end).body, 'ok')
  await turns()
  const queued = new Heard(upstream, { path: '/never' })
  queued.call.cancel()
  t.equal((await new Heard(upstream, { path: '/b' }).end).body, 'ok')
  t.same([connecting.told, queued.told, queued.call.sent], [[], [], false])
  t.same(
    peer.heads.map((head) => head.split(' ')[1]),
    ['/a', '/b']
  )
})

bothWays(
  t,
  'streams and what the fast lane takes share the connections there may be',
  async (t, fastLane) => {
    const peer = await startPeer(t, (socket, path) => path !== '/hang' && socket.write(answer('', path)))
    const upstream = upstreamTo(t, peer.port, { fastLane, maxConnections: 1 })
    const body = () => Readable.from([Buffer.from('a')])
    // The service of this test reads no chunks: each stream is its connection's last.
    for (let round = 0; round < 3; round++) {
      const asked = ['/1', '/2', '/stream', '/3', '/4'].map(
        (path) =>
          new Heard(
            upstream,
            path === '/stream'
              ? { path, body: body(), headers: ['host', 'a', 'content-length', '1'] }
              : { path }
          )
      )
      for (const heard of asked) t.match((await heard.end).body, /^\/(\d|stream)$/)
    }
    t.equal(peer.connections.length, 1)
  }
)

t.test('with room, a stream does not take a connection from the fast lane', async (t) => {
  const wrote = countUndici(t)
  const peer = await startPeer(t, (socket, path) => socket.write(answer('', path)))
  const upstream = upstreamTo(t, peer.port, { fastLane: true })
  await new Heard(upstream, { path: '/a' }).end
  await turns()
  const body = Readable.from([Buffer.from('a')])
  await new Heard(upstream, { path: '/s', body, headers: ['host', 'a', 'content-length', '1'] }).end
  await turns()
  await new Heard(upstream, { path: '/b' }).end
  t.same([peer.connections.length, wrote()], [2, 1])
})

bothWays(t, 'an idle connection does not keep the process, one that is asked does', async (t, fastLane) => {
  const kept = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
  await until(() => kept() === 0)
  const peer = await startPeer(t, (socket, path) => {
    socket.unref()
    if (path !== '/hang') socket.write(ok)
  })
  const upstream = upstreamTo(t, peer.port, { fastLane })
  for (let round = 0; round < 2; round++) {
    await new Heard(upstream).end
    await turns()
    t.equal(kept(), 0)
  }
  const hanging = new Heard(upstream, { path: '/hang' })
  await until(() => peer.heads.length === 3)
  t.equal(kept(), 1)
  hanging.call.cancel()
})
