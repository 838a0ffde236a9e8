import { Readable } from 'node:stream'
import type { ProxyError } from '../errors.js'
import type { Reply } from '../hooks/decisions.js'
import type { Running } from '../hooks/instance.js'
import type { ProxyResponse } from '../hooks/types.js'
import type { AttemptState } from './attempt.js'
import { DeclaredBody } from './body.js'
import { Fields } from './fields.js'

/** What the client is about to get: an upstream's response or the proxy's own. */
export class ResponseState implements ProxyResponse {
  status: number
  readonly statusText: string
  readonly headers: Fields
  readonly local: boolean
  readonly error: ProxyError | undefined
  readonly body: ResponseBody

  private constructor(
    exchange: Running,
    status: number,
    statusText: string,
    headers: Fields,
    source: AttemptState | Buffer,
    error: ProxyError | undefined
  ) {
    this.status = status
    this.statusText = statusText
    this.headers = headers
    this.local = Buffer.isBuffer(source)
    this.error = error
    this.body = new ResponseBody(exchange, this, source)
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
    const { body } = reply
    let content: Buffer
    let type: string | undefined
    if (body === undefined) {
      content = Buffer.alloc(0)
    } else if (typeof body === 'string') {
      content = Buffer.from(body)
      type = 'text/plain; charset=utf-8'
    } else if (body instanceof Uint8Array) {
      content = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
      type = 'application/octet-stream'
    } else {
      content = Buffer.from(JSON.stringify(body))
      type = 'application/json; charset=utf-8'
    }
    if (type !== undefined && !fields.has('content-type')) fields.append('content-type', type)
    if (reply.status !== 204 && reply.status !== 304) fields.set('content-length', String(content.length))
    return new ResponseState(exchange, reply.status, '', fields, content, error)
  }
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
  readonly #response: ResponseState

  constructor(exchange: Running, response: ResponseState, source: AttemptState | Buffer) {
    super('response', exchange)
    this.#response = response
    if (Buffer.isBuffer(source)) this.content = source
    else this.source = source
  }

  get length(): number | undefined {
    return this.content?.length ?? this.source?.contentLength
  }

  protected async collect(maxBytes: number): Promise<Buffer> {
    if (this.content !== undefined) return this.content
    if (this.source === undefined) throw new Error('the response body was taken as a stream')
    this.content = await this.source.collect(maxBytes)
    this.source = undefined
    return this.content
  }

  protected take(): Readable {
    if (this.content !== undefined) return Readable.from([this.content])
    if (this.source === undefined || this.taken) throw new Error('the response body was taken before')
    this.taken = true
    this.streamed = true
    return this.source.stream()
  }

  protected put(body: Buffer | Readable): void {
    const { headers } = this.#response
    if (Buffer.isBuffer(body)) {
      this.content = body
      this.flow = undefined
      this.streamed = false
      headers.set('content-length', String(body.length))
    } else {
      this.flow = body
      this.content = undefined
      headers.delete('content-length')
    }
    this.taken = false
  }
}
