import { type Attempt, type Exchange, isFailedCall, isServiceFault } from '../../core/index.js'

/** Whether an attempt, known as far as its response's head or its error, counts as an error. */
export function failed({ status, error, grpcStatus }: Attempt): boolean {
  if (error !== undefined) return isServiceFault(error.code)
  if (status !== undefined && status >= 500) return true
  return isFailedCall(grpcStatus)
}

/**
 * Whether an attempt that has ended counts as a success: its response was no error. A gRPC call that was left before its
 * status came says neither, nor does an attempt that nobody waited for (a hedge's loser, a client that went away).
 */
export function succeeded({ status, error, grpcStatus, end }: Attempt, grpc: boolean): boolean {
  if (status === undefined || error !== undefined) return false
  return !grpc || grpcStatus !== undefined || end === 'complete' || end === 'discarded'
}

/** ms: who gives a gRPC call less time than this says nothing about the endpoint that had it. */
const PATIENCE = 100

/**
 * Whether an attempt without an answer was cut off by the end of its exchange's time, and had at least half of that time. Less,
 * and it is whoever tried before it that the time ran out for. A caller with little patience is not counted either.
 */
export function hung({ status, error, startedAt, end }: Attempt, exchange: Exchange, now: number): boolean {
  if (end !== 'cancelled' || status !== undefined || error !== undefined) return false
  const had = now - startedAt
  return now >= exchange.deadline && had * 2 >= exchange.timeout && had >= PATIENCE
}
