// The service behind every proxy: it says the same 128 bytes to whatever it is asked. It is no part of what is
// measured and shares a core with the load generator, so it reads nothing of a request but where that ends: with
// node:http in its place the fastest proxies would be waiting for it.
import { createServer } from 'node:net'

const body = 'x'.repeat(Number(process.argv[2] ?? 128))
let answer = ''
dated()
setInterval(dated, 1000)

/** With the fields that a Node service sends, which every proxy has to pass on or take out. */
function dated() {
  const fields = [
    'content-type: text/plain',
    `content-length: ${body.length}`,
    `date: ${new Date().toUTCString()}`
  ]
  answer = `HTTP/1.1 200 OK\r\n${fields.join('\r\n')}\r\nconnection: keep-alive\r\nkeep-alive: timeout=60\r\n\r\n${body}`
}

function serve(socket) {
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  let unread = ''
  /** Bytes of a request's body that are still to come. */
  let left = 0
  socket.on('data', (chunk) => {
    unread += chunk.latin1Slice()
    for (;;) {
      if (left > 0) {
        const taken = Math.min(left, unread.length)
        unread = unread.slice(taken)
        left -= taken
        if (left > 0) return
        socket.write(answer, 'latin1')
      }
      const end = unread.indexOf('\r\n\r\n')
      if (end === -1) return
      const head = unread.slice(0, end)
      // A body without a length would have to be taken apart. A request that fails is counted and seen; one that is
      // misread is not.
      if (/\r\ntransfer-encoding:/i.test(head)) {
        socket.destroy()
        return
      }
      unread = unread.slice(end + 4)
      left = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
      if (left === 0) socket.write(answer, 'latin1')
    }
  })
}

// Two endpoints, so that a load balancer has something to choose from.
for (const name of ['a', 'b']) {
  const server = createServer(serve)
  server.listen(0, '127.0.0.1', 1024, () => {
    console.log(`ready ${name} http://127.0.0.1:${server.address().port}`)
  })
}
