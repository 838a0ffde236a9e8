// What stands in front of a tunnel in these tests: it forwards a handshake byte for byte and hands both sockets over.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { WebSocket, WebSocketServer } from 'ws'
import type { ProxyError } from '../../../core/errors.js'
import { Deadlines } from '../../../core/hooks/deadlines.js'
import { VirtualClock } from '../../../core/testing/virtual-clock.js'
import { Tunnel } from '../../../core/upgrade/tunnel.js'
import type { Upgraded, UpgradedEnd, UpgradedParts } from '../../../core/upgrade/upgraded.js'

interface Closing {
  teardown(close: () => unknown): unknown
}

export interface Ended {
  bytesIn: number
  bytesOut: number
  how: UpgradedEnd
  error: ProxyError | undefined
}

export interface Front {
  readonly port: number
  readonly clock: VirtualClock
  /** Of the last connection. */
  readonly tunnel: Upgraded
  readonly client: Socket
  readonly upstream: Socket
  /** Each connection that has ended, in its order. */
  readonly ends: Ended[]
  /** Resolves when the next one has ended, or one has that nobody waited for. */
  ended(): Promise<Ended>
}

export interface FrontOptions {
  idleTimeout?: number
  /** Takes `sec-websocket-extensions` out of the handshake. */
  plain?: boolean
  create?: (parts: UpgradedParts) => Upgraded
}

export function rawTunnel(parts: UpgradedParts): Upgraded {
  return new Tunnel({ ...parts, websocket: true })
}

export async function startFront(
  t: Closing,
  upstreamPort: number,
  options: FrontOptions = {}
): Promise<Front> {
  const clock = new VirtualClock()
  const deadlines = new Deadlines(clock)
  const ends: Ended[] = []
  let waited = 0
  let wake: (() => void) | undefined
  const owner = {
    closed(bytesIn: number, bytesOut: number, how: UpgradedEnd, error: ProxyError | undefined) {
      ends.push({ bytesIn, bytesOut, how, error })
      wake?.()
    }
  }
  const last: { tunnel?: Upgraded; client?: Socket; upstream?: Socket } = {}
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(upstreamPort, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
    }
    head(client, (request, clientHead) => {
      const sent =
        options.plain === true ? request.replace(/^sec-websocket-extensions:.*\r\n/im, '') : request
      upstream.write(sent, 'latin1')
      head(upstream, (response, upstreamHead) => {
        client.write(response, 'latin1')
        const parts = { client, upstream, clientHead, upstreamHead, deadlines, owner }
        const tunnel = (options.create ?? rawTunnel)({
          ...parts,
          idleTimeout: options.idleTimeout ?? 300_000
        })
        Object.assign(last, { tunnel, client, upstream })
        tunnel.start()
      })
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    port: (server.address() as AddressInfo).port,
    clock,
    get tunnel() {
      return last.tunnel as Upgraded
    },
    get client() {
      return last.client as Socket
    },
    get upstream() {
      return last.upstream as Socket
    },
    ends,
    async ended() {
      while (ends.length <= waited) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      return ends[waited++] as Ended
    }
  }
}

function head(socket: Socket, then: (head: string, rest: Buffer) => void): void {
  let got = Buffer.alloc(0)
  const onData = (chunk: Buffer) => {
    got = Buffer.concat([got, chunk])
    const end = got.indexOf('\r\n\r\n')
    if (end < 0) return
    socket.off('data', onData)
    socket.pause()
    then(got.toString('latin1', 0, end + 4), got.subarray(end + 4))
  }
  socket.on('data', onData)
}

/** Leaves the socket paused, with what came behind the head to be read. */
function headOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    head(socket, (_head, rest) => {
      if (rest.length > 0) socket.unshift(rest)
      resolve()
    })
  })
}

/** Both ends of a connection. */
export async function socketPair(t: Closing): Promise<[Socket, Socket]> {
  const listener = createServer({ allowHalfOpen: true })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const accepted = once(listener, 'connection')
  const near = connect((listener.address() as AddressInfo).port, '127.0.0.1')
  const [far] = (await accepted) as [Socket]
  for (const socket of [near, far]) socket.on('error', () => {})
  t.teardown(() => {
    near.destroy()
    far.destroy()
    listener.close()
  })
  return [near, far]
}

export interface Ends {
  readonly front: Front
  readonly client: WebSocket
  /** The upstream's end. */
  readonly server: WebSocket
}

interface EndsOptions extends FrontOptions {
  /** Of the ws package's client and server. Default false. */
  compress?: boolean
}

/** The ws package's client and server with a tunnel between them. */
export async function connectEnds(t: Closing, options: EndsOptions = {}): Promise<Ends> {
  const perMessageDeflate = options.compress === true ? { threshold: 0 } : false
  const upstream = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate })
  await once(upstream, 'listening')
  t.teardown(() => {
    for (const socket of upstream.clients) socket.terminate()
    upstream.close()
  })
  const front = await startFront(t, (upstream.address() as AddressInfo).port, options)
  const connected = once(upstream, 'connection')
  const client = new WebSocket(`ws://127.0.0.1:${front.port}/`, { perMessageDeflate })
  client.on('error', () => {})
  t.teardown(() => client.terminate())
  await once(client, 'open')
  const [server] = (await connected) as [WebSocket]
  server.on('error', () => {})
  return { front, client, server }
}

/** Raw sockets at both ends of a tunnel, the handshake behind them, paused. */
export async function connectRaw(
  t: Closing,
  options: FrontOptions = {}
): Promise<{ front: Front; client: Socket; server: Socket }> {
  const listener = createServer({ allowHalfOpen: true })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const front = await startFront(t, (listener.address() as AddressInfo).port, options)
  const accepted = once(listener, 'connection')
  const client = connect({ port: front.port, host: '127.0.0.1', allowHalfOpen: true })
  const [server] = (await accepted) as [Socket]
  for (const socket of [client, server]) socket.on('error', () => {})
  t.teardown(() => {
    client.destroy()
    server.destroy()
    listener.close()
  })
  const asked = headOf(server)
  client.write('GET / HTTP/1.1\r\n\r\n')
  await asked
  const answered = headOf(client)
  server.write('HTTP/1.1 101 Switching Protocols\r\n\r\n')
  await answered
  return { front, client, server }
}

/** The close event's code and reason. */
export async function closeOf(socket: WebSocket): Promise<[code: number, reason: string]> {
  const [code, reason] = await once(socket, 'close')
  return [code, reason.toString()]
}

/** What the ws package keeps to itself. */
export function socketOf(socket: WebSocket): Socket {
  return (socket as unknown as { _socket: Socket })._socket
}

export async function messageOf(socket: WebSocket): Promise<{ data: Buffer; binary: boolean }> {
  const [data, binary] = await once(socket, 'message')
  return { data, binary }
}

/** Reads all of a socket from now on. */
export function gather(socket: Socket): { bytes: Buffer; readonly ended: boolean } {
  const gathered = { bytes: Buffer.alloc(0), ended: false }
  socket.on('data', (chunk) => {
    gathered.bytes = Buffer.concat([gathered.bytes, chunk])
  })
  socket.on('end', () => {
    gathered.ended = true
  })
  socket.resume()
  return gathered
}

/** Lets real sockets do what they have to do. @throws when it does not come about in 5 s */
export async function until(holds: () => boolean, what = 'it'): Promise<void> {
  const deadline = performance.now() + 5_000
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`${what} did not come about in 5 s`)
    await turn()
  }
}
