import { brand, hasBrand } from './brand.js'
import { checkSettable } from './field.js'

/** What a body can be given as. An object is sent as JSON. */
export type ReplyBody = string | Uint8Array | object | undefined

export interface ReplyOptions {
  /** Fields behind the body: over HTTP/2, and over HTTP/1.1 chunked. */
  trailers?: Record<string, string>
}

/** Ends the exchange here: returned from `request`, `attempt`, `response` or `error`, it is what the client gets. */
export class Reply {
  readonly status: number
  readonly body: ReplyBody
  readonly headers: Record<string, string | readonly string[]>
  /** The body's bytes. */
  readonly content: Buffer
  /** What `content-type` it has, unless `headers` say. */
  readonly type: string | undefined
  /** Sent behind the body, as gRPC's status is. */
  readonly trailers: Readonly<Record<string, string>> | undefined

  /** @throws RangeError on a status, TypeError on a header, a trailer or a body that cannot be sent */
  constructor(
    status: number,
    body?: ReplyBody,
    headers: Record<string, string | readonly string[]> = {},
    options: ReplyOptions = {}
  ) {
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw new RangeError(`a Reply's status is a whole number from 200 to 599, not ${status}`)
    }
    for (const [name, value] of Object.entries(headers)) {
      for (const one of Array.isArray(value) ? value : [value]) checkSettable(name, one as string)
    }
    for (const [name, value] of Object.entries(options.trailers ?? {})) checkSettable(name, value)
    this.status = status
    this.body = body
    this.headers = headers
    this.trailers = options.trailers
    // Now and not when it is sent: what cannot be sent is then the failure of whoever made it.
    const { content, type } = contentOf(body)
    this.content = content
    this.type = type
  }

  static is(value: unknown): value is Reply {
    return hasBrand(value, 'reply')
  }
}
brand(Reply, 'reply')

function contentOf(body: ReplyBody): { content: Buffer; type: string | undefined } {
  if (body === undefined) return { content: Buffer.alloc(0), type: undefined }
  if (typeof body === 'string') return { content: Buffer.from(body), type: 'text/plain; charset=utf-8' }
  if (body instanceof Uint8Array) {
    return {
      content: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
      type: 'application/octet-stream'
    }
  }
  return { content: Buffer.from(JSON.stringify(body)), type: 'application/json; charset=utf-8' }
}

export interface RetryOptions {
  /** Why, as it appears in `outrigger_retries_total{reason}`: a small fixed set of words, never a message. */
  reason?: string
  /** Milliseconds to wait first. Default 0. */
  delay?: number
  /** Another service to try: failover. Default: the same. */
  service?: string
  /** Whether endpoints already tried are left out while others remain. Default true. */
  avoidTried?: boolean
}

/**
 * Asks for one more attempt: returned from `outcome`. The core refuses it when the body can no longer be replayed,
 * a byte of the response has left, the client is gone or the deadline has passed; the outcome then stands.
 */
export class Retry {
  readonly reason: string
  readonly delay: number
  readonly service: string | undefined
  readonly avoidTried: boolean

  constructor(options: RetryOptions = {}) {
    this.reason = options.reason ?? 'plugin'
    this.delay = options.delay ?? 0
    this.service = options.service
    this.avoidTried = options.avoidTried ?? true
  }

  static is(value: unknown): value is Retry {
    return hasBrand(value, 'retry')
  }
}
brand(Retry, 'retry')

export interface HedgeOptions {
  /** Milliseconds that the attempt gets to itself. From 0; whole ones, as timers go. */
  after: number
  /** Asked when that time is over and there is no answer: false, and it is not hedged. Default: it is. */
  allow?: () => boolean
}

/**
 * Asks for a second attempt beside this one when it has not answered in time: returned from `attempt`. The first answer
 * that no plugin wants tried again goes to the client, and the other attempt is cancelled. The core leaves it out when
 * the body cannot be sent twice at once, or nothing else can be tried. The second attempt's `reason` is `hedge`.
 */
export class Hedge {
  readonly after: number
  readonly allow: (() => boolean) | undefined

  constructor({ after, allow }: HedgeOptions) {
    if (!(after >= 0)) throw new RangeError(`a hedge comes after 0 ms or more, not ${after}`)
    this.after = after
    this.allow = allow
  }

  static is(value: unknown): value is Hedge {
    return hasBrand(value, 'hedge')
  }
}
brand(Hedge, 'hedge')
