import { type Endpoint, ProxyError } from '../../core/index.js'

/** How a check ended, in words for who operates the service: `GET /healthz: 503`. */
export interface Verdict {
  readonly passed: boolean
  readonly reason: string
}

/** One check of one endpoint. It never rejects; what it says once the signal has aborted counts for nothing. */
export type Probe = (endpoint: Endpoint, signal: AbortSignal) => Promise<Verdict>

/** Why there was no answer. */
export function failureOf(error: unknown, timeout: number): string {
  if (!ProxyError.is(error)) return 'no answer'
  switch (error.code) {
    case 'CONNECT_FAILED':
      return 'no connection'
    case 'CONNECT_TIMEOUT':
    case 'RESPONSE_TIMEOUT':
      return timedOut(timeout)
    case 'UPSTREAM_RESET':
      return 'the connection broke'
    default:
      return error.message
  }
}

/** `timed out after 1s` */
export function timedOut(ms: number): string {
  return `timed out after ${ms >= 1000 ? `${ms / 1000}s` : `${ms}ms`}`
}
