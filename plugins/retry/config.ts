import { duration, z } from '../../core/index.js'
import { GRPC_NAMES } from './grpc.js'

/** Attempt timeout in ms where `on` names `timeout` and none is given: without one there would be nothing to repeat. */
export const DEFAULT_ATTEMPT_TIMEOUT = 2000

const WORDS = ['connect-failure', 'reset', 'timeout', '5xx', 'retriable-4xx'] as const

const condition = z.union(
  [
    z.enum([...WORDS, ...GRPC_NAMES]),
    z.number().int().min(200).max(599),
    z
      .string()
      .regex(/^[2-5]\d\d$/)
      .transform(Number)
  ],
  {
    error: ({ input }) =>
      `expected ${WORDS.join(', ')}, a status from 200 to 599 or a gRPC status (${GRPC_NAMES.join(', ')}), ` +
      `not ${JSON.stringify(input)}`
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

const budget = z.strictObject({
  ratio: z
    .number()
    .min(0)
    .max(1)
    .default(0.2)
    .describe(
      'Retries under way at once, as a share of the attempts under way. 1: as many as there are. Default 0.2.'
    ),
  min: z
    .number()
    .int()
    .min(0)
    .default(3)
    .describe('Retries that may be under way at once however few attempts are. Default 3.')
})

export const config = z.strictObject({
  attempts: z
    .number()
    .int()
    .min(1)
    .max(100)
    .default(3)
    .describe('Tries in all, the first one included. Default 3.'),
  on: z
    .array(condition)
    .min(1)
    .default(['connect-failure', 'reset'])
    .describe(
      'What is tried again: connect-failure, reset, timeout, 5xx, retriable-4xx, an upstream status such as 503, or of gRPC calls a status such as unavailable or resource-exhausted.'
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
      'Try POST, PATCH and the like again too, even when the upstream may have done the work. Not needed for a gRPC status that `on` names. Default false.'
    ),
  backoff: backoff.prefault({}).describe('The wait before a retry.'),
  budget: budget
    .prefault({})
    .describe('A bound on retries, so that they do not bury a service that is in trouble.'),
  avoidTried: z
    .boolean()
    .default(true)
    .describe('Leave out endpoints already tried while there are others. Default true.')
})

export type RetryConfig = z.output<typeof config>
