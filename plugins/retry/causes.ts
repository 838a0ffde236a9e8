import type { Attempt, ErrorCode } from '../../core/index.js'
import type { RetryConfig } from './config.js'

/** What `outrigger_retries_total{reason}` says of this plugin's retries; there are no others. */
type Reason = 'connect-failure' | 'reset' | 'timeout' | 'retriable-4xx' | '2xx' | '3xx' | '4xx' | '5xx'

type Condition = RetryConfig['on'][number]

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

/**
 * What `on` means, worked out once: the returned function gives the reason to try an attempt again, or undefined.
 * NO_ENDPOINT, OVERLOADED, DEADLINE_EXCEEDED and whatever a plugin refused are in no condition.
 */
export function causes(on: readonly Condition[]): (attempt: Attempt) => Reason | undefined {
  const codes = new Map<ErrorCode, Reason>()
  const statuses: (Reason | undefined)[] = new Array(600).fill(undefined)
  for (const condition of on) {
    for (const code of codesOf[condition] ?? []) codes.set(code, reasonOf[code] as Reason)
    if (condition === '5xx') statuses.fill('5xx', 500)
    else if (condition === 'retriable-4xx') statuses[RETRIABLE_4XX] = 'retriable-4xx'
    else if (typeof condition === 'number') statuses[condition] ??= classes[Math.floor(condition / 100)]
  }
  return ({ error, status }) => {
    if (error !== undefined) return codes.get(error.code)
    return status === undefined ? undefined : statuses[status]
  }
}
