// The WebSocket service behind every proxy: two endpoints that echo each message. It is no part of what is measured, so
// it knows only what is sent here: whole messages below 64 KiB, and a close.
import { createHash } from 'node:crypto'
import { createServer } from 'node:net'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const MASKED = 0x80
const CLOSE = 8
const PING = 9
const PONG = 10

function serve(socket) {
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  let unread = Buffer.alloc(0)
  let open = false

  const shake = () => {
    const end = unread.indexOf('\r\n\r\n')
    if (end === -1) return
    const key = /\r\nsec-websocket-key: *(\S+)/i.exec(unread.latin1Slice(0, end))?.[1]
    unread = unread.subarray(end + 4)
    open = true
    const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64')
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`
    )
  }

  /** @returns whether there was a whole frame */
  const answer = () => {
    if (unread.length < 2) return false
    let length = unread[1] & ~MASKED
    let at = 2
    if (length === 126) {
      if (unread.length < 4) return false
      length = unread.readUInt16BE(2)
      at = 4
    }
    if (length === 127 || !(unread[1] & MASKED)) {
      socket.destroy()
      return false
    }
    const end = at + 4 + length
    if (unread.length < end) return false
    const opcode = unread[0] & 15
    const reply = Buffer.allocUnsafe(at + length)
    reply[0] = opcode === PING ? (unread[0] & 0xf0) | PONG : unread[0]
    reply[1] = unread[1] & ~MASKED
    if (at === 4) reply.writeUInt16BE(length, 2)
    for (let i = 0; i < length; i++) reply[at + i] = unread[at + 4 + i] ^ unread[at + (i & 3)]
    unread = unread.subarray(end)
    if (opcode === CLOSE) socket.end(reply)
    else if (opcode !== PONG) socket.write(reply)
    return true
  }

  socket.on('data', (chunk) => {
    unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk])
    if (!open) shake()
    while (open && answer());
  })
}

for (const name of ['a', 'b']) {
  const server = createServer(serve)
  server.listen(0, '127.0.0.1', 1024, () => {
    console.log(`ready ${name} http://127.0.0.1:${server.address().port}`)
  })
}
