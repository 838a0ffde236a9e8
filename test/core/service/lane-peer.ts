// A service that answers in the bytes it is told to, and both ways to it.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { Test } from 'tap'
import type { UpstreamOptions } from '../../../core/service/connection.js'
import { Upstream } from '../../../core/service/upstream.js'
import { type Heard, options } from './http2-calls.js'

export interface Peer {
  readonly port: number
  readonly server: Server
  /** Connections that were made to it. */
  readonly connections: Socket[]
  /** Heads of requests, in order. */
  readonly heads: string[]
  /** All that came, by connection. */
  readonly bytes: string[]
}

/** @param answer called for every head of a request that has come in full, with its path */
export async function startPeer(
  t: Test,
  answer: (socket: Socket, path: string, connection: number) => unknown,
  server: Server = createServer({ noDelay: true })
): Promise<Peer> {
  const peer: Peer = { port: 0, server, connections: [], heads: [], bytes: [] }
  server.on(server.listenerCount('secureConnection') > 0 ? 'secureConnection' : 'connection', (socket) => {
    const index = peer.connections.push(socket) - 1
    peer.bytes.push('')
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      peer.bytes[index] += chunk.toString('latin1')
      text += chunk.toString('latin1')
      for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
        const head = text.slice(0, end + 4)
        const length = Number(/\r\ncontent-length: (\d+)/.exec(head)?.[1] ?? 0)
        if (text.length < head.length + length) return
        text = text.slice(head.length + length)
        peer.heads.push(head)
        answer(socket, head.split(' ')[1] as string, index)
      }
    })
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of peer.connections) socket.destroy()
    server.close()
  })
  return Object.assign(peer, { port: (server.address() as AddressInfo).port })
}

export function upstreamTo(t: Test, port: number, over: Partial<UpstreamOptions>): Upstream {
  const upstream = new Upstream(options(`http://127.0.0.1:${port}`, { protocol: 'http', ...over }))
  t.teardown(() => upstream.destroy())
  return upstream
}

/** The same test, with the fast lane and without. */
export function bothWays(t: Test, name: string, test: (t: Test, fastLane: boolean) => Promise<void>): void {
  t.test(`${name} (fast lane)`, (t) => test(t, true))
  t.test(`${name} (undici)`, (t) => test(t, false))
}

/** How many requests undici has written since, those among them that it was only made to believe it wrote. */
export function countUndici(t: Test): () => number {
  let count = 0
  const add = () => void count++
  subscribe('undici:client:sendHeaders', add)
  t.teardown(() => unsubscribe('undici:client:sendHeaders', add))
  return () => count
}

/** What was written so far has been read: on loopback it is there at once, and is read in the next turn. */
export async function turns(count = 3): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** What a listener was told, however the body was cut. */
export function outcomeOf(heard: Heard) {
  return {
    status: heard.status,
    headers: heard.headers,
    body: Buffer.concat(heard.chunks).toString('latin1'),
    information: heard.information_,
    trailers: heard.trailers,
    error: heard.error?.code,
    told: heard.told.filter((name, i) => name !== 'data' || heard.told[i - 1] !== 'data')
  }
}
