// node open-loop.mjs JSON
// Asks at a steady pace, whether or not earlier requests have been answered. A request's time counts from when it was
// due: an answer that holds up the next ones then counts for each of them. Says how late it was itself.
//
//   { "url", "rate" (a second), "seconds", "warmUp" (s), "connections", "spin", "headers": ["name: value"] }
//
// With `spin` it never sleeps, for a timer is up to a millisecond late: to be run at idle priority.
import { connect } from 'node:net'
import { summary } from './summary.mjs'

const {
  url,
  rate,
  seconds,
  warmUp = 0,
  connections = 32,
  spin = false,
  headers = []
} = JSON.parse(process.argv[2])
const { hostname, port, host, pathname, search } = new URL(url)
/** ms that the last answers may take. Long: on a loaded machine late is not failed. */
const PATIENCE = 20_000

const fields = [`host: ${host}`, ...headers].join('\r\n')
const request = `GET ${pathname}${search} HTTP/1.1\r\n${fields}\r\n\r\n`

const total = Math.round(rate * (warmUp + seconds))
/** Requests before this one warm up. */
const first = Math.round(rate * warmUp)
const latencies = new Float64Array(total - first)
const latenesses = new Float64Array(total - first)
/** Likewise, less its own lateness. */
const answers = new Float64Array(total - first)
let answered = 0
let failed = 0
let sent = 0
let ended = 0

/** Connections that wait for a request, and requests that wait for a connection. */
const free = []
const waiting = []

function open() {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true })
    const one = { socket, under: -1, head: '', left: 0 }
    socket.once('connect', () => {
      socket.off('error', reject)
      socket.on('error', () => {})
      socket.on('data', (chunk) => take(one, chunk))
      socket.on('close', () => lose(one))
      resolve(one)
    })
    socket.once('error', reject)
  })
}

function take(one, chunk) {
  if (one.left === 0) {
    one.head += chunk.latin1Slice()
    const end = one.head.indexOf('\r\n\r\n')
    if (end === -1) return
    const length = /\r\ncontent-length: *(\d+)/i.exec(one.head)?.[1]
    if (!one.head.startsWith('HTTP/1.1 200 ') || length === undefined) {
      one.socket.destroy()
      return
    }
    one.left = end + 4 + Number(length) - one.head.length
  } else {
    one.left -= chunk.length
  }
  if (one.left > 0) return
  finish(one.under, true)
  one.under = -1
  one.head = ''
  one.left = 0
  const next = waiting.shift()
  if (next === undefined) free.push(one)
  else send(one, next)
}

function lose(one) {
  if (one.under !== -1) finish(one.under, false)
  const at = free.indexOf(one)
  if (at !== -1) free.splice(at, 1)
  // The proxy may close a connection; the next request then needs another.
  if (ended < total)
    open().then(
      (fresh) => {
        const next = waiting.shift()
        if (next === undefined) free.push(fresh)
        else send(fresh, next)
      },
      () => {}
    )
}

function send(one, number) {
  one.under = number
  one.socket.write(request, 'latin1')
}

function finish(number, well) {
  ended++
  if (!well) failed++
  else if (number >= first) {
    const latency = performance.now() - dueAt(number)
    answers[answered] = latency - latenesses[number - first]
    latencies[answered++] = latency
  }
  if (ended === total) report()
}

const startedAt = performance.now() + 100
const dueAt = (number) => startedAt + (number * 1000) / rate

function turn() {
  const now = performance.now()
  while (sent < total && dueAt(sent) <= now) {
    if (sent >= first) latenesses[sent - first] = now - dueAt(sent)
    const one = free.pop()
    if (one === undefined) waiting.push(sent)
    else send(one, sent)
    sent++
  }
  if (sent === total) return
  if (spin) setImmediate(turn)
  else setTimeout(turn, 1)
}

function report() {
  const elapsed = (performance.now() - dueAt(first)) / 1000
  const missing = total - ended
  console.log(
    JSON.stringify({
      requests: total - first,
      failed: failed + missing,
      seconds: elapsed,
      latency: summary(latencies.subarray(0, answered)),
      answer: summary(answers.subarray(0, answered)),
      lateness: summary(latenesses)
    })
  )
  process.exit()
}

free.push(...(await Promise.all(Array.from({ length: connections }, open))))
setTimeout(report, (warmUp + seconds) * 1000 + PATIENCE)
turn()
