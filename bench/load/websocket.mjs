// node websocket.mjs URL CONNECTIONS SECONDS BYTES
// One message under way on each connection: the next is sent once its echo has come, whole and as it was sent.
// Prints what was measured as one line of JSON. On node:net, since a library costs more than some of the proxies.
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'

const [url, connections, seconds, bytes] = [
  new URL(process.argv[2]),
  ...process.argv.slice(3).map((text) => Number(text))
]
/** ms that the last message of a connection may take. Long: on a loaded machine late is not failed. */
const PATIENCE = 20_000

const payload = randomBytes(bytes)
// A client masks what it sends. With zeros the mask changes nothing; who takes it off still has to do it.
const sent = Buffer.concat([header(bytes, true), Buffer.alloc(4), payload])
const echo = Buffer.concat([header(bytes, false), payload])

let messages = 0
let failed = 0
let over = false
let busy = connections

/** A whole binary message. */
function header(length, masked) {
  const bit = masked ? 0x80 : 0
  return length < 126
    ? Buffer.from([0x82, bit | length])
    : Buffer.from([0x82, bit | 126, length >> 8, length & 255])
}

function open() {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true })
    socket.on('error', reject)
    socket.once('connect', () => {
      socket.write(
        `GET ${url.pathname} HTTP/1.1\r\nhost: ${url.host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n` +
          `sec-websocket-version: 13\r\nsec-websocket-key: ${randomBytes(16).toString('base64')}\r\n\r\n`
      )
    })
    let head = ''
    socket.on('data', function answer(chunk) {
      head += chunk.latin1Slice()
      if (!head.includes('\r\n\r\n')) return
      socket.off('data', answer)
      if (/^HTTP\/1\.1 101 .*\r\n\r\n$/s.test(head)) resolve(socket)
      else reject(new Error(`the handshake was answered with ${head.split('\r\n')[0]}`))
    })
  })
}

function converse(socket, ended) {
  let unread
  let done = false
  const end = (well) => {
    if (done) return
    done = true
    if (!well) failed++
    socket.destroy()
    if (--busy === 0) ended()
  }
  socket.removeAllListeners('error')
  socket.on('error', () => end(false))
  socket.on('close', () => end(false))
  socket.on('data', (chunk) => {
    if (unread !== undefined) {
      chunk = Buffer.concat([unread, chunk])
      unread = undefined
    }
    if (chunk.length < echo.length) {
      unread = chunk
      return
    }
    if (!chunk.equals(echo)) {
      end(false)
      return
    }
    if (over) {
      end(true)
      return
    }
    messages++
    socket.write(sent)
  })
  socket.write(sent)
}

const sockets = await Promise.all(Array.from({ length: connections }, open))
const startedAt = performance.now()
const all = new Promise((resolve) => {
  for (const socket of sockets) converse(socket, resolve)
})
await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
over = true
const elapsed = performance.now() - startedAt
const counted = messages
const late = setTimeout(() => {
  console.log(JSON.stringify({ messages: counted, failed: failed + busy, seconds: elapsed / 1000 }))
  process.exit()
}, PATIENCE)
await all
clearTimeout(late)
console.log(JSON.stringify({ messages: counted, failed, seconds: elapsed / 1000 }))
process.exit()
