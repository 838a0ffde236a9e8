import { type Attempt, type Exchange, GRPC_STATUS, isServiceFault } from '../../core/index.js'

/** What Envoy's admission control takes for failures by default. */
const FAILED_CALLS: ReadonlySet<number> = new Set([
  GRPC_STATUS.DEADLINE_EXCEEDED,
  GRPC_STATUS.RESOURCE_EXHAUSTED,
  GRPC_STATUS.ABORTED,
  GRPC_STATUS.INTERNAL,
  GRPC_STATUS.UNAVAILABLE,
  GRPC_STATUS.DATA_LOSS
])

/**
 * Whether an attempt went well, by its response's head or because there is none.
 *
 * @returns undefined: not known yet, or the service had no part in it
 */
export function verdict({ status, error, grpcStatus }: Attempt, { grpc }: Exchange): boolean | undefined {
  if (status === undefined) return error !== undefined && isServiceFault(error.code) ? false : undefined
  if (status >= 500) return false
  if (!grpc) return true
  return grpcStatus === undefined ? undefined : !FAILED_CALLS.has(grpcStatus)
}

/** Whether `verdict` said it when there was no more than the head. */
export function wasKnown(attempt: Attempt, exchange: Exchange): boolean {
  const { status, responseHeaders } = attempt
  if (exchange.grpc && status !== undefined && status < 500)
    return responseHeaders?.has('grpc-status') === true
  return verdict(attempt, exchange) !== undefined
}

/** Whether it was given up because the exchange's time was over: the service took all of it. */
export function ranOutOfTime({ end, sent, status }: Attempt, { deadline }: Exchange, now: number): boolean {
  return end === 'cancelled' && sent && status === undefined && now >= deadline
}
