import { GRPC_STATUS } from '../../core/index.js'

/**
 * The gRPC statuses that `on` may name, and their numbers. The others say that the call is wrong, or would be again:
 * INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION, UNIMPLEMENTED, DATA_LOSS and the like are not worth a second try.
 */
export const GRPC_CONDITIONS = {
  cancelled: GRPC_STATUS.CANCELLED,
  unknown: GRPC_STATUS.UNKNOWN,
  'deadline-exceeded': GRPC_STATUS.DEADLINE_EXCEEDED,
  'resource-exhausted': GRPC_STATUS.RESOURCE_EXHAUSTED,
  aborted: GRPC_STATUS.ABORTED,
  internal: GRPC_STATUS.INTERNAL,
  unavailable: GRPC_STATUS.UNAVAILABLE
}

export type GrpcCondition = keyof typeof GRPC_CONDITIONS

export const GRPC_NAMES = Object.keys(GRPC_CONDITIONS) as [GrpcCondition, ...GrpcCondition[]]
