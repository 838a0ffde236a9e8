import { constants } from 'node:http2'
import { type ErrorCode, ProxyError } from '../errors.js'

export type SystemError = Error & { code?: string }

const TIMED_OUT = 'ETIMEDOUT'

/**
 * The peer is there and speaks something else. `ERR_ALPN`: the handshake settled on another protocol. `ERR_NOT_HTTP2`:
 * no SETTINGS answered our preface. `ETIMEDOUT`: nothing did.
 */
export class NotHttp2Error extends Error {
  readonly code: 'ERR_ALPN' | 'ERR_NOT_HTTP2' | typeof TIMED_OUT

  constructor(code: NotHttp2Error['code'], message: string, cause?: Error) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'NotHttp2Error'
    this.code = code
  }
}

/** Why something failed, to make an error of for each request that it concerns. */
export interface Failure {
  readonly code: ErrorCode
  /** Shown to the client: it names no address. */
  readonly message: string
  readonly cause: unknown
}

export function errorOf({ code, message, cause }: Failure): ProxyError {
  return new ProxyError(code, message, { cause })
}

/** A connection that did not come to be. */
export function connectFailure(cause: SystemError): Failure {
  if (cause.code === TIMED_OUT) {
    return { code: 'CONNECT_TIMEOUT', message: 'the service did not accept a connection in time', cause }
  }
  if (cause instanceof NotHttp2Error) {
    return { code: 'CONNECT_FAILED', message: 'the service does not speak HTTP/2', cause }
  }
  return { code: 'CONNECT_FAILED', message: 'the service could not be reached', cause }
}

export function timedOut(message: string): SystemError {
  return Object.assign(new Error(message), { code: TIMED_OUT })
}

/**
 * A stream that ended before its response had.
 *
 * @param reset the error code it was closed with (RFC 9113 section 7), by either side
 */
export function streamFailure(reset: number, cause: SystemError | undefined): Failure {
  if (isProtocolError(reset) || cause?.code === 'ERR_HTTP2_ERROR') {
    return { code: 'BAD_UPSTREAM_RESPONSE', message: 'the service answered with what is not HTTP/2', cause }
  }
  return {
    code: 'UPSTREAM_RESET',
    message: 'the service broke off before it had answered',
    cause:
      cause !== undefined && cause.code !== 'ERR_HTTP2_STREAM_ERROR'
        ? cause
        : Object.assign(new Error(`stream closed with ${nameOf(reset)}`), { code: nameOf(reset) })
  }
}

function isProtocolError(reset: number): boolean {
  switch (reset) {
    case constants.NGHTTP2_PROTOCOL_ERROR:
    case constants.NGHTTP2_FLOW_CONTROL_ERROR:
    case constants.NGHTTP2_STREAM_CLOSED:
    case constants.NGHTTP2_FRAME_SIZE_ERROR:
    case constants.NGHTTP2_COMPRESSION_ERROR:
      return true
    default:
      return false
  }
}

/** RFC 9113 section 7. */
const NAMES = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED'
]

function nameOf(reset: number): string {
  return NAMES[reset] ?? `error code ${reset}`
}
