import { type Attempt, GRPC_STATUS } from '../../core/index.js'

const TOO_MANY_REQUESTS = 429

/**
 * How long the service took, where that says how busy it is.
 *
 * @returns ms to the response's headers, or to the attempt's timeout; undefined for what failed or was refused, which is
 * often fast and never the time that work takes
 */
export function telling({ status, error, grpcStatus, latency }: Attempt): number | undefined {
  if (status === undefined) return error?.code === 'RESPONSE_TIMEOUT' ? latency : undefined
  if (status >= 500 || status === TOO_MANY_REQUESTS) return undefined
  return grpcStatus === GRPC_STATUS.UNAVAILABLE || grpcStatus === GRPC_STATUS.RESOURCE_EXHAUSTED
    ? undefined
    : latency
}
