import { type Attempt, type Exchange, isFailedCall, isServiceFault } from '../../core/index.js'

export type Verdict = 'served' | 'failed'

/** Whether an attempt has failed by what its head says, or because there is none: what `outcome` can know. */
export function failedAtOnce({ status, error, grpcStatus, responseHeaders }: Attempt): boolean {
  if (status === undefined) return error !== undefined && isServiceFault(error.code)
  if (status >= 500) return true
  // A status that came in the trailers is none of the head's: whoever asks at the end must get the same answer.
  return isFailedCall(grpcStatus) && responseHeaders?.has('grpc-status') === true
}

/**
 * What is to be made of an attempt that has ended and did not fail at once.
 *
 * @returns undefined: nothing, since it was the client, or another attempt, that ended it
 */
export function verdictAtEnd(attempt: Attempt, exchange: Exchange, now: number): Verdict | undefined {
  switch (attempt.end) {
    case 'complete':
      return isFailedCall(attempt.grpcStatus) ? 'failed' : 'served'
    case 'discarded':
      // Of a call that nobody listened to until its end, nobody knows how it went.
      return exchange.grpc && attempt.grpcStatus === undefined ? undefined : 'served'
    case 'broken':
      return 'failed'
    case 'cancelled':
      // Nobody else gave it up: it took all the time that there was.
      return attempt.sent && attempt.status === undefined && now >= exchange.deadline ? 'failed' : undefined
    default:
      return undefined
  }
}
