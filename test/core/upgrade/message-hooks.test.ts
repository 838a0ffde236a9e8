// What plugins do to a connection's messages, between the ws package's own client and server.
import t from 'tap'
import type { UpgradedConnection } from '../../../core/index.js'
import { ProxyError } from '../../../core/index.js'
import { closeOf, connectEnds, messageOf, socketOf, until } from './front.js'
import { type Listed, Plugins } from './plugins.js'

async function connected(t: Parameters<typeof connectEnds>[0], ...listed: Listed[]) {
  const plugins = new Plugins()
  return { plugins, ...(await connectEnds(t, { plain: true, create: plugins.tunnel(...listed) })) }
}

t.test('messages are changed, dropped and seen in both directions', async (t) => {
  const seen: string[] = []
  const { client, server } = await connected(
    t,
    {
      message(message) {
        seen.push(`outer ${message.from} ${message.text()}`)
        if (message.from === 'client') message.replace(message.text().toUpperCase())
      }
    },
    {
      async message(message) {
        await Promise.resolve()
        seen.push(`inner ${message.from} ${message.text()}`)
        if (message.text() === 'DROP') message.drop()
        if (message.from === 'upstream') message.replace(Buffer.from(`${message.text()}?`))
      }
    }
  )
  const got: string[] = []
  server.on('message', (data) => void got.push(String(data)))
  const answer = messageOf(client)
  client.send('a')
  client.send('drop')
  client.send('b')
  await until(() => got.length === 2)
  t.same(got, ['A', 'B'])
  server.send('c')
  const { data, binary } = await answer
  t.equal(data.toString(), 'c?')
  t.ok(binary, 'bytes go as binary')
  t.same(seen, [
    'outer client a',
    'inner client A',
    'outer client drop',
    'inner client DROP',
    'outer client b',
    'inner client B',
    'inner upstream c',
    'outer upstream c?'
  ])
})

t.test('one at a time: the next of its direction waits, the other direction does not', async (t) => {
  const release: (() => void)[] = []
  const { client, server, front } = await connected(t, {
    message: ({ from }) =>
      from === 'client' ? new Promise<void>((resolve) => void release.push(resolve)) : undefined
  })
  const got: string[] = []
  server.on('message', (data) => void got.push(String(data)))
  for (let i = 0; i < 5; i++) client.send(`${i}`)
  await until(() => release.length === 1)
  t.ok(front.client.isPaused(), 'no more is read meanwhile')
  const other = messageOf(client)
  server.send('across')
  t.equal((await other).data.toString(), 'across')
  t.same(got, [])
  for (let i = 0; i < 5; i++) {
    t.equal(release.length, i + 1)
    release[i]?.()
    await until(() => got.length === i + 1)
  }
  t.same(got, ['0', '1', '2', '3', '4'])
  t.notOk(front.client.isPaused())
})

t.test('while a hook is waited for, a fast sender is held back', async (t) => {
  let release: (() => void) | undefined
  let calls = 0
  const { client, server, front } = await connected(t, {
    message: () => {
      calls++
      return calls === 1 ? new Promise<void>((resolve) => void (release = resolve)) : undefined
    }
  })
  let got = 0
  server.on('message', () => void got++)
  const total = 400
  for (let i = 0; i < total; i++) client.send(Buffer.alloc(64 * 1024))
  await until(() => release !== undefined)
  t.ok(front.client.isPaused())
  const taken = front.tunnel.bytesIn
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
  t.ok(front.tunnel.bytesIn - taken < 256 * 1024, `${front.tunnel.bytesIn - taken} bytes more`)
  t.ok(client.bufferedAmount > 0, 'the client is still sending')
  release?.()
  await until(() => got === total)
  t.equal(got, total)
})

t.test('a plugin that fails ends it with 1011 to both, named in the log', async (t) => {
  for (const fail of [
    () => {
      throw new Error('swordfish')
    },
    async () => {
      throw new Error('swordfish')
    }
  ]) {
    const { client, server, front, plugins } = await connected(t, { name: 'culprit', message: fail })
    let got = 0
    server.on('message', () => void got++)
    const seen = Promise.all([closeOf(client), closeOf(server)])
    client.send('a')
    client.send('b')
    t.same(await seen, [
      [1011, 'PLUGIN_FAILED'],
      [1011, 'PLUGIN_FAILED']
    ])
    t.equal(got, 0)
    t.match(await front.ended(), { how: 'plugin', error: { plugin: 'culprit', hook: 'message' } })
    t.match(plugins.log.lines, [{ level: 'error', message: 'plugin culprit failed in message' }])
  }
})

t.test('with onFailure: skip the message passes as it was', async (t) => {
  const { client, server } = await connected(t, {
    onFailure: 'skip',
    message(message) {
      message.replace('half done')
      throw new Error('no')
    }
  })
  const got = messageOf(server)
  client.send('as it was')
  t.equal((await got).data.toString(), 'as it was')
})

t.test('hookTimeout ends it with 1011; what comes of the call later is dropped', async (t) => {
  const { client, server, front, plugins } = await connected(t, {
    hookTimeout: 500,
    message: () => new Promise(() => {})
  })
  const seen = Promise.all([closeOf(client), closeOf(server)])
  client.send('a')
  await until(() => front.client.isPaused())
  await plugins.clock.advance(600)
  t.same(await seen, [
    [1011, 'PLUGIN_TIMEOUT'],
    [1011, 'PLUGIN_TIMEOUT']
  ])
})

t.test('a ProxyError that a plugin throws is a refusal: 1008, or 1013 to come again', async (t) => {
  for (const [code, expected] of [
    ['FORBIDDEN', 1008],
    ['OVERLOADED', 1013],
    ['CONNECT_FAILED', 1011]
  ] as const) {
    const { client, server, front, plugins } = await connected(t, {
      message() {
        throw new ProxyError(code, 'no')
      }
    })
    const seen = Promise.all([closeOf(client), closeOf(server)])
    client.send('a')
    t.same(await seen, [
      [expected, code],
      [expected, code]
    ])
    t.equal((await front.ended()).error?.code, code)
    t.same(plugins.log.lines, [])
  }
})

t.test(
  'open: once, before the first message, which waits for it; its failure ends the connection',
  async (t) => {
    const trace: string[] = []
    let release: (() => void) | undefined
    const { client, server, front } = await connected(t, {
      async open({ protocol }) {
        trace.push(`open ${protocol}`)
        await new Promise<void>((resolve) => void (release = resolve))
        trace.push('opened')
      },
      message: (message) => void trace.push(message.text())
    })
    const got = messageOf(server)
    const back = messageOf(client)
    client.send('first')
    server.send('second')
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
    t.same(trace, ['open chat'])
    t.equal(front.tunnel.bytesIn, 0)
    release?.()
    await Promise.all([got, back])
    t.same(trace.slice(0, 2), ['open chat', 'opened'])
    t.same(trace.slice(2).sort(), ['first', 'second'])

    const failing = await connected(t, {
      name: 'culprit',
      async open() {
        throw new Error('no')
      }
    })
    const seen = Promise.all([closeOf(failing.client), closeOf(failing.server)])
    t.same(await seen, [
      [1011, 'PLUGIN_FAILED'],
      [1011, 'PLUGIN_FAILED']
    ])
    t.match(await failing.front.ended(), { how: 'plugin', error: { plugin: 'culprit', hook: 'open' } })
  }
)

t.test('open is waited for, whatever the upstream’s socket went through before', async (t) => {
  const plugins = new Plugins()
  const trace: string[] = []
  let release: (() => void) | undefined
  const create = plugins.tunnel({
    open: () => new Promise<void>((resolve) => void (release = resolve)),
    message: (message) => void trace.push(message.text())
  })
  const { client, server, front } = await connectEnds(t, {
    plain: true,
    create(parts) {
      // As an HTTP client does that has read the answer and hands its socket over.
      const listener = () => {}
      parts.upstream.on('readable', listener)
      parts.upstream.off('readable', listener)
      return create(parts)
    }
  })
  const got = messageOf(client)
  server.send('first')
  await until(() => front.upstream.readableLength > 0)
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
  t.same(trace, [])
  release?.()
  t.equal((await got).data.toString(), 'first')
})

t.test('goAway and leaving while open is waited for', async (t) => {
  const waits = { open: () => new Promise<void>(() => {}), hookTimeout: 1_000 }
  const told = await connected(t, waits)
  const seen = Promise.all([closeOf(told.client), closeOf(told.server)])
  told.front.tunnel.goAway()
  t.same(
    (await seen).map(([code]) => code),
    [1001, 1001]
  )
  await told.plugins.clock.advance(2_000)
  t.same(told.plugins.failed, [], 'a call that nobody waits for any more is no failure')
  const cut = await connected(t, waits)
  cut.front.tunnel.destroy()
  t.equal((await cut.front.ended()).how, 'destroyed')
  await cut.plugins.clock.advance(2_000)
  t.same(cut.plugins.failed, [])
})

t.test('a side that leaves while a message is with a plugin', async (t) => {
  let called = false
  const { client, server, front, plugins } = await connected(t, {
    hookTimeout: 1_000,
    message() {
      called = true
      return new Promise(() => {})
    }
  })
  const seen = closeOf(client)
  client.send('a')
  await until(() => called)
  socketOf(server).resetAndDestroy()
  t.equal((await seen)[0], 1006)
  t.equal((await front.ended()).how, 'upstream')
  await plugins.clock.advance(2_000)
  t.same(plugins.failed, [])
})

t.test(
  'a plugin sends of its own, from open, from message and from a timer, and no plugin is shown it',
  async (t) => {
    let connection: UpgradedConnection | undefined
    let shown = 0
    const { client, server } = await connected(t, {
      open(opened) {
        connection = opened
        opened.send('client', 'hello')
        opened.send('upstream', Buffer.from('who'))
      },
      message(message) {
        shown++
        connection?.send('upstream', `before ${message.text()}`)
      }
    })
    const [atClient, atServer]: string[][] = [[], []]
    client.on('message', (data, binary) => void atClient?.push(`${data} ${binary}`))
    server.on('message', (data, binary) => void atServer?.push(`${data} ${binary}`))
    client.send('a')
    await until(() => atServer?.includes('a false') === true)
    setImmediate(() => connection?.send('client', 'later'))
    await until(() => atClient?.includes('later false') === true)
    t.same(atServer?.slice(-2), ['before a false', 'a false'])
    t.equal(shown, 1)
  }
)

t.test('a plugin closes it: both get its code and reason, and nothing after', async (t) => {
  let connection: UpgradedConnection | undefined
  const { client, server, front } = await connected(t, {
    open(opened) {
      connection = opened
    },
    message(message) {
      if (message.text() === 'quit') connection?.close(4001, 'asked to')
    }
  })
  let got = 0
  server.on('message', () => void got++)
  const seen = Promise.all([closeOf(client), closeOf(server)])
  client.send('quit')
  client.send('more')
  t.same(await seen, [
    [4001, 'asked to'],
    [4001, 'asked to']
  ])
  t.equal(got, 0)
  t.equal((await front.ended()).how, 'complete')
  connection?.send('client', 'too late')
  connection?.close()
  t.pass('and then they do nothing')
})

t.test('close and send refuse what cannot be', async (t) => {
  let connection: UpgradedConnection | undefined
  const { client } = await connected(t, {
    open(opened) {
      connection = opened
    }
  })
  for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 1000.5, Number.NaN])
    t.throws(() => connection?.close(code), RangeError, `${code}`)
  t.throws(() => connection?.close(1000, 'é'.repeat(62)), RangeError)
  t.throws(() => connection?.send('client', 7 as never), TypeError)
  t.throws(() => connection?.send('nobody' as never, 'a'), TypeError)
  const seen = closeOf(client)
  connection?.close(1000, `${'é'.repeat(61)}e`)
  t.equal((await seen)[0], 1000)
})

t.test('closed within open, at once or later', async (t) => {
  for (const wait of [false, true]) {
    const { client, server, front, plugins } = await connected(t, {
      open: wait
        ? async (connection) => {
            await Promise.resolve()
            connection.close(1008, 'no')
          }
        : (connection) => connection.close(1008, 'no')
    })
    t.same(await Promise.all([closeOf(client), closeOf(server)]), [
      [1008, 'no'],
      [1008, 'no']
    ])
    t.equal((await front.ended()).how, 'complete')
    t.same(plugins.failed, [])
  }
})

t.test('a plugin that sends without end to a side that reads nothing is stopped', async (t) => {
  let connection: UpgradedConnection | undefined
  const { client, front } = await connected(t, {
    open(opened) {
      connection = opened
    }
  })
  client.pause()
  const mebibyte = Buffer.alloc(1024 * 1024)
  let sent = 0
  for (; sent < 64 && front.ends.length === 0 && !front.client.destroyed; sent++)
    connection?.send('client', mebibyte)
  t.ok(sent < 30, `${sent} MiB`)
  t.equal((await front.ended()).how, 'overrun')
})
