import { duration, z } from '../../core/index.js'
import { storeProblem } from './store-url.js'

/** Requests a second past which neither a clock nor a store tells one from the next. */
const FASTEST = 1_000_000

/** RFC 9110 token. */
const KEY = /^(?:address|identity|route|header:[!#$%&'*+.^_`|~0-9A-Za-z-]+)$/

const whole = (what: string, min: number, max: number) => {
  const error = ({ input }: { input?: unknown }) =>
    `expected ${what}, a whole number from ${min} to ${max}, not ${JSON.stringify(input)}`
  return z.number({ error }).int({ error }).min(min, { error }).max(max, { error })
}

export const config = z
  .strictObject({
    requests: whole('how many requests', 1, 1_000_000_000).describe(
      'How many requests each key may make in the time that `per` says.'
    ),
    per: duration({ min: 1 }).default('1s').describe('The time that `requests` are for. Default 1s.'),
    burst: whole('how many requests at once', 1, 1_000_000_000)
      .optional()
      .describe(
        'How many requests a key that has rested may make at once: the size of its bucket, not added to `requests`. Default: `requests`.'
      ),
    key: z
      .string()
      .regex(KEY, {
        error: ({ input }) => `expected address, identity, route or header:NAME, not ${JSON.stringify(input)}`
      })
      .default('address')
      .meta({ secret: false })
      .describe(
        'Who is limited: each client address (IPv6 by its /64), each identity that auth or a client certificate gave, each value of a header, or the route as a whole. Default address.'
      ),
    store: z
      .string()
      .superRefine((store, context) => {
        const message = storeProblem(store)
        if (message !== undefined) context.addIssue({ code: 'custom', message })
      })
      .default('memory')
      .describe(
        'Where it is counted: memory (this proxy alone), or a Redis that proxies share: redis://[user:password@]host[:port][/database], rediss:// for TLS, unix:///path. Default memory.'
      ),
    onStoreError: z
      .enum(['allow', 'deny', 'local'])
      .default('allow')
      .describe(
        'While Redis cannot be asked: let requests pass, refuse them, or count in memory with the same limit. Default allow.'
      ),
    storeTimeout: duration({ min: 1, max: 1000 })
      .default('25ms')
      .describe('How long a request waits for Redis, to about 5 ms. Default 25ms.'),
    maxKeys: whole('how many keys', 1, 10_000_000)
      .default(100_000)
      .describe('How many keys are remembered in memory, at about 150 bytes each. Default 100000.'),
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
        error: ({ input }) =>
          `expected a name of 1 to 64 letters, digits, dots, dashes and underscores, not ${JSON.stringify(input)}`
      })
      .optional()
      .describe(
        'What the limit is called in the RateLimit fields. Listings of the same name and numbers count together, and over a reload. Default: default, and each listing counts by itself.'
      ),
    headers: z
      .boolean()
      .default(true)
      .describe('Send RateLimit and RateLimit-Policy with each response. Default true.')
  })
  .superRefine(({ requests, per }, context) => {
    if (requests / per <= FASTEST / 1000) return
    context.addIssue({
      code: 'custom',
      path: ['requests'],
      message: `expected no more than ${FASTEST} requests a second, not ${requests} in ${per} ms`
    })
  })

export type RateLimitConfig = z.output<typeof config>
