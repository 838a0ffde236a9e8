import type { Outcome } from './outcome.js'

/** gRPC's statuses by their number, as `outrigger_grpc_requests_total` names them. */
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

/** The label's value. A number that gRPC does not have is `UNKNOWN`, as clients read it: an upstream makes up no series. */
export function statusName(grpcStatus: number): (typeof NAMES)[number] {
  return NAMES[grpcStatus] ?? 'UNKNOWN'
}

/** Classes of the HTTP statuses that google.rpc.Code gives each: whose fault it is. */
const OUTCOMES: readonly Outcome[] = [
  '2xx',
  '4xx',
  '5xx',
  '4xx',
  '5xx',
  '4xx',
  '4xx',
  '4xx',
  '4xx',
  '4xx',
  '4xx',
  '4xx',
  '5xx',
  '5xx',
  '5xx',
  '5xx',
  '4xx'
]

export function outcomeOfStatus(grpcStatus: number): Outcome {
  return OUTCOMES[grpcStatus] ?? '5xx'
}
