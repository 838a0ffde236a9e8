import type { Attempt, ErrorCode } from '../../core/index.js'
import type { RetryConfig } from './config.js'
import { GRPC_CONDITIONS, type GrpcCondition } from './grpc.js'
import { type HeaderCondition, headerConditions } from './header-condition.js'

/** What `outrigger_retries_total{reason}` says of this plugin's retries; there are no others. */
type Reason =
  | 'connect-failure'
  | 'reset'
  | 'timeout'
  | 'retriable-4xx'
  | '2xx'
  | '3xx'
  | '4xx'
  | '5xx'
  | 'header'
  | GrpcCondition

type Condition = Exclude<RetryConfig['on'][number], HeaderCondition>

const CONNECT: readonly ErrorCode[] = ['CONNECT_FAILED', 'CONNECT_TIMEOUT']
const RESET: readonly ErrorCode[] = ['UPSTREAM_RESET', 'BAD_UPSTREAM_RESPONSE']
const TIMEOUT: readonly ErrorCode[] = ['RESPONSE_TIMEOUT', 'CONNECT_TIMEOUT']

/** `5xx` is as wide as Envoy's `5xx`: what the client would see is a 5xx, whoever made it. */
const codesOf: Readonly<Partial<Record<Condition, readonly ErrorCode[]>>> = {
  'connect-failure': CONNECT,
  reset: RESET,
  timeout: TIMEOUT,
  '5xx': [...CONNECT, ...RESET, ...TIMEOUT]
}

/** Of gRPC calls, whose clients are told UNAVAILABLE of these: a service that is down says so by not being there. */
const GONE: readonly ErrorCode[] = [...CONNECT, 'UPSTREAM_RESET']

const reasonOf: Readonly<Partial<Record<ErrorCode, Reason>>> = {
  CONNECT_FAILED: 'connect-failure',
  CONNECT_TIMEOUT: 'connect-failure',
  UPSTREAM_RESET: 'reset',
  BAD_UPSTREAM_RESPONSE: 'reset',
  RESPONSE_TIMEOUT: 'timeout'
}

/** Envoy's `retriable-4xx`: this one status. */
const RETRIABLE_4XX = 409

const classes: readonly (Reason | undefined)[] = [undefined, undefined, '2xx', '3xx', '4xx', '5xx']

/** Why an attempt is tried again; undefined where it is not. */
export interface Causes {
  /**
   * By its error, its HTTP status or its headers. NO_ENDPOINT, CIRCUIT_OPEN, OVERLOADED, DEADLINE_EXCEEDED and whatever a
   * plugin refused are in no condition.
   *
   * @param grpc whether it is a gRPC call's
   */
  of(attempt: Attempt, grpc: boolean): Reason | undefined
  /** By the gRPC status that the upstream gave, where `on` names it. */
  ofStatus(grpcStatus: number): GrpcCondition | undefined
}

/** What `on` means, worked out once. */
export function causes(on: RetryConfig['on']): Causes {
  const codes = new Map<ErrorCode, Reason>()
  const statuses: (Reason | undefined)[] = new Array(600).fill(undefined)
  const calls: (GrpcCondition | undefined)[] = new Array(17).fill(undefined)
  for (const condition of on) {
    if (typeof condition === 'object') continue
    for (const code of codesOf[condition] ?? []) codes.set(code, reasonOf[code] as Reason)
    if (condition === '5xx') statuses.fill('5xx', 500)
    else if (condition === 'retriable-4xx') statuses[RETRIABLE_4XX] = 'retriable-4xx'
    else if (typeof condition === 'number') statuses[condition] ??= classes[Math.floor(condition / 100)]
    else if (isGrpcCondition(condition)) calls[GRPC_CONDITIONS[condition]] = condition
  }
  const callCodes = new Map(codes)
  if (on.includes('unavailable')) for (const code of GONE) callCodes.set(code, reasonOf[code] as Reason)
  const named = headerConditions(on.filter((condition) => typeof condition === 'object'))
  return {
    of({ error, status, responseHeaders }, grpc) {
      if (error !== undefined) return (grpc ? callCodes : codes).get(error.code)
      if (status === undefined) return undefined
      const found = statuses[status]
      if (found !== undefined || named === undefined || responseHeaders === undefined) return found
      return named(status, responseHeaders) ? 'header' : undefined
    },
    ofStatus: (grpcStatus) => calls[grpcStatus]
  }
}

function isGrpcCondition(condition: string): condition is GrpcCondition {
  return Object.hasOwn(GRPC_CONDITIONS, condition)
}
