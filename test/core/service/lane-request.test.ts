// What goes out on the wire: byte for byte what undici writes.
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import type { UpstreamRequest } from '../../../core/service/connection.js'
import { Heard } from './http2-calls.js'
import { bothWays, countUndici, startPeer, upstreamTo } from './lane-peer.js'

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

/** What a service sees of each request, and what becomes of it. */
async function write(t: Test, fastLane: boolean, requests: readonly Partial<UpstreamRequest>[]) {
  // One connection each: what becomes of it is to be seen too.
  const peer = await startPeer(t, (socket) => socket.write(OK))
  const wrote = countUndici(t)
  const seen = []
  for (const request of requests) {
    const upstream = upstreamTo(t, peer.port, { fastLane, maxConnections: 1 })
    const before = peer.bytes.length
    const first = await new Heard(upstream, request).end
    const second = await new Heard(upstream).end
    upstream.destroy()
    seen.push({
      bytes: peer.bytes.slice(before).map((bytes) => bytes.replace(`:${peer.port}`, ':PORT')),
      errors: [first.error?.code, second.error?.code],
      sent: first.call.sent,
      body: first.body,
      undici: wrote()
    })
  }
  return seen
}

const host = ['Host', 'shop.example']
const taken: Record<string, Partial<UpstreamRequest>> = {
  'a GET': {},
  'a path and a query': { path: '/a/b?c=%20d&e=~' },
  'names and their order as they are': {
    headers: [
      'X-CamelCase',
      'One',
      'cookie',
      'a=1',
      'HOST',
      'shop:80',
      'x-a',
      '',
      'Cookie',
      'b=2',
      'x-caf',
      'é ü'
    ]
  },
  'trailers that are understood': { acceptsTrailers: true, headers: [...host, 'x-a', '1'] },
  'a HEAD': { method: 'HEAD' },
  'a POST with a body': { method: 'POST', body: Buffer.from('hello') },
  'a POST that tells its length': {
    method: 'POST',
    body: Buffer.from('hello'),
    headers: ['Content-Length', '5', ...host, 'x-a', '1']
  },
  'a POST without a body': { method: 'POST', headers: [...host, 'content-length', '0'] },
  'a POST with an empty one': { method: 'POST', body: Buffer.alloc(0) },
  'a PUT': { method: 'PUT' },
  'a PATCH': { method: 'PATCH', body: Buffer.alloc(2_049, 'x') },
  another: { method: 'PATCH', body: Buffer.alloc(2_048, 'x') },
  'a QUERY': { method: 'QUERY' },
  'a PROPFIND': { method: 'PROPFIND' },
  'a PROPPATCH': { method: 'PROPPATCH', body: Buffer.from('<a/>') },
  'a large body': { method: 'POST', body: Buffer.alloc(1024 * 1024, 'abcdefghij') },
  'a body of all bytes': { method: 'PUT', body: Buffer.from(Array.from({ length: 256 }, (_, i) => i)) },
  'a DELETE': { method: 'DELETE' },
  'a DELETE with a body': { method: 'DELETE', body: Buffer.from('all') },
  'a GET with a body': { method: 'GET', body: Buffer.from('all') },
  'a GET that tells another length': {
    method: 'GET',
    body: Buffer.from('all'),
    headers: [...host, 'content-length', '9']
  },
  'a GET that tells of no body': { method: 'GET', headers: [...host, 'content-length', '9'] },
  'an OPTIONS': { method: 'OPTIONS' },
  'a TRACE': { method: 'TRACE' },
  'a method of its own': { method: 'PURGE' }
}

t.test('what the fast lane takes, it writes as undici does', async (t) => {
  const names = Object.keys(taken)
  const lane = await write(t, true, Object.values(taken))
  const standard = await write(t, false, Object.values(taken))
  for (const [i, name] of names.entries()) {
    const { bytes, errors, sent, body, undici } = lane[i] as (typeof lane)[number]
    t.equal(undici, 0, `${name}: by the fast lane`)
    t.same({ bytes, errors, sent, body }, pick(standard[i]), name)
  }
})

const left: Record<string, Partial<UpstreamRequest>> = {
  'a stream': { method: 'POST', body: Readable.from([Buffer.from('one'), Buffer.from('two')]) },
  'a path beyond ASCII': { path: '/caf\xe9' },
  'no host': { headers: ['x-a', '1'] }
}
const refused: Record<string, Partial<UpstreamRequest>> = {
  'a path with a space': { path: '/a b' },
  'a path with a line end': { path: '/ HTTP/1.1\r\nx: 1' },
  'a path that is none': { path: '*' },
  'an empty path': { path: '' },
  'a method with a space': { method: 'GET /' },
  'no method': { method: '' },
  'a name with a line end': { headers: [...host, 'x: 1\r\ny', '1'] },
  'a name with a space': { headers: [...host, 'x ', '1'] },
  'no name': { headers: [...host, '', '1'] },
  'a value with a line end': { headers: [...host, 'x', '1\r\ny: 1'] },
  'a value with a NUL': { headers: [...host, 'x', '1\0'] },
  'a value beyond latin1': { headers: [...host, 'x', 'ā'] },
  'two hosts': { headers: [...host, ...host] },
  'a host with a line end': { headers: ['host', 'a\r\nb'] },
  'two lengths': { method: 'POST', headers: [...host, 'content-length', '0', 'Content-Length', '0'] },
  'a length that is none': { method: 'POST', headers: [...host, 'content-length', '0x0'] },
  "a length that is not the body's": {
    method: 'POST',
    body: Buffer.from('hello'),
    headers: [...host, 'content-length', '4']
  },
  'an expectation': { headers: [...host, 'Expect', '100-continue'] },
  'a coding': { headers: [...host, 'Transfer-Encoding', 'chunked'] },
  'an upgrade in its fields': { headers: [...host, 'Upgrade', 'x'] },
  'a keep-alive': { headers: [...host, 'Keep-Alive', 'timeout=5'] }
}

t.test('what it does not take, undici writes or refuses', async (t) => {
  const all = { ...left, ...refused }
  const standard = await write(t, false, Object.values({ ...all, 'a stream': stream() }))
  const lane = await write(t, true, Object.values({ ...all, 'a stream': stream() }))
  for (const [i, name] of Object.keys(all).entries()) {
    const seen = lane[i] as (typeof lane)[number]
    t.same(pick(seen).errors, pick(standard[i]).errors, name)
    t.same(seen.bytes.filter(isSent), standard[i]?.bytes.filter(isSent), name)
    if (name in refused) t.same(seen.errors, ['BAD_REQUEST', undefined], name)
    else t.same(seen.errors, [undefined, undefined], name)
  }
})

bothWays(t, 'an upgrade', async (t, fastLane) => {
  const peer = await startPeer(t, (socket) =>
    socket.write('HTTP/1.1 101 Go\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nhello')
  )
  const heard = await new Heard(upstreamTo(t, peer.port, { fastLane }), { upgrade: 'x' }).head
  t.same(heard.told, ['upgraded'])
  t.match(peer.heads[0], /connection: upgrade\r\nupgrade: x\r\n/)
  const [chunk] = await new Promise<[Buffer]>((resolve) =>
    heard.socket?.once('data', (data: Buffer) => resolve([data]))
  )
  t.equal(chunk.toString(), 'hello')
  heard.socket?.destroy()
})

function stream(): Partial<UpstreamRequest> {
  return { method: 'POST', body: Readable.from([Buffer.from('one'), Buffer.from('two')]) }
}

function isSent(bytes: string): boolean {
  return bytes !== ''
}

function pick(seen: Awaited<ReturnType<typeof write>>[number] | undefined) {
  const { bytes = [], errors = [], sent, body } = seen ?? {}
  return { bytes, errors, sent, body }
}
