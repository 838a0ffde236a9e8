import { duration, GRPC_STATUS, z } from '../../core/index.js'

/** ms. A hook is given 5 s by default; one that waits longer is the plugin's failure. */
const MAX_DELAY = 4_000
/** RFC 9110 token. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

const percent = (what: string) =>
  z.number().min(0).max(100).default(100).describe(`The part of the requests that is ${what}. Default 100.`)

const delay = z.strictObject({
  for: duration()
    .refine((ms) => ms > 0 && ms <= MAX_DELAY, {
      error: ({ input }) =>
        `expected more than 0 and no more than ${MAX_DELAY} ms, since a hook is given 5s, not ${input} ms`
    })
    .describe('How long it is held up, up to 4s.'),
  percent: percent('delayed')
})

const abort = z.strictObject({
  status: z.number().int().min(400).max(599).default(503).describe('The answer. 400 to 599, default 503.'),
  grpcStatus: z
    .number()
    .int()
    .min(1)
    .max(GRPC_STATUS.UNAUTHENTICATED)
    .optional()
    .describe('What a gRPC call ends with, 1 to 16. Default: what its HTTP status comes to.'),
  percent: percent('answered so')
})

export const config = z
  .strictObject({
    delay: delay.optional().describe('Holds requests up. Default: none is.'),
    abort: abort.optional().describe('Answers requests with an error. Default: none is.'),
    header: z
      .string()
      .max(100)
      .regex(TOKEN, { error: ({ input }) => `expected the name of a header, not ${JSON.stringify(input)}` })
      .optional()
      .describe('Only requests that carry this header. Default: all.'),
    maxDelayed: z
      .number()
      .int()
      .min(1)
      .max(100_000)
      .default(1_000)
      .describe('Requests held up at once; past it none is. Default 1000.')
  })
  .superRefine(({ delay, abort }, context) => {
    if (delay === undefined && abort === undefined)
      context.addIssue({ code: 'custom', message: 'expected delay or abort, or both' })
  })
