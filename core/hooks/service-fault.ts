import type { ErrorCode } from '../errors.js'

const FAULTS: ReadonlySet<ErrorCode> = new Set([
  'CONNECT_FAILED',
  'CONNECT_TIMEOUT',
  'UPSTREAM_RESET',
  'BAD_UPSTREAM_RESPONSE',
  'RESPONSE_TIMEOUT'
])

/**
 * Whether an error tells of a service in trouble: it could not be reached, did not answer in time, broke off, or answered
 * what is not HTTP. What the proxy or a plugin refused by itself (OVERLOADED, FAULT_INJECTED) says nothing of it.
 */
export function isServiceFault(code: ErrorCode): boolean {
  return FAULTS.has(code)
}

/** UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE and DATA_LOSS. */
const FAILED_CALLS: ReadonlySet<number> = new Set([2, 4, 13, 14, 15])

/**
 * Whether a gRPC status tells of a service in trouble, as Linkerd classes them: UNKNOWN, DEADLINE_EXCEEDED, INTERNAL,
 * UNAVAILABLE or DATA_LOSS. The others are about the call.
 */
export function isFailedCall(grpcStatus: number | undefined): boolean {
  return grpcStatus !== undefined && FAILED_CALLS.has(grpcStatus)
}
