import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type Test, test } from 'tap'
import { Arrivals } from '../../../core/server/arrivals.js'

interface Taken {
  /** Connections that had come by the time that each was served. */
  readonly served: number[]
  readonly clients: Socket[]
  readonly sockets: Socket[]
  /** So many have been served. */
  until(count: number): Promise<void>
}

/** So many connections at once to a server that answers each with a byte. @param come is told of each as it comes */
async function surge(
  t: Test,
  count: number,
  { now, come = () => {} }: { now?: () => number; come?: (socket: Socket, nth: number) => void } = {}
): Promise<Taken> {
  const served: number[] = []
  const sockets: Socket[] = []
  let came = 0
  let wake = () => {}
  const arrivals = new Arrivals((socket) => {
    served.push(came)
    socket.write('x')
    wake()
  }, now)
  // As a server of HTTP is.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    came++
    come(socket, came)
    arrivals.take(socket)
  })
  server.listen(0, '127.0.0.1', 4096)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const clients = Array.from({ length: count }, () => connect(port, '127.0.0.1').on('error', () => {}))
  t.teardown(() => {
    for (const socket of [...clients, ...sockets]) socket.destroy()
    server.close()
  })
  const until = async (count: number) => {
    while (served.length < count) await new Promise<void>((resolve) => (wake = resolve))
  }
  return { served, clients, sockets, until }
}

test('one that comes alone is served at once', async (t) => {
  const { served, until } = await surge(t, 1)
  await until(1)
  t.same(served, [1])
})

test('of a surge all are taken in before the second is served', async (t) => {
  const { served, clients, until } = await surge(t, 200)
  const answered = Promise.all(clients.map((client) => once(client, 'data')))
  await until(200)
  t.equal(served[0], 1, 'the first is not held')
  t.ok(
    served.slice(1).every((came) => came === 200),
    'nor is any other served before the last has come'
  )
  await answered
})

test('while they go on coming, none is held for longer than half a second', async (t) => {
  let time = 0
  const { served, until } = await surge(t, 200, { now: () => time, come: () => void (time += 100) })
  await until(200)
  // The second comes with the clock at 200, and goes on with the first turn past 700.
  t.equal(served[1], 8)
  t.ok(
    served.every((came, nth) => came <= nth + 8),
    'and no other'
  )
})

test('one that is gone meanwhile is not served', async (t) => {
  const { served, until } = await surge(t, 20, {
    come(socket, nth) {
      if (nth === 5) socket.destroy()
    }
  })
  await until(19)
  t.equal(served.length, 19)
})

test('who comes after a surge is served at once again', async (t) => {
  const { served, sockets, until } = await surge(t, 20)
  await until(20)
  const { port } = (sockets[0] as Socket).address() as AddressInfo
  const late = connect(port, '127.0.0.1')
  t.teardown(() => late.destroy())
  await once(late, 'data')
  t.equal(served.at(-1), 21)
})

test('of those that close without a word while they are held, none is left', async (t) => {
  const { served, clients, sockets } = await surge(t, 40)
  for (const client of clients) client.end()
  const gone = () => sockets.filter(({ destroyed }) => destroyed).length
  while (sockets.length < 40 || gone() + served.length < 40)
    await new Promise((resolve) => setImmediate(resolve))
  t.ok(served.length < 40)
  t.equal(gone(), 40 - served.length)
})
