import { duration, z } from '../../core/index.js'

/** Values that one tag may be split by. */
const MAX_VALUES = 100
/** RFC 9110 token. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** RFC 6265 section 4.1.1: what a cookie may hold. */
const COOKIE_VALUE = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{1,256}$/

const weights = z
  .record(z.string().min(1), z.number().min(0).max(1_000_000))
  .describe('The share of each value: a number from 0. They need not come to 100. 0: none at all.')

const by = z.record(z.string().min(1), weights).superRefine((by, context) => {
  const tags = Object.keys(by)
  if (tags.length !== 1) {
    const message = `expected one tag, such as { version: { v1: 95, v2: 5 } }, not ${tags.length}`
    context.addIssue({ code: 'custom', message })
    return
  }
  const [tag, shares] = Object.entries(by)[0] as [string, Record<string, number>]
  const values = Object.values(shares)
  let message: string | undefined
  if (values.length === 0 || values.length > MAX_VALUES)
    message = `expected 1 to ${MAX_VALUES} values with their weights, not ${values.length}`
  else if (values.every((weight) => weight === 0)) message = 'expected one weight of more than 0, not only 0'
  if (message !== undefined) context.addIssue({ code: 'custom', path: [tag], message })
})

const sticky = z.strictObject({
  cookie: z
    .string()
    .max(100)
    .regex(TOKEN, {
      error: ({ input }) => `expected a cookie's name, without spaces or ; = ,, not ${JSON.stringify(input)}`
    })
    .describe('The cookie that keeps a client with the value that was drawn for it.'),
  ttl: duration()
    .refine((ttl) => ttl >= 1_000, {
      error: ({ input }) => `expected 1s or more, since a browser counts in seconds, not ${input} ms`
    })
    .optional()
    .describe("How long a client keeps it. Default: until the browser's session ends.")
})

export const config = z
  .strictObject({
    by: by.describe('One tag of the endpoints, and the share of each of its values.'),
    sticky: sticky
      .optional()
      .describe('Keep each client with the value drawn for it. Default: it is not kept.')
  })
  .superRefine(({ by, sticky }, context) => {
    if (sticky === undefined) return
    for (const [tag, shares] of Object.entries(by)) {
      for (const value of Object.keys(shares)) {
        if (COOKIE_VALUE.test(value)) continue
        const message = `expected a value that a cookie can hold, not ${JSON.stringify(value)}`
        context.addIssue({ code: 'custom', path: ['by', tag, value], message })
      }
    }
  })
