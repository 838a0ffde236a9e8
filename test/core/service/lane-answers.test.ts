// Answers of every kind, whole and cut anywhere: the fast lane, or undici behind it, makes of them what undici does.
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { Heard } from './http2-calls.js'
import { bothWays, countUndici, outcomeOf, startPeer, turns, upstreamTo } from './lane-peer.js'

interface Answer {
  readonly bytes: string
  readonly method?: string
  /** How the service's side of the connection ends with it. */
  readonly ending?: 'end' | 'reset'
  /** The fast lane reads it itself. */
  readonly own?: true
  /** What is cut off would be taken for the answer to the next request on its connection, by anybody. */
  readonly alone?: true
}

const OK = 'HTTP/1.1 200 OK\r\n'
const CHUNKED = `${OK}transfer-encoding: chunked\r\n\r\n`

const answers: Record<string, Answer> = {
  'a content-length': { bytes: `${OK}X-One: 1\r\nContent-Length: 5\r\nx-one:2 \r\n\r\nhello`, own: true },
  'an empty body': { bytes: `${OK}content-length: 0\r\n\r\n`, own: true },
  'no reason': { bytes: 'HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nok', own: true },
  chunks: { bytes: `${CHUNKED}5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n`, own: true },
  Chunked: { bytes: `${OK}Transfer-Encoding: Chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n`, own: true },
  'no chunks': { bytes: `${CHUNKED}0\r\n\r\n`, own: true },
  'connection: close': {
    bytes: `${OK}Connection: Close\r\ncontent-length: 2\r\n\r\nok`,
    ending: 'end',
    own: true
  },
  'a 500': { bytes: 'HTTP/1.1 500 Oh No\r\ncontent-length: 2\r\n\r\nno', own: true },
  'a 204': { bytes: 'HTTP/1.1 204 None\r\nx: 1\r\n\r\n', own: true },
  'a 304': { bytes: 'HTTP/1.1 304 Same\r\ncontent-length: 500\r\n\r\n', own: true },
  'a HEAD': { bytes: `${OK}content-length: 500\r\n\r\n`, method: 'HEAD', own: true },
  'a HEAD without a length': { bytes: `${OK}x: 1\r\n\r\n`, method: 'HEAD', own: true },
  'a HEAD in chunks': { bytes: CHUNKED, method: 'HEAD', own: true },
  'obs-text': { bytes: `${OK}x: caf\xe9\r\ncontent-length: 0\r\n\r\n`, own: true },
  'a 1xx ahead': { bytes: `HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${OK}content-length: 2\r\n\r\nok` },
  'a continue ahead': { bytes: `HTTP/1.1 100 Continue\r\n\r\n${OK}content-length: 2\r\n\r\nok` },
  'a 101': { bytes: 'HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n', ending: 'end' },
  'a 205': { bytes: 'HTTP/1.1 205 Reset\r\ncontent-length: 0\r\n\r\n' },
  'a status of two digits': { bytes: 'HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n', ending: 'end' },
  'a status of letters': { bytes: 'HTTP/1.1 2xx OK\r\ncontent-length: 0\r\n\r\n', ending: 'end' },
  'a 600': { bytes: 'HTTP/1.1 600 Far\r\ncontent-length: 2\r\n\r\nok' },
  'HTTP/1.0': { bytes: 'HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok', ending: 'end' },
  'HTTP/1.0 that stays': {
    bytes: 'HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok'
  },
  'HTTP/2.0': { bytes: 'HTTP/2.0 200 OK\r\ncontent-length: 2\r\n\r\nok', ending: 'end' },
  'no HTTP at all': { bytes: 'SSH-2.0-OpenSSH_9.2\r\n', ending: 'end' },
  'a body up to the end': { bytes: `${OK}x: 1\r\n\r\nall of this`, ending: 'end' },
  'a body up to a reset': { bytes: `${OK}x: 1\r\n\r\nall of this`, ending: 'reset' },
  'both framings': {
    bytes: `${OK}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    ending: 'end'
  },
  'both, the other way': {
    bytes: `${OK}transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n`,
    ending: 'end'
  },
  'two lengths': { bytes: `${OK}content-length: 2\r\ncontent-length: 2\r\n\r\nok`, ending: 'end' },
  'two other lengths': { bytes: `${OK}content-length: 2\r\ncontent-length: 3\r\n\r\nok`, ending: 'end' },
  'a list of lengths': { bytes: `${OK}content-length: 2, 2\r\n\r\nok`, ending: 'end' },
  'a signed length': { bytes: `${OK}content-length: +2\r\n\r\nok`, ending: 'end' },
  'an empty length': { bytes: `${OK}content-length:\r\n\r\nok`, ending: 'end' },
  'a length with a zero ahead': { bytes: `${OK}content-length: 02\r\n\r\nok` },
  'a length beyond all numbers': {
    bytes: `${OK}content-length: 99999999999999999999999\r\n\r\nok`,
    ending: 'end'
  },
  'two codings': {
    bytes: `${OK}transfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
    ending: 'end'
  },
  'chunked twice': {
    bytes: `${OK}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
    ending: 'end'
  },
  'another coding': { bytes: `${OK}transfer-encoding: identity\r\n\r\nok`, ending: 'end' },
  'a folded field': { bytes: `${OK}x: a\r\n b\r\ncontent-length: 2\r\n\r\nok`, ending: 'end' },
  'a space before a colon': { bytes: `${OK}content-length : 2\r\n\r\nok`, ending: 'end' },
  'no name': { bytes: `${OK}: 2\r\ncontent-length: 2\r\n\r\nok`, ending: 'end' },
  'no colon': { bytes: `${OK}x\r\ncontent-length: 2\r\n\r\nok`, ending: 'end' },
  'a NUL': { bytes: `${OK}x: a\0b\r\ncontent-length: 2\r\n\r\nok`, ending: 'end' },
  'a bare LF': { bytes: `${OK}x: a\ny: b\r\ncontent-length: 2\r\n\r\nok`, ending: 'end' },
  'bare LFs all through': { bytes: 'HTTP/1.1 200 OK\ncontent-length: 2\n\nok', ending: 'end' },
  'a bare CR': { bytes: `${OK}x: a\rb\r\ncontent-length: 2\r\n\r\nok`, ending: 'end' },
  'a tab in a value': { bytes: `${OK}x: a\tb\t\r\ncontent-length: 2\r\n\r\nok` },
  'a reason beyond ASCII': { bytes: 'HTTP/1.1 200 caf\xc3\xa9\r\ncontent-length: 2\r\n\r\nok' },
  'connection: a list': {
    bytes: `${OK}connection: keep-alive, x-a\r\nx-a: 1\r\ncontent-length: 2\r\n\r\nok`
  },
  'proxy-connection': { bytes: `${OK}proxy-connection: close\r\ncontent-length: 2\r\n\r\nok`, ending: 'end' },
  'a 204 with a length': { bytes: 'HTTP/1.1 204 None\r\ncontent-length: 5\r\n\r\n', ending: 'end' },
  'a 204 in chunks': { bytes: 'HTTP/1.1 204 None\r\ntransfer-encoding: chunked\r\n\r\n' },
  'a HEAD with a body': {
    bytes: `${OK}content-length: 5\r\n\r\nhello`,
    method: 'HEAD',
    own: true,
    ending: 'end'
  },
  trailers: { bytes: `${CHUNKED}5\r\nhello\r\n3\r\nyou\r\n0\r\nx-sum: 12 \r\nx-b: 2\r\n\r\n` },
  extensions: { bytes: `${CHUNKED}5\r\nhello\r\n3;a=b\r\nyou\r\n0\r\n\r\n` },
  'an extension on the last chunk': { bytes: `${CHUNKED}5\r\nhello\r\n0;a\r\n\r\n` },
  'a space behind a size': { bytes: `${CHUNKED}5\r\nhello\r\n3 \r\nyou\r\n0\r\n\r\n`, ending: 'end' },
  'a long size': { bytes: `${CHUNKED}5\r\nhello\r\n000000003\r\nyou\r\n0\r\n\r\n` },
  'a long last chunk': { bytes: `${CHUNKED}5\r\nhello\r\n00\r\n\r\n` },
  'no size': { bytes: `${CHUNKED}5\r\nhello\r\n\r\nyou\r\n0\r\n\r\n`, ending: 'end' },
  'a size of letters': { bytes: `${CHUNKED}5\r\nhello\r\nxyz\r\nyou\r\n0\r\n\r\n`, ending: 'end' },
  'a size ended by LF': { bytes: `${CHUNKED}5\r\nhello\r\n3\nyou\r\n0\r\n\r\n`, ending: 'end' },
  'a chunk that is longer than its size': {
    bytes: `${CHUNKED}5\r\nhello!\r\n0\r\n\r\n`,
    ending: 'end',
    own: true
  },
  'a chunk ended by LF': { bytes: `${CHUNKED}5\r\nhello\n0\r\n\r\n`, ending: 'end', own: true },
  'an end behind half a head': { bytes: `${OK}content-le`, ending: 'end' },
  'a reset behind half a head': { bytes: `${OK}content-le`, ending: 'reset' },
  'an end within a body': { bytes: `${OK}content-length: 50\r\n\r\nhello`, ending: 'end', own: true },
  'a reset within a body': { bytes: `${OK}content-length: 50\r\n\r\nhello`, ending: 'reset', own: true },
  'an end within a chunk': { bytes: `${CHUNKED}5\r\nhello\r\n5\r\nyo`, ending: 'end', own: true },
  'a reset within a chunk': { bytes: `${CHUNKED}5\r\nhello\r\n5\r\nyo`, ending: 'reset', own: true },
  'an end between two chunks': { bytes: `${CHUNKED}5\r\nhello\r\n`, ending: 'end', own: true },
  'an end before the last line': { bytes: `${CHUNKED}5\r\nhello\r\n0\r\n`, ending: 'end', own: true },
  'an answer that nobody asked for': {
    bytes: `${OK}content-length: 2\r\n\r\nok${OK}content-length: 3\r\n\r\nbad`,
    own: true,
    alone: true
  },
  'bytes that nobody asked for, behind chunks': {
    bytes: `${CHUNKED}2\r\nok\r\n0\r\n\r\nHTTP/1.1`,
    own: true,
    alone: true
  }
}

/** What comes of an answer that is cut at `at`. */
async function ask(t: Test, name: string, fastLane: boolean, cuts: readonly number[]) {
  const { bytes, method = 'GET', ending } = answers[name] as Answer
  let cut = 0
  const send = async (socket: Socket) => {
    const at = cuts[cut++] as number
    if (at > 0) {
      socket.write(bytes.slice(0, at), 'latin1')
      await turns()
    }
    if (socket.destroyed) return
    socket.write(bytes.slice(at), 'latin1')
    if (ending === 'end') socket.end()
    if (ending !== 'reset') return
    await turns()
    socket.resetAndDestroy()
  }
  const peer = await startPeer(t, send)
  const upstream = upstreamTo(t, peer.port, { fastLane, maxConnections: 1 })
  const outcomes = []
  for (const _ of cuts) outcomes.push(outcomeOf(await new Heard(upstream, { method }).end))
  return outcomes
}

for (const [name, { bytes, alone = false }] of Object.entries(answers)) {
  t.test(`${name}, cut anywhere`, async (t) => {
    const cuts = Array.from({ length: bytes.length }, (_, at) => at)
    const [expected, ...more] = await ask(t, name, false, [0, Math.floor(bytes.length / 2)])
    // How it is cut is no matter to undici but for what comes before a failure.
    if (expected?.error === undefined) t.same(more, [expected])
    const outcomes = alone
      ? await Promise.all(cuts.map(async (at) => (await ask(t, name, true, [at]))[0]))
      : await ask(t, name, true, cuts)
    for (const [at, outcome] of outcomes.entries()) {
      if (JSON.stringify(outcome) === JSON.stringify(expected)) continue
      const [same] = await ask(t, name, false, [at])
      t.same(outcome, same, `cut at ${at}: ${JSON.stringify(bytes.slice(0, at))}`)
    }
  })
}

t.test('what the fast lane reads itself, and what undici reads', async (t) => {
  const wrote = countUndici(t)
  for (const [name, { own = false }] of Object.entries(answers)) {
    const before = wrote()
    await ask(t, name, true, [0])
    t.equal(wrote() - before, own ? 0 : 1, name)
  }
})

bothWays(
  t,
  'a connection that was handed over goes on, with the same service and in order',
  async (t, fastLane) => {
    const odd = ['trailers', 'HTTP/1.0 that stays', 'a 1xx ahead', 'extensions', 'a long last chunk']
    const peer = await startPeer(t, (socket, path) => {
      socket.write((answers[decodeURIComponent(path.slice(1))] as Answer).bytes, 'latin1')
    })
    const upstream = upstreamTo(t, peer.port, { fastLane, maxConnections: 1 })
    const asked = ['a content-length', ...odd, 'chunks', ...odd]
    for (const name of asked) {
      const heard = await new Heard(upstream, { path: `/${encodeURIComponent(name)}` }).end
      t.equal(heard.error, undefined, name)
    }
    t.same(
      peer.heads.map((head) => head.split(' ')[1]),
      asked.map((name) => `/${encodeURIComponent(name)}`),
      'each was asked once'
    )
    t.equal(peer.connections.length, 1)
  }
)
