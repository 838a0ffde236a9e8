import { brand, hasBrand } from './hooks/brand.js'
import { checkSettable } from './hooks/field.js'

/** Every code the proxy answers with by itself, and the status it goes out with. */
export const statusOf = {
  NO_ROUTE: 404,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  HEADERS_TOO_LARGE: 431,
  REQUEST_TIMEOUT: 408,
  FAULT_INJECTED: 503,
  BAD_REQUEST: 400,
  BODY_TOO_LARGE: 413,
  NO_ENDPOINT: 503,
  CIRCUIT_OPEN: 503,
  OVERLOADED: 503,
  WORKER_OVERLOADED: 503,
  RATE_LIMITED: 429,
  CONNECT_FAILED: 502,
  UPSTREAM_RESET: 502,
  BAD_UPSTREAM_RESPONSE: 502,
  CONNECT_TIMEOUT: 504,
  RESPONSE_TIMEOUT: 504,
  DEADLINE_EXCEEDED: 504,
  PLUGIN_FAILED: 500,
  PLUGIN_TIMEOUT: 500,
  CLIENT_CLOSED: 499
} as const

export type ErrorCode = keyof typeof statusOf

export interface ProxyErrorOptions {
  /** Goes out instead of the code's own status. */
  status?: number
  /** Extra headers of the answer, such as `retry-after`. */
  headers?: Record<string, string>
  /** Kept for the log, never sent. */
  cause?: unknown
  plugin?: string
  hook?: string
}

/**
 * An exchange that cannot go on. `message` is shown to the client: no address, no stack, no secret belongs in it.
 * A plugin may throw one, and its code is kept; anything else that a plugin throws becomes `PLUGIN_FAILED`.
 */
export class ProxyError extends Error {
  readonly code: ErrorCode
  readonly status: number
  readonly headers: Record<string, string> | undefined
  readonly plugin: string | undefined
  readonly hook: string | undefined

  constructor(code: ErrorCode, message: string, options: ProxyErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'ProxyError'
    this.code = code
    this.status = options.status ?? statusOf[code]
    if (!Number.isInteger(this.status) || this.status < 400 || this.status > 599) {
      throw new RangeError(`a ProxyError's status is a whole number from 400 to 599, not ${this.status}`)
    }
    for (const [header, value] of Object.entries(options.headers ?? {})) checkSettable(header, value)
    this.headers = options.headers
    this.plugin = options.plugin
    this.hook = options.hook
  }

  static is(value: unknown): value is ProxyError {
    return hasBrand(value, 'error')
  }
}
brand(ProxyError, 'error')
