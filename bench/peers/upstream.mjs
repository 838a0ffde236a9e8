// The service behind every proxy: 128 bytes to whatever it is asked, N to a path that begins with `/bytes/N`, and to one
// that begins with `/quiet/` no word of its connection, which some proxies pass on as if it were of theirs. It is no part
// of what is measured and shares a core with the load generator, so it reads nothing of a request but where that ends:
// with node:http in its place the fastest proxies would be waiting for it.
//
//   node upstream.mjs [HOST]     127.0.0.1, or 0.0.0.0 to be 16 million endpoints: 127.0.0.1 to 127.255.255.254
import { createServer } from 'node:net'

const BYTES = 128
const host = process.argv[2] ?? '127.0.0.1'

/** By the body's length. */
const answers = new Map()
let quiet = ''
dated()
setInterval(dated, 1000)

/** The date is of the second it is said in. */
function dated() {
  for (const bytes of [BYTES, ...answers.keys()]) answers.set(bytes, answerOf(bytes))
  quiet = answerOf(BYTES, '')
}

/** With the fields that a Node service sends, which every proxy has to pass on or take out. */
function answerOf(bytes, connection = '\r\nconnection: keep-alive\r\nkeep-alive: timeout=60') {
  const fields = ['content-type: text/plain', `content-length: ${bytes}`, `date: ${new Date().toUTCString()}`]
  const head = `HTTP/1.1 200 OK\r\n${fields.join('\r\n')}${connection}\r\n\r\n`
  const text = head + 'x'.repeat(bytes)
  // A string is written at once, and a large one would be copied for each answer.
  return bytes > 16_384 ? Buffer.from(text, 'latin1') : text
}

function answered(socket, head) {
  if (head.startsWith('GET /quiet/')) {
    socket.write(quiet, 'latin1')
    return
  }
  let bytes = BYTES
  const at = head.indexOf(' /bytes/')
  if (at > 0 && at < 10) bytes = Number.parseInt(head.slice(at + 8, at + 16), 10)
  let answer = answers.get(bytes)
  if (answer === undefined) answers.set(bytes, (answer = answerOf(bytes)))
  socket.write(answer, 'latin1')
}

function serve(socket) {
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  let unread = ''
  /** Of the request whose body comes. */
  let head = ''
  /** Bytes of a request's body that are still to come. */
  let left = 0
  socket.on('data', (chunk) => {
    // Most of a large body is looked at no more than this.
    if (left > chunk.length && unread === '') {
      left -= chunk.length
      return
    }
    unread += chunk.latin1Slice()
    for (;;) {
      if (left > 0) {
        const taken = Math.min(left, unread.length)
        unread = unread.slice(taken)
        left -= taken
        if (left > 0) return
        answered(socket, head)
      }
      const end = unread.indexOf('\r\n\r\n')
      if (end === -1) return
      head = unread.slice(0, end)
      // A body without a length would have to be taken apart. A request that fails is counted and seen; one that is
      // misread is not.
      if (/\r\ntransfer-encoding:/i.test(head)) {
        socket.destroy()
        return
      }
      unread = unread.slice(end + 4)
      left = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
      if (left === 0) answered(socket, head)
    }
  })
}

/** That came, and are not served yet. */
const fresh = []
let came = false

/**
 * A listener of Node accepts one connection a turn of its event loop: all that come at once are taken before the first is
 * served, or the last of a thousand would wait for seconds, whatever proxy opened it.
 */
function arrived(socket) {
  if (fresh.push(socket) === 1) setImmediate(turned)
  came = true
}

function turned() {
  if (came) {
    came = false
    setImmediate(turned)
    return
  }
  for (const socket of fresh.splice(0)) serve(socket)
}

// Two endpoints, so that a load balancer has something to choose from.
for (const name of ['a', 'b']) {
  const server = createServer(arrived)
  server.listen(0, host, 4096, () => {
    console.log(`ready ${name} http://127.0.0.1:${server.address().port}`)
  })
}
