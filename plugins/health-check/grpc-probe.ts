import { type FetchResult, GRPC_STATUS, grpcStatusName, type SetupContext } from '../../core/index.js'
import { checkRequest, servingStatusIn } from './grpc-message.js'
import { USER_AGENT } from './http-probe.js'
import { failureOf, type Probe, type Verdict } from './probe.js'

const METHOD = '/grpc.health.v1.Health/Check'
/** Bytes of the answer: one message of a few, with room for fields of a later version. */
const MAX_BYTES = 4_096
/** Eight digits are all that `grpc-timeout` has. */
const MAX_GRPC_TIMEOUT = 99_999_999

/** gRPC's own health check (doc/health-checking.md of the grpc repository). The service has to speak HTTP/2. */
export function grpcProbe(
  asked: string,
  service: string,
  timeout: number,
  fetch: SetupContext<unknown>['fetch']
): Probe {
  const fixed = {
    method: 'POST',
    headers: {
      'content-type': 'application/grpc',
      'grpc-timeout': `${Math.min(MAX_GRPC_TIMEOUT, Math.ceil(timeout))}m`,
      'user-agent': USER_AGENT
    },
    body: checkRequest(asked),
    maxBytes: MAX_BYTES,
    timeout
  }
  return async (endpoint, signal) => {
    try {
      return judged(await fetch(service, METHOD, { ...fixed, endpoint, signal }), asked)
    } catch (error) {
      return { passed: false, reason: `grpc: ${failureOf(error, timeout)}` }
    }
  }
}

function judged({ status, headers, trailers, body }: FetchResult, asked: string): Verdict {
  // A call that is refused without a message has its status among its headers.
  const code = trailers.get('grpc-status') ?? headers.get('grpc-status')
  if (code === undefined) return failed(`${status} and no grpc-status: no gRPC server`)
  if (Number(code) === GRPC_STATUS.UNIMPLEMENTED) return failed('it does not serve grpc.health.v1.Health')
  if (Number(code) === GRPC_STATUS.NOT_FOUND)
    return failed(`it does not know the service ${JSON.stringify(asked)}`)
  if (Number(code) !== GRPC_STATUS.OK) return failed(grpcStatusName(Number(code)) ?? 'an unknown status')
  const serving = servingStatusIn(body)
  return { passed: serving === 'SERVING', reason: `grpc: ${serving ?? 'not a HealthCheckResponse'}` }
}

function failed(reason: string): Verdict {
  return { passed: false, reason: `grpc: ${reason}` }
}
