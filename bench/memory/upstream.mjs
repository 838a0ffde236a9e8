// The service behind the proxy whose memory is looked at: it sends as many bytes as it is asked for, as fast as they are
// taken from it, and takes as many as it is sent. Over HTTP/1.1 and h2c.
//
//   GET /download/BYTES      BYTES of them
//   PUT /upload              answered with how many came
//   GET /given               how many bytes of downloads it has handed to its sockets since it was asked last
import { createServer } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'

const PIECE = Buffer.alloc(64 * 1024, 'x')
let given = 0

function send(response, left) {
  const more = () => {
    while (left > 0) {
      const piece = left < PIECE.length ? PIECE.subarray(0, left) : PIECE
      left -= piece.length
      given += piece.length
      if (!response.write(piece)) return
    }
    response.end()
  }
  response.on('drain', more)
  more()
}

function answer(request, response) {
  request.on('error', () => {})
  response.on('error', () => {})
  const [, what, bytes] = request.url.split('/')
  if (what === 'download') {
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes })
    send(response, Number(bytes))
    return
  }
  if (what === 'given') {
    response.end(String(given))
    given = 0
    return
  }
  let taken = 0
  request.on('data', (chunk) => {
    taken += chunk.length
  })
  request.on('end', () => response.end(String(taken)))
}

const servers = {
  http1: createServer({ requestTimeout: 0 }, answer),
  http2: createHttp2Server({ settings: { initialWindowSize: 1 << 20 } }, answer)
}
for (const [name, server] of Object.entries(servers)) {
  server.listen(0, '127.0.0.1', () => console.log(`ready ${name} http://127.0.0.1:${server.address().port}`))
}
