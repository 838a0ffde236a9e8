import { type AddressInfo, createServer, type Socket } from 'node:net'

/** One request as an upstream with no patience for odd bytes read it. */
export interface SeenRequest {
  /** Request line and fields as they came, without the blank line. */
  readonly head: string
  readonly method: string
  readonly target: string
  readonly version: '1.0' | '1.1'
  /** In their order, values without the spaces around them. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly framing: 'none' | 'length' | 'chunked'
  body: Buffer
  /** Field lines behind the last chunk. */
  trailers: string[]
  /** On which of the upstream's connections, from 0. */
  readonly connection: number
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e\x80-\xff]+) HTTP\/1\.([01])$/
/** With what RFC 9112 section 3 lets a server be patient with. */
const LOOSE_REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) +([\x21-\x7e\x80-\xff]+) +HTTP\/1\.([01])$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
const CHUNK_LINE = /^([0-9A-Fa-f]{1,8})[ \t]*(;[\t\x20-\x7e\x80-\xff]*)?$/
const HOST = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~%!$&'()*+,;=]+)(:\d{0,5})?$/

/**
 * Reads HTTP/1.1 requests from bytes and takes nothing that two readers could understand in two ways (RFC 9112):
 * written apart from any parser that the proxy uses, to be compared with them.
 */
export class RequestReader {
  /** Whole requests, in order. */
  readonly requests: SeenRequest[] = []
  /** What broke the rules; nothing behind it is read. */
  violation: string | undefined
  /** The head of a request whose body has not ended. */
  open: SeenRequest | undefined
  readonly #connection: number
  readonly #onRequest: (seen: SeenRequest) => void
  readonly #onHead: (seen: SeenRequest) => void
  readonly #line: RegExp
  readonly #patient: boolean
  #bytes: Buffer = Buffer.alloc(0)
  #left = 0
  #stage: 'head' | 'length' | 'size' | 'data' | 'trailers' = 'head'
  #body: Buffer[] = []

  /** @param patient more than one space in a request line is one, and line ends ahead of it may be bare */
  constructor(
    onRequest: (seen: SeenRequest) => void = () => {},
    connection = 0,
    onHead: (seen: SeenRequest) => void = () => {},
    patient = false
  ) {
    this.#patient = patient
    this.#line = patient ? LOOSE_REQUEST_LINE : REQUEST_LINE
    this.#onRequest = onRequest
    this.#onHead = onHead
    this.#connection = connection
  }

  /** Whether bytes of a request that has not ended are here. */
  get unfinished(): boolean {
    return this.open !== undefined || this.#bytes.length > 0
  }

  push(chunk: Buffer): void {
    if (this.violation !== undefined) return
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
    try {
      while (this.#step());
    } catch (error) {
      this.violation = (error as Error).message
    }
  }

  /** @returns whether there may be more to read in what is here */
  #step(): boolean {
    switch (this.#stage) {
      case 'head':
        return this.#readHead()
      case 'length':
      case 'data':
        return this.#readData()
      case 'size':
        return this.#readSize()
      case 'trailers':
        return this.#readTrailers()
    }
  }

  #readHead(): boolean {
    // RFC 9112 section 2.2: empty lines ahead of a request line are to be ignored.
    while (this.#bytes.length >= 2 && this.#bytes[0] === 13 && this.#bytes[1] === 10)
      this.#bytes = this.#bytes.subarray(2)
    while (this.#patient && (this.#bytes[0] === 13 || this.#bytes[0] === 10))
      this.#bytes = this.#bytes.subarray(1)
    const end = this.#bytes.indexOf('\r\n\r\n')
    const seen = this.#bytes.subarray(0, end < 0 ? this.#bytes.length : end).toString('latin1')
    if (/[^\r]\n|^\n|\r[^\n]|\0/.test(seen))
      throw new Error(`a bare CR, LF or NUL in ${JSON.stringify(seen)}`)
    if (end < 0) return false
    const [line = '', ...rest] = seen.split('\r\n')
    const match = this.#line.exec(line)
    if (match === null) throw new Error(`no request line: ${JSON.stringify(line)}`)
    const [, method = '', target = '', minor] = match
    const fields = rest.map(readField)
    const { framing, length } = framingOf(fields, minor === '0')
    checkHost(fields, minor === '0')
    this.#bytes = this.#bytes.subarray(end + 4)
    const version = minor === '0' ? '1.0' : '1.1'
    const body = Buffer.alloc(0)
    const trailers: string[] = []
    this.open = {
      head: seen,
      method,
      target,
      version,
      fields,
      framing,
      body,
      trailers,
      connection: this.#connection
    }
    this.#body = []
    this.#onHead(this.open)
    if (framing === 'none' || (framing === 'length' && length === 0)) return this.#finish()
    this.#left = length
    this.#stage = framing === 'length' ? 'length' : 'size'
    return true
  }

  #readData(): boolean {
    const piece = this.#bytes.subarray(0, this.#left)
    if (piece.length > 0) this.#body.push(piece)
    this.#left -= piece.length
    this.#bytes = this.#bytes.subarray(piece.length)
    if (this.#left > 0) return false
    if (this.#stage === 'length') return this.#finish()
    if (this.#bytes.length < 2) return false
    if (this.#bytes[0] !== 13 || this.#bytes[1] !== 10)
      throw new Error('a chunk does not end where its size says')
    this.#bytes = this.#bytes.subarray(2)
    this.#stage = 'size'
    return true
  }

  #readSize(): boolean {
    const line = this.#readLine()
    if (line === undefined) return false
    const match = CHUNK_LINE.exec(line)
    if (match === null) throw new Error(`no chunk size: ${JSON.stringify(line)}`)
    this.#left = Number.parseInt(match[1] as string, 16)
    this.#stage = this.#left === 0 ? 'trailers' : 'data'
    return true
  }

  #readTrailers(): boolean {
    const line = this.#readLine()
    if (line === undefined) return false
    if (line === '') return this.#finish()
    readField(line)
    this.open?.trailers.push(line)
    return true
  }

  #readLine(): string | undefined {
    const end = this.#bytes.indexOf('\n')
    if (end < 0) {
      if (this.#bytes.length > 64 * 1024) throw new Error('a line without an end')
      return undefined
    }
    if (end === 0 || this.#bytes[end - 1] !== 13) throw new Error('a bare LF ends a line')
    const line = this.#bytes.subarray(0, end - 1).toString('latin1')
    this.#bytes = this.#bytes.subarray(end + 1)
    return line
  }

  #finish(): boolean {
    const seen = this.open as SeenRequest
    seen.body = Buffer.concat(this.#body)
    this.open = undefined
    this.#stage = 'head'
    this.requests.push(seen)
    this.#onRequest(seen)
    return this.#bytes.length > 0
  }
}

function readField(line: string): [string, string] {
  const colon = line.indexOf(':')
  const name = line.slice(0, Math.max(colon, 0))
  const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')
  if (!TOKEN.test(name) || !VALUE.test(value)) throw new Error(`no field: ${JSON.stringify(line)}`)
  return [name, value]
}

function valuesOf(fields: SeenRequest['fields'], name: string): string[] {
  return fields.filter(([one]) => one.toLowerCase() === name).map(([, value]) => value)
}

function framingOf(
  fields: SeenRequest['fields'],
  old: boolean
): { framing: SeenRequest['framing']; length: number } {
  const lengths = valuesOf(fields, 'content-length')
  const codings = valuesOf(fields, 'transfer-encoding')
  if (codings.length > 0) {
    if (lengths.length > 0) throw new Error('Content-Length and Transfer-Encoding')
    if (codings.length > 1 || codings[0]?.toLowerCase() !== 'chunked' || old)
      throw new Error('not chunked alone')
    return { framing: 'chunked', length: 0 }
  }
  if (lengths.length > 1) throw new Error('two Content-Lengths')
  if (lengths.length === 0) return { framing: 'none', length: 0 }
  if (!/^\d{1,15}$/.test(lengths[0] as string)) throw new Error(`Content-Length: ${lengths[0]}`)
  return { framing: 'length', length: Number(lengths[0]) }
}

function checkHost(fields: SeenRequest['fields'], old: boolean): void {
  const hosts = valuesOf(fields, 'host')
  if (hosts.length > 1) throw new Error('two Hosts')
  if (hosts.length === 0 && !old) throw new Error('no Host')
  if (hosts.length === 1 && !HOST.test(hosts[0] as string)) throw new Error(`Host: ${hosts[0]}`)
}

interface Closing {
  teardown(close: () => unknown): unknown
}

export interface RecordingUpstream {
  readonly url: string
  readonly port: number
  readonly sockets: ReadonlySet<Socket>
  readonly readers: ReadonlyMap<Socket, RequestReader>
  close(): void
}

export interface RecordingOptions {
  /** A whole request has come. */
  answer(seen: SeenRequest, socket: Socket): void
  /** The head of one. */
  begun?(seen: SeenRequest, socket: Socket): void
  connected?(socket: Socket): void
}

/** An upstream on a free port that reads with a `RequestReader` and answers with whatever bytes it is told to. */
export async function startRecordingUpstream(
  t: Closing | undefined,
  options: RecordingOptions
): Promise<RecordingUpstream> {
  const sockets = new Set<Socket>()
  const readers = new Map<Socket, RequestReader>()
  let count = 0
  const server = createServer((socket) => {
    sockets.add(socket)
    const reader = new RequestReader(
      (seen) => options.answer(seen, socket),
      count++,
      (seen) => options.begun?.(seen, socket)
    )
    readers.set(socket, reader)
    socket.on('data', (chunk) => reader.push(chunk))
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
    })
    options.connected?.(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const close = () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
  t?.teardown(close)
  return { url: `http://127.0.0.1:${port}`, port, sockets, readers, close }
}

/** The value of a field that a request has once; undefined where it is absent, joined where it is repeated. */
export function fieldOf(seen: SeenRequest, name: string): string | undefined {
  const values = valuesOf(seen.fields, name.toLowerCase())
  return values.length === 0 ? undefined : values.join(', ')
}
