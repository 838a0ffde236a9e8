import { type GrpcStatusName, grpcStatusName } from '../../core/index.js'
import type { Outcome } from './outcome.js'

/** The label's value. A number that gRPC does not have is `UNKNOWN`, as clients read it: an upstream makes up no series. */
export function statusName(grpcStatus: number): GrpcStatusName {
  return grpcStatusName(grpcStatus) ?? 'UNKNOWN'
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
