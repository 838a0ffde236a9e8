// HTTP/2 to HTTP/2 as a few lines on node:http2 do it, for there is no kept package that proxies gRPC: each stream piped
// to one of a session to the service, the trailers handed on. What goes wrong ends the stream and no more.
import { connect, constants, createServer } from 'node:http2'

const sessions = [connect(process.env.UPSTREAM_A), connect(process.env.UPSTREAM_B)]
let turn = 0

const server = createServer()
server.on('stream', (stream, headers, flags) => {
  const call = sessions[turn++ % 2].request(headers, {
    endStream: (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
  })
  let trailers = {}
  call.on('response', (answer, answered) => {
    if (stream.destroyed) return
    const endStream = (answered & constants.NGHTTP2_FLAG_END_STREAM) !== 0
    stream.respond(answer, { endStream, waitForTrailers: !endStream })
    if (!endStream) call.pipe(stream)
  })
  call.on('trailers', (fields) => {
    trailers = fields
  })
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  call.on('error', () => stream.close(constants.NGHTTP2_INTERNAL_ERROR))
  stream.on('error', () => {})
  stream.on('aborted', () => call.close(constants.NGHTTP2_CANCEL))
  stream.pipe(call)
})
server.listen(0, '127.0.0.1', () => console.log(`ready inbound http://127.0.0.1:${server.address().port}`))
// A profile is written by a process that ends, and not by one that is killed.
process.on('SIGTERM', () => process.exit())
