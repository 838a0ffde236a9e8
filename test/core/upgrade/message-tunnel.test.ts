// What a connection whose messages plugins see keeps of the protocol: everything but how messages are cut into frames.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import t from 'tap'
import { closeOf, connectEnds, connectRaw, gather, messageOf, until } from './front.js'
import { Plugins } from './plugins.js'

/** A plugin that only looks, at once or later. */
const looks = (how: 'sync' | 'async') => ({
  plain: true,
  create: new Plugins().tunnel({ message: how === 'sync' ? () => {} : async () => {} })
})

/** A frame as a client sends it, with a mask that changes nothing. */
function masked(first: number, payload: Buffer): Buffer {
  const { length } = payload
  const size =
    length < 126
      ? Buffer.of(0x80 | length)
      : length < 65_536
        ? Buffer.of(0xfe, length >> 8, length & 0xff)
        : Buffer.concat([
            Buffer.of(0xff, 0, 0, 0, 0),
            Buffer.of(length >>> 24, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff)
          ])
  return Buffer.concat([Buffer.of(first), size, Buffer.alloc(4), payload])
}

for (const how of ['sync', 'async'] as const) {
  t.test(`100 KiB messages, text and binary, both ways, ${how}`, async (t) => {
    const { client, server, front } = await connectEnds(t, looks(how))
    const large = randomBytes(100 * 1024)
    const text = 'grüße '.repeat(15_000)
    for (const [from, to] of [
      [client, server],
      [server, client]
    ] as const) {
      for (const sent of [large, text, '', Buffer.alloc(0), large.subarray(0, 1)]) {
        const got = messageOf(to)
        from.send(sent)
        const { data, binary } = await got
        t.ok(data.equals(Buffer.from(sent as string)))
        t.equal(binary, typeof sent !== 'string')
      }
    }
    t.ok(front.tunnel.bytesIn > 200 * 1024)
    t.ok(front.tunnel.bytesOut > 200 * 1024)
  })

  t.test(`order holds: messages, pings and pongs with their payloads, ${how}`, async (t) => {
    const { client, server } = await connectEnds(t, looks(how))
    const seen: string[] = []
    for (const name of ['message', 'ping', 'pong'] as const)
      server.on(name, (data) => void seen.push(`${name} ${data}`))
    const expected: string[] = []
    for (let i = 0; i < 20; i++) {
      client.send(`${i}`)
      client.ping(`p${i}`)
      client.pong(`q${i}`)
      expected.push(`message ${i}`, `ping p${i}`, `pong q${i}`)
    }
    await until(() => seen.length === expected.length)
    t.same(seen, expected)
    let back = ''
    client.on('pong', (data) => void (back = String(data)))
    client.ping('there and back')
    await until(() => back === 'there and back')
  })
}

t.test('fragments are put together, with a ping between them', async (t) => {
  const { client, server } = await connectEnds(t, looks('sync'))
  const pinged = once(server, 'ping')
  const got = messageOf(server)
  client.send('one ', { fin: false })
  client.ping('within')
  client.send('two ', { fin: false })
  client.send('three', { fin: true })
  t.equal(String((await pinged)[0]), 'within')
  t.equal((await got).data.toString(), 'one two three')
})

t.test('frames that come byte by byte', async (t) => {
  const { client, server } = await connectRaw(t, looks('sync'))
  const atServer = gather(server)
  client.setNoDelay(true)
  for (const byte of masked(0x82, Buffer.from('hello'))) {
    client.write(Buffer.of(byte))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await until(() => atServer.bytes.length === 11)
  t.equal(atServer.bytes[1], 0x85, 'masked anew')
})

t.test('each close code passes, either way, with its reason', async (t) => {
  for (const code of [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999, 1005
  ]) {
    for (const by of ['client', 'server'] as const) {
      const ends = await connectEnds(t, looks('async'))
      const seen = Promise.all([closeOf(ends.client), closeOf(ends.server)])
      const reason = code === 1005 ? '' : 'why'
      if (code === 1005) ends[by].close()
      else ends[by].close(code, reason)
      t.same(
        await seen,
        [
          [code, reason],
          [code, reason]
        ],
        `${code} by the ${by}`
      )
      t.match(await ends.front.ended(), { how: 'complete', error: undefined })
    }
  }
})

t.test('messages before a close arrive before it', async (t) => {
  const { client, server } = await connectEnds(t, looks('async'))
  const seen: string[] = []
  server.on('message', (data) => void seen.push(String(data)))
  for (let i = 0; i < 100; i++) client.send(`${i}`)
  client.close(1000)
  await closeOf(server)
  t.equal(seen.length, 100)
})

t.test(
  'invalid: UTF-8 is 1007, the protocol 1002, too large 1009, too many pieces 1008; both are told',
  async (t) => {
    const invalid: [string, number, Buffer][] = [
      ['not UTF-8', 1007, masked(0x81, Buffer.of(0xc3, 0x28))],
      ['a reserved opcode', 1002, masked(0x83, Buffer.alloc(1))],
      ['no mask', 1002, Buffer.of(0x81, 1, 0x61)],
      ['compressed, and nobody agreed', 1002, masked(0xc1, Buffer.from('a'))],
      ['a close code that none may send', 1002, masked(0x88, Buffer.of(0x03, 0xed))],
      ['a continuation of nothing', 1002, masked(0x80, Buffer.from('a'))],
      ['over 1 MiB', 1009, masked(0x82, Buffer.alloc(1024 * 1024 + 1))],
      [
        'over 1 MiB in fragments',
        1009,
        Buffer.concat([masked(0x02, Buffer.alloc(1024 * 1024)), masked(0x80, Buffer.alloc(1))])
      ],
      [
        'fragments without end',
        1008,
        Buffer.concat(Array(16_385).fill(masked(0x00, Buffer.alloc(0)))).fill(0x02, 0, 1)
      ]
    ]
    for (const [name, code, bytes] of invalid) {
      const { client, server, front } = await connectRaw(t, looks('sync'))
      const [atClient, atServer] = [gather(client), gather(server)]
      client.write(Buffer.concat([masked(0x82, Buffer.from('ok')), bytes]))
      await until(() => atClient.ended, `${name}: the end`)
      t.same([...atClient.bytes], [0x88, 2, code >> 8, code & 0xff], `${name}: the client`)
      await until(() => atServer.bytes.length === 16, `${name}: the message and the close frame`)
      t.equal(atServer.bytes[8], 0x88, `${name}: the upstream, behind the message that was well`)
      const mask = atServer.bytes.subarray(10, 14)
      const told = [...atServer.bytes.subarray(14)].map((byte, i) => byte ^ (mask[i] as number))
      t.same(told, [code >> 8, code & 0xff], `${name}: the upstream`)
      client.end()
      server.end()
      t.equal((await front.ended()).how, 'invalid', name)
    }
    const { client, server, front } = await connectRaw(t, looks('sync'))
    const [atClient, atServer] = [gather(client), gather(server)]
    server.write(Buffer.of(0x81, 2, 0xc3, 0x28))
    await until(() => atServer.ended && atClient.bytes.length === 4, 'what the upstream does wrong')
    t.same([...atClient.bytes], [0x88, 2, 0x03, 0xef])
    client.end()
    server.end()
    t.equal((await front.ended()).how, 'invalid')
  }
)

t.test('1 MiB is not too large', async (t) => {
  const { client, server } = await connectEnds(t, looks('sync'))
  const got = messageOf(server)
  client.send(Buffer.alloc(1024 * 1024, 1))
  t.equal((await got).data.length, 1024 * 1024)
})

t.test('a close handshake that one side leaves half done is cut after 30 s', async (t) => {
  const { client, server, front } = await connectRaw(t, looks('sync'))
  const [, atServer] = [gather(client), gather(server)]
  client.write(masked(0x88, Buffer.of(0x03, 0xe8)))
  await until(() => atServer.bytes.length === 8)
  const chatter = Buffer.of(0x81, 1, 0x61)
  for (let s = 0; s < 29; s++) {
    server.write(chatter)
    await front.clock.advance(1_000)
  }
  t.notOk(front.client.destroyed, 'it may have more to say')
  await front.clock.advance(1_100)
  t.equal((await front.ended()).how, 'idle')
})

t.test('a FIN without a close frame passes on, behind what came before it', async (t) => {
  for (const first of ['client', 'server'] as const) {
    const raw = await connectRaw(t, looks('async'))
    const second = first === 'client' ? 'server' : 'client'
    const [atFirst, atSecond] = [gather(raw[first]), gather(raw[second])]
    raw[first].end(
      first === 'client' ? masked(0x81, Buffer.from('bye')) : Buffer.of(0x81, 3, 0x62, 0x79, 0x65)
    )
    await until(() => atSecond.ended)
    t.equal(atSecond.bytes.length, first === 'client' ? 9 : 5)
    raw[second].end()
    await until(() => atFirst.ended)
    t.equal((await raw.front.ended()).how, 'complete')
  }
})

t.test('one side breaks off: the other sees a reset', async (t) => {
  for (const first of ['client', 'server'] as const) {
    const raw = await connectRaw(t, looks('async'))
    const second = raw[first === 'client' ? 'server' : 'client']
    const reset = new Promise<NodeJS.ErrnoException>((resolve) => second.on('error', resolve))
    second.resume()
    raw[first].resetAndDestroy()
    t.equal((await reset).code, 'ECONNRESET', first)
    t.equal((await raw.front.ended()).how, first === 'client' ? 'client' : 'upstream')
  }
})

t.test('the client gets the FIN first, as from a server, when both have said goodbye', async (t) => {
  const { client, server, front } = await connectRaw(t, looks('async'))
  const [atClient, atServer] = [gather(client), gather(server)]
  client.write(masked(0x88, Buffer.of(0x03, 0xe8)))
  await until(() => atServer.bytes.length === 8)
  t.notOk(atClient.ended)
  server.write(Buffer.of(0x88, 2, 0x03, 0xe8))
  await until(() => atClient.ended, 'the FIN')
  t.same([...atClient.bytes], [0x88, 2, 0x03, 0xe8])
  t.notOk(atServer.ended)
  client.end()
  await until(() => atServer.ended)
  server.end()
  t.equal((await front.ended()).how, 'complete')
})

t.test('a client that has said goodbye and breaks off: what it had sent still arrives', async (t) => {
  let release: (() => void) | undefined
  const create = new Plugins().tunnel({
    message: () => new Promise<void>((resolve) => void (release = resolve))
  })
  const { client, server, front } = await connectRaw(t, { create })
  const atServer = gather(server)
  client.write(Buffer.concat([masked(0x81, Buffer.from('last')), masked(0x88, Buffer.of(0x03, 0xe8))]))
  await until(() => release !== undefined)
  client.resetAndDestroy()
  await until(() => front.client.destroyed)
  release?.()
  await until(() => atServer.ended, 'the end')
  t.equal(atServer.bytes.length, 10 + 8)
  t.equal(atServer.bytes[10], 0x88)
  server.end()
  await front.ended()
})

t.test('a client that says goodbye and breaks off at once: the upstream gets its close frame', async (t) => {
  const { client, server, front } = await connectEnds(t, looks('async'))
  const seen = closeOf(server)
  client.close(4000, 'off')
  // What is written goes out with the next turn; then it is reset.
  setImmediate(() => client.terminate())
  t.same(await seen, [4000, 'off'])
  await front.ended()
})

t.test('idle: both are told 1001; a byte either way puts it off', async (t) => {
  const { front, client, server } = await connectEnds(t, { ...looks('sync'), idleTimeout: 60_000 })
  await front.clock.advance(50_000)
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

t.test('goAway: both get 1001 and end; who does not is cut after 2 s', async (t) => {
  const { front, client, server } = await connectEnds(t, looks('sync'))
  const seen = Promise.all([closeOf(client), closeOf(server)])
  front.tunnel.goAway()
  t.same(
    (await seen).map(([code]) => code),
    [1001, 1001]
  )
  t.equal((await front.ended()).how, 'drained')
  const raw = await connectRaw(t, looks('sync'))
  const [atClient, atServer] = [gather(raw.client), gather(raw.server)]
  // Half a frame: it is read no further than this, and what the upstream gets is whole.
  raw.client.write(masked(0x82, Buffer.alloc(1_000)).subarray(0, 500))
  await until(() => raw.front.tunnel.bytesIn === 500)
  raw.front.tunnel.goAway()
  await until(() => atClient.bytes.length === 4 && atServer.bytes.length === 8)
  await raw.front.clock.advance(1_900)
  t.notOk(raw.front.client.destroyed)
  await raw.front.clock.advance(200)
  t.equal((await raw.front.ended()).how, 'drained')
})

t.test('goAway: a client that answers has its FIN at once, whatever the upstream does', async (t) => {
  const { front, client, server } = await connectRaw(t, looks('sync'))
  const [atClient, atServer] = [gather(client), gather(server)]
  front.tunnel.goAway()
  await until(() => atClient.bytes.length === 4 && atServer.bytes.length === 8)
  t.notOk(atClient.ended)
  client.write(masked(0x88, Buffer.of(0x03, 0xe9)))
  await until(() => atClient.ended, 'the FIN')
  client.end()
  await until(() => atServer.ended)
  server.end()
  t.equal((await front.ended()).how, 'drained')
})

t.test('destroy cuts both', async (t) => {
  const { front, client, server } = await connectEnds(t, looks('sync'))
  const seen = Promise.all([closeOf(client), closeOf(server)])
  front.tunnel.destroy()
  t.same(
    (await seen).map(([code]) => code),
    [1006, 1006]
  )
  t.equal((await front.ended()).how, 'destroyed')
})

t.test('a slow reader holds the sender back, and little is kept', async (t) => {
  for (const slow of ['client', 'server'] as const) {
    const { client, server, front } = await connectEnds(t, looks('async'))
    const reader = slow === 'client' ? client : server
    const writer = slow === 'client' ? server : client
    const sink = slow === 'client' ? front.client : front.upstream
    const source = slow === 'client' ? front.upstream : front.client
    reader.pause()
    const message = randomBytes(100 * 1024)
    const total = 400
    let sent = 0
    const send = () => {
      if (sent < total) writer.send(message, () => send())
      sent++
    }
    send()
    let [still, before] = [0, -1]
    for (; still < 50; still++) {
      if (sent !== before) still = 0
      before = sent
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    t.ok(sent < total, `${sent} of ${total} were sent`)
    t.ok(source.isPaused())
    const held = sink.writableLength + source.readableLength
    t.ok(held < 512 * 1024, `${held >> 10} KiB are held`)
    let read = 0
    reader.on('message', (data) => {
      if ((data as Buffer).equals(message)) read++
    })
    reader.resume()
    await until(() => read === total, 'all of them')
    t.equal(read, total)
  }
})
