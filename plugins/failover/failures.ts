import { type Attempt, type ErrorCode, GRPC_STATUS, z } from '../../core/index.js'

const CODES: Readonly<Record<string, readonly ErrorCode[]>> = {
  'connect-failure': ['CONNECT_FAILED', 'CONNECT_TIMEOUT'],
  reset: ['UPSTREAM_RESET', 'BAD_UPSTREAM_RESPONSE'],
  timeout: ['RESPONSE_TIMEOUT', 'CONNECT_TIMEOUT', 'DEADLINE_EXCEEDED']
}

/** As in Envoy's `x-envoy-retry-on`, `5xx` is what the client would see as one, whoever made it. */
export const FAILURES = ['connect-failure', 'reset', 'timeout', '5xx'] as const

/** The statuses of gRPC that tell of a service in trouble and not of a call that is wrong. */
const CALLS = {
  unknown: GRPC_STATUS.UNKNOWN,
  'deadline-exceeded': GRPC_STATUS.DEADLINE_EXCEEDED,
  'resource-exhausted': GRPC_STATUS.RESOURCE_EXHAUSTED,
  internal: GRPC_STATUS.INTERNAL,
  unavailable: GRPC_STATUS.UNAVAILABLE
}

const CALL_NAMES = Object.keys(CALLS) as [keyof typeof CALLS, ...(keyof typeof CALLS)[]]

export const failure = z.union(
  [
    z.enum([...FAILURES, ...CALL_NAMES]),
    z.number().int().min(300).max(599),
    z
      .string()
      .regex(/^[3-5]\d\d$/)
      .transform(Number)
  ],
  {
    error: ({ input }) =>
      `expected ${FAILURES.join(', ')}, a status from 300 to 599 or a gRPC status (${CALL_NAMES.join(', ')}), ` +
      `not ${JSON.stringify(input)}`
  }
)

type Failure = z.output<typeof failure>

export const DEFAULT_FAILURES: readonly Failure[] = ['5xx', 'unavailable']

/** The service could not be asked at all, so that no byte of the request has gone anywhere. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set(['NO_ENDPOINT', 'CIRCUIT_OPEN', 'OVERLOADED'])

/** What counts as a failure of the service. */
export interface Failures {
  /** Of an attempt, by its error or its status. */
  of(attempt: Attempt): boolean
  /** Of a gRPC call, by the status that `on` names: who names one means a call, which is always a POST. */
  ofCall(attempt: Attempt): boolean
  ofStatus(status: number): boolean
  ofError(code: ErrorCode): boolean
}

export function isRefusal(code: ErrorCode): boolean {
  return REFUSALS.has(code)
}

/** What `on` means, worked out once. */
export function failures(on: readonly Failure[]): Failures {
  const codes = new Set<ErrorCode>()
  const statuses = new Set<number>()
  const calls = new Set<number>()
  for (const each of on) {
    if (typeof each === 'number') statuses.add(each)
    else if (each === '5xx') {
      for (const list of Object.values(CODES)) for (const code of list) codes.add(code)
      for (let status = 500; status < 600; status++) statuses.add(status)
    } else if (Object.hasOwn(CALLS, each)) calls.add(CALLS[each as keyof typeof CALLS])
    else for (const code of CODES[each] ?? []) codes.add(code)
  }
  return {
    of: ({ error, status }) =>
      error === undefined ? status !== undefined && statuses.has(status) : codes.has(error.code),
    ofCall: ({ grpcStatus }) => grpcStatus !== undefined && calls.has(grpcStatus),
    ofStatus: (status) => statuses.has(status),
    ofError: (code) => REFUSALS.has(code) || codes.has(code)
  }
}
