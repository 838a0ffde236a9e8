// The HTTP/2 service behind every proxy, without TLS: two endpoints, each giving every request the same answer.
//
//   node upstream-http2.mjs plain        128 B, as peers/upstream.mjs answers
//   node upstream-http2.mjs unary        a gRPC message of 128 B, status 0
//   node upstream-http2.mjs stream       a hundred of them, each in a DATA frame of its own, status 0
//
// It is no part of what is measured and shares a core with the load generator. node:http2 would be what everybody
// waits for, so this reads of a request only where it ends. Since it looks into no header block it need not decode one,
// and since no request here is large it opens no stream's window: an upload past 64 KiB waits for ever.
import { createServer } from 'node:net'

const PREFACE = 24
const FRAME = 9
const DATA = 0
const HEADERS = 1
const SETTINGS = 4
const PING = 6
const GOAWAY = 7
const WINDOW_UPDATE = 8
const CONTINUATION = 9
const END_STREAM = 1
const ACK = 1
const END_HEADERS = 4
const INITIAL_WINDOW_SIZE = 4
/** RFC 9113's, until the peer says otherwise. */
const WINDOW = 65_535
/** What is taken of bodies is given back once it is this much. */
const GIVE_BACK = 1 << 20
/** Rows of HPACK's static table (RFC 7541, appendix A). */
const STATUS_200 = 0x88
const NAMES = { 'content-length': 28, 'content-type': 31, date: 33 }

const MESSAGE = 128
const message = Buffer.concat([Buffer.from([0, 0, 0, 0, MESSAGE]), Buffer.alloc(MESSAGE, 'x')])
const gRPC = {
  fields: { 'content-type': 'application/grpc' },
  trailers: { 'grpc-status': '0', 'grpc-message': '' }
}
const kinds = {
  plain: {
    fields: { 'content-type': 'text/plain', 'content-length': '128' },
    frames: [Buffer.alloc(128, 'x')]
  },
  unary: { ...gRPC, frames: [message] },
  stream: { ...gRPC, frames: Array.from({ length: 100 }, () => message) }
}
const { fields, trailers, frames: bodies } = kinds[process.argv[2]]

function frame(type, flags, stream, payload) {
  const head = Buffer.alloc(FRAME)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

function text(value) {
  return Buffer.concat([Buffer.from([value.length]), Buffer.from(value)])
}

/** Literals that no table keeps, so that an answer is the same bytes on every stream. */
function block(entries) {
  const literals = Object.entries(entries).map(([name, value]) => {
    const index = NAMES[name]
    return Buffer.concat(
      index === undefined
        ? [Buffer.from([0]), text(name), text(value)]
        : [Buffer.from([15, index - 15]), text(value)]
    )
  })
  return Buffer.concat(literals)
}

/** The whole answer, for stream 0, and where in it the streams' numbers stand. */
let answer
let places
const bodyBytes = bodies.reduce((sum, { length }) => sum + length, 0)
dated()
setInterval(dated, 1000)

function dated() {
  const head = block({ ...fields, date: new Date().toUTCString() })
  const frames = [
    frame(HEADERS, END_HEADERS, 0, Buffer.concat([Buffer.from([STATUS_200]), head])),
    ...bodies.map((body, at) =>
      frame(DATA, trailers === undefined && at === bodies.length - 1 ? END_STREAM : 0, 0, body)
    ),
    ...(trailers === undefined ? [] : [frame(HEADERS, END_HEADERS | END_STREAM, 0, block(trailers))])
  ]
  places = []
  let at = 0
  for (const { length } of frames) {
    places.push(at + 5)
    at += length
  }
  answer = Buffer.concat(frames)
}

function answerFor(stream) {
  const bytes = Buffer.from(answer)
  for (const place of places) bytes.writeUInt32BE(stream, place)
  return bytes
}

function serve(socket) {
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  let unread = Buffer.alloc(0)
  let greeted = false
  /** What the connection may be sent of bodies. */
  let room = WINDOW
  /** Streams whose answers wait for room. */
  const waiting = []
  let taken = 0

  const flush = () => {
    while (waiting.length > 0 && room >= bodyBytes) {
      room -= bodyBytes
      socket.write(answerFor(waiting.shift()))
    }
  }

  const onSettings = (payload) => {
    for (let at = 0; at < payload.length; at += 6) {
      // An answer goes out whole or not at all, so each stream's window has to hold it.
      if (payload.readUInt16BE(at) === INITIAL_WINDOW_SIZE && payload.readUInt32BE(at + 2) < bodyBytes) {
        socket.destroy()
      }
    }
    socket.write(frame(SETTINGS, ACK, 0, Buffer.alloc(0)))
  }

  const onFrame = (type, flags, stream, payload) => {
    switch (type) {
      case DATA:
        taken += payload.length
        if (taken >= GIVE_BACK) {
          socket.write(frame(WINDOW_UPDATE, 0, 0, numbered(taken)))
          taken = 0
        }
        if (flags & END_STREAM) waiting.push(stream)
        break
      case HEADERS:
        if (flags & END_STREAM) waiting.push(stream)
        // A header block that goes on elsewhere would have to be followed. A request that fails is counted and seen.
        if (!(flags & END_HEADERS)) socket.destroy()
        break
      case SETTINGS:
        if (!(flags & ACK)) onSettings(payload)
        break
      case PING:
        if (!(flags & ACK)) socket.write(frame(PING, ACK, 0, payload))
        break
      case WINDOW_UPDATE:
        if (stream === 0) room += payload.readUInt32BE(0)
        break
      case GOAWAY:
      case CONTINUATION:
        break
    }
  }

  socket.on('data', (chunk) => {
    unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk])
    if (!greeted) {
      if (unread.length < PREFACE) return
      unread = unread.subarray(PREFACE)
      greeted = true
      // MAX_CONCURRENT_STREAMS of 256, and a window for all bodies together that is never in the way.
      socket.write(frame(SETTINGS, 0, 0, Buffer.from([0, 3, 0, 0, 1, 0])))
      socket.write(frame(WINDOW_UPDATE, 0, 0, numbered(1 << 29)))
    }
    socket.cork()
    while (unread.length >= FRAME) {
      const length = unread.readUIntBE(0, 3)
      if (unread.length < FRAME + length) break
      onFrame(unread[3], unread[4], unread.readUInt32BE(5), unread.subarray(FRAME, FRAME + length))
      unread = unread.subarray(FRAME + length)
    }
    flush()
    socket.uncork()
  })
}

function numbered(value) {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

for (const name of ['a', 'b']) {
  const server = createServer(serve)
  server.listen(0, '127.0.0.1', 1024, () => {
    console.log(`ready ${name} http://127.0.0.1:${server.address().port}`)
  })
}
