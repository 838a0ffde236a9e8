import { type HeaderList, z } from '../../core/index.js'

/** RFC 9110 token. */
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

const expectation = 'a header name such as x-should-retry'

/** One response header, what it says, and the status that it comes with. */
export const headerCondition = z.strictObject({
  header: z
    .string({ error: `expected ${expectation}` })
    .regex(NAME, { error: ({ input }) => `expected ${expectation}, not ${JSON.stringify(input)}` })
    .describe('Of the response.'),
  value: z
    .union([z.string(), z.number(), z.boolean()])
    .transform(String)
    .optional()
    .describe('What one of its values has to be, exactly. Default: any.'),
  status: z
    .union([
      z.number().int().min(200).max(599),
      z
        .string()
        .regex(/^[2-5]\d\d$/)
        .transform(Number),
      z.enum(['2xx', '3xx', '4xx', '5xx'])
    ])
    .optional()
    .describe('A status or a class of them, such as 5xx, that the response has to have too. Default: any.')
})

export type HeaderCondition = z.output<typeof headerCondition>

/** @returns whether a response meets one of them; undefined where there are none */
export function headerConditions(
  conditions: readonly HeaderCondition[]
): ((status: number, headers: HeaderList) => boolean) | undefined {
  if (conditions.length === 0) return undefined
  const tests = conditions.map(({ header, value, status }) => {
    const from = typeof status === 'string' ? Number(status[0]) * 100 : (status ?? 0)
    const to = typeof status === 'string' ? from + 99 : (status ?? Number.POSITIVE_INFINITY)
    return { header, value, from, to }
  })
  return (status, headers) => {
    for (const { header, value, from, to } of tests) {
      if (status < from || status > to) continue
      if (value === undefined ? headers.has(header) : headers.getAll(header).includes(value)) return true
    }
    return false
  }
}
