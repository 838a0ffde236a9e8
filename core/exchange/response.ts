import { Readable } from 'node:stream'
import type { ProxyError } from '../errors.js'
import { Reply } from '../hooks/decisions.js'
import type { Running } from '../hooks/instance.js'
import type { ProxyResponse } from '../hooks/types.js'
import { type AttemptState, pastBudget } from './attempt.js'
import { DeclaredBody } from './body.js'
import { Fields } from './fields.js'
import { grpcReplyFields, grpcStatusOf, grpcTextOf, isGrpc } from './grpc.js'

/** What the client is about to get: an upstream's response or the proxy's own. */
export class ResponseState implements ProxyResponse {
  #status: number
  statusText: string
  readonly headers: Fields
  readonly local: boolean
  readonly error: ProxyError | undefined
  readonly body: ResponseBody
  /** Sent behind the body. */
  readonly trailers: string[]
  /** Trailers may still follow what was sent. */
  trailing = false

  private constructor(
    exchange: Running,
    status: number,
    statusText: string,
    headers: Fields,
    source: AttemptState | Buffer,
    error: ProxyError | undefined,
    trailers: string[] = none
  ) {
    this.#status = status
    this.statusText = statusText
    this.headers = headers
    this.local = Buffer.isBuffer(source)
    this.error = error
    this.trailers = trailers
    this.body = new ResponseBody(exchange, this, source)
  }

  get status(): number {
    return this.#status
  }

  set status(status: number) {
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw new RangeError(`a response's status is a whole number from 200 to 599, not ${status}`)
    }
    // The upstream's words were for its own.
    if (status !== this.#status) this.statusText = ''
    this.#status = status
  }

  static ofUpstream(exchange: Running, attempt: AttemptState): ResponseState {
    return new ResponseState(
      exchange,
      attempt.status as number,
      attempt.statusText,
      attempt.responseHeaders as Fields,
      attempt,
      undefined
    )
  }

  static ofReply(exchange: Running, reply: Reply, error: ProxyError | undefined): ResponseState {
    const fields = new Fields([])
    for (const [name, value] of Object.entries(reply.headers)) {
      if (typeof value === 'string') fields.append(name, value)
      else for (const one of value) fields.append(name, one)
    }
    const { content, type } = reply
    if (type !== undefined && !fields.has('content-type')) fields.append('content-type', type)
    if (reply.status !== 204 && reply.status !== 304) fields.put('content-length', String(content.length))
    return new ResponseState(exchange, reply.status, '', fields, content, error, flatten(reply.trailers))
  }

  /** A reply to a gRPC call that is not written as one: its status and words, in the head alone. */
  static ofGrpcReply(exchange: Running, reply: Reply, error: ProxyError | undefined): ResponseState {
    const carried: string[] = []
    for (const [name, value] of Object.entries(reply.headers)) {
      if (name.toLowerCase() === 'content-type') continue
      for (const one of typeof value === 'string' ? [value] : value) carried.push(name, one)
    }
    const fields = grpcReplyFields(grpcStatusOf(reply.status, error?.code), grpcTextOf(reply.body), carried)
    return new ResponseState(exchange, 200, '', new Fields(fields), EMPTY, error)
  }
}

/** What the client is told of an error that no plugin answers. */
export function errorReply(error: ProxyError, id: string): Reply {
  const headers = { ...error.headers, 'x-outrigger-error': error.code }
  return new Reply(error.status, { error: error.code, message: error.message, requestId: id }, headers)
}

/** Written for gRPC by whoever made it. */
export function isGrpcReply(reply: Reply): boolean {
  for (const [name, value] of Object.entries(reply.headers)) {
    if (name.toLowerCase() === 'content-type' && typeof value === 'string') return isGrpc(value)
  }
  return false
}

const EMPTY = Buffer.alloc(0)
const none: string[] = []

function flatten(trailers: Readonly<Record<string, string>> | undefined): string[] {
  return trailers === undefined ? none : Object.entries(trailers).flat()
}

export class ResponseBody extends DeclaredBody {
  /** Who still has the bytes; undefined once they are here. */
  source: AttemptState | undefined
  /** All of it. */
  content: Buffer | undefined
  /** In its place, as it flows. */
  flow: Readable | undefined
  /** `stream()` was called and nothing was put in its place yet. */
  taken = false
  /** What goes out, if not dropped, is made of the source's bytes: it must go on. */
  streamed = false
  #collecting: Promise<void> | undefined
  readonly #response: ResponseState

  constructor(exchange: Running, response: ResponseState, source: AttemptState | Buffer) {
    super('response', exchange)
    this.#response = response
    if (Buffer.isBuffer(source)) this.content = source
    else this.source = source
  }

  get length(): number | undefined {
    if (this.flow !== undefined) return undefined
    return this.content?.length ?? this.source?.contentLength
  }

  kept(): Buffer | undefined {
    return this.flow === undefined ? this.content : undefined
  }

  /** @internal It has none any more, and nobody else has it. */
  refuse(): void {
    this.content = EMPTY
    this.#response.headers.put('content-length', '0')
  }

  protected async collect(maxBytes: number): Promise<Buffer> {
    if (this.content === undefined) {
      // Two plugins that ask at once get the same bytes, and the first one's budget holds.
      this.#collecting ??= this.#collect(maxBytes)
      await this.#collecting
    }
    const { content } = this
    if (content === undefined) throw new Error('the response body was taken as a stream')
    if (content.length > maxBytes) throw pastBudget(maxBytes)
    return content
  }

  async #collect(maxBytes: number): Promise<void> {
    const { flow, source } = this
    if (flow !== undefined) {
      this.flow = undefined
      this.content = await drainInto(flow, maxBytes)
    } else if (source !== undefined && !this.taken) {
      this.content = await source.collect(maxBytes)
      this.source = undefined
    }
    this.#collecting = undefined
  }

  protected take(): Readable {
    if (this.content !== undefined) return Readable.from([this.content])
    const { flow, source } = this
    if (flow !== undefined) {
      this.flow = undefined
      this.taken = true
      return flow
    }
    if (source === undefined || this.taken) throw new Error('the response body was taken before')
    this.taken = true
    this.streamed = true
    return source.stream()
  }

  protected put(body: Buffer | Readable): void {
    const { headers } = this.#response
    if (Buffer.isBuffer(body)) {
      this.content = body
      this.flow = undefined
      this.streamed = false
      headers.put('content-length', String(body.length))
    } else {
      // It may fail before anyone reads it; whoever does is told then.
      body.on('error', () => {})
      this.flow = body
      this.content = undefined
      headers.delete('content-length')
    }
    this.taken = false
  }
}

/** The whole of a plugin's stream. */
async function drainInto(flow: Readable, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of flow) {
    const bytes = Buffer.from(chunk)
    size += bytes.length
    if (size > maxBytes) throw pastBudget(maxBytes)
    chunks.push(bytes)
  }
  return Buffer.concat(chunks)
}
