// TLS towards a service: whom the proxy believes, over each of the protocols it may speak there.
import { once } from 'node:events'
import { createSecureServer } from 'node:http2'
import { createServer } from 'node:https'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { type Certificate, certificate } from '../support/certificates.js'
import { startTestProxy } from '../support/proxy.js'
import { ca, otherCa, PemFolder, server } from './tls-peers.js'

const DAY = 86_400_000
const ago = (days: number) => new Date(Date.now() - days * DAY)

interface Service {
  /** With the name `localhost`. */
  readonly url: string
  readonly port: number
  /** What it saw of each connection whose handshake was done. */
  readonly connections: { asked: string | false; shown: string | undefined; alpn: string | false | null }[]
  requests: number
}

/** Speaks HTTP/1.1, with WebSockets, or HTTP/2; answers with `secure`. */
async function service(
  t: Test,
  kind: 'http1' | 'http2',
  shown: Certificate,
  options: object = {}
): Promise<Service> {
  const seen: Service = { url: '', port: 0, connections: [], requests: 0 }
  const answer = (_request: unknown, response: { end(text: string): unknown }) => {
    seen.requests++
    response.end('secure')
  }
  const tls = { ...shown, ...options }
  const listening: Server =
    kind === 'http1' ? createServer(tls, answer) : createSecureServer({ ...tls, allowHTTP1: false }, answer)
  const sockets = new Set<Socket>()
  listening.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
  })
  listening.on('secureConnection', (socket: TLSSocket & { servername: string | false }) => {
    const certificate = socket.authorized ? [socket.getPeerCertificate().subject?.CN].flat()[0] : undefined
    seen.connections.push({ asked: socket.servername, shown: certificate, alpn: socket.alpnProtocol })
  })
  listening.on('tlsClientError', () => {})
  if (kind === 'http1') {
    const sockets = new WebSocketServer({ server: listening as ReturnType<typeof createServer> })
    sockets.on('connection', (socket) => {
      seen.requests++
      socket.on('message', (data) => socket.send(`echo ${data}`))
    })
  }
  listening.listen(0)
  await once(listening, 'listening')
  const { port } = listening.address() as AddressInfo
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    listening.close()
  })
  return Object.assign(seen, { port, url: `https://localhost:${port}` })
}

type Told = [status: number, error: string | null]

/** By a request of whatever kind: the status, and the proxy's own code. */
type Ask = (url: string) => Promise<Told>

const request: Ask = async (url) => {
  // The name that a client asks for is none of the certificate's business.
  const response = await fetch(url, { headers: { 'x-any': '1' } })
  if (response.status === 200 && (await response.text()) !== 'secure') throw new Error('not the answer')
  return [response.status, response.headers.get('x-outrigger-error')]
}

const websocket: Ask = (url) =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(url.replace('http:', 'ws:'))
    socket.once('open', () => socket.send('hi'))
    socket.once('message', (data) => {
      socket.close()
      if (String(data) === 'echo hi') resolve([200, null])
      else reject(new Error(`not an echo: ${data}`))
    })
    socket.once('unexpected-response', (_request, response) => {
      response.resume()
      resolve([response.statusCode ?? 0, response.headers['x-outrigger-error'] as string])
    })
    socket.once('error', reject)
  })

const ways: Record<string, { kind: 'http1' | 'http2'; protocol?: string; ask: Ask; alpn: string }> = {
  'HTTP/1.1': { kind: 'http1', ask: request, alpn: 'http/1.1' },
  'HTTP/2': { kind: 'http2', protocol: 'h2', ask: request, alpn: 'h2' },
  'HTTP/2, found out': { kind: 'http2', protocol: 'auto', ask: request, alpn: 'h2' },
  'HTTP/1.1, found out': { kind: 'http1', protocol: 'auto', ask: request, alpn: 'http/1.1' },
  WebSocket: { kind: 'http1', ask: websocket, alpn: 'http/1.1' }
}

const REFUSED: Told = [502, 'CONNECT_FAILED']
const SERVED: Told = [200, null]

for (const [way, { kind, protocol, ask }] of Object.entries(ways)) {
  t.test(`${way}: verified by CA, by name and by date`, async (t) => {
    const folder = new PemFolder(t)
    const tell = async (target: Service, tls: object | undefined, endpoint = target.url): Promise<Told> => {
      const proxy = await startTestProxy(t, {
        endpoints: [endpoint],
        service: { ...(protocol && { protocol }), ...(tls && { tls }) }
      })
      const told = await ask(proxy.url())
      await proxy.close()
      return told
    }
    const trusting = { ca: folder.ca }
    const right = await service(t, kind, server)
    t.same(await tell(right, undefined), REFUSED, "a CA that is not one of the system's")
    t.same(await tell(right, { ca: folder.text('other.pem', otherCa.cert) }), REFUSED, 'another CA')
    t.equal(right.requests, 0, 'it was not asked anything')
    t.same(await tell(right, trusting), SERVED, 'its CA')
    t.equal(right.connections.at(-1)?.asked, 'localhost', 'by the name of its URL')
    t.same(await tell(right, { insecure: true }), SERVED, 'only when told not to verify')

    const named = await service(t, kind, certificate({ name: 'orders.shop', issuer: ca }))
    t.same(await tell(named, trusting), REFUSED, 'another name')
    t.equal(named.requests, 0)
    t.same(
      await tell(named, { ...trusting, serverName: 'orders.shop' }),
      SERVED,
      'the name that is configured'
    )
    t.equal(named.connections.at(-1)?.asked, 'orders.shop', 'and asked for')
    t.same(await tell(right, { ...trusting, serverName: 'orders.shop' }), REFUSED, 'in place of its own')

    const by = (target: Service) => `https://127.0.0.1:${target.port}`
    t.same(await tell(named, trusting, by(named)), REFUSED, 'an address that the certificate does not have')
    t.same(await tell(right, trusting, by(right)), SERVED, 'one that it has')
    t.not(right.connections.at(-1)?.asked, '127.0.0.1', 'an address is no server name')

    const dates = { issuer: ca, names: 'DNS:localhost' }
    const expired = certificate({ name: 'localhost', ...dates, from: ago(9), until: ago(1) })
    t.same(await tell(await service(t, kind, expired), trusting), REFUSED, 'expired')
    const itself = certificate({ name: 'localhost' })
    t.same(await tell(await service(t, kind, itself), trusting), REFUSED, 'signed by itself')
  })
}

for (const [way, { kind, protocol, ask, alpn }] of Object.entries(ways)) {
  t.test(`${way}: the certificate that is shown to the service`, async (t) => {
    const folder = new PemFolder(t)
    const mine = folder.pair('mine', certificate({ name: 'sidecar', issuer: ca }))
    const strict = { requestCert: true, rejectUnauthorized: true, ca: ca.cert, ALPNProtocols: [alpn] }
    const target = await service(t, kind, server, strict)
    const setup = (tls: object) =>
      startTestProxy(t, {
        endpoints: [target.url],
        service: { ...(protocol && { protocol }), tls: { ca: folder.ca, ...tls } }
      })
    t.same(await ask((await setup(mine)).url()), SERVED)
    t.same(target.connections.at(-1), { asked: 'localhost', shown: 'sidecar', alpn })
    target.requests = 0
    const [status, code] = await ask((await setup({})).url())
    // TLS 1.3 refuses after the client's side of the handshake is done: then it is a connection that was reset.
    t.equal(status, 502, 'without one')
    t.match(code, /^(CONNECT_FAILED|UPSTREAM_RESET)$/)
    const stranger = folder.pair('stranger', certificate({ name: 'sidecar', issuer: otherCa }))
    t.equal((await ask((await setup(stranger)).url()))[0], 502, 'one of another CA')
    t.equal(target.requests, 0)
  })
}

t.test("a service's CA and certificate are renewed without a reload", async (t) => {
  const folder = new PemFolder(t)
  const caFile = folder.text('service-ca.pem', otherCa.cert)
  const mine = folder.pair('mine', certificate({ name: 'first', issuer: ca }))
  const strict = { requestCert: true, rejectUnauthorized: true, ca: ca.cert }
  for (const kind of ['http1', 'http2'] as const) {
    folder.text('service-ca.pem', otherCa.cert)
    folder.pair('mine', certificate({ name: 'first', issuer: ca }))
    const target = await service(t, kind, server, strict)
    const proxy = await startTestProxy(t, {
      endpoints: [target.url],
      service: { protocol: kind === 'http1' ? 'https' : 'h2', tls: { ca: caFile, ...mine } }
    })
    const ask = async (wanted: number, what: string) => {
      const patience = AbortSignal.timeout(5_000)
      let status = 0
      while (!patience.aborted && status !== wanted) {
        ;[status] = await request(proxy.url())
        if (status !== wanted) await new Promise((resolve) => setTimeout(resolve, 20))
      }
      t.equal(status, wanted, `${kind}: ${what}`)
    }
    await ask(502, 'the wrong CA')
    folder.text('service-ca.pem', ca.cert)
    await ask(200, 'the right one, taken up by itself')
    t.equal(target.connections.at(-1)?.shown, 'first', kind)
    const { text } = await proxy.proxy.metrics()
    t.match(text, /^outrigger_config_reloads_total 0$/m)
    await proxy.close()
  }
})
