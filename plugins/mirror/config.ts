import { duration, size, z } from '../../core/index.js'

/** RFC 9110 token. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** What the core keeps of a body for a retry: a copy has no other. */
const KEPT = 64 * 1024

const word = (what: string) =>
  z.string().regex(TOKEN, { error: ({ input }) => `expected ${what}, not ${JSON.stringify(input)}` })

const share = ({ input }: { input?: unknown }) =>
  `expected a share from 0 to 100 percent, not ${JSON.stringify(input)}`

const atOnce = ({ input }: { input?: unknown }) =>
  `expected a whole number from 1 to 10000, not ${JSON.stringify(input)}`

export const config = z.strictObject({
  service: z.string().min(1).describe('The service that gets the copies, by its name under `services`.'),
  percent: z
    .number({ error: share })
    .min(0, { error: share })
    .max(100, { error: share })
    .default(100)
    .describe('The share of requests that are copied, from 0 to 100. Default 100.'),
  methods: z
    .array(word('a method such as GET').transform((method) => method.toUpperCase()))
    .min(1, { error: 'expected at least one method, not an empty list' })
    .optional()
    .describe('Only requests of these methods are copied. Default: all.'),
  strip: z
    .array(word('a header name').transform((name) => name.toLowerCase()))
    .default([])
    .describe('Header fields that a copy goes without, such as authorization and cookie. Default none.'),
  maxBody: size({ max: KEPT })
    .default('64KiB')
    .describe('A request whose body is larger is not copied. At most, and by default, 64KiB.'),
  maxConcurrent: z
    .number({ error: atOnce })
    .int({ error: atOnce })
    .min(1, { error: atOnce })
    .max(10_000, { error: atOnce })
    .default(64)
    .describe('Copies under way at once; further ones are dropped. Default 64.'),
  timeout: duration({ min: 1 })
    .default('5s')
    .describe('How long a copy may take, its answer included. Default 5s.'),
  maxResponse: size()
    .default('64KiB')
    .describe(
      'How much of an answer is read, and thrown away, before its connection is closed. Default 64KiB.'
    )
})
