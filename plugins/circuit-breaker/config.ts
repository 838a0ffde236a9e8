import { duration, z } from '../../core/index.js'
import type { Rules } from './track.js'

const DEFAULT_FAILURES = 5
/** ms */
const DEFAULT_WINDOW = 10_000
const DEFAULT_MIN_REQUESTS = 5

const bound = () => z.number().int().max(1_000_000)

const LIMITS = ['maxConnections', 'maxPending', 'maxRequests', 'maxRetries'] as const

export const config = z
  .strictObject({
    failures: z
      .union([z.literal(false), z.number().int().min(0).max(10_000)], {
        error: ({ input }) => `expected a whole number from 0 to 10000 or false, not ${JSON.stringify(input)}`
      })
      .optional()
      .describe(
        'Failures in a row that open the breaker. 0 or false: they do not. Default 5, and where failureRate is given none.'
      ),
    failureRate: z
      .number()
      .gt(0)
      .max(1)
      .optional()
      .describe(
        'What share of the requests within the window must have failed to open it. Default: no such rule.'
      ),
    window: duration({ min: 100, max: 3_600_000 })
      .optional()
      .describe('How far back failureRate looks. Default 10s.'),
    minRequests: z
      .number()
      .int()
      .min(1)
      .max(1_000_000)
      .optional()
      .describe('Requests that the window must hold for failureRate to count. Default 5.'),
    reset: duration({ min: 1 })
      .default('60s')
      .describe('How long it stays open before one request may try again. Default 60s.'),
    maxReset: duration({ min: 1 })
      .optional()
      .describe(
        'Each try that fails doubles reset, up to this. Default: what reset is, so that it stays the same.'
      ),
    jitter: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .describe(
        'How much longer than that it may be, at random, as a share of it; never past maxReset. Default 0.'
      ),
    per: z
      .enum(['endpoint', 'service'])
      .default('endpoint')
      .describe('What has a breaker, and the limits: each endpoint, or the whole service. Default endpoint.'),
    maxConnections: bound()
      .min(1)
      .optional()
      .describe('Connections of one endpoint, over HTTP/1.1. Default: the service says.'),
    maxPending: bound()
      .min(0)
      .optional()
      .describe('Attempts that may wait for a connection of one endpoint. Default: the service says.'),
    maxRequests: bound().min(1).optional().describe('Attempts under way. Default: no limit of its own.'),
    maxRetries: bound()
      .min(0)
      .optional()
      .describe('Attempts under way that are a retry. Default: no limit of its own.')
  })
  .superRefine((given, context) => {
    const say = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
    const { failures, failureRate, reset, maxReset } = given
    if (failureRate === undefined) {
      for (const key of ['window', 'minRequests'] as const) {
        if (given[key] !== undefined) say(key, `expected failureRate beside it: ${key} is what that looks at`)
      }
      const limits = LIMITS.some((key) => given[key] !== undefined)
      if ((failures === 0 || failures === false) && !limits) {
        say('failures', `expected failureRate or a limit beside ${failures}: nothing would ever open it`)
      }
    }
    if (maxReset !== undefined && maxReset < reset) {
      say('maxReset', `expected no less than reset, which is ${reset} ms, not ${maxReset} ms`)
    }
  })

export function rulesOf({ failures, failureRate, window, minRequests }: z.output<typeof config>): Rules {
  return {
    failures: Number(failures ?? (failureRate === undefined ? DEFAULT_FAILURES : 0)),
    failureRate,
    window: window ?? DEFAULT_WINDOW,
    minRequests: minRequests ?? DEFAULT_MIN_REQUESTS
  }
}
