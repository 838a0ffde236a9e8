import t from 'tap'
import {
  type Attempt,
  type ErrorCode,
  type Exchange,
  type Hedge,
  type Limit,
  ProxyError,
  Retry,
  type SetupContext
} from '../../../core/index.js'
import { VirtualClock } from '../../../core/testing/index.js'
import plugin from '../../../plugins/retry/index.js'
import { limitOf } from './limit.js'

/** All of them answer at once, but for an outcome that waits for a slot of the budget. */
interface Hooks {
  attempt(attempt: Attempt, exchange: Exchange): Hedge | undefined
  outcome(attempt: Attempt, exchange: Exchange): Retry | undefined
  settled(attempt: Attempt, exchange: Exchange): void
}

interface Bench extends Hooks {
  readonly clock: VirtualClock
  /** The budget-exhausted counter, by `route,reason`. */
  readonly exhausted: Map<string, number>
  /** What the core would show of the budget. */
  readonly limit: Limit & { refused: number }
}

function retry(config: object = {}, random = () => 0): Bench {
  const exhausted = new Map<string, number>()
  const counter = () => ({
    labels: (...labels: string[]) => ({
      inc: () => exhausted.set(labels.join(), (exhausted.get(labels.join()) ?? 0) + 1)
    })
  })
  const parsed = plugin.config?.parse(config)
  const clock = new VirtualClock()
  let held: Bench['limit'] | undefined
  const limit = (name: string, max: number) => (held = limitOf(name, max))
  const context = {
    config: parsed,
    metrics: { counter },
    clock,
    random,
    limit,
    serviceNamed: () => undefined
  } as unknown as SetupContext<NonNullable<typeof parsed>>
  const hooks = plugin.setup(context) as Hooks
  return { ...hooks, exhausted, clock, limit: held as unknown as Bench['limit'] }
}

interface Ended extends Exchange {
  end(): void
}

function exchange(method = 'GET'): Ended {
  const controller = new AbortController()
  const fields = {
    request: { method },
    route: { name: 'orders', service: 'orders' },
    attempts: [],
    deadline: Number.POSITIVE_INFINITY,
    signal: controller.signal
  }
  return { ...fields, end: () => controller.abort() } as unknown as Ended
}

type AttemptFields = { -readonly [K in keyof Attempt]?: Attempt[K] }

function attempt(fields: AttemptFields = {}): Attempt {
  return { number: 1, timeout: 15_000, status: undefined, error: undefined, sent: true, ...fields } as Attempt
}

const failed = (code: ErrorCode, fields: AttemptFields = {}) =>
  attempt({ error: new ProxyError(code, 'x'), sent: !code.startsWith('CONNECT'), ...fields })
const answered = (status: number, fields: AttemptFields = {}) => attempt({ status, ...fields })

/** The reason that the plugin would try this again for, on its own. */
function reason(config: object, one: Attempt, method = 'GET'): string | undefined {
  const result = retry(config).outcome(one, exchange(method))
  return Retry.is(result) ? result.reason : undefined
}

t.test('the configuration', async (t) => {
  const schema = plugin.config
  t.same(schema?.parse({}), {
    attempts: 3,
    on: ['connect-failure', 'reset'],
    nonIdempotent: false,
    backoff: { base: 25, max: 250 },
    retryAfter: 300_000,
    budget: { ratio: 0.2, min: 3 },
    avoidTried: true
  })
  t.same(
    schema?.parse({ on: ['503', 504, '5xx'], attemptTimeout: '2s' }).on,
    [503, 504, '5xx'],
    'a status may be text'
  )
  t.equal(schema?.parse({ attemptTimeout: '2s' }).attemptTimeout, 2000)
  t.same(schema?.parse({ backoff: { max: '1s' } }).backoff, { base: 25, max: 1000 })

  for (const wrong of [
    { attempts: 0 },
    { attempts: 1.5 },
    { on: [] },
    { on: ['4xx'] },
    { on: [199] },
    { on: ['600'] },
    { on: [503.5] },
    { budget: { ratio: 2 } },
    { budget: { min: -1 } },
    { backoff: { base: '1s' } },
    { backoff: { bse: 1 } },
    { attempt: 3 },
    { attemptTimeout: -1 },
    { on: [{ value: 'yes' }] },
    { on: [{ header: 'a b' }] },
    { on: [{ header: 'x-should-retry', status: 700 }] },
    { on: [{ header: 'x-should-retry', valu: 'yes' }] },
    { retryAfter: '301s' },
    { retryAfter: 'yes' },
    { budget: { min: 3, ttl: '10s' } },
    { budget: { min: 3, perSecond: 10 } },
    { budget: { ttl: '500ms' } },
    { budget: { ttl: '2m' } },
    { budget: { perSecond: -1 } },
    { hedge: {} },
    { hedge: { after: 0 } },
    { hedge: { after: 'p100' } },
    { hedge: { after: 'p20' } },
    { hedge: { after: '50ms', max: 0 } },
    { hedge: { after: '50ms', max: 9 } }
  ]) {
    t.equal(schema?.safeParse(wrong).success, false, JSON.stringify(wrong))
  }
  t.match(schema?.safeParse({ on: ['gateway'] }).error?.issues, [
    { path: ['on', 0], message: /connect-failure, reset.*, not "gateway"/ }
  ])
  t.match(schema?.safeParse({ backoff: { base: '1s' } }).error?.issues, [{ path: ['backoff', 'base'] }])
  t.match(schema?.safeParse({ on: [{ heder: 'x-should-retry' }] }).error?.issues, [
    { path: ['on', 0], message: /expected \{ header: NAME \}, with a value.*not \{"heder"/ }
  ])
  t.match(schema?.safeParse({ budget: { min: 3, ttl: '10s' } }).error?.issues, [
    { path: ['budget', 'min'], message: /either min, .* or perSecond and ttl/ }
  ])
  t.match(schema?.safeParse({ hedge: { after: 'p101' } }).error?.issues, [
    { path: ['hedge', 'after'], message: /50ms, of at least 1ms, or p50 to p99, not "p101"/ }
  ])
  t.match(schema?.safeParse({ retryAfter: '10m' }).error?.issues, [
    { path: ['retryAfter'], message: /at most 300s, not "10m"/ }
  ])

  t.same(schema?.parse({ hedge: { after: 'p95' } }).hedge, { after: { quantile: 0.95 }, max: 1 })
  t.same(schema?.parse({ hedge: { after: '50ms', max: 2 } }).hedge, { after: 50, max: 2 })
  t.same(schema?.parse({ budget: { perSecond: 5 } }).budget, { ratio: 0.2, perSecond: 5, ttl: 10_000 })
  t.same(schema?.parse({ budget: { ratio: 0.1, ttl: '5s' } }).budget, {
    ratio: 0.1,
    perSecond: 10,
    ttl: 5000
  })
  t.same(
    [true, false, '10s'].map((retryAfter) => schema?.parse({ retryAfter }).retryAfter),
    [300_000, 0, 10_000]
  )
  t.same(schema?.parse({ on: [{ header: 'x-should-retry', value: true, status: '503' }] }).on, [
    { header: 'x-should-retry', value: 'true', status: 503 }
  ])
})

t.test('what each condition repeats, and the reason that it gives', async (t) => {
  const outcomes: Record<string, Attempt> = {
    CONNECT_FAILED: failed('CONNECT_FAILED'),
    CONNECT_TIMEOUT: failed('CONNECT_TIMEOUT'),
    UPSTREAM_RESET: failed('UPSTREAM_RESET'),
    BAD_UPSTREAM_RESPONSE: failed('BAD_UPSTREAM_RESPONSE'),
    RESPONSE_TIMEOUT: failed('RESPONSE_TIMEOUT'),
    NO_ENDPOINT: failed('NO_ENDPOINT', { sent: false }),
    OVERLOADED: failed('OVERLOADED', { sent: false }),
    DEADLINE_EXCEEDED: failed('DEADLINE_EXCEEDED'),
    PLUGIN_FAILED: failed('PLUGIN_FAILED', { sent: false }),
    200: answered(200),
    404: answered(404),
    409: answered(409),
    429: answered(429),
    500: answered(500),
    503: answered(503),
    599: answered(599),
    799: answered(799)
  }
  const connect = { CONNECT_FAILED: 'connect-failure', CONNECT_TIMEOUT: 'connect-failure' }
  const reset = { UPSTREAM_RESET: 'reset', BAD_UPSTREAM_RESPONSE: 'reset' }
  const timeout = { CONNECT_TIMEOUT: 'connect-failure', RESPONSE_TIMEOUT: 'timeout' }
  const expected: [on: (string | number)[] | undefined, repeated: Record<string, string>][] = [
    [undefined, { ...connect, ...reset }],
    [['connect-failure'], connect],
    [['reset'], reset],
    [['timeout'], timeout],
    [['5xx'], { ...connect, ...reset, ...timeout, 500: '5xx', 503: '5xx', 599: '5xx' }],
    [['retriable-4xx'], { 409: 'retriable-4xx' }],
    [[503], { 503: '5xx' }],
    [['404', 429], { 404: '4xx', 429: '4xx' }],
    [[409, 'retriable-4xx'], { 409: 'retriable-4xx' }],
    [['retriable-4xx', 409], { 409: 'retriable-4xx' }],
    [[200], { 200: '2xx' }]
  ]
  for (const [on, repeated] of expected) {
    const seen: Record<string, string> = {}
    for (const [name, one] of Object.entries(outcomes)) {
      const why = reason(on === undefined ? {} : { on }, one)
      if (why !== undefined) seen[name] = why
    }
    t.same(seen, repeated, `on: ${on ?? 'left out'}`)
  }
})

t.test('gRPC statuses', async (t) => {
  const reasonOf = (
    on: (string | number)[],
    one: Attempt,
    fields: { method?: string; grpc?: boolean } = {}
  ) => {
    const { method = 'POST', grpc = true } = fields
    const result = retry({ on }).outcome(one, Object.assign(exchange(method), { grpc }))
    return Retry.is(result) ? result.reason : undefined
  }
  const ended = (grpcStatus: number | undefined) => answered(200, { grpcStatus })
  const names: Record<string, number> = {
    cancelled: 1,
    unknown: 2,
    'deadline-exceeded': 4,
    'resource-exhausted': 8,
    aborted: 10,
    internal: 13,
    unavailable: 14
  }

  t.test('each is the one it names, and the reason', async (t) => {
    for (const [name, code] of Object.entries(names)) {
      const repeated = Array.from({ length: 20 }, (_, status) => reasonOf([name], ended(status)))
      t.same(
        repeated,
        repeated.map((_, status) => (status === code ? name : undefined)),
        name
      )
    }
    t.equal(reasonOf(Object.keys(names), ended(8)), 'resource-exhausted')
    t.equal(reasonOf(Object.keys(names), ended(99)), undefined)
  })

  t.test('those that say a call is wrong cannot be named', async (t) => {
    for (const name of ['ok', 'invalid-argument', 'not-found', 'unimplemented', 'UNAVAILABLE', 'data-loss']) {
      t.match(plugin.config?.safeParse({ on: [name] }).error?.issues, [
        { path: ['on', 0], message: /gRPC status \(cancelled, .*unavailable\), not/ }
      ])
    }
  })

  t.test('a status that is named is repeated though every call is a POST', async (t) => {
    t.equal(reasonOf(['unavailable'], ended(14)), 'unavailable')
    t.equal(reasonOf(['5xx'], answered(503, { grpcStatus: 14 })), undefined, 'but not by its HTTP status')
    t.equal(reasonOf(['5xx', 'unavailable'], answered(503, { grpcStatus: 14 })), 'unavailable')
    t.equal(reasonOf(['unavailable', 200], ended(0), { method: 'GET' }), '2xx')
  })

  t.test('a status that is only in the trailers is not known in time', async (t) => {
    t.equal(reasonOf(Object.keys(names), ended(undefined)), undefined)
  })

  t.test('unavailable is also a service that is not there, as long as nothing was sent', async (t) => {
    t.equal(reasonOf(['unavailable'], failed('CONNECT_FAILED')), 'connect-failure')
    t.equal(reasonOf(['unavailable'], failed('CONNECT_TIMEOUT')), 'connect-failure')
    t.equal(reasonOf(['unavailable'], failed('UPSTREAM_RESET', { sent: false })), 'reset')
    t.equal(reasonOf(['unavailable'], failed('UPSTREAM_RESET')), undefined)
    t.equal(reasonOf(['unavailable'], failed('RESPONSE_TIMEOUT')), undefined)
    t.equal(reasonOf(['unavailable'], failed('BAD_UPSTREAM_RESPONSE', { sent: false })), undefined)
    t.equal(reasonOf(['resource-exhausted'], failed('CONNECT_FAILED')), undefined)
    t.equal(
      reasonOf(['unavailable'], failed('CONNECT_FAILED'), { grpc: false, method: 'GET' }),
      undefined,
      'and of gRPC calls alone'
    )
  })
})

t.test('the number of attempts includes the first', async (t) => {
  const hooks = retry({ attempts: 3, budget: { ratio: 1 } })
  const one = exchange()
  t.ok(hooks.outcome(failed('UPSTREAM_RESET', { number: 1 }), one))
  t.ok(hooks.outcome(failed('UPSTREAM_RESET', { number: 2 }), one))
  t.notOk(hooks.outcome(failed('UPSTREAM_RESET', { number: 3 }), one))
  t.notOk(reason({ attempts: 1 }, failed('CONNECT_FAILED')), 'one attempt is no retry')
})

t.test('methods', async (t) => {
  const on = ['connect-failure', 'reset', 'timeout', '5xx']
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']) {
    t.equal(reason({ on }, answered(503), method), '5xx', method)
  }
  for (const method of ['POST', 'PATCH', 'CONNECT', 'PURGE', 'get']) {
    for (const one of [answered(503), failed('UPSTREAM_RESET'), failed('RESPONSE_TIMEOUT')]) {
      t.equal(reason({ on }, one, method), undefined, `${method} after it was sent`)
      t.ok(reason({ on, nonIdempotent: true }, one, method), `${method}, nonIdempotent`)
    }
    t.equal(reason({ on }, failed('CONNECT_FAILED'), method), 'connect-failure', `${method} that never left`)
    t.equal(
      reason({ on }, failed('UPSTREAM_RESET', { sent: false }), method),
      'reset',
      `${method} that never left`
    )
  }
})

t.test('nothing is asked for a client that is gone', async (t) => {
  const gone = exchange()
  gone.end()
  t.notOk(retry().outcome(failed('UPSTREAM_RESET'), gone))
})

t.test('avoidTried is handed on', async (t) => {
  t.match(retry().outcome(failed('UPSTREAM_RESET'), exchange()), { avoidTried: true })
  t.match(retry({ avoidTried: false }).outcome(failed('UPSTREAM_RESET'), exchange()), { avoidTried: false })
})

t.test('the back-off', async (t) => {
  const delay = (config: object, number: number, random: number) => {
    const result = retry({ attempts: 100, ...config }, () => random).outcome(
      failed('UPSTREAM_RESET', { number }),
      exchange()
    )
    return (result as Retry).delay
  }
  const almost = 1 - 2 ** -53
  for (const [number, longest] of [25, 75, 175, 250, 250].entries()) {
    t.equal(delay({}, number + 1, 0), 0, `retry ${number + 1} may go at once`)
    t.equal(delay({}, number + 1, 0.5), longest / 2)
    t.equal(
      Math.round(delay({}, number + 1, almost)),
      longest,
      `retry ${number + 1} waits ${longest} ms at most`
    )
  }
  t.equal(delay({}, 99, 0.5), 125, 'no overflow')
  t.equal(delay({ backoff: { base: '100ms', max: '1s' } }, 2, 0.5), 150)
  t.equal(delay({ backoff: { base: 0, max: 0 } }, 2, 0.5), 0)
})

t.test('the attempt timeout', async (t) => {
  const timeoutOf = (config: object, method = 'GET', timeout = 15_000) => {
    const one = attempt({ timeout })
    retry(config).attempt(one, exchange(method))
    return one.timeout
  }
  t.equal(timeoutOf({}), 15_000, 'none by itself')
  t.equal(timeoutOf({ on: ['timeout'] }), 2000, '2 s where timeouts are repeated')
  t.equal(timeoutOf({ on: ['timeout'] }, 'POST'), 15_000, 'but not for what would not be')
  t.equal(timeoutOf({ on: ['timeout'], nonIdempotent: true }, 'POST'), 2000)
  t.equal(timeoutOf({ on: ['5xx'] }), 15_000)
  t.equal(timeoutOf({ attemptTimeout: '500ms' }), 500)
  t.equal(timeoutOf({ attemptTimeout: '500ms' }, 'POST'), 500, 'one that was asked for holds for all')
  t.equal(timeoutOf({ on: ['timeout'], attemptTimeout: 0 }), 15_000, '0: none')
  t.equal(timeoutOf({ attemptTimeout: '500ms' }, 'GET', 200), 200, 'what is left of the exchange may be less')
})

t.test('the budget', async (t) => {
  const waiting = retry
  /** Where nothing waits before a retry, nothing waits for a slot either. */
  const impatient = (config: object = {}) => waiting({ backoff: { base: 0, max: 0 }, ...config })
  /** So many attempts under way, each of an exchange of its own. */
  const start = (hooks: Bench, count: number) =>
    Array.from({ length: count }, () => {
      const one = { exchange: exchange(), attempt: failed('UPSTREAM_RESET') }
      hooks.attempt(one.attempt, one.exchange)
      return one
    })
  const retries = (hooks: Bench, started: ReturnType<typeof start>) =>
    started.filter((one) => Retry.is(hooks.outcome(one.attempt, one.exchange)))

  t.test('min, however few attempts are under way', async (t) => {
    const hooks = impatient()
    t.equal(retries(hooks, start(hooks, 5)).length, 3)
    t.same([...hooks.exhausted], [['orders,reset', 2]], 'what it refused is counted')
    t.match(hooks.limit, { name: 'retry budget', max: 3, used: 3, refused: 2 }, 'and shown')
    const none = impatient({ budget: { ratio: 0, min: 0 } })
    t.equal(retries(none, start(none, 5)).length, 0)
  })

  t.test('a share of the attempts under way', async (t) => {
    const hooks = impatient()
    const started = start(hooks, 104)
    t.equal(retries(hooks, started).length, 20, '20% of 104, rounded down')
    t.match(hooks.limit, { max: 20, used: 20 })
    const all = impatient({ budget: { ratio: 1, min: 0 } })
    t.equal(retries(all, start(all, 50)).length, 50)
  })

  t.test('attempts that have ended are not under way', async (t) => {
    const hooks = impatient()
    const started = start(hooks, 100)
    for (const one of started.slice(0, 75)) hooks.settled(one.attempt, one.exchange)
    t.equal(retries(hooks, started.slice(75)).length, 5, '20% of 25')
  })

  t.test('an end without a beginning counts for nothing', async (t) => {
    const hooks = impatient({ budget: { min: 1 } })
    for (let i = 0; i < 50; i++) hooks.settled(attempt(), exchange())
    t.equal(retries(hooks, start(hooks, 10)).length, 2)
  })

  t.test('a slot comes back', async (t) => {
    const ways: [string, (hooks: Bench, one: { exchange: Ended; attempt: Attempt }) => void][] = [
      [
        'when the retry is answered',
        (hooks, one) => {
          hooks.settled(one.attempt, one.exchange)
          const again = answered(200, { number: 2 })
          hooks.attempt(again, one.exchange)
          hooks.outcome(again, one.exchange)
        }
      ],
      [
        'when the retry failed for good',
        (hooks, one) => {
          const again = answered(404, { number: 2 })
          hooks.attempt(again, one.exchange)
          hooks.outcome(again, one.exchange)
        }
      ],
      [
        'when the retry was cancelled',
        (hooks, one) => {
          const again = attempt({ number: 2 })
          hooks.attempt(again, one.exchange)
          hooks.settled(one.attempt, one.exchange)
          hooks.settled(again, one.exchange)
        }
      ],
      ['when the core refused the retry', (_hooks, one) => one.exchange.end()],
      [
        'when all of it happens',
        (hooks, one) => {
          const again = answered(200, { number: 2 })
          hooks.attempt(again, one.exchange)
          hooks.outcome(again, one.exchange)
          hooks.settled(again, one.exchange)
          hooks.settled(one.attempt, one.exchange)
          one.exchange.end()
        }
      ]
    ]
    for (const [when, finish] of ways) {
      const hooks = impatient({ budget: { ratio: 0, min: 1 } })
      for (let round = 0; round < 5; round++) {
        const started = start(hooks, 2)
        const [held] = retries(hooks, started)
        t.equal(held, started[0], `${when}: one, and not the other (round ${round})`)
        finish(hooks, held as (typeof started)[0])
      }
    }
  })

  t.test('a slot is held until then', async (t) => {
    const hooks = impatient({ budget: { ratio: 0, min: 1 } })
    const [held, other] = start(hooks, 2) as [
      { exchange: Ended; attempt: Attempt },
      { exchange: Ended; attempt: Attempt }
    ]
    t.ok(hooks.outcome(held.attempt, held.exchange))
    hooks.settled(held.attempt, held.exchange)
    t.notOk(
      hooks.outcome(other.attempt, other.exchange),
      'the end of the attempt that failed is not that of the retry'
    )
    hooks.attempt(attempt({ number: 2 }), held.exchange)
    t.notOk(hooks.outcome(other.attempt, other.exchange), 'while the retry is under way')
  })

  t.test('an exchange holds one slot, however often it is tried', async (t) => {
    const hooks = impatient({ attempts: 5, budget: { ratio: 0, min: 1 } })
    const one = exchange()
    for (let number = 1; number < 5; number++) {
      const again = failed('UPSTREAM_RESET', { number })
      hooks.attempt(again, one)
      t.ok(hooks.outcome(again, one), `attempt ${number}`)
      hooks.settled(again, one)
      const [another] = start(hooks, 1)
      t.equal(
        retries(hooks, [another as NonNullable<typeof another>]).length,
        0,
        'and gives it up to no other'
      )
    }
    t.notOk(hooks.outcome(failed('UPSTREAM_RESET', { number: 5 }), one))
    t.equal(retries(hooks, start(hooks, 2)).length, 1, 'until the last')
  })

  t.test('each place it is listed has its own', async (t) => {
    const [one, two] = [impatient(), impatient()]
    t.equal(retries(one, start(one, 5)).length, 3)
    t.equal(retries(two, start(two, 5)).length, 3)
  })

  t.test('a burst waits for slots, with its answers at hand, and an outage does not', async (t) => {
    const hooks = waiting({ budget: { ratio: 0, min: 1 } })
    const [first, second, third] = start(hooks, 3) as [Started, Started, Started]
    t.ok(Retry.is(hooks.outcome(first.attempt, first.exchange)))
    const granted = hooks.outcome(second.attempt, second.exchange) as unknown as Promise<Retry | undefined>
    const refused = hooks.outcome(third.attempt, third.exchange) as unknown as Promise<Retry | undefined>
    t.match(hooks.limit, { used: 1, waiting: 2, refused: 0 })
    await hooks.clock.advance(200)
    first.exchange.end()
    t.ok(Retry.is(await granted), 'in the order they came')
    await hooks.clock.advance(50)
    t.equal(await refused, undefined, 'for no longer than the longest back-off')
    t.match(hooks.limit, { used: 1, waiting: 0, refused: 1 })
    t.same([...hooks.exhausted], [['orders,reset', 1]])
    second.exchange.end()
    t.ok(Retry.is(hooks.outcome(third.attempt, third.exchange)), 'who gave up holds nothing')
  })

  t.test('a client that leaves while it waits holds nothing', async (t) => {
    const hooks = waiting({ budget: { ratio: 0, min: 1 } })
    const [first, second, third] = start(hooks, 3) as [Started, Started, Started]
    hooks.outcome(first.attempt, first.exchange)
    const left = hooks.outcome(second.attempt, second.exchange) as unknown as Promise<Retry | undefined>
    second.exchange.end()
    t.equal(await left, undefined)
    first.exchange.end()
    t.ok(Retry.is(hooks.outcome(third.attempt, third.exchange)))
  })
})

interface Started {
  exchange: Ended
  attempt: Attempt
}
