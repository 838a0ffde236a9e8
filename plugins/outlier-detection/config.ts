import { duration, z } from '../../core/index.js'

const whole = (min: number, max: number) => z.number().int().min(min).max(max)

const successRate = z.strictObject({
  minEndpoints: whole(2, 100_000)
    .default(5)
    .describe('Endpoints with minRequests that there must be to compare them. From 2. Default 5.'),
  minRequests: whole(1, 1_000_000_000)
    .default(100)
    .describe('Attempts in one interval that an endpoint must have had to be compared. Default 100.'),
  stdev: z
    .number()
    .min(0)
    .max(100)
    .default(1.9)
    .describe('Standard deviations that a success rate may lie below the mean. Default 1.9.')
})

const failurePercentage = z.strictObject({
  threshold: z
    .number()
    .gt(0)
    .max(100)
    .default(85)
    .describe('Percent of attempts failed in one interval that eject. Default 85.'),
  minRequests: whole(1, 1_000_000_000)
    .default(50)
    .describe('Attempts in one interval that an endpoint must have had. Default 50.'),
  minEndpoints: whole(1, 100_000)
    .default(5)
    .describe('Endpoints with minRequests that there must be. Default 5.')
})

/** On with its defaults where it is left out. */
const offOr = <S extends z.ZodType>(schema: S) => z.union([z.literal(false), schema]).prefault({} as never)

/** ms: what `maxEjection` is by default, where `baseEjection` is no longer. */
export const MAX_EJECTION = 300_000

export const config = z
  .strictObject({
    consecutiveErrors: z
      .union([z.literal(false), whole(1, 1_000_000)])
      .default(5)
      .describe('Errors in a row that eject at once. false: off. Default 5.'),
    interval: duration({ min: 100 })
      .default('10s')
      .describe(
        'What the statistics are taken over, and how long an endpoint has to behave for one step less. Default 10s.'
      ),
    baseEjection: duration({ min: 1 })
      .default('30s')
      .describe('The first ejection; the Nth in a row is N times as long. Default 30s.'),
    maxEjection: duration({ min: 1 })
      .optional()
      .describe('No ejection is longer. Default 300s, or baseEjection where that is longer.'),
    maxEjectedPercent: z
      .number()
      .min(0)
      .max(100)
      .default(10)
      .describe(
        'Percent of the endpoints that may be out at once; one may be, however few there are. 0: none is ejected. 100: the last usable one too. Default 10.'
      ),
    successRate: offOr(successRate).describe(
      'Ejects endpoints that succeed less often than the others. false: off. Default on.'
    ),
    failurePercentage: offOr(failurePercentage).describe(
      'Ejects endpoints that fail more often than this. false: off. Default on.'
    )
  })
  .superRefine(({ baseEjection, maxEjection }, context) => {
    if (maxEjection === undefined || baseEjection <= maxEjection) return
    context.addIssue({
      code: 'custom',
      path: ['baseEjection'],
      message: `expected no more than maxEjection, which is ${maxEjection} ms, not ${baseEjection} ms`
    })
  })

export type OutlierConfig = z.output<typeof config>
