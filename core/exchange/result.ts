import type { ProxyError } from '../errors.js'
import type { Result } from '../hooks/types.js'
import type { ExchangeState } from './exchange.js'
import { GRPC_STATUS, grpcStatusIn, grpcStatusOf } from './grpc.js'
import type { ResponseState } from './response.js'
import type { UpgradedExchange } from './upgraded-exchange.js'

/** What is known of an exchange once it has ended. */
export interface Ending {
  readonly response: ResponseState | undefined
  readonly error: ProxyError | undefined
  readonly upgraded: UpgradedExchange | undefined
  /** Bytes of the response's body given to the client. */
  readonly written: number
  /** The client got all of an answer. */
  readonly complete: boolean
}

/** How it ended: by itself, by an error, by its client's leaving or by the proxy's. */
export function resultOf(exchange: ExchangeState, ending: Ending): Result {
  const { response, upgraded, complete } = ending
  const error = ending.error ?? upgraded?.error
  const unfinished = !complete && error === undefined
  const cut = unfinished && upgraded === undefined && exchange.entry.cutting
  const left = upgraded === undefined ? unfinished && !cut : upgraded.how === 'client'
  return {
    status: statusOf(response, left && upgraded === undefined, cut),
    code: left ? 'CLIENT_CLOSED' : error?.code,
    error,
    grpcStatus: exchange.grpc ? grpcEnd(exchange, response, error, left, cut) : undefined,
    duration: exchange.now() - exchange.startedAt,
    bytesIn: upgraded?.bytesIn ?? exchange.clientBody?.received ?? 0,
    bytesOut: upgraded?.bytesOut ?? ending.written,
    endpoint: (exchange.answered ?? exchange.attempts.at(-1))?.endpoint,
    local: response?.local ?? true
  }
}

function statusOf(response: ResponseState | undefined, left: boolean, cut: boolean): number {
  if (left) return 499
  return response?.status ?? (cut ? 503 : 499)
}

function grpcEnd(
  exchange: ExchangeState,
  response: ResponseState | undefined,
  error: ProxyError | undefined,
  left: boolean,
  cut: boolean
): number | undefined {
  if (cut) return GRPC_STATUS.UNAVAILABLE
  if (left) return GRPC_STATUS.CANCELLED
  if (response?.local === true) return grpcStatusIn(response.headers.flat) ?? grpcStatusIn(response.trailers)
  // An answer that had begun was broken off, in its trailers where that could be.
  if (error !== undefined) return grpcStatusOf(error.status, error.code)
  return exchange.answered?.grpcStatus ?? (response && grpcStatusOf(response.status))
}
