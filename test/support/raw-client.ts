import { createConnection, type Socket } from 'node:net'

/** A client that writes bytes and reads bytes. */
export class RawClient {
  readonly socket: Socket
  #received = Buffer.alloc(0)
  #ended = false
  #finished = false
  #error: NodeJS.ErrnoException | undefined
  readonly #waiting = new Set<() => void>()

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#wake()
    })
    socket.on('end', () => {
      this.#finished = true
      this.#end()
    })
    socket.on('close', () => this.#end())
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#error = error
    })
  }

  static connect(url: string): Promise<RawClient> {
    const { hostname, port } = new URL(url)
    return new Promise((resolve, reject) => {
      const socket = createConnection({ host: hostname, port: Number(port) })
      socket.once('connect', () => resolve(new RawClient(socket)))
      socket.once('error', reject)
    })
  }

  write(bytes: string | Buffer): this {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
    return this
  }

  /** Everything received, as latin1. */
  get text(): string {
    return this.#received.toString('latin1')
  }

  get length(): number {
    return this.#received.length
  }

  get ended(): boolean {
    return this.#ended
  }

  /** The peer has closed in order (a FIN came), whatever came behind that. */
  get finished(): boolean {
    return this.#finished
  }

  get error(): NodeJS.ErrnoException | undefined {
    return this.#error
  }

  /** Resolves once `test` holds of what has come. @throws when the connection ends or 5 s pass first */
  async until(test: (text: string) => boolean, what = 'the expected bytes'): Promise<string> {
    const deadline = AbortSignal.timeout(5_000)
    while (!test(this.text)) {
      if (this.#ended)
        throw new Error(
          `the connection ended before ${what} came; got ${JSON.stringify(this.text.slice(0, 2000))}`
        )
      if (deadline.aborted)
        throw new Error(`${what} did not come in 5 s; got ${JSON.stringify(this.text.slice(0, 2000))}`)
      await this.#change(deadline)
    }
    return this.text
  }

  /** Resolves when the peer has closed. @throws after 5 s */
  async closed(): Promise<string> {
    const deadline = AbortSignal.timeout(5_000)
    while (!this.#ended) {
      if (deadline.aborted)
        throw new Error(`not closed in 5 s; got ${JSON.stringify(this.text.slice(0, 2000))}`)
      await this.#change(deadline)
    }
    return this.text
  }

  /** Resolves once `test` holds, or `ms` have passed. @returns whether it holds */
  async within(ms: number, test: () => boolean): Promise<boolean> {
    const deadline = AbortSignal.timeout(ms)
    while (!test() && !deadline.aborted) await this.#change(deadline)
    return test()
  }

  destroy(): void {
    this.socket.destroy()
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      this.#waiting.add(wake)
      signal.addEventListener('abort', wake, { once: true })
    })
  }

  #end(): void {
    this.#ended = true
    this.#wake()
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake()
  }
}

export interface RawResponse {
  status: number
  /** Lines of the head behind the status line, as they came. */
  fields: string[]
  body: string
}

/** Takes one whole response with a content-length or chunked body off the front. */
export function parseResponse(text: string): RawResponse | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [statusLine = '', ...fields] = text.slice(0, end).split('\r\n')
  const status = Number(statusLine.split(' ')[1])
  const rest = text.slice(end + 4)
  const value = (name: string) =>
    fields
      .find((field) => field.toLowerCase().startsWith(`${name}:`))
      ?.split(':')
      .slice(1)
      .join(':')
      .trim()
  const length = value('content-length')
  if (length !== undefined) {
    return rest.length < Number(length) ? undefined : { status, fields, body: rest.slice(0, Number(length)) }
  }
  if (value('transfer-encoding') !== 'chunked') return { status, fields, body: rest }
  let body = ''
  for (let at = 0; ; ) {
    const line = rest.indexOf('\r\n', at)
    if (line < 0) return undefined
    const size = Number.parseInt(rest.slice(at, line), 16)
    if (size === 0) return { status, fields, body }
    if (rest.length < line + 2 + size + 2) return undefined
    body += rest.slice(line + 2, line + 2 + size)
    at = line + 2 + size + 2
  }
}

/** One answer as it stands in a stream of them. */
export interface Answer {
  status: number
  statusText: string
  /** Lines of the head behind the status line, as they came. */
  fields: string[]
  /** As latin1. */
  body: string
  trailers: string[]
  /** Whether all of it is there. Without a length that is known when the connection has ended. */
  complete: boolean
}

/**
 * Takes apart all that a client was sent: interim answers too, in order.
 *
 * @param methods of the requests, in order; GET where there are more answers than that
 * @throws Error on bytes that are no answer
 */
export function readAnswers(text: string, ended: boolean, methods: readonly string[] = []): Answer[] {
  const answers: Answer[] = []
  let final = 0
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\r\n\r\n', at)
    if (end < 0) {
      if (ended) throw new Error(`no answer: ${JSON.stringify(text.slice(at, at + 200))}`)
      break
    }
    const [line = '', ...fields] = text.slice(at, end).split('\r\n')
    const match = /^HTTP\/1\.[01] (\d{3})(?: (.*))?$/.exec(line)
    if (match === null) throw new Error(`no status line: ${JSON.stringify(line.slice(0, 200))}`)
    const status = Number(match[1])
    const answer: Answer = {
      status,
      statusText: match[2] ?? '',
      fields,
      body: '',
      trailers: [],
      complete: false
    }
    answers.push(answer)
    at = end + 4
    const method = status < 200 ? 'GET' : (methods[final++] ?? 'GET')
    if (status < 200 || method === 'HEAD' || status === 204 || status === 304) {
      answer.complete = true
      if (status === 101) break
      continue
    }
    at = readBody(answer, text, at, ended)
    if (!answer.complete) break
  }
  return answers
}

/** @returns where it ends */
function readBody(answer: Answer, text: string, at: number, ended: boolean): number {
  const value = (name: string) =>
    answer.fields
      .find((field) => field.toLowerCase().startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .trim()
  const length = value('content-length')
  if (value('transfer-encoding')?.toLowerCase() !== 'chunked') {
    const size = length === undefined ? text.length - at : Number(length)
    answer.body = text.slice(at, at + size)
    answer.complete = length === undefined ? ended : answer.body.length === size
    return at + answer.body.length
  }
  for (;;) {
    const line = text.indexOf('\r\n', at)
    if (line < 0) return text.length
    const size = Number.parseInt(text.slice(at, line), 16)
    if (Number.isNaN(size))
      throw new Error(`no chunk size: ${JSON.stringify(text.slice(at, line).slice(0, 100))}`)
    at = line + 2
    if (size === 0) break
    answer.body += text.slice(at, at + size)
    at += size + 2
    if (at > text.length) return text.length
  }
  for (;;) {
    const line = text.indexOf('\r\n', at)
    if (line < 0) return text.length
    const field = text.slice(at, line)
    at = line + 2
    if (field === '') break
    answer.trailers.push(field)
  }
  answer.complete = true
  return at
}
