// Pipelines of requests through sockets: whatever comes behind whatever, in whatever pieces, each upload arrives as it was
// sent and each answer is the answer to its request.
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { startProxy } from '../support/lane.js'
import { bodyOf } from '../support/upstream.js'
import { Random } from './random.js'

export interface PipelinesReport {
  readonly connections: number
  /** Requests that were answered as they ought to be. */
  readonly answered: number
  readonly findings: readonly { readonly connection: number; readonly what: string }[]
}

export interface PipelinesOptions {
  readonly seed: number
  readonly connections: number
  /** This one alone. */
  readonly only?: number | undefined
  readonly fastLane: boolean
}

/** At once: what one waits for, the others use. */
const TOGETHER = 4
/** Requests that the standard path takes ahead before it refuses them are more. */
const MOST = 40
/** ms without a byte. */
const PATIENCE = 20_000

interface Made {
  readonly bytes: Buffer
  /** What is to be answered. */
  readonly answer: string
}

export async function fuzzPipelines({
  seed,
  connections,
  only,
  fastLane
}: PipelinesOptions): Promise<PipelinesReport> {
  const server = createServer(async (request, response) => {
    const { method, url = '' } = request
    const [, id, size, kind] = url.split('/')
    if (kind === 'late') {
      request.pause()
      setTimeout(() => request.resume(), 20)
    }
    const digest = digestOf(await bodyOf(request))
    const answer = Buffer.from(answerTo(method as string, id as string, digest, Number(size)))
    if (kind !== 'chunked') response.setHeader('content-length', answer.length)
    const half = Math.floor(answer.length / 2)
    response.write(answer.subarray(0, half))
    setImmediate(() => response.end(answer.subarray(half)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const proxy = await startProxy({
    fastLane,
    listeners: { in: { address: '127.0.0.1:0' } },
    services: { app: { endpoints: [`http://127.0.0.1:${port}`] } },
    routes: [{ name: 'all', match: { path: '/*' }, service: 'app' }]
  })
  const findings: { connection: number; what: string }[] = []
  let answered = 0
  let next = only ?? 0
  const last = only ?? connections - 1
  const work = async () => {
    while (next <= last && findings.length < 10) {
      const connection = next++
      const random = new Random('pipelines', seed, connection)
      const made = Array.from({ length: 1 + random.int(MOST) }, (_, at) =>
        makeRequest(random, `${connection}-${at}`)
      )
      const client = new Client(proxy.url(), random)
      try {
        await client.run(made)
        answered += made.length
      } catch (error) {
        findings.push({
          connection,
          what: `${(error as Error).message}, ${client.read} of ${made.length} answered`
        })
      }
    }
  }
  await Promise.all(Array.from({ length: TOGETHER }, work))
  await proxy.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  return { connections: next - (only ?? 0), answered, findings }
}

function digestOf(body: Buffer): string {
  return createHash('sha1').update(body).digest('hex')
}

function answerTo(method: string, id: string, digest: string, size: number): string {
  return `[${method} ${id} ${digest}]${`<${id}>`.repeat(size)}`
}

const SIZES = [0, 0, 0, 10, 300, 20_000] as const
const UPLOADS = [1, 300, 5_000, 70_000, 200_000] as const

function makeRequest(random: Random, id: string): Made {
  const size = random.pick(SIZES)
  const path = `/${id}/${size}/${random.pick(['whole', 'chunked', 'late'])}`
  const upload = random.chance(0.35)
  const method = upload ? 'POST' : 'GET'
  const body = Buffer.alloc(upload ? random.pick(UPLOADS) : 0)
  // Such as no other's: a byte that is taken for another's shows.
  for (let at = 0; at < body.length; at += 4) body.write(random.word().padEnd(4).slice(0, 4), at, 'latin1')
  const chunked = upload && random.chance(0.3)
  // What is out of the lane's grammar goes to Node's server with all that is behind it.
  const odd = random.chance(0.05) ? 'x-odd: a\tb\r\n' : ''
  const framing = chunked
    ? 'transfer-encoding: chunked\r\n'
    : upload
      ? `content-length: ${body.length}\r\n`
      : ''
  const head = Buffer.from(`${method} ${path} HTTP/1.1\r\nhost: a\r\n${odd}${framing}\r\n`)
  return {
    bytes: Buffer.concat([head, ...(chunked ? chunksOf(random, body) : [body])]),
    answer: answerTo(method, id, digestOf(body), size)
  }
}

function* chunksOf(random: Random, body: Buffer): Generator<Buffer> {
  for (let at = 0; at < body.length; ) {
    const size = Math.min(body.length - at, 1 + random.size(60_000))
    yield Buffer.from(`${size.toString(16)}\r\n`)
    yield body.subarray(at, at + size)
    yield Buffer.from('\r\n')
    at += size
  }
  yield Buffer.from('0\r\n\r\n')
}

class Client {
  /** Answers that were as they ought to be. */
  read = 0
  readonly #socket: Socket
  readonly #random: Random
  #bytes = Buffer.alloc(0)

  constructor(url: string, random: Random) {
    const { hostname, port } = new URL(url)
    this.#socket = connect(Number(port), hostname)
    this.#random = random
  }

  /** @throws Error on what ought not to be */
  async run(made: readonly Made[]): Promise<void> {
    const socket = this.#socket
    const over = new Promise<never>((_resolve, reject) => {
      socket.setTimeout(PATIENCE, () => reject(new Error('nothing more comes')))
      socket.on('error', reject)
      socket.on('close', () => reject(new Error('closed')))
    })
    over.catch(() => {})
    const whole = new Promise<void>((resolve, reject) => {
      socket.on('data', (chunk) => {
        this.#bytes = Buffer.concat([this.#bytes, chunk])
        try {
          this.#take(made)
        } catch (error) {
          reject(error)
        }
        if (this.read === made.length) resolve()
      })
    })
    whole.catch(() => {})
    void this.#write(Buffer.concat(made.map(({ bytes }) => bytes)))
    if (this.#random.chance(0.3)) void this.#dawdle()
    try {
      await Promise.race([whole, over])
    } finally {
      socket.destroy()
    }
  }

  async #write(all: Buffer): Promise<void> {
    const piece = this.#random.pick([all.length, 1_400, 30_000, 90_000])
    for (let at = 0; at < all.length && !this.#socket.destroyed; at += piece) {
      this.#socket.write(all.subarray(at, at + piece))
      if (this.#random.chance(0.3)) await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** Reads now and then. */
  async #dawdle(): Promise<void> {
    for (let pause = 0; pause < 5; pause++) {
      this.#socket.pause()
      await new Promise((resolve) => setTimeout(resolve, 15))
      this.#socket.resume()
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  #take(made: readonly Made[]): void {
    for (;;) {
      const found = readAnswer(this.#bytes)
      if (found === undefined) return
      const wanted = made[this.read]
      if (wanted === undefined) throw new Error('there is an answer too many')
      if (found.status !== '200')
        throw new Error(`the status is ${found.status}: ${found.body.slice(0, 100)}`)
      if (found.body !== wanted.answer)
        throw new Error(`${found.body.slice(0, 100)} is answered and not ${wanted.answer.slice(0, 100)}`)
      this.read++
      this.#bytes = this.#bytes.subarray(found.length)
    }
  }
}

/** Of the two framings that there are here. @returns undefined until all of it is there */
function readAnswer(bytes: Buffer): { status: string; body: string; length: number } | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const head = bytes.toString('latin1', 0, end)
  const status = head.slice(9, 12)
  const told = /\r\ncontent-length: (\d+)/i.exec(head)?.[1]
  if (told !== undefined) {
    const length = end + 4 + Number(told)
    return bytes.length < length
      ? undefined
      : { status, body: bytes.toString('latin1', end + 4, length), length }
  }
  let body = ''
  for (let at = end + 4; ; ) {
    const line = bytes.indexOf('\r\n', at)
    if (line === -1) return undefined
    const size = Number.parseInt(bytes.toString('latin1', at, line), 16)
    if (Number.isNaN(size)) throw new Error(`${bytes.toString('latin1', at, at + 40)} begins no chunk`)
    at = line + 2 + size + 2
    if (bytes.length < at) return undefined
    if (size === 0) return { status, body, length: at }
    body += bytes.toString('latin1', line + 2, line + 2 + size)
  }
}
