// What clients say over HTTP/2: streams that are woven into each other, and frames that are not what they should be.
import { block, type Field } from '../support/hpack.js'
import { FLAG, frame, number, PREFACE, settings, TYPE } from '../support/http2-frames.js'
import { makeContent } from './bodies.js'
import type { Random } from './random.js'
import { KEY, makeTarget } from './requests.js'

/** One stream of a plan. */
export interface PlannedStream {
  readonly id: number
  readonly name: string
  readonly method: string
  readonly path: string
  readonly authority: string
  readonly key: string | undefined
  readonly body: string
}

export interface FramePlan {
  /** The preface first, then a frame each, less where bytes were mutated. */
  readonly frames: readonly Buffer[]
  readonly streams: readonly PlannedStream[]
  /** Whether every frame is as HTTP/2 wants it, and so every stream has an answer. */
  readonly clean: boolean
  /** Windows are given back as they are taken. */
  readonly reads: boolean
  readonly after: 'wait' | 'patient' | 'leave'
}

/** A window's worth and less, so that no answer has to be waited for. */
const MOST_BODY = 4_000

export function planFrames(random: Random, connection: number): FramePlan {
  const streams = Array.from({ length: 1 + random.int(8) }, (_, i) =>
    planStream(random, connection, 2 * i + 1)
  )
  const lanes = streams.map((stream) => framesOf(random, stream))
  const woven = weave(random, lanes)
  for (let i = random.int(3); i > 0; i--) woven.splice(random.int(woven.length + 1), 0, [harmless(random)])
  const clean = random.chance(0.5)
  let frames = [PREFACE, settings(...settingsOf(random)), ...woven.flat()]
  if (!clean) frames = spoil(random, frames)
  return {
    frames,
    streams,
    clean,
    reads: clean || random.chance(0.8),
    after: random.weighted([
      [12, 'wait'],
      [1, 'patient'],
      [2, 'leave']
    ])
  }
}

function settingsOf(random: Random): [number, number][] {
  if (random.chance(0.6)) return []
  return [
    random.pick<[number, number]>([
      [1, 0],
      [1, 65_536],
      [3, 100],
      [4, 65_535],
      [4, 1_000],
      [5, 16_384],
      [5, 100_000],
      [99, 1]
    ])
  ]
}

function planStream(random: Random, connection: number, id: number): PlannedStream {
  const method = random.weighted([
    [5, 'GET'],
    [5, 'POST'],
    [1, 'PUT'],
    [1, 'HEAD'],
    [1, 'DELETE']
  ])
  const wants = method === 'POST' || method === 'PUT' ? 0.9 : 0.05
  return {
    id,
    name: `${connection}-h${id}`,
    method,
    path: makeTarget(random, random.chance(0.4)).slice(0, 2_000),
    authority: random.pick(['a.test', 'shop.test', 'SHOP.Test:80']),
    key: random.chance(0.4) ? (random.chance(0.7) ? KEY : random.word()) : undefined,
    body: random.chance(wants) ? makeContent(random).slice(0, MOST_BODY) : ''
  }
}

/** In the order they have to keep; what may not be parted stands together. */
function framesOf(random: Random, stream: PlannedStream): Buffer[][] {
  const { id, body } = stream
  const fields: Field[] = [
    [':method', stream.method],
    [':scheme', 'http'],
    [':authority', stream.authority],
    [':path', stream.path],
    ['x-fuzz-id', stream.name]
  ]
  if (stream.key !== undefined) fields.push(['x-key', stream.key])
  if (body !== '' && random.chance(0.5)) fields.push(['content-length', String(body.length)])
  for (let i = random.int(3); i > 0; i--)
    fields.push([random.pick(['cookie', 'x-a', '__proto__', 'constructor', 'te']), 'trailers'])
  const trailers = body !== '' && random.chance(0.1)
  const lanes: Buffer[][] = [head(random, id, block(fields), body === '')]
  for (let at = 0; at < body.length; ) {
    const size = 1 + random.int(random.pick([10, 500, MOST_BODY]))
    const last = at + size >= body.length
    lanes.push([data(random, id, body.slice(at, at + size), last && !trailers)])
    at += size
  }
  if (trailers) lanes.push(head(random, id, block([['x-sum', '1']]), true))
  return lanes
}

function head(random: Random, id: number, fields: Buffer, end: boolean): Buffer[] {
  let flags: number = end ? FLAG.END_STREAM : 0
  if (random.chance(0.8)) return [frame(TYPE.HEADERS, flags | FLAG.END_HEADERS, id, fields)]
  const parts: Buffer[] = []
  // nghttp2 takes eight CONTINUATIONs for a flood if there are more.
  const least = Math.ceil(fields.length / 7)
  for (let at = 0; at < fields.length; ) {
    const size = least + random.int(60)
    parts.push(fields.subarray(at, at + size))
    at += size
  }
  if (parts.length === 1) flags |= FLAG.END_HEADERS
  return parts.map((part, i) =>
    i === 0
      ? frame(TYPE.HEADERS, flags, id, part)
      : frame(TYPE.CONTINUATION, i === parts.length - 1 ? FLAG.END_HEADERS : 0, id, part)
  )
}

function data(random: Random, id: number, text: string, end: boolean): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  const flags = end ? FLAG.END_STREAM : 0
  if (random.chance(0.8)) return frame(TYPE.DATA, flags, id, bytes)
  const padding = random.int(30)
  return frame(
    TYPE.DATA,
    flags | FLAG.PADDED,
    id,
    Buffer.concat([Buffer.from([padding]), bytes, Buffer.alloc(padding)])
  )
}

function harmless(random: Random): Buffer {
  switch (random.int(4)) {
    case 0:
      return frame(TYPE.PING, 0, 0, Buffer.alloc(8, 7))
    case 1:
      return frame(TYPE.WINDOW_UPDATE, 0, 0, number(1 + random.int(1_000)))
    case 2:
      return frame(TYPE.PRIORITY, 0, 2 * random.int(10) + 1, Buffer.concat([number(0), Buffer.from([16])]))
    default:
      return frame(0xb0 + random.int(16), random.int(256), random.int(20), Buffer.alloc(random.int(20)))
  }
}

function weave(random: Random, lanes: Buffer[][][]): Buffer[][] {
  const woven: Buffer[][] = []
  const open: Buffer[][][] = []
  const rest = [...lanes]
  while (open.length > 0 || rest.length > 0) {
    // Streams are opened in the order of their numbers.
    const opens = rest.length > 0 && (open.length === 0 || random.chance(0.4))
    const lane = opens ? [...(rest.shift() as Buffer[][])] : random.pick(open)
    if (opens) open.push(lane)
    const next = lane.shift()
    if (next !== undefined) woven.push(next)
    if (lane.length === 0) open.splice(open.indexOf(lane), 1)
  }
  return woven
}

const ODD_FIELDS: readonly Field[] = [
  ['connection', 'close'],
  ['transfer-encoding', 'chunked'],
  ['content-length', '3'],
  ['content-length', '+3'],
  ['X-Upper', '1'],
  [':path', '/admin/x'],
  [':authority', 'shop.test'],
  [':protocol', 'websocket'],
  [':status', '200'],
  ['host', 'shop.test'],
  ['host', 'a b'],
  ['x-a', 'a\r\nx-b: 1'],
  ['x-a', 'a\0'],
  ['', '1'],
  ['x a', '1'],
  ['upgrade', 'h2c'],
  ['keep-alive', '1'],
  ['proxy-connection', '1'],
  ['te', 'gzip'],
  ['expect', '100-continue'],
  ['x-fuzz-token', 'mine'],
  ['x_fuzz_token', 'mine']
]

/** One to four things that are not as they should be. */
function spoil(random: Random, frames: readonly Buffer[]): Buffer[] {
  const spoilt = [...frames]
  for (let i = 1 + random.int(4); i > 0; i--) {
    const at = 1 + random.int(spoilt.length - 1)
    const one = spoilt[at] as Buffer
    const id = one.length >= 9 ? one.readUInt32BE(5) & 0x7fffffff : 0
    switch (random.int(12)) {
      case 0:
        spoilt.splice(at, 0, one)
        break
      case 1:
        spoilt.splice(at, 1)
        break
      case 2:
        spoilt.splice(random.int(spoilt.length), 0, ...spoilt.splice(at, 1))
        break
      case 3: {
        const changed = Buffer.from(one)
        changed[random.int(Math.min(9, changed.length))] = random.int(256)
        spoilt[at] = changed
        break
      }
      case 4: {
        const changed = Buffer.from(one)
        const where = random.int(Math.max(1, changed.length))
        changed[where] = (changed[where] ?? 0) ^ (1 << random.int(8))
        spoilt[at] = changed
        break
      }
      case 5:
        spoilt.splice(at, 0, frame(TYPE.RST_STREAM, 0, id || 1, number(random.int(14))))
        break
      case 6:
        spoilt.splice(
          at,
          0,
          frame(TYPE.WINDOW_UPDATE, 0, random.pick([0, id]), number(random.pick([0, 1, 0x7fffffff])))
        )
        break
      case 7:
        spoilt.splice(at, 0, settings([random.int(8), random.pick([0, 1, 0x7fffffff, 0xffffffff])]))
        break
      case 8:
        spoilt.splice(
          at,
          0,
          frame(
            random.int(12),
            random.int(256),
            random.pick([0, id, 2, 99]),
            Buffer.alloc(random.int(40), random.int(256))
          )
        )
        break
      case 9:
        spoilt.splice(at, 0, frame(TYPE.DATA, random.int(2), id || 1, Buffer.from('xxx')))
        break
      case 10:
        spoilt.splice(at, 0, frame(TYPE.CONTINUATION, random.pick([0, 4]), id || 1, block([['x-a', '1']])))
        break
      default:
        if (one[3] === TYPE.HEADERS && one.length > 9) {
          const extra = block([random.pick(ODD_FIELDS)])
          const fields = one.subarray(9)
          const placed = random.chance(0.5) ? [extra, fields] : [fields, extra]
          spoilt[at] = frame(TYPE.HEADERS, one[4] as number, id, Buffer.concat(placed))
        } else if (random.chance(0.2)) spoilt.length = at
    }
    if (spoilt.length < 2) break
  }
  return spoilt
}
