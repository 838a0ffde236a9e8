import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse
} from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'

interface Closing {
  teardown(close: () => unknown): unknown
}

export interface Upstream {
  readonly url: string
  readonly port: number
  /** Requests that have come in so far. */
  readonly count: number
  /** Connections that are open. */
  readonly sockets: ReadonlySet<Socket>
  readonly server: Server
  close(): Promise<void>
}

/** A real HTTP server on a free port, closed with the test. */
export async function startUpstream(t: Closing, listener: RequestListener): Promise<Upstream> {
  let count = 0
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    count++
    // An async listener rejects when its client breaks off, which tests do on purpose.
    Promise.resolve(listener(request, response)).catch(() => {})
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  t.teardown(close)
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    get count() {
      return count
    },
    sockets,
    server,
    close
  }
}

/** A TCP server that speaks whatever bytes the test writes: an upstream that breaks the rules. */
export async function startRawUpstream(
  t: Closing,
  onSocket: (socket: Socket, index: number) => void
): Promise<{ url: string; port: number; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>()
  let index = 0
  const server = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    onSocket(socket, index++)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { url: `http://127.0.0.1:${port}`, port, sockets }
}

/** A port on which nothing listens. */
export async function closedPort(): Promise<number> {
  const server = createTcpServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}

export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** Answers with what it was sent: method, target, raw header fields and the body in base64. */
export async function echo(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await bodyOf(request)
  const { method, url, rawHeaders } = request
  response.setHeader('content-type', 'application/json')
  response.end(
    JSON.stringify({ method, url, rawHeaders, body: body.toString('base64'), length: body.length })
  )
}
