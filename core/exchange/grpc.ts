// What the core has to know of gRPC (PROTOCOL-HTTP2.md of the grpc repository): which requests are calls, how long they
// may take, and how an answer of the proxy's own is told in gRPC's terms. Its messages pass by unread.

import { type ErrorCode, statusOf } from '../errors.js'
import type { ReplyBody } from '../hooks/decisions.js'

const MEDIA_TYPE = 'application/grpc'

/**
 * Whether a content type is a gRPC call's: `application/grpc`, with or without a `+proto` or a parameter. gRPC-Web
 * (`application/grpc-web`) is not: its status is a part of its body, and a proxy that does not translate lets it pass.
 */
export function isGrpc(contentType: string | undefined): boolean {
  if (contentType === undefined || contentType.length < MEDIA_TYPE.length) return false
  // `application/json` is as long: told apart before anything is cut or folded.
  if ((contentType.charCodeAt(12) | 0x20) !== 0x67) return false
  if (contentType.length > MEDIA_TYPE.length) {
    const next = contentType[MEDIA_TYPE.length]
    if (next !== '+' && next !== ';' && next !== ' ' && next !== '\t') return false
  }
  const start = contentType.slice(0, MEDIA_TYPE.length)
  return start === MEDIA_TYPE || start.toLowerCase() === MEDIA_TYPE
}

// Time

/** The longest that Node's timers hold, in ms (24.8 days); they fire at once past it. */
const MAX_TIMEOUT = 2 ** 31 - 1

const TIMEOUT = /^(\d{1,8})([HMSmun])$/
const MS_OF: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 }

/**
 * Reads `grpc-timeout`: up to 8 digits and one of H, M, S, m, u and n.
 *
 * @returns ms, fractions among them, at most 2,147,483,647; undefined where there is none or it is malformed
 */
export function parseGrpcTimeout(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const match = TIMEOUT.exec(value)
  if (match === null) return undefined
  return Math.min(MAX_TIMEOUT, Number(match[1]) * (MS_OF[match[2] as string] as number))
}

/**
 * Writes `grpc-timeout`, rounded down to what its 8 digits can say: the receiver must not take longer than is left.
 *
 * @param ms what is left; nothing or less is `1n`, since the protocol has no zero
 */
export function formatGrpcTimeout(ms: number): string {
  if (!(ms > 0)) return '1n'
  if (ms < 1) return `${Math.max(1, Math.floor(ms * 1e6))}n`
  if (ms < 1e8) return `${Math.floor(ms)}m`
  if (ms < 1e11) return `${Math.floor(ms / 1000)}S`
  return `${Math.min(99_999_999, Math.floor(ms / 60_000))}M`
}

// Statuses

/** By number. */
const NAMES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED'
] as const

export type GrpcStatusName = (typeof NAMES)[number]

/** The number of each status: `GRPC_STATUS.UNAVAILABLE` is 14. */
export const GRPC_STATUS = Object.freeze(
  Object.fromEntries(NAMES.map((name, code) => [name, code])) as Record<GrpcStatusName, number>
)

/** `UNAVAILABLE` for 14; undefined for a number that gRPC does not have. */
export function grpcStatusName(code: number): GrpcStatusName | undefined {
  return NAMES[code]
}

/**
 * What the proxy's own errors are to a gRPC client. As in Envoy and linkerd2-proxy, what is down or too busy is
 * UNAVAILABLE, which clients repeat, and a time that ran out is DEADLINE_EXCEEDED. A rate limit is RESOURCE_EXHAUSTED, as
 * in linkerd and in Envoy with `rate_limited_as_resource_exhausted`: who is over its quota is not to come again at once.
 * A route that is missing is UNIMPLEMENTED, as a service that is missing is at a gRPC server.
 */
const BY_CODE: Readonly<Partial<Record<ErrorCode, GrpcStatusName>>> = {
  NO_ROUTE: 'UNIMPLEMENTED',
  UNAUTHENTICATED: 'UNAUTHENTICATED',
  FORBIDDEN: 'PERMISSION_DENIED',
  HEADERS_TOO_LARGE: 'RESOURCE_EXHAUSTED',
  REQUEST_TIMEOUT: 'DEADLINE_EXCEEDED',
  // Malformed as HTTP; INVALID_ARGUMENT is the service's word on what a call says.
  BAD_REQUEST: 'INTERNAL',
  BODY_TOO_LARGE: 'RESOURCE_EXHAUSTED',
  NO_ENDPOINT: 'UNAVAILABLE',
  CIRCUIT_OPEN: 'UNAVAILABLE',
  OVERLOADED: 'UNAVAILABLE',
  WORKER_OVERLOADED: 'UNAVAILABLE',
  RATE_LIMITED: 'RESOURCE_EXHAUSTED',
  CONNECT_FAILED: 'UNAVAILABLE',
  // The call's own time is not over, and a gRPC channel that finds no connection says the same.
  CONNECT_TIMEOUT: 'UNAVAILABLE',
  UPSTREAM_RESET: 'UNAVAILABLE',
  BAD_UPSTREAM_RESPONSE: 'UNAVAILABLE',
  RESPONSE_TIMEOUT: 'DEADLINE_EXCEEDED',
  DEADLINE_EXCEEDED: 'DEADLINE_EXCEEDED',
  PLUGIN_FAILED: 'INTERNAL',
  PLUGIN_TIMEOUT: 'INTERNAL',
  CLIENT_CLOSED: 'CANCELLED'
}

/** doc/http-grpc-status-mapping.md of the grpc repository. All others, 200 among them, are UNKNOWN. */
const BY_HTTP: Readonly<Record<number, GrpcStatusName>> = {
  400: 'INTERNAL',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'UNIMPLEMENTED',
  429: 'UNAVAILABLE',
  431: 'INTERNAL',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'UNAVAILABLE'
}

/**
 * The gRPC status of an answer that has none: of the proxy's own error by its code, of anything else, and of an error
 * that goes out with another status than its code's, by the published mapping of HTTP statuses.
 */
export function grpcStatusOf(httpStatus: number, code?: ErrorCode): number {
  const known = code !== undefined && statusOf[code] === httpStatus ? BY_CODE[code] : undefined
  const name = known ?? BY_HTTP[httpStatus] ?? 'UNKNOWN'
  return GRPC_STATUS[name]
}

/**
 * The `grpc-status` of a flat list of fields, a response's or its trailers'.
 *
 * @returns as sent, unknown numbers too; UNKNOWN (2) for what is no number; undefined where the field is missing
 */
export function grpcStatusIn(flat: readonly string[]): number | undefined {
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string
    if (name.length !== 11 || (name !== 'grpc-status' && name.toLowerCase() !== 'grpc-status')) continue
    const value = flat[i + 1] as string
    return /^\d{1,9}$/.test(value) ? Number(value) : GRPC_STATUS.UNKNOWN
  }
  return undefined
}

// Messages

/** What a `grpc-message` cannot hold as it is: all but visible ASCII and the space, and `%` itself. */
const ENCODED = /[^\x20-\x24\x26-\x7e]/
const PLAIN_EDGES = /^[^ ].*[^ ]$|^[^ ]?$/

/** Percent-encodes a `grpc-message` as UTF-8. Spaces at its ends are encoded too: a field's value begins and ends with none. */
export function grpcMessage(text: string): string {
  if (!ENCODED.test(text) && PLAIN_EDGES.test(text)) return text
  const bytes = Buffer.from(text)
  let encoded = ''
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number
    const plain = byte > 0x20 && byte < 0x7f && byte !== 0x25
    const inner = byte === 0x20 && i > 0 && i < bytes.length - 1
    encoded += plain || inner ? String.fromCharCode(byte) : percent(byte)
  }
  return encoded
}

function percent(byte: number): string {
  return `%${byte < 16 ? '0' : ''}${byte.toString(16).toUpperCase()}`
}

// Answers of the proxy's own

/** Bytes of a `grpc-message`: clients bound all of a response's fields together, grpc-java at 8 KiB. */
const MAX_MESSAGE = 2048

/** What a reply that was made for HTTP says in words: its text, or an object's `message` or `error`. */
export function grpcTextOf(body: ReplyBody): string {
  if (typeof body === 'string') return body
  if (body === undefined || body instanceof Uint8Array) return ''
  const { message, error } = body as { message?: unknown; error?: unknown }
  return typeof message === 'string' ? message : typeof error === 'string' ? error : JSON.stringify(body)
}

/**
 * The fields of an answer that is its trailers alone: HTTP 200, no body, no `content-length`.
 *
 * @param status gRPC's, unless `carried` has a `grpc-status` of its own
 * @param message as text; cut at 2,048 bytes of what it is encoded to
 * @param carried fields of the reply it stands for, flat: `x-outrigger-error`, `retry-after`, `www-authenticate`. Those
 *   that describe a body or the connection are left out
 */
export function grpcReplyFields(status: number, message: string, carried: readonly string[] = []): string[] {
  const fields = ['content-type', MEDIA_TYPE]
  const own = grpcStatusIn(carried) !== undefined
  if (!own) {
    fields.push('grpc-status', String(status))
    const text = cut(grpcMessage(message))
    if (text !== '') fields.push('grpc-message', text)
  }
  for (let i = 0; i < carried.length; i += 2) {
    const name = carried[i] as string
    const lower = name.toLowerCase()
    if (OF_BODY.has(lower) || (!own && lower === 'grpc-message')) continue
    fields.push(name, carried[i + 1] as string)
  }
  return fields
}

const OF_BODY: ReadonlySet<string> = new Set([
  'connection',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-range',
  'content-type',
  'etag',
  'last-modified',
  'trailer',
  'transfer-encoding'
])

/** At a whole character: never within an escape, nor between those of one. */
function cut(encoded: string): string {
  if (encoded.length <= MAX_MESSAGE) return encoded
  let end = MAX_MESSAGE
  const escape = encoded.lastIndexOf('%', end - 1)
  if (escape > end - 3) end = escape
  // Bytes 0x80 to 0xBF go on with a character; its first is outside of that.
  while (/^%[89AB]/.test(encoded.slice(end, end + 2)) && encoded[end - 3] === '%') end -= 3
  return encoded.slice(0, end).trimEnd()
}
