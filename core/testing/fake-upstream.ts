import { Readable } from 'node:stream'
import { type ErrorCode, ProxyError } from '../errors.js'
import { Fields } from '../exchange/fields.js'
import type { HeaderList } from '../hooks/types.js'
import type { Call, Connection, UpstreamListener, UpstreamRequest } from '../service/connection.js'

/** What an endpoint gets. */
export interface UpstreamSeen {
  endpoint: string
  method: string
  /** With its query. */
  path: string
  headers: HeaderList
  body: Buffer
  /** How many requests all endpoints got before this one. */
  index: number
}

/** What an endpoint answers. An object as `body` is sent as JSON. */
export interface UpstreamAnswer {
  /** Default 200. */
  status?: number
  headers?: Record<string, string | string[]>
  body?: string | Uint8Array | object
  /** Instead of an answer: how the attempt fails. `CONNECT_FAILED` and `CONNECT_TIMEOUT` before anything was sent. */
  error?: ErrorCode
}

export type UpstreamHandler = (request: UpstreamSeen) => UpstreamAnswer | Promise<UpstreamAnswer>

/** Endpoints that are a function. */
export class FakeUpstreams {
  readonly #handler: UpstreamHandler
  readonly seen: UpstreamSeen[] = []

  constructor(handler: UpstreamHandler) {
    this.#handler = handler
  }

  connect(endpoint: string): Connection {
    return {
      send: (request, listener) => {
        const call = new FakeCall()
        // Never within `send`: a real endpoint does not answer there either.
        setImmediate(() => void this.#answer(endpoint, request, listener, call))
        return call
      },
      resize: () => {},
      close: () => {},
      destroy: () => {}
    }
  }

  async #answer(
    endpoint: string,
    request: UpstreamRequest,
    listener: UpstreamListener,
    call: FakeCall
  ): Promise<void> {
    try {
      const { method, path } = request
      const headers = new Fields(request.headers.slice())
      const seen: UpstreamSeen = {
        endpoint,
        method,
        path,
        headers,
        body: Buffer.alloc(0),
        index: this.seen.length
      }
      this.seen.push(seen)
      seen.body = await bytesOf(request.body)
      const answer = await this.#handler(seen)
      if (call.cancelled) return
      call.sent = answer.error !== 'CONNECT_FAILED' && answer.error !== 'CONNECT_TIMEOUT'
      if (answer.error !== undefined) listener.failed(new ProxyError(answer.error, 'as the test asked'))
      else await deliver(answer, method === 'HEAD', listener, call)
    } catch (cause) {
      if (!call.cancelled)
        listener.failed(new ProxyError('UPSTREAM_RESET', "the test's upstream threw", { cause }))
    }
  }
}

class FakeCall implements Call {
  sent = true
  readonly stale = false
  readonly httpVersion = '1.1'
  cancelled = false
  #go: (() => void) | undefined

  cancel(): void {
    this.cancelled = true
  }

  resume(): void {
    this.#go?.()
  }

  /** Until `resume`. */
  paused(): Promise<void> {
    return new Promise((resolve) => {
      this.#go = resolve
    })
  }
}

async function deliver(
  answer: UpstreamAnswer,
  bodiless: boolean,
  listener: UpstreamListener,
  call: FakeCall
): Promise<void> {
  const flat: string[] = []
  for (const [name, value] of Object.entries(answer.headers ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) flat.push(name, one)
  }
  const { body } = answer
  const isPlain = body === undefined || typeof body === 'string' || body instanceof Uint8Array
  const bytes = Buffer.from(isPlain ? ((body as string) ?? '') : JSON.stringify(body))
  const has = (name: string) => flat.some((field, i) => i % 2 === 0 && field.toLowerCase() === name)
  if (!isPlain && !has('content-type')) flat.push('content-type', 'application/json')
  if (!has('content-length')) flat.push('content-length', String(bytes.length))
  const resumed = call.paused()
  if (!listener.responded(answer.status ?? 200, flat, '', false)) await resumed
  if (call.cancelled) return
  if (bytes.length > 0 && !bodiless) {
    const drained = call.paused()
    if (!listener.data(bytes)) await drained
  }
  if (!call.cancelled) listener.ended([])
}

async function bytesOf(body: Buffer | Readable | null): Promise<Buffer> {
  if (body === null) return Buffer.alloc(0)
  if (!(body instanceof Readable)) return body
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
