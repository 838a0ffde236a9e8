// Answers that are held back, broken off or not wanted: with the fast lane as without.
import type { Socket } from 'node:net'
import t from 'tap'
import { Heard, until } from './http2-calls.js'
import { bothWays, startPeer, turns, upstreamTo } from './lane-peer.js'

const head = (length: number) => `HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n\r\n`
const CHUNKED = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'
const chunk = (data: string) => `${data.length.toString(16)}\r\n${data}\r\n`

bothWays(
  t,
  'held back from its head on: nothing comes until it is wanted, and then all',
  async (t, fastLane) => {
    const whole = 'abcdefghij'.repeat(100_000)
    for (const chunked of [false, true]) {
      let flushed = false
      const pieces = whole.match(/.{1,1000}/g) as string[]
      const bytes = chunked ? `${CHUNKED}${pieces.map(chunk).join('')}0\r\n\r\n` : head(whole.length) + whole
      const peer = await startPeer(t, (socket) => socket.write(bytes, () => (flushed = true)))
      const upstream = upstreamTo(t, peer.port, { fastLane, maxConnections: 1 })
      const heard = await new Heard(upstream, {}, false).head
      await turns(20)
      t.same(heard.told, ['responded'])
      let resumed = 0
      // Each piece is taken, and the next one not yet.
      while (heard.trailers === undefined) {
        const before = heard.bytes
        heard.call.resume()
        resumed++
        await until(() => heard.bytes > before || heard.trailers !== undefined)
      }
      t.equal(heard.body, whole)
      t.ok(resumed > 10, 'in pieces')
      t.ok(flushed)
      t.equal((await new Heard(upstream).end).bytes, whole.length, 'and the connection goes on')
      t.equal(peer.connections.length, 1)
    }
  }
)

const PIECE = Buffer.alloc(64 * 1024)
const LARGE = 512 * PIECE.length

bothWays(t, 'back-pressure reaches the service', async (t, fastLane) => {
  const size = LARGE.toString(16)
  for (const [first, last] of [
    [head(LARGE), ''],
    [`${CHUNKED}${size}\r\n`, '\r\n0\r\n\r\n'],
    [`${CHUNKED}${size};x=y\r\n`, '\r\n0\r\n\r\n']
  ] as const) {
    const peer = await startPeer(t, (socket) => {
      socket.write(first)
      for (let left = LARGE; left > 0; left -= PIECE.length) socket.write(PIECE)
      socket.write(last)
    })
    const upstream = upstreamTo(t, peer.port, { fastLane })
    const heard = await new Heard(upstream, {}, false).head
    const [socket] = peer.connections as [Socket]
    await stands(() => socket.writableLength)
    t.ok(socket.writableLength > LARGE / 2, 'the service cannot get rid of it')
    heard.open = true
    heard.call.resume()
    t.equal((await heard.end).bytes, LARGE)
  }
})

/** It has not changed for 200 ms. */
async function stands(value: () => number): Promise<void> {
  for (let before = -1; value() !== before; ) {
    before = value()
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

bothWays(
  t,
  'a whole answer that is held back is whole, whatever becomes of its connection',
  async (t, fastLane) => {
    for (const spoil of [
      (socket: Socket) => socket.end(),
      (socket: Socket) => socket.resetAndDestroy(),
      (socket: Socket) => socket.write('HTTP/1.1 200 OK')
    ]) {
      for (const bytes of [`${head(5)}hello`, `${CHUNKED}${chunk('he')}${chunk('llo')}0\r\n\r\n`, head(0)]) {
        const peer = await startPeer(t, (socket) => socket.write(bytes))
        const heard = await new Heard(upstreamTo(t, peer.port, { fastLane }), {}, false).head
        await turns()
        spoil(peer.connections[0] as Socket)
        await turns()
        t.same(heard.told, ['responded'])
        heard.open = true
        heard.call.resume()
        t.same([(await heard.end).error, heard.body], [undefined, bytes === head(0) ? '' : 'hello'])
      }
    }
  }
)

bothWays(t, 'its connection serves the next while a whole answer is held back', async (t, fastLane) => {
  const peer = await startPeer(t, (socket) => socket.write(`${head(5)}hello`))
  const upstream = upstreamTo(t, peer.port, { fastLane, maxConnections: 1 })
  const held = await new Heard(upstream, {}, false).head
  await turns()
  const next = await new Heard(upstream).end
  t.equal(next.body, 'hello')
  await turns()
  // What is cancelled is the answer, and no longer the connection.
  held.call.cancel()
  t.equal((await new Heard(upstream).end).body, 'hello')
  t.equal(peer.connections.length, 1)
  t.same(held.told, ['responded'])
})

bothWays(t, 'held back over a hand-over', async (t, fastLane) => {
  const peer = await startPeer(t, async (socket) => {
    socket.write(CHUNKED + chunk('one'))
    await turns()
    socket.write(`${chunk('two')}5;x=y\r\nthree\r\n0\r\nx-sum: 1\r\n\r\n`)
  })
  const upstream = upstreamTo(t, peer.port, { fastLane, maxConnections: 1 })
  for (const wait of [0, 1, 3, 12]) {
    const heard = await new Heard(upstream, {}, false).head
    await turns(wait)
    while (heard.trailers === undefined && heard.error === undefined) {
      heard.call.resume()
      await turns(1)
    }
    t.same([heard.body, heard.trailers, heard.error], ['onetwothree', ['x-sum', '1'], undefined])
    t.equal(heard.told.filter((name) => name === 'responded').length, 1)
  }
})

bothWays(t, 'what broke off is never complete', async (t, fastLane) => {
  for (const begun of [`${head(10)}hello`, CHUNKED + chunk('hello'), `${CHUNKED}a\r\nhello`]) {
    for (const spoil of [(socket: Socket) => socket.end(), (socket: Socket) => socket.resetAndDestroy()]) {
      for (const open of [true, false]) {
        const peer = await startPeer(t, (socket) => socket.write(begun))
        const heard = await new Heard(upstreamTo(t, peer.port, { fastLane }), {}, open).head
        await turns()
        spoil(peer.connections[0] as Socket)
        await turns()
        heard.open = true
        heard.call.resume()
        t.equal((await heard.end).error?.code, 'UPSTREAM_RESET')
        t.equal(heard.trailers, undefined)
      }
    }
  }
})

bothWays(t, 'cancelled at each stage: its connection ends, and nothing more is told', async (t, fastLane) => {
  for (const stage of ['silent', 'head', 'body', 'held']) {
    const peer = await startPeer(t, (socket, path) => {
      if (path === '/head') socket.write(head(10))
      if (path === '/body') socket.write(`${head(10)}hello`)
      if (path === '/held') socket.write(`${CHUNKED}${chunk('hello')}`)
      if (path === '/ok') socket.write(head(0))
    })
    const upstream = upstreamTo(t, peer.port, { fastLane, maxConnections: 1 })
    const heard = new Heard(upstream, { path: `/${stage}` }, stage !== 'held')
    await until(() => peer.heads.length === 1)
    await turns()
    const told = [...heard.told]
    heard.call.cancel()
    await until(() => (peer.connections[0] as Socket).readableEnded)
    heard.call.resume()
    heard.call.cancel()
    t.equal(
      (await new Heard(upstream, { path: '/ok' }).end).error,
      undefined,
      `${stage}: there is room for another`
    )
    t.same(heard.told, told, stage)
  }
})

bothWays(t, 'cancelled from within what it is told', async (t, fastLane) => {
  for (const name of ['responded', 'data'] as const) {
    for (const bytes of [
      `${head(10)}hello`,
      `${head(5)}hello`,
      `${CHUNKED}${chunk('a')}${chunk('b')}0\r\n\r\n`
    ]) {
      const peer = await startPeer(t, (socket) => socket.write(bytes))
      const heard = new Heard(upstreamTo(t, peer.port, { fastLane }))
      const tell = heard[name].bind(heard) as (...all: unknown[]) => boolean
      Object.assign(heard, {
        [name]: (...all: unknown[]) => {
          heard.call.cancel()
          return tell(...all)
        }
      })
      await until(() => peer.connections[0]?.readableEnded === true)
      await turns()
      t.same(heard.told, name === 'responded' ? ['responded'] : ['responded', 'data'])
    }
  }
})

bothWays(
  t,
  'a body that pauses too long is RESPONSE_TIMEOUT, one that is held back is not',
  async (t, fastLane) => {
    const peer = await startPeer(t, (socket) => socket.write(`${head(10)}hello`))
    const upstream = upstreamTo(t, peer.port, { fastLane })
    const heard = new Heard(upstream, { idleTimeout: 60 })
    const held = new Heard(upstream, { idleTimeout: 60 }, false)
    t.equal((await heard.end).error?.code, 'RESPONSE_TIMEOUT')
    await until(() => (peer.connections[0] as Socket).readableEnded)
    t.same(held.told, ['responded'])
    held.open = true
    held.call.resume()
    t.equal((await held.end).error?.code, 'RESPONSE_TIMEOUT', 'until it is wanted')
  }
)

// The first of each is for the fast lane alone, and the rest of it is not.
for (const odd of ['3;x=1\r\n', '2\r\nok\r\n3;x=1\r\n', '2\r\nok\r\n0\r\nx-a: '])
  bothWays(t, `and so is one that pauses behind ${JSON.stringify(odd)}`, async (t, fastLane) => {
    const peer = await startPeer(t, (socket) =>
      socket.write(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${odd}`)
    )
    const heard = await new Heard(upstreamTo(t, peer.port, { fastLane }), { idleTimeout: 60 }).end
    t.equal(heard.error?.code, 'RESPONSE_TIMEOUT')
  })

bothWays(t, 'an answer that does not wait for the request', async (t, fastLane) => {
  const body = Buffer.alloc(32 * 1024 * 1024)
  const peer = await startPeer(t, () => {})
  peer.server.on('connection', (socket: Socket) => {
    // It reads no more than what is there by then.
    socket.once('data', () => {
      socket.pause()
      socket.write('HTTP/1.1 413 Too Much\r\ncontent-length: 2\r\n\r\nno')
    })
  })
  const upstream = upstreamTo(t, peer.port, { fastLane, maxConnections: 1 })
  const heard = await new Heard(upstream, { method: 'POST', body }).end
  t.same([heard.status, heard.body], [413, 'no'])
  if (!fastLane) return
  // What is left of the request is not there to be taken for the next.
  const next = new Heard(upstream)
  await until(() => peer.connections.length === 2)
  next.call.cancel()
})

bothWays(t, 'a listener that throws ends its own request alone', async (t, fastLane) => {
  const peer = await startPeer(t, (socket) => socket.write(`${head(5)}hello`))
  const upstream = upstreamTo(t, peer.port, { fastLane, maxConnections: 1 })
  for (const name of ['responded', 'data'] as const) {
    const heard = new Heard(upstream)
    Object.assign(heard, {
      [name]: () => {
        throw new Error('a mistake')
      }
    })
    t.equal((await heard.end).error?.code, 'UPSTREAM_RESET')
  }
  t.equal((await new Heard(upstream).end).body, 'hello')
})
