import t from 'tap'
import { type Attempt, type ErrorCode, type Exchange, GRPC_STATUS, ProxyError } from '../../../core/index.js'
import { failedAtOnce, verdictAtEnd } from '../../../plugins/circuit-breaker/verdict.js'

type Fields = { -readonly [K in keyof Attempt]?: Attempt[K] }

function attempt(fields: Fields & { inHead?: boolean }): Attempt {
  const { inHead = false, ...rest } = fields
  return { sent: true, responseHeaders: { has: () => inHead }, ...rest } as unknown as Attempt
}

const http = { grpc: false, deadline: 15_000 } as Exchange
const call = { grpc: true, deadline: 15_000 } as Exchange

t.test('what the head, or that there is none, says', async (t) => {
  const codes: Partial<Record<ErrorCode, boolean>> = {
    CONNECT_FAILED: true,
    CONNECT_TIMEOUT: true,
    UPSTREAM_RESET: true,
    BAD_UPSTREAM_RESPONSE: true,
    RESPONSE_TIMEOUT: true,
    OVERLOADED: false,
    CIRCUIT_OPEN: false,
    CLIENT_CLOSED: false,
    DEADLINE_EXCEEDED: false
  }
  for (const [code, failed] of Object.entries(codes)) {
    t.equal(failedAtOnce(attempt({ error: new ProxyError(code as ErrorCode, 'x') })), failed, code)
  }
  for (const [status, failed] of [
    [200, false],
    [404, false],
    [429, false],
    [499, false],
    [500, true],
    [503, true],
    [599, true]
  ] as const) {
    t.equal(failedAtOnce(attempt({ status })), failed, `${status}`)
  }
})

t.test('gRPC statuses, in the head and behind the body', async (t) => {
  const failing = ['UNKNOWN', 'DEADLINE_EXCEEDED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS']
  for (const [name, grpcStatus] of Object.entries(GRPC_STATUS)) {
    const failed = failing.includes(name)
    t.equal(failedAtOnce(attempt({ status: 200, grpcStatus, inHead: true })), failed, `${name} alone`)
    const trailing = attempt({ status: 200, grpcStatus, end: 'complete' })
    t.equal(failedAtOnce(trailing), false, `${name} behind a body is not known at once`)
    t.equal(verdictAtEnd(trailing, call, 0), failed ? 'failed' : 'served', `${name} behind a body`)
  }
})

t.test('how it ended', async (t) => {
  const ended = (fields: Fields, exchange = http, now = 1_000) => verdictAtEnd(attempt(fields), exchange, now)
  t.equal(ended({ status: 200, end: 'complete' }), 'served')
  t.equal(ended({ status: 404, end: 'discarded' }), 'served')
  t.equal(ended({ status: 200, end: 'discarded' }, call), undefined, 'a call whose status nobody heard')
  t.equal(ended({ status: 200, end: 'broken' }), 'failed')
  t.equal(ended({ end: 'failed' }), undefined, 'failed at once')
  t.equal(ended({ end: 'cancelled' }), undefined, 'the client left, or another attempt was faster')
  t.equal(ended({ status: 200, end: 'cancelled' }), undefined)
  t.equal(ended({ end: 'cancelled' }, http, 15_000), 'failed', 'it took all the time that there was')
  t.equal(
    ended({ status: 200, end: 'cancelled' }, http, 15_000),
    undefined,
    'a client that left a long answer'
  )
  t.equal(ended({ sent: false, end: 'cancelled' }, http, 15_000), undefined, 'it never left')
})
