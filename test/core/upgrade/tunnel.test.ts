// Bytes as they come: the ws package's own client and server, and raw sockets, with a tunnel between them.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import t from 'tap'
import { Deadlines } from '../../../core/hooks/deadlines.js'
import { VirtualClock } from '../../../core/testing/virtual-clock.js'
import { Tunnel } from '../../../core/upgrade/tunnel.js'
import { closeOf, connectEnds, connectRaw, gather, messageOf, socketPair, until } from './front.js'

t.test('100 KiB messages, text and binary, both ways', async (t) => {
  const { client, server } = await connectEnds(t)
  const large = randomBytes(100 * 1024)
  const text = 'grüße '.repeat(15_000)
  for (const [from, to] of [
    [client, server],
    [server, client]
  ] as const) {
    for (const sent of [large, text, '', Buffer.alloc(0)]) {
      const got = messageOf(to)
      from.send(sent)
      const { data, binary } = await got
      t.ok(data.equals(Buffer.from(sent as string)))
      t.equal(binary, typeof sent !== 'string')
    }
  }
})

t.test('fragments, pings within them, and compression pass as they are', async (t) => {
  const { client, server, front } = await connectEnds(t, { compress: true })
  t.match(client.extensions, /permessage-deflate/)
  const pinged = once(server, 'ping')
  const got = messageOf(server)
  client.send('one ', { fin: false })
  client.ping('within')
  client.send('two', { fin: true })
  t.equal(String((await pinged)[0]), 'within')
  t.equal((await got).data.toString(), 'one two')
  const before = front.tunnel.bytesIn
  const long = messageOf(server)
  client.send('a'.repeat(100 * 1024))
  t.equal((await long).data.length, 100 * 1024)
  t.ok(front.tunnel.bytesIn - before < 4_096, 'it was compressed on the way')
})

t.test('each close code passes, either way, with its reason', async (t) => {
  for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999]) {
    for (const by of ['client', 'server'] as const) {
      const ends = await connectEnds(t)
      const seen = Promise.all([closeOf(ends.client), closeOf(ends.server)])
      ends[by].close(code, 'why')
      t.same(
        await seen,
        [
          [code, 'why'],
          [code, 'why']
        ],
        `${code} by the ${by}`
      )
      t.equal((await ends.front.ended()).how, 'complete')
    }
  }
})

t.test('no code at all is 1005; a connection that is cut is 1006', async (t) => {
  const without = await connectEnds(t)
  const seen = Promise.all([closeOf(without.client), closeOf(without.server)])
  without.client.close()
  t.same(await seen, [
    [1005, ''],
    [1005, '']
  ])
  const cut = await connectEnds(t)
  const broke = Promise.all([closeOf(cut.client), closeOf(cut.server)])
  cut.front.tunnel.destroy()
  t.same(await broke, [
    [1006, ''],
    [1006, '']
  ])
  t.equal((await cut.front.ended()).how, 'destroyed')
})

t.test('what both had sent behind the handshake goes first; bytes are counted', async (t) => {
  const { front, client, server } = await connectRaw(t, {
    create: (parts) =>
      new Tunnel({
        ...parts,
        clientHead: Buffer.from('early '),
        upstreamHead: Buffer.from('soon '),
        websocket: false
      })
  })
  const [atClient, atServer] = [gather(client), gather(server)]
  client.write('late')
  server.write('later')
  await until(() => atServer.bytes.length === 10 && atClient.bytes.length === 10)
  t.equal(atServer.bytes.toString(), 'early late')
  t.equal(atClient.bytes.toString(), 'soon later')
  client.end()
  await until(() => atServer.ended)
  server.end('end')
  const { bytesIn, bytesOut, how } = await front.ended()
  t.same([bytesIn, bytesOut, how], [10, 13, 'complete'])
})

t.test('a half-closed side still gets what the other sends', async (t) => {
  for (const first of ['client', 'server'] as const) {
    const raw = await connectRaw(t)
    const second = first === 'client' ? 'server' : 'client'
    const [atFirst, atSecond] = [gather(raw[first]), gather(raw[second])]
    raw[first].end('last words')
    await until(() => atSecond.ended, 'the FIN')
    t.equal(atSecond.bytes.toString(), 'last words')
    t.notOk(atFirst.ended)
    raw[second].write(Buffer.alloc(300_000))
    await until(() => atFirst.bytes.length === 300_000, 'the answer')
    raw[second].end()
    await until(() => atFirst.ended)
    t.equal((await raw.front.ended()).how, 'complete')
  }
})

t.test('one side breaks off: the other sees a reset', async (t) => {
  for (const first of ['client', 'server'] as const) {
    const raw = await connectRaw(t)
    const second = raw[first === 'client' ? 'server' : 'client']
    const reset = new Promise<NodeJS.ErrnoException>((resolve) => second.on('error', resolve))
    second.resume()
    raw[first].resetAndDestroy()
    t.equal((await reset).code, 'ECONNRESET', first)
    t.equal((await raw.front.ended()).how, first === 'client' ? 'client' : 'upstream')
  }
})

t.test('a side that was gone before the tunnel began', async (t) => {
  for (const gone of ['client', 'upstream'] as const) {
    const [client, far] = await socketPair(t)
    const [upstream, server] = await socketPair(t)
    const sockets = { client, upstream }
    sockets[gone].destroy()
    await once(sockets[gone], 'close')
    const how = new Promise((resolve) => {
      const owner = { closed: (_in: number, _out: number, how: string) => resolve(how) }
      const none = Buffer.alloc(0)
      new Tunnel({
        ...sockets,
        clientHead: none,
        upstreamHead: none,
        idleTimeout: 1_000,
        deadlines: new Deadlines(new VirtualClock()),
        owner,
        websocket: true
      }).start()
    })
    t.equal(await how, gone)
    far.resume()
    server.resume()
  }
})

t.test('a slow reader holds the sender back, both ways, and gets all of it', async (t) => {
  for (const slow of ['client', 'server'] as const) {
    const raw = await connectRaw(t)
    const reader = raw[slow]
    const writer = raw[slow === 'client' ? 'server' : 'client']
    const sink = slow === 'client' ? raw.front.client : raw.front.upstream
    const source = slow === 'client' ? raw.front.upstream : raw.front.client
    reader.pause()
    const chunk = Buffer.alloc(256 * 1024)
    const total = 40 * 1024 * 1024
    let written = 0
    const write = () => {
      while (written < total) {
        written += chunk.length
        if (!writer.write(chunk)) return
      }
      writer.end()
    }
    writer.on('drain', write)
    write()
    let [still, before] = [0, -1]
    for (; still < 50; still++) {
      if (written !== before) still = 0
      before = written
      await new Promise((resolve) => setImmediate(resolve))
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    t.ok(written < total, `the sender is held at ${written >> 20} MiB`)
    t.ok(source.isPaused())
    const held = sink.writableLength + source.readableLength
    t.ok(held < 512 * 1024, `${held >> 10} KiB are held`)
    let read = 0
    reader.on('data', (bytes) => {
      read += bytes.length
    })
    reader.resume()
    await once(reader, 'end')
    t.equal(read, total)
  }
})

t.test('idle: both are told 1001 and end; a byte either way puts it off', async (t) => {
  const { front, client, server } = await connectEnds(t, { idleTimeout: 60_000 })
  await front.clock.advance(50_000)
  const pinged = once(client, 'ping')
  server.ping()
  await pinged
  const ponged = once(server, 'pong')
  server.ping()
  await ponged
  await front.clock.advance(50_000)
  t.equal(client.readyState, client.OPEN)
  const seen = Promise.all([closeOf(client), closeOf(server)])
  await front.clock.advance(10_100)
  t.same(
    (await seen).map(([code]) => code),
    [1001, 1001]
  )
  t.equal((await front.ended()).how, 'idle')
})

t.test('idle: what is no WebSocket is cut', async (t) => {
  const { front, client, server } = await connectRaw(t, {
    idleTimeout: 1_000,
    create: (parts) => new Tunnel({ ...parts, websocket: false })
  })
  const [atClient, atServer] = [gather(client), gather(server)]
  await front.clock.advance(1_100)
  t.equal((await front.ended()).how, 'idle')
  t.equal(atClient.bytes.length + atServer.bytes.length, 0)
})

t.test('goAway: both get 1001 between frames and end by themselves', async (t) => {
  const { front, client, server } = await connectEnds(t)
  const got = messageOf(client)
  server.send(randomBytes(100 * 1024))
  await got
  const seen = Promise.all([closeOf(client), closeOf(server)])
  front.tunnel.goAway()
  t.same(
    (await seen).map(([code]) => code),
    [1001, 1001]
  )
  t.equal((await front.ended()).how, 'drained')
})

t.test('goAway in the middle of a large frame: the frame is whole, then 1001', async (t) => {
  const { front, client, server } = await connectRaw(t)
  const [atClient, atServer] = [gather(client), gather(server)]
  const header = Buffer.of(0x82, 127, 0, 0, 0, 0, 0, 3, 0, 0)
  const payload = randomBytes(3 * 65_536)
  server.write(Buffer.concat([header, payload.subarray(0, 100_000)]))
  await until(() => atClient.bytes.length === 100_010)
  front.tunnel.goAway()
  await until(() => atServer.bytes.length > 0, 'the close frame upstream, at once')
  t.equal(atServer.bytes[0], 0x88)
  t.equal(atServer.bytes[1], 0x82, 'masked, two bytes')
  const code = [...atServer.bytes.subarray(6)].map((byte, i) => byte ^ (atServer.bytes[2 + i] as number))
  t.same(code, [0x03, 0xe9])
  t.equal(atClient.bytes.length, 100_010, 'nothing within the frame')
  server.write(Buffer.concat([payload.subarray(100_000), Buffer.of(0x81, 2, 0x6e, 0x6f)]))
  await until(() => atClient.bytes.length >= 10 + payload.length + 4)
  t.ok(atClient.bytes.subarray(10, 10 + payload.length).equals(payload))
  t.same(
    [...atClient.bytes.subarray(10 + payload.length)],
    [0x88, 2, 0x03, 0xe9],
    'and what came behind is dropped'
  )
  server.end()
  await until(() => atClient.ended)
  client.end()
  const { how, bytesOut } = await front.ended()
  t.equal(how, 'drained')
  t.equal(bytesOut, 10 + payload.length + 4)
})

t.test('goAway: who does not end is cut after 2 s, not before', async (t) => {
  const { front, client, server } = await connectRaw(t)
  const [atClient, atServer] = [gather(client), gather(server)]
  front.tunnel.goAway()
  await until(() => atClient.bytes.length === 4 && atServer.bytes.length === 8)
  await front.clock.advance(1_900)
  t.notOk(front.client.destroyed)
  await front.clock.advance(200)
  t.equal((await front.ended()).how, 'drained')
})

t.test(
  'goAway: no close frame behind another, none where frames are not known, none of another protocol',
  async (t) => {
    const closing = await connectRaw(t)
    const atServer = gather(closing.server)
    closing.client.write(Buffer.of(0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8))
    await until(() => atServer.bytes.length === 8)
    closing.front.tunnel.goAway()
    const atClient = gather(closing.client)
    await until(() => atClient.bytes.length === 4, 'the client is told')
    closing.server.end()
    closing.client.end()
    await closing.front.ended()
    t.equal(atServer.bytes.length, 8, 'the upstream has the client’s close frame alone')

    for (const websocket of [true, false]) {
      const unknown = await connectRaw(t, { create: (parts) => new Tunnel({ ...parts, websocket }) })
      const [toClient, toServer] = [gather(unknown.client), gather(unknown.server)]
      unknown.client.write('this is not a frame')
      unknown.server.write('neither is this')
      await until(() => toClient.bytes.length === 15 && toServer.bytes.length === 19)
      unknown.front.tunnel.goAway()
      unknown.client.write('!')
      await until(() => toServer.bytes.length === 20, 'bytes still pass')
      await unknown.front.clock.advance(2_100)
      t.equal((await unknown.front.ended()).how, 'drained')
      t.equal(toClient.bytes.toString(), 'neither is this')
    }
  }
)
