import type { Attempt, ErrorCode } from '../../core/index.js'
import { outcomeOfStatus } from './grpc.js'

/** How an attempt can end, in the words of `retry`'s `on` where it has one: the whole vocabulary of the label. */
export const OUTCOMES = [
  '1xx',
  '2xx',
  '3xx',
  '4xx',
  '5xx',
  'broken',
  'cancelled',
  'connect-failure',
  'reset',
  'timeout',
  'bad-response',
  'overloaded',
  'error'
] as const

export type Outcome = (typeof OUTCOMES)[number]

const CLASSES: readonly Outcome[] = ['error', '1xx', '2xx', '3xx', '4xx', '5xx']

const ERRORS: Partial<Record<ErrorCode, Outcome>> = {
  CONNECT_FAILED: 'connect-failure',
  CONNECT_TIMEOUT: 'connect-failure',
  UPSTREAM_RESET: 'reset',
  RESPONSE_TIMEOUT: 'timeout',
  DEADLINE_EXCEEDED: 'timeout',
  BAD_UPSTREAM_RESPONSE: 'bad-response',
  OVERLOADED: 'overloaded',
  CLIENT_CLOSED: 'cancelled'
}

export function outcomeOf({ end, error, status, grpcStatus }: Attempt): Outcome {
  // A body that broke off is a failure whatever its status promised.
  if (end === 'broken') return 'broken'
  if (error !== undefined) return ERRORS[error.code] ?? 'error'
  if (end === 'cancelled') return 'cancelled'
  // A call that failed has HTTP's 200 all the same.
  if (grpcStatus !== undefined) return outcomeOfStatus(grpcStatus)
  return (status === undefined ? undefined : CLASSES[Math.floor(status / 100)]) ?? 'error'
}
