/**
 * The gRPC statuses that `on` may name, and their numbers. The others say that the call is wrong, or would be again:
 * INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION, UNIMPLEMENTED, DATA_LOSS and the like are not worth a second try.
 */
export const GRPC_CONDITIONS = {
  cancelled: 1,
  unknown: 2,
  'deadline-exceeded': 4,
  'resource-exhausted': 8,
  aborted: 10,
  internal: 13,
  unavailable: 14
} as const

export type GrpcCondition = keyof typeof GRPC_CONDITIONS

export const GRPC_NAMES = Object.keys(GRPC_CONDITIONS) as [GrpcCondition, ...GrpcCondition[]]
