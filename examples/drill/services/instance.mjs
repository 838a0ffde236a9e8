// What the four services share: `node stock.mjs PORT` is one endpoint of stock. Whoever has started it tells it over its
// IPC channel how to behave.
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * @typedef {object} Mood
 * @property {number} [time] ms that an answer takes
 * @property {number} [workers] answers that are made at once; who comes when all are busy stands in line. 0: any number
 * @property {number} [failEvery] every so many answers, one is a 500. 0: none
 * @property {{ every: number, time: number }} [slow] every so many answers, one takes this many ms
 */

/** @type {Mood} */
const WELL = { time: 5, workers: 0, failEvery: 0, slow: undefined }

/** So many clerks, and a line before them. */
class Counter {
  #free
  #line = []

  constructor(clerks) {
    this.#free = clerks
  }

  /** Who has given up waiting is served all the same, as by most services: they find out when they answer. */
  async serve(ms) {
    if (this.#free > 0) this.#free--
    else await new Promise((resolve) => this.#line.push(resolve))
    await sleep(ms)
    const next = this.#line.shift()
    if (next === undefined) this.#free++
    else next()
  }
}

/**
 * @param {(request: { method: string, path: string, body: string, counts: boolean }) =>
 *   Promise<{ status?: number, body: object }> | { status?: number, body: object }} answer `counts`: whether it is among
 *   those that the drill counts, which have the header `x-counts`
 */
export function serve(answer) {
  const port = Number(process.argv[2])
  let mood = WELL
  let counter = new Counter(Number.POSITIVE_INFINITY)
  let answers = 0
  let asked = 0

  const handle = async (request, response) => {
    const number = ++answers
    const counts = request.headers['x-counts'] !== undefined
    if (counts) asked++
    const { failEvery, slow, time } = mood
    let body = ''
    for await (const chunk of request) body += chunk
    await counter.serve(slow !== undefined && number % slow.every === 0 ? slow.time : time)
    const answered =
      failEvery > 0 && number % failEvery === 0
        ? { status: 500, body: { error: 'something is wrong here' } }
        : await answer({ method: request.method, path: request.url, body, counts })
    const text = `${JSON.stringify(answered.body)}\n`
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
    response.writeHead(answered.status ?? 200, headers).end(text)
  }

  const server = createServer((request, response) => {
    if (request.url === '/healthz') return response.end('well')
    // Whoever is gone need not be answered.
    handle(request, response).catch(() => response.destroy())
  })
  server.on('error', (error) => {
    console.error(error.code === 'EADDRINUSE' ? `port ${port} is taken` : error.message)
    process.exit(2)
  })
  server.listen(port, '127.0.0.1', () => process.send('ready'))

  process.on('message', (message) => {
    if (message.behave !== undefined) {
      mood = { ...WELL, ...message.behave }
      counter = new Counter(mood.workers > 0 ? mood.workers : Number.POSITIVE_INFINITY)
    }
    // How many that count have come since the last time.
    process.send({ asked })
    asked = 0
  })
  // Whoever started this has gone.
  process.on('disconnect', () => process.exit())
}

export const notFound = { status: 404, body: { error: 'there is no such thing here' } }
