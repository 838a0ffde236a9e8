import { duration, z } from '../../core/index.js'
import { GRPC_NAMES } from './grpc.js'
import { headerCondition } from './header-condition.js'

/** Attempt timeout in ms where `on` names `timeout` and none is given: without one there would be nothing to repeat. */
export const DEFAULT_ATTEMPT_TIMEOUT = 2000

/** The longest that a service's word on when to come again is taken for, in ms: 5 minutes. */
const LONGEST_RETRY_AFTER = 300_000

const WORDS = ['connect-failure', 'reset', 'timeout', '5xx', 'retriable-4xx'] as const

const condition = z.union(
  [
    z.enum([...WORDS, ...GRPC_NAMES]),
    z.number().int().min(200).max(599),
    z
      .string()
      .regex(/^[2-5]\d\d$/)
      .transform(Number),
    headerCondition
  ],
  {
    error: ({ input }) =>
      typeof input === 'object' && input !== null
        ? 'expected { header: NAME }, with a value, with a status (503, 5xx) or with both, ' +
          `not ${JSON.stringify(input).slice(0, 100)}`
        : `expected ${WORDS.join(', ')}, a status from 200 to 599, { header: NAME } or a gRPC status ` +
          `(${GRPC_NAMES.join(', ')}), not ${JSON.stringify(input)}`
  }
)

const backoff = z
  .strictObject({
    base: duration()
      .default('25ms')
      .describe('Retry N waits at random from 0 to base x (2^N - 1). 0: no wait. Default 25ms.'),
    max: duration().default('250ms').describe('No retry waits longer than this. Default 250ms.')
  })
  .superRefine(({ base, max }, context) => {
    if (!(base > max)) return
    context.addIssue({
      code: 'custom',
      path: ['base'],
      message: `expected no more than max, which is ${max} ms, not ${base} ms`
    })
  })

const budget = z
  .strictObject({
    ratio: z
      .number()
      .min(0)
      .max(1)
      .default(0.2)
      .describe(
        'Retries under way at once, as a share of the attempts under way; beside perSecond and ttl, retries as a share of the requests of the last ttl. Default 0.2.'
      ),
    min: z
      .number()
      .int()
      .min(0)
      .optional()
      .describe('Retries that may be under way at once however few attempts are. Default 3.'),
    perSecond: z
      .number()
      .min(0)
      .optional()
      .describe(
        'The budget counts over ttl, as in Linkerd, and has this many retries a second on top. Default 10 where ttl is given.'
      ),
    ttl: duration({ min: 1000, max: 60_000 })
      .optional()
      .describe(
        'How long a request counts for the budget, from 1s to 60s. Default 10s where perSecond is given.'
      )
  })
  .superRefine(({ min, perSecond, ttl }, context) => {
    if (min === undefined || (perSecond === undefined && ttl === undefined)) return
    context.addIssue({
      code: 'custom',
      path: ['min'],
      message:
        'expected either min, for a budget of retries under way, or perSecond and ttl, for one over time, not both'
    })
  })
  .transform(({ ratio, min, perSecond, ttl }) =>
    perSecond === undefined && ttl === undefined
      ? { ratio, min: min ?? 3 }
      : { ratio, perSecond: perSecond ?? 10, ttl: ttl ?? 10_000 }
  )

const PERCENTILE = 'p50 to p99'

const hedge = z.strictObject({
  after: z
    .union(
      [
        z
          .string()
          .regex(/^p[5-9]\d$/)
          .transform((text) => ({ quantile: Number(text.slice(1)) / 100 })),
        duration({ min: 1 })
      ],
      {
        error: ({ input }) =>
          `expected a duration such as 50ms, of at least 1ms, or ${PERCENTILE}, not ${JSON.stringify(input)}`
      }
    )
    .describe(
      `How long an attempt may take before a second one is sent beside it: a duration, or of what attempts took before the percentile from ${PERCENTILE}.`
    ),
  max: z
    .number()
    .int()
    .min(1)
    .max(4)
    .default(1)
    .describe('Attempts of one exchange that are sent beside others, from 1 to 4. Default 1.')
})

const retryAfter = z
  .union([z.boolean(), duration({ max: LONGEST_RETRY_AFTER })], {
    error: ({ input }) => `expected true, false or a duration of at most 300s, not ${JSON.stringify(input)}`
  })
  .transform((value) => (typeof value === 'number' ? value : value ? LONGEST_RETRY_AFTER : 0))

export const config = z.strictObject({
  attempts: z
    .number()
    .int()
    .min(1)
    .max(100)
    .default(3)
    .describe('Tries in all, the first one included and hedges left out. Default 3.'),
  on: z
    .array(condition)
    .min(1)
    .default(['connect-failure', 'reset'])
    .describe(
      'What is tried again: connect-failure, reset, timeout, 5xx, retriable-4xx, an upstream status such as 503, a response header as { header: NAME, value, status }, or of gRPC calls a status such as unavailable or resource-exhausted.'
    ),
  attemptTimeout: duration()
    .optional()
    .describe(
      'How long one attempt may take to the response headers. 0: none of its own. Default 2s where `on` has timeout, otherwise none.'
    ),
  nonIdempotent: z
    .boolean()
    .default(false)
    .describe(
      'Try POST, PATCH and the like again too, and hedge them, even when the upstream may have done the work. Not needed for a gRPC status that `on` names. Default false.'
    ),
  backoff: backoff.prefault({}).describe('The wait before a retry.'),
  retryAfter: retryAfter
    .prefault(true)
    .describe(
      "Wait for as long as the response's Retry-After, or of a gRPC call its pushback, says: true for up to 300s, false to pass over it, or a duration that it may come to. Where it asks for more, or for longer than the exchange has, it is not tried again. Default true."
    ),
  budget: budget
    .prefault({})
    .describe('A bound on retries and hedges, so that they do not bury a service that is in trouble.'),
  hedge: hedge
    .optional()
    .describe('Sends a second attempt beside one that is late; the first answer wins. Default: none.'),
  avoidTried: z
    .boolean()
    .default(true)
    .describe('Leave out endpoints already tried while there are others. Default true.')
})

export type RetryConfig = z.output<typeof config>
