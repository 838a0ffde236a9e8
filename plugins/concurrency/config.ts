import { duration, z } from '../../core/index.js'

/** ms: a hook may take 5 s by default, and a wait that long would be the plugin's failure and not a refusal. */
const LONGEST_WAIT = 4_000

const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

const said = (value: unknown) =>
  value === undefined ? 'nothing' : (JSON.stringify(value) ?? 'what is no value')

const adaptive = z
  .strictObject({
    min: z.number().int().min(1).max(1_000_000).default(3).describe('The limit never goes below. Default 3.'),
    max: z
      .number()
      .int()
      .min(1)
      .max(1_000_000)
      .default(1_000)
      .describe('The limit never goes above. Default 1,000.'),
    buffer: z
      .number()
      .min(0)
      .max(10)
      .default(0.25)
      .describe('How much latency may be over the unloaded one, as a share of that. Default 0.25.'),
    interval: duration({ min: 100 })
      .default('30s')
      .describe('How often the unloaded latency is measured while there is load. Default 30s.')
  })
  .superRefine(({ min, max }, context) => {
    if (min <= max) return
    context.addIssue({
      code: 'custom',
      path: ['min'],
      message: `expected no more than max, which is ${max}, not ${min}`
    })
  })

export const config = z
  .strictObject({
    limit: z
      .union([z.literal('adaptive'), z.number().int().min(1).max(1_000_000)], {
        error: ({ input }) => `expected adaptive or a whole number from 1 to 1000000, not ${said(input)}`
      })
      .default('adaptive')
      .describe(
        'How many may be under way at once; adaptive: as many as latency shows to be right. Default adaptive.'
      ),
    queue: z
      .number()
      .int()
      .min(0)
      .max(10_000)
      .optional()
      .describe(
        'How many more may wait for a place. 0: none. Default 50; with an adaptive limit half as many as that, and at most 50.'
      ),
    queueTimeout: duration({ max: LONGEST_WAIT })
      .default('1s')
      .describe('How long one may wait. At most 4s. Default 1s.'),
    priority: z
      .strictObject({
        header: z
          .string()
          .regex(FIELD_NAME, {
            error: ({ input }) => `expected the name of a header, such as x-priority, not ${said(input)}`
          })
          .transform((name) => name.toLowerCase())
          .describe('The request header that says how urgent it is: 0 to 9, low (2), normal (5) or high (8).')
      })
      .optional()
      .describe('Who waits less. Default: who came first.'),
    adaptive: adaptive.optional().describe('Of an adaptive limit: how it is found.')
  })
  .superRefine(({ limit, adaptive }, context) => {
    if (limit === 'adaptive' || adaptive === undefined) return
    const message = `expected limit: adaptive beside it, not limit: ${limit}`
    context.addIssue({ code: 'custom', path: ['adaptive'], message })
  })

export type AdaptiveConfig = z.output<typeof adaptive>

export const DEFAULT_ADAPTIVE: AdaptiveConfig = adaptive.parse({})
