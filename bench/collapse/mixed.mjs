// node mixed.mjs JSON
// What many kinds of clients do to one proxy, for a while: { "url", "socketUrl", "seconds" }. Each lane does one kind of
// thing over and over. Prints a line of JSON with how often each was done, and how often it went wrong.
import { randomBytes } from 'node:crypto'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'

const { url, socketUrl, seconds } = JSON.parse(process.argv[2])
const { hostname, port, host } = new URL(url)
/** ms that one thing may take. Long: on a loaded machine late is not failed. */
const PATIENCE = 20_000
const KIB = 1024
const MIB = 1024 * KIB
const headers = { 'x-api-key': 'bench' }
const kept = new Agent({ keepAlive: true, maxSockets: 64 })
const small = Buffer.alloc(KIB, 'x')
const large = Buffer.alloc(MIB, 'x')

/** Asks, and takes the answer. @param bytes that the answer has to have */
function ask(path, bytes, { method = 'GET', body, agent = kept } = {}) {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': body.length }
    const options = { method, agent, timeout: PATIENCE, headers: { ...headers, ...length } }
    const asked = request(`${url}${path}`, options, (response) => {
      let taken = 0
      response.on('data', (chunk) => {
        taken += chunk.length
      })
      response.on('error', reject)
      response.on('end', () => {
        if (response.statusCode === 200 && taken === bytes) resolve()
        else reject(new Error(`${response.statusCode} and ${taken} bytes`))
      })
    })
    asked.on('error', reject)
    asked.on('timeout', () => asked.destroy(new Error('too late')))
    asked.end(body)
  })
}

/** Leaves while the answer comes. What it gets does not matter. */
function leaveDuringAnswer() {
  return new Promise((resolve) => {
    const asked = request(`${url}/bytes/${MIB}`, { headers, agent: false }, (response) => {
      response.once('data', () => asked.destroy())
      response.on('error', () => {})
    })
    asked.on('error', () => {})
    asked.on('close', resolve)
    asked.end()
  })
}

/** Leaves with half of its body sent. */
function leaveDuringRequest() {
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port) })
    socket.on('error', () => {})
    socket.on('close', resolve)
    socket.on('connect', () => {
      socket.write(
        `POST /orders HTTP/1.1\r\nhost: ${host}\r\nx-api-key: bench\r\ncontent-length: ${MIB}\r\n\r\n`
      )
      socket.write(large.subarray(0, MIB / 2), () => socket.destroy())
    })
  })
}

/** Opens one, has ten messages echoed, and closes it. */
function converse() {
  return new Promise((resolve, reject) => {
    const target = new URL(socketUrl)
    const socket = connect({ host: target.hostname, port: Number(target.port) })
    const payload = randomBytes(100)
    const message = Buffer.concat([Buffer.from([0x82, 0x80 | 100, 0, 0, 0, 0]), payload])
    const close = Buffer.from([0x88, 0x80, 0, 0, 0, 0])
    let unread = Buffer.alloc(0)
    let open = false
    let echoed = 0
    const timer = setTimeout(() => fail('too late'), PATIENCE)
    function fail(why) {
      clearTimeout(timer)
      socket.destroy()
      reject(new Error(why))
    }
    socket.on('error', () => fail('broken off'))
    socket.on('close', () => fail('closed'))
    socket.on('connect', () => {
      const key = randomBytes(16).toString('base64')
      socket.write(
        `GET ${target.pathname} HTTP/1.1\r\nhost: ${target.host}\r\nx-api-key: bench\r\nconnection: Upgrade\r\n` +
          `upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${key}\r\n\r\n`
      )
    })
    socket.on('data', (chunk) => {
      unread = Buffer.concat([unread, chunk])
      if (!open) {
        const end = unread.indexOf('\r\n\r\n')
        if (end === -1) return
        if (!unread.latin1Slice(0, 12).endsWith(' 101')) return fail('no upgrade')
        unread = unread.subarray(end + 4)
        open = true
        socket.write(message)
        return
      }
      if (unread.length < payload.length + 2) return
      if (!unread.subarray(2, payload.length + 2).equals(payload)) return fail('another echo')
      unread = unread.subarray(payload.length + 2)
      if (++echoed < 10) {
        socket.write(message)
        return
      }
      clearTimeout(timer)
      socket.removeAllListeners('close')
      socket.on('close', resolve)
      socket.end(close)
      socket.setTimeout(1000, () => socket.destroy())
    })
  })
}

const KINDS = [
  { name: 'GET', lanes: 12, run: () => ask('/orders/1?full=1', 128) },
  { name: 'POST of 1 KiB', lanes: 4, run: () => ask('/orders', 128, { method: 'POST', body: small }) },
  { name: 'POST of 1 MiB', lanes: 1, run: () => ask('/orders', 128, { method: 'POST', body: large }) },
  { name: '1 MiB answered', lanes: 1, run: () => ask(`/bytes/${MIB}`, MIB) },
  { name: 'a connection for each', lanes: 2, run: () => ask('/orders/1', 128, { agent: false }) },
  { name: 'gone during the answer', lanes: 1, pause: 20, run: leaveDuringAnswer },
  { name: 'gone during the request', lanes: 1, pause: 20, run: leaveDuringRequest },
  { name: 'WebSocket, ten messages', lanes: 2, run: converse }
]

const end = performance.now() + seconds * 1000
const counts = KINDS.map(({ name }) => ({ name, done: 0, failed: 0 }))
let trouble

async function lane(run, pause, count) {
  while (performance.now() < end) {
    try {
      await run()
      count.done++
    } catch (error) {
      count.failed++
      trouble ??= `${count.name}: ${error.message}`
    }
    // A lane that leaves early does not wait for the proxy: without this it would do nothing but connect.
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause))
  }
}

await Promise.all(
  KINDS.flatMap(({ lanes, pause = 0, run }, at) =>
    Array.from({ length: lanes }, () => lane(run, pause, counts[at]))
  )
)
console.log(JSON.stringify({ counts, trouble }))
process.exit()
